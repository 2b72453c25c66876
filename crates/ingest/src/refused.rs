//! Why a record became no event, in words for whoever sends it.

use std::fmt;

/// A record that became no event. The ones beside it are not affected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Which record of the body, from 0, counting those that were skipped.
    pub index: usize,
    /// Where in the record: a JSON pointer, empty for the record as a whole.
    pub pointer: String,
    /// Why.
    pub reason: Reason,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record {}", self.index)?;
        if !self.pointer.is_empty() {
            write!(f, ", {}", self.pointer)?;
        }
        write!(f, ": {}", self.reason)
    }
}

impl std::error::Error for Refused {}

/// Why a record became no event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The body as a whole.
    #[error("the body has {bytes} bytes; at most {most} are read at once")]
    BodyTooLong {
        /// That it has.
        bytes: usize,
        /// That are allowed.
        most: usize,
    },
    /// What stands behind the last record that was read was not looked at.
    #[error("the body has more than {most} records; this one and those behind it were not read")]
    TooMany {
        /// That are allowed.
        most: usize,
    },
    /// One record.
    #[error("the record has {bytes} bytes; a record has at most {most}")]
    TooLong {
        /// That it has.
        bytes: usize,
        /// That are allowed.
        most: usize,
    },
    /// Values within values.
    #[error("values lie more than {most} deep in each other")]
    TooDeep {
        /// That are allowed.
        most: usize,
    },
    /// Values in all.
    #[error("the record has more than {most} values")]
    TooManyValues {
        /// That are allowed.
        most: usize,
    },
    /// It cannot be parsed.
    #[error("not JSON: {0}")]
    NotJson(String),
    /// It is JSON, but no object.
    #[error("a record is an object; this is {0}")]
    NotAnObject(&'static str),
    /// It is of another product, or of another version of it.
    #[error("this does not look like a record of {origin}: {what}")]
    NotOfSource {
        /// The pack's title.
        origin: String,
        /// Which expectation it fails.
        what: String,
    },
    /// A field that every event has.
    #[error("`{field}` is missing; it is read from {from}")]
    Missing {
        /// Of the event.
        field: &'static str,
        /// Where it would stand.
        from: String,
    },
    /// A field that every event has is there, but not what it should be.
    #[error("{0}")]
    Wrong(String),
}
