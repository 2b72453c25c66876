//! Death at every commit.

/// Where a process may be made to die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The closure ran, nothing is committed.
    BeforeCommit,
    /// It is committed, nobody was told.
    AfterCommit,
}
