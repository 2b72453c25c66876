//! How a delivery went, in terms of what is to be done next.

use std::time::Duration;

/// What came of one try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The receiver took it.
    Sent,
    /// It may work later: no connection, no answer in time, or the receiver is busy.
    Retry {
        /// What happened.
        why: String,
        /// How long the receiver asks us to wait.
        after: Option<Duration>,
    },
    /// The receiver, or our own rules, refuse it; a few more tries, in case somebody mends it.
    Refused {
        /// What happened.
        why: String,
    },
    /// The receiver is gone for good and says so.
    Gone,
}

impl Verdict {
    pub(crate) fn retry(why: impl Into<String>) -> Self {
        Self::Retry { why: why.into(), after: None }
    }

    pub(crate) fn refused(why: impl Into<String>) -> Self {
        Self::Refused { why: why.into() }
    }
}
