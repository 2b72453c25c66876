//! Files that an order may upload: which there are, how they are named and how large they may be.
//!
//! A kind is one word, with a number where an order may send several of it. Both ends read it here; nothing that an
//! agent says becomes part of a name.

use std::fmt;

/// Files of one numbered kind that an order may send; numbers are counted from 0.
pub const MOST_PARTS: u16 = 1000;
/// A part of rows, compressed. Bytes: 16 MiB.
pub const ROWS_PART: u64 = 16 << 20;
/// All parts of rows of one order, compressed. Bytes: 1 GiB.
pub const ROWS_ALL: u64 = 1 << 30;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// `archive`: the one archive of an order, encrypted with the task's password (zip).
    Archive,
    /// `file.N`: an archive of the same make, where an order sends several.
    File(u16),
    /// `recording`: a terminal session (asciicast v2 or v3, one JSON value a line).
    Recording,
    /// `rows.N`: a part of the rows that the action found (gzip of JSON lines).
    Rows(u16),
}

impl Kind {
    /// The kind of this name; there is one spelling of each.
    pub fn parse(name: &str) -> Option<Self> {
        let Some((family, number)) = name.split_once('.') else {
            return match name {
                "archive" => Some(Self::Archive),
                "recording" => Some(Self::Recording),
                _ => None,
            };
        };
        let is_plain = number.bytes().all(|digit| digit.is_ascii_digit())
            && (number == "0" || !number.starts_with('0'))
            && number.len() <= 3;
        let number = number.parse().ok().filter(|number| is_plain && *number < MOST_PARTS)?;
        match family {
            "file" => Some(Self::File(number)),
            "rows" => Some(Self::Rows(number)),
            _ => None,
        }
    }

    /// The name without the number.
    pub const fn family(self) -> &'static str {
        match self {
            Self::Archive => "archive",
            Self::File(_) => "file",
            Self::Recording => "recording",
            Self::Rows(_) => "rows",
        }
    }

    /// The number; 0 where there is one file only.
    pub const fn part(self) -> u16 {
        match self {
            Self::Archive | Self::Recording => 0,
            Self::File(part) | Self::Rows(part) => part,
        }
    }

    /// The file name under which it is offered.
    pub fn file_name(self) -> String {
        match self {
            Self::Archive | Self::File(_) => format!("{self}.zip"),
            Self::Recording => format!("{self}.cast"),
            Self::Rows(_) => format!("{self}.jsonl.gz"),
        }
    }

    /// Its media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Archive | Self::File(_) => "application/zip",
            Self::Recording => "application/x-asciicast",
            Self::Rows(_) => "application/gzip",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Archive | Self::Recording => out.write_str(self.family()),
            Self::File(part) | Self::Rows(part) => write!(out, "{}.{part}", self.family()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_one_spelling() {
        for kind in [Kind::Archive, Kind::Recording, Kind::Rows(0), Kind::Rows(999), Kind::File(10)] {
            assert_eq!(Kind::parse(&kind.to_string()), Some(kind));
        }
        for bad in [
            "",
            "rows",
            "rows.",
            "rows.01",
            "rows.1000",
            "rows.+1",
            "rows.-1",
            "rows.1.2",
            "Rows.1",
            "archive.0",
            "recording.1",
            "file",
            "rows.65536",
            "rows.٣",
            "../archive",
            "rows.1 ",
        ] {
            assert_eq!(Kind::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn names_say_what_is_in_them() {
        assert_eq!(Kind::Archive.file_name(), "archive.zip");
        assert_eq!(Kind::Rows(7).file_name(), "rows.7.jsonl.gz");
        assert_eq!(Kind::Recording.file_name(), "recording.cast");
    }
}
