//! Modifiers: what stands behind a field's name, `CommandLine|contains|all`. Which there are, and which go together.

use crate::problem::{Problem, nearest, shown};
use crate::regular::Flags;
use crate::test::Comparison;
use crate::yaml::Place;

const KNOWN: &[&str] = &[
    "all",
    "base64",
    "base64offset",
    "cased",
    "cidr",
    "contains",
    "dotall",
    "endswith",
    "exists",
    "fieldref",
    "gt",
    "gte",
    "i",
    "ignorecase",
    "lt",
    "lte",
    "m",
    "multiline",
    "neq",
    "re",
    "s",
    "startswith",
    "utf16",
    "utf16be",
    "utf16le",
    "wide",
    "windash",
];

/// What is made of a text before it is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Wide,
    WideBig,
    WideMarked,
    Base64,
    Base64Offset,
    Dashes,
}

/// How a value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Text,
    Regex,
    Network,
    Exists,
    Field,
    Number(Comparison),
}

/// The modifiers of one field, put together.
#[derive(Debug)]
pub(crate) struct Modifiers {
    pub changes: Vec<Change>,
    pub how: How,
    pub flags: Flags,
    pub open_start: bool,
    pub open_end: bool,
    pub all: bool,
    pub cased: bool,
    pub negated: bool,
}

impl Modifiers {
    pub fn read<'a>(words: impl Iterator<Item = &'a str>, place: Place) -> Result<Self, Problem> {
        let mut read = Self {
            changes: Vec::new(),
            how: How::Text,
            flags: Flags::default(),
            open_start: false,
            open_end: false,
            all: false,
            cased: false,
            negated: false,
        };
        for word in words {
            read.add(word, place)?;
        }
        read.consistent().map_err(|message| {
            Problem::at(place, message)
                .hint("What each modifier goes with is said in the description of the rules.")
        })?;
        Ok(read)
    }

    fn add(&mut self, word: &str, place: Place) -> Result<(), Problem> {
        let how = match word {
            "contains" => return self.open(true, true, place),
            "startswith" => return self.open(false, true, place),
            "endswith" => return self.open(true, false, place),
            "wide" | "utf16le" => return self.change(Change::Wide, place),
            "utf16be" => return self.change(Change::WideBig, place),
            "utf16" => return self.change(Change::WideMarked, place),
            "base64" => return self.change(Change::Base64, place),
            "base64offset" => return self.change(Change::Base64Offset, place),
            "windash" => return self.change(Change::Dashes, place),
            "all" => return once(&mut self.all, word, place),
            "cased" => return once(&mut self.cased, word, place),
            "neq" => return once(&mut self.negated, word, place),
            "i" | "ignorecase" => return once(&mut self.flags.any_case, word, place),
            "m" | "multiline" => return once(&mut self.flags.many_lines, word, place),
            "s" | "dotall" => return once(&mut self.flags.dot_is_all, word, place),
            "re" => How::Regex,
            "cidr" => How::Network,
            "exists" => How::Exists,
            "fieldref" => How::Field,
            "lt" => How::Number(Comparison::Less),
            "lte" => How::Number(Comparison::LessOrEqual),
            "gt" => How::Number(Comparison::Greater),
            "gte" => How::Number(Comparison::GreaterOrEqual),
            "expand" | "minute" | "hour" | "day" | "week" | "month" | "year" => {
                return Err(Problem::at(place, format!("the modifier `{word}` is not taken"))
                    .hint("Placeholders and times of day mean nothing to a record; write the values out."));
            }
            _ => {
                let meant = nearest(word, KNOWN.iter().copied());
                let meant = meant.map(|name| format!("Did you mean `{name}`? ")).unwrap_or_default();
                return Err(Problem::at(place, format!("there is no modifier `{}`", shown(word)))
                    .hint(format!("{meant}There are {}.", KNOWN.join(", "))));
            }
        };
        if self.how != How::Text {
            return Err(Problem::at(place, format!("`{word}` and another modifier exclude each other")));
        }
        self.how = how;
        Ok(())
    }

    pub fn open(&mut self, start: bool, end: bool, place: Place) -> Result<(), Problem> {
        if self.open_start || self.open_end {
            return Err(Problem::at(place, "of contains, startswith and endswith one alone"));
        }
        (self.open_start, self.open_end) = (start, end);
        Ok(())
    }

    fn change(&mut self, change: Change, place: Place) -> Result<(), Problem> {
        // Where dashes are named makes no difference: nothing is encoded by them.
        if change != Change::Dashes && (self.open_start || self.open_end) {
            return Err(Problem::at(place, "what is encoded is encoded first: `base64offset|contains`"));
        }
        let last = self.changes.last();
        let is_next = match change {
            Change::Dashes => last.is_none(),
            Change::Wide | Change::WideBig | Change::WideMarked => {
                matches!(last, None | Some(Change::Dashes))
            }
            Change::Base64 | Change::Base64Offset => {
                !matches!(last, Some(Change::Base64 | Change::Base64Offset))
            }
        };
        if !is_next {
            return Err(Problem::at(place, "dashes come before UTF-16, and that before base64, each once"));
        }
        self.changes.push(change);
        Ok(())
    }

    fn consistent(&self) -> Result<(), &'static str> {
        let is_open = self.open_start || self.open_end;
        if !self.changes.is_empty() && self.how != How::Text {
            return Err("encodings go with texts alone");
        }
        if is_open && !matches!(self.how, How::Text | How::Field) {
            return Err(
                "contains, startswith and endswith go with texts and `fieldref`; a regular expression looks anywhere of itself",
            );
        }
        if self.cased && !matches!(self.how, How::Text | How::Field) {
            return Err("`cased` goes with texts; a regular expression heeds case of itself");
        }
        if self.flags != Flags::default() && self.how != How::Regex {
            return Err("`i`, `m` and `s` stand behind `re`");
        }
        if self.all && self.how == How::Exists {
            return Err("`all` and `exists` exclude each other");
        }
        Ok(())
    }
}

fn once(flag: &mut bool, word: &str, place: Place) -> Result<(), Problem> {
    if *flag {
        return Err(Problem::at(place, format!("`{word}` stands twice")));
    }
    *flag = true;
    Ok(())
}
