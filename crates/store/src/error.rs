//! What the store can say went wrong, classed so that a caller knows whether to repeat, to give up, or to ask.

/// An error of the store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The row is not there, or belongs to another tenant.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// A unique key of this table is taken, or the row is not in the state that the change needs.
    #[error("{0}: exists already, or was changed meanwhile")]
    Conflict(String),
    /// The row names another row that does not exist, or breaks a check of the schema.
    #[error("the database refused the row: {0}")]
    Invalid(String),
    /// Too much is waiting, or another process holds the database. Nothing was written: repeat later.
    #[error("the database is busy")]
    Busy,
    /// No space left. Nothing was written.
    #[error("the database has no space left")]
    Full,
    /// The connection was lost before a commit was sent, or cannot be made. Nothing was written.
    #[error("the database cannot be reached: {0}")]
    Unavailable(String),
    /// The connection was lost while the commit was under way: it happened or it did not. Look before repeating.
    #[error("the database went away during a commit: {0}")]
    CommitUnknown(String),
    /// What was read is not what was once written.
    #[error("stored data is damaged: {0}")]
    Corrupt(String),
    /// The schema is not one that this program may use.
    #[error("the schema cannot be used: {0}")]
    Schema(String),
    /// The address of the database is not understood.
    #[error("not a database address: {0}")]
    Address(String),
    /// A closure panicked; its changes were rolled back.
    #[error("a database operation ended unexpectedly")]
    Panicked,
    /// A file of the artifact store could not be read or written.
    #[error("the artifact store failed: {0}")]
    Io(#[from] std::io::Error),
    /// Anything else that the database said.
    #[error("the database failed: {0}")]
    Database(String),
}

impl Error {
    /// Whether the same closure may succeed when it is run again, since nothing of it was kept.
    ///
    /// [`Error::CommitUnknown`] is not among them: a commit whose answer was lost may have happened.
    pub fn retry(&self) -> bool {
        matches!(self, Self::Busy | Self::Unavailable(_))
    }

    /// A copy for each of those whose work was lost together.
    pub(crate) fn again(&self) -> Self {
        match self {
            Self::NotFound(what) => Self::NotFound(what),
            Self::Conflict(text) => Self::Conflict(text.clone()),
            Self::Invalid(text) => Self::Invalid(text.clone()),
            Self::Busy => Self::Busy,
            Self::Full => Self::Full,
            Self::Unavailable(text) => Self::Unavailable(text.clone()),
            Self::CommitUnknown(text) => Self::CommitUnknown(text.clone()),
            Self::Corrupt(text) => Self::Corrupt(text.clone()),
            Self::Schema(text) => Self::Schema(text.clone()),
            Self::Address(text) => Self::Address(text.clone()),
            Self::Panicked => Self::Panicked,
            Self::Io(error) => Self::Io(std::io::Error::new(error.kind(), error.to_string())),
            Self::Database(text) => Self::Database(text.clone()),
        }
    }
}
