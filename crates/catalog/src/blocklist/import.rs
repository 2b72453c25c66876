//! Files of indicators, as others write them: one value a line, CSV with a header, STIX 2.1 bundles.
//!
//! A file is somebody else's: what is read is bounded, what is not understood is told by its place, and nothing in it
//! decides anything but which objects it names.

mod csv;
mod field;
mod stix;

use std::collections::HashMap;
use std::collections::hash_map::Entry as Known;

use serde::Serialize;

use super::{Action, Kind, MAX_LISTED, RiskLevel, Unfit, Value};

/// Bytes of a file.
pub const MAX_BYTES: usize = 64 << 20;
/// Places of a file that are told as not understood, one by one; of more, the number is.
pub const MAX_PROBLEMS: usize = 200;
/// Places of a file that may be not understood: what has more of them is no file of indicators.
pub const MAX_UNREAD: u64 = 100_000;
/// Bytes of a line, and of a place that is repeated.
const LINE: usize = 16 << 10;
const SHOWN: usize = 120;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// One value a line; `#` begins a remark.
    Lines,
    /// CSV whose first line names columns: `value` (or `indicator`, `ioc`, `object`) and, where there, `kind` (or `type`),
    /// `action`, `risk`, `expires_in_days`, `note`.
    Csv,
    /// A STIX 2.1 bundle: its indicators, with patterns of simple comparisons.
    Stix,
}

/// One object of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What is to be listed.
    pub value: Value,
    /// What is done about it, where the file says so.
    pub action: Option<Action>,
    /// How dangerous it is, where the file says so.
    pub risk: Option<RiskLevel>,
    /// Days until it counts no more, where the file says so.
    pub expires_in_days: Option<u32>,
    /// When it begins to count, microseconds since 1970, where the file says so.
    pub valid_from_us: Option<i64>,
    /// When it counts no more, microseconds since 1970, where the file says so.
    pub valid_until_us: Option<i64>,
    /// What the file says of it, at most 500 bytes.
    pub note: Option<String>,
}

impl Entry {
    /// What is named again, at another time, counts from the first begin to the last end: else what was over long ago
    /// would hide that it was seen of late.
    fn also(&mut self, again: &Self) {
        let (from, until) = (self.valid_from_us, self.valid_until_us);
        self.valid_from_us = from.zip(again.valid_from_us).map(|(one, other)| one.min(other));
        self.valid_until_us = until.zip(again.valid_until_us).map(|(one, other)| one.max(other));
    }

    /// Why it is not to be listed at this time, microseconds since 1970: a code, and a sentence.
    pub fn why_not_now(&self, now_us: i64) -> Option<(&'static str, &'static str)> {
        if self.valid_until_us.is_some_and(|end| end <= now_us) {
            Some(("expired", "its time is over already"))
        } else if self.valid_from_us.is_some_and(|begin| begin > now_us) {
            Some(("not_yet", "its time has not begun"))
        } else {
            None
        }
    }
}

/// A place of a file that is not understood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The line, from 1; of a bundle, the number of the object, from 1.
    pub line: u64,
    /// What stands there, at most 120 characters.
    pub text: String,
    /// What is wrong with it.
    pub problem: String,
}

/// A file as it was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// What it is.
    pub format: Format,
    /// Its objects, each once: one that is named again has the earliest begin and the latest end of all.
    pub entries: Vec<Entry>,
    /// Objects that it names more than once.
    pub duplicates: u64,
    /// What is not understood, at most [`MAX_PROBLEMS`].
    pub problems: Vec<Problem>,
    /// How many places are not understood.
    pub problem_count: u64,
    /// Objects beyond [`MAX_LISTED`], which are not among the entries: such a file is not to be listed as if it were whole.
    pub left_out: u64,
    /// Where among the entries an object stands.
    seen: HashMap<Value, usize>,
}

impl Imported {
    fn new(format: Format) -> Self {
        Self {
            format,
            entries: Vec::new(),
            duplicates: 0,
            problems: Vec::new(),
            problem_count: 0,
            left_out: 0,
            seen: HashMap::new(),
        }
    }

    fn add(&mut self, entry: Entry) -> Result<(), Unfit> {
        if let Some(why) = entry.value.built_in_exception() {
            return Err(Unfit(why.to_owned()));
        }
        if self.entries.len() >= MAX_LISTED && !self.seen.contains_key(&entry.value) {
            self.left_out += 1;
            return Err(Unfit(format!("more than {MAX_LISTED} objects in one file")));
        }
        match self.seen.entry(entry.value.clone()) {
            Known::Vacant(place) => {
                place.insert(self.entries.len());
                self.entries.push(entry);
            }
            Known::Occupied(place) => {
                self.duplicates += 1;
                if let Some(known) = self.entries.get_mut(*place.get()) {
                    known.also(&entry);
                }
            }
        }
        Ok(())
    }

    /// Why it cannot be listed as it is, where it names more than one list may hold.
    pub fn too_long(&self) -> Option<Unfit> {
        let whole = self.entries.len() as u64 + self.left_out;
        let why =
            format!("it names {whole} objects, and one list holds at most {MAX_LISTED}: make several of it");
        (self.left_out > 0).then_some(Unfit(why))
    }

    /// Whether the rest is worth reading.
    fn goes_on(&self, in_time: &dyn Fn() -> bool) -> Result<(), Unfit> {
        if self.problem_count - self.left_out > MAX_UNREAD {
            return Err(Unfit(format!(
                "more than {MAX_UNREAD} places are not understood: this is no file of indicators"
            )));
        }
        if in_time() { Ok(()) } else { Err(Unfit("reading it takes too long".to_owned())) }
    }

    fn miss(&mut self, line: u64, text: &str, problem: impl Into<String>) {
        self.problem_count += 1;
        if self.problems.len() < MAX_PROBLEMS {
            let clean =
                |c: char| if crate::is_clean_text(c.encode_utf8(&mut [0; 4])) { c } else { '\u{fffd}' };
            let text = text.chars().take(SHOWN).map(clean).collect();
            self.problems.push(Problem { line, text, problem: problem.into() });
        }
    }
}

/// Reads a file of any of the formats.
///
/// # Errors
/// It cannot be read at all: too large, not text, a bundle that is none, or next to nothing of it is understood.
pub fn read(bytes: &[u8]) -> Result<Imported, Unfit> {
    read_while(bytes, &|| true)
}

/// Reads a file as long as `in_time` says so.
///
/// # Errors
/// As [`read`], and where the time was over.
pub fn read_while(bytes: &[u8], in_time: &dyn Fn() -> bool) -> Result<Imported, Unfit> {
    if bytes.len() > MAX_BYTES {
        return Err(Unfit(format!("larger than {} MiB", MAX_BYTES >> 20)));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = 1 + bytes.iter().take(error.valid_up_to()).filter(|byte| **byte == b'\n').count();
        Unfit(format!("line {line} is not UTF-8"))
    })?;
    if text.trim_start().starts_with('{') {
        return stix::read(text, in_time);
    }
    csv::read(text, in_time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_of_indicators_is_read_to_an_end_no_more() {
        let why = |text: &str, in_time: &dyn Fn() -> bool| match read_while(text.as_bytes(), in_time) {
            Ok(_) => String::new(),
            Err(unfit) => unfit.0,
        };
        let nonsense = "?\n".repeat(MAX_UNREAD as usize);
        assert_eq!(why(&nonsense, &|| true), "");
        assert!(why(&(nonsense.clone() + "?\n"), &|| true).contains("no file of indicators"));
        assert!(why(&("value\n".to_owned() + &nonsense + "?\n"), &|| true).contains("no file of indicators"));
        let stix = r#"{"type":"bundle","objects":[{"type":"indicator","pattern":"?"}]}"#;
        for text in ["192.0.2.1\n", "value\n192.0.2.1\n", stix] {
            assert_eq!(why(text, &|| true), "");
            assert!(why(text, &|| false).contains("too long"), "{text}");
        }
    }
}
