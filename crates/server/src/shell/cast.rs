//! Recordings as others read them: asciicast version 2, one JSON value a line (<https://docs.asciinema.org/manual/asciicast/v2/>),
//! and the text that is in them.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::journal::{Kind, Record};

/// What stands for typed input that the terminal did not echo.
pub(crate) const HIDDEN: &str = "***";
/// Lines that a search answers with.
const MATCHES: usize = 200;
/// Characters of a line that are kept and looked at together; longer lines are looked at in pieces that overlap.
const LINE: usize = 2000;

/// How a shell began, as its journal has it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Begin {
    /// The program.
    pub program: String,
    /// As whom.
    pub user: String,
    /// On which endpoint, by name.
    pub endpoint: String,
    /// Who asked for it, by name.
    pub requester: String,
    /// Columns.
    pub cols: u32,
    /// Rows.
    pub rows: u32,
}

/// Makes a recording of records, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    began: Option<i64>,
    /// The beginning of a character of which the rest is still to come.
    half: Vec<u8>,
    is_hidden: bool,
}

impl Writer {
    /// The line of a record; nothing where it has none.
    pub fn line(&mut self, record: &Record) -> Option<String> {
        let began = *self.began.get_or_insert(record.at);
        let seconds = record.at.saturating_sub(began).max(0) as f64 / 1e6;
        let text = || String::from_utf8_lossy(&record.data).into_owned();
        let event = |code: &str, data: &str| Some(format!("{}\n", json!([seconds, code, data])));
        if record.kind != Kind::Hidden {
            self.is_hidden &= record.kind == Kind::Output;
        }
        match record.kind {
            Kind::Begin => {
                let begin: Begin = serde_json::from_slice(&record.data).unwrap_or_default();
                Some(format!("{}\n", head(&begin, record.at)))
            }
            Kind::Output => {
                let text = self.characters(&record.data);
                if text.is_empty() { None } else { event("o", &text) }
            }
            Kind::Input => event("i", &text()),
            // Once for all of it: how long a password is, is a secret too.
            Kind::Hidden if self.is_hidden => None,
            Kind::Hidden => {
                self.is_hidden = true;
                event("i", HIDDEN)
            }
            Kind::Size => event("r", &text()),
            Kind::Mark => event("m", &text()),
        }
    }

    /// Whole characters; what is none in UTF-8 is replaced.
    fn characters(&mut self, data: &[u8]) -> String {
        let mut bytes = std::mem::take(&mut self.half);
        bytes.extend_from_slice(data);
        // A character has at most four bytes; more of an unfinished one are none.
        let kept = (1..=bytes.len().min(3)).find(|count| {
            let tail = &bytes[bytes.len() - count..];
            std::str::from_utf8(tail)
                .is_err_and(|error| error.error_len().is_none() && error.valid_up_to() == 0)
        });
        self.half = bytes.split_off(bytes.len() - kept.unwrap_or(0));
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

fn head(begin: &Begin, at: i64) -> Value {
    json!({
        "version": 2, "width": begin.cols.max(1), "height": begin.rows.max(1), "timestamp": at / 1_000_000,
        "title": format!("{} on {} as {}, asked for by {}", begin.program, begin.endpoint, begin.user, begin.requester),
        "env": { "TERM": "xterm-256color", "SHELL": begin.program },
    })
}

/// A line of text that was found.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub(crate) struct Match {
    /// Seconds from the beginning, where the line was complete.
    pub at: f64,
    /// `output`, `input` or `mark`.
    pub kind: &'static str,
    /// The line, without control characters.
    pub text: String,
}

/// Looks for a text, whatever its case, in the lines of a recording.
#[derive(Debug)]
pub(crate) struct Search {
    wanted: String,
    /// Of which the pieces of a long line overlap: a match lies wholly in one of them. Characters.
    overlap: usize,
    line: String,
    /// Characters of it.
    length: usize,
    /// Seconds.
    at: f64,
    escape: Escape,
    found: Vec<Match>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escape {
    None,
    Begun,
    Control,
    Text,
    TextEnd,
}

impl Search {
    /// For this text.
    pub fn new(wanted: &str) -> Self {
        let wanted = wanted.to_lowercase();
        let overlap = wanted.chars().count().saturating_sub(1).min(LINE / 2);
        let (line, found) = (String::new(), Vec::new());
        Self { wanted, overlap, line, length: 0, at: 0.0, escape: Escape::None, found }
    }

    /// Looks through one line of the file; `false` once there is enough.
    pub fn look(&mut self, line: &str) -> bool {
        if let Ok((at, code, data)) = serde_json::from_str::<(f64, String, String)>(line) {
            self.at = at;
            match code.as_str() {
                "o" => self.output(at, &data),
                "i" => self.keep(at, "input", &data),
                "m" => self.keep(at, "mark", &data),
                _ => {}
            }
        }
        self.found.len() < MATCHES
    }

    /// What was found, and whether there is more.
    pub fn end(mut self) -> (Vec<Match>, bool) {
        let line = std::mem::take(&mut self.line);
        self.note(self.at, "output", &line);
        let is_more = self.found.len() >= MATCHES;
        (self.found, is_more)
    }

    fn output(&mut self, at: f64, data: &str) {
        for character in data.chars() {
            if self.is_plain(character) {
                match character {
                    '\n' => {
                        let line = std::mem::take(&mut self.line);
                        self.length = 0;
                        self.note(at, "output", &line);
                    }
                    '\u{8}' => self.length -= usize::from(self.line.pop().is_some()),
                    character if !character.is_control() => {
                        if self.length >= LINE {
                            let line = std::mem::take(&mut self.line);
                            self.note(at, "output", &line);
                            self.line.extend(line.chars().skip(self.length - self.overlap));
                            self.length = self.overlap;
                        }
                        self.line.push(character);
                        self.length += 1;
                    }
                    _ => {}
                }
            }
        }
    }

    /// Whether the character is to be seen, and no part of an escape sequence (ECMA-48).
    #[expect(clippy::match_same_arms, reason = "read as a table of states")]
    fn is_plain(&mut self, character: char) -> bool {
        let (next, is_plain) = match (self.escape, character) {
            (Escape::None, '\u{1b}') => (Escape::Begun, false),
            (Escape::None, _) => (Escape::None, true),
            (Escape::Begun, '[') => (Escape::Control, false),
            (Escape::Begun, ']' | 'P' | 'X' | '^' | '_') => (Escape::Text, false),
            // `ESC ( B` and the like have one more.
            (Escape::Begun, '\u{20}'..='\u{2f}') => (Escape::Begun, false),
            (Escape::Control, '\u{20}'..='\u{3f}') => (Escape::Control, false),
            (Escape::Text, '\u{1b}') => (Escape::TextEnd, false),
            (Escape::Text, '\u{7}') => (Escape::None, false),
            (Escape::Text, '\n') => (Escape::None, true),
            (Escape::Text, _) => (Escape::Text, false),
            (Escape::Begun | Escape::Control | Escape::TextEnd, _) => (Escape::None, false),
        };
        self.escape = next;
        is_plain
    }

    /// A whole text, in pieces where it is long.
    fn keep(&mut self, at: f64, kind: &'static str, text: &str) {
        let all: Vec<char> = text.chars().collect();
        let mut rest = all.as_slice();
        while rest.len() > LINE {
            let piece: String = rest[..LINE].iter().collect();
            self.note(at, kind, &piece);
            rest = &rest[LINE - self.overlap..];
        }
        self.note(at, kind, &rest.iter().collect::<String>());
    }

    fn note(&mut self, at: f64, kind: &'static str, text: &str) {
        if self.found.len() < MATCHES && text.to_lowercase().contains(&self.wanted) {
            let text = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LINE).collect();
            self.found.push(Match { at, kind, text });
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn record(kind: Kind, at: i64, data: &[u8]) -> Record {
        Record { kind, at, data: data.to_vec() }
    }

    #[test]
    fn a_recording_has_whole_characters_and_no_secrets() {
        let mut writer = Writer::default();
        let mut line = |kind, at, data: &[u8]| writer.line(&record(kind, at, data));
        let head = line(
            Kind::Begin,
            5_000_000,
            br#"{"program":"/bin/sh","user":"root","endpoint":"e","requester":"r","cols":80,"rows":24}"#,
        );
        let head: Value = serde_json::from_str(&head.unwrap()).unwrap();
        assert_eq!(
            (head["version"].as_u64(), head["width"].as_u64(), head["timestamp"].as_u64()),
            (Some(2), Some(80), Some(5))
        );
        assert_eq!(line(Kind::Output, 5_500_000, b"a\xe2\x82").unwrap(), "[0.5,\"o\",\"a\"]\n");
        assert_eq!(
            line(Kind::Output, 6_000_000, b"\xacb\xff").unwrap(),
            "[1.0,\"o\",\"\u{20ac}b\u{fffd}\"]\n"
        );
        assert_eq!(line(Kind::Hidden, 7_000_000, b"").unwrap(), "[2.0,\"i\",\"***\"]\n");
        assert_eq!(line(Kind::Hidden, 8_000_000, b""), None);
        assert_eq!(line(Kind::Size, 8_000_000, b"132x50").unwrap(), "[3.0,\"r\",\"132x50\"]\n");
        assert!(line(Kind::Hidden, 9_000_000, b"").is_some());
    }

    #[test]
    fn text_is_found_among_colours_and_titles() {
        let mut search = Search::new("Needle");
        for line in [
            r#"{"version":2}"#,
            r#"[1.0,"o","\u001b]0;needle in a title\u0007\u001b[31mnee"]"#,
            r#"[1.5,"o","\u001b[0mdle\u001b(B here\r\nother\r\n"]"#,
            r#"[2.0,"i","needle typed\r"]"#,
            "no json",
        ] {
            assert!(search.look(line));
        }
        let (found, is_more) = search.end();
        assert!(!is_more);
        let texts: Vec<_> = found.iter().map(|found| (found.at, found.kind, found.text.as_str())).collect();
        assert_eq!(texts, [(1.5, "output", "needle here"), (2.0, "input", "needle typed ")]);
    }

    #[test]
    fn text_is_found_wherever_it_stands_in_a_long_line_and_in_the_last_one() {
        let far = "x".repeat(LINE - 3);
        let mut search = Search::new("needle");
        for (at, code, data) in [
            (1.0, "o", format!("{far}needle{far}{far}nee")),
            (2.0, "o", format!("dle{far}\r\n")),
            (3.0, "i", format!("{far}{far}needle{far}")),
            (4.0, "o", "no end: needle".to_owned()),
        ] {
            assert!(search.look(&json!([at, code, data]).to_string()));
        }
        let (found, _) = search.end();
        let places: Vec<_> = found.iter().map(|found| (found.at, found.kind)).collect();
        assert_eq!(places, [(1.0, "output"), (2.0, "output"), (3.0, "input"), (4.0, "output")]);
        assert!(found.iter().all(|found| found.text.contains("needle")));
    }
}
