//! What must never be ended: init, the kernel's threads, whoever calls, and what the caller needs.

use std::collections::BTreeSet;

use super::{Error, Identity, Row, row};

/// Why a process is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Protection {
    /// Pid 1 of this namespace.
    #[error("it is the first process of the system")]
    Init,
    /// It has no user code to end.
    #[error("it is a thread of the kernel")]
    Kernel,
    /// The process that asks.
    #[error("it is the process that carries this out")]
    Caller,
    /// A parent of the process that asks, at any distance.
    #[error("the process that carries this out descends from it")]
    Ancestor,
    /// Named by the caller.
    #[error("it belongs to the process that carries this out")]
    Own,
}

/// The processes that no call here ends.
#[derive(Debug, Clone)]
pub struct Guard {
    caller: Identity,
    ancestors: BTreeSet<Identity>,
    own: BTreeSet<Identity>,
}

impl Guard {
    /// Protects init, kernel threads, the calling process and its ancestors.
    pub fn new() -> Result<Self, Error> {
        let caller = Identity::own()?;
        let mut ancestors = BTreeSet::new();
        let mut child = row(caller.pid)?;
        while let Some(below) = child {
            // 0: the parent is outside this namespace. Start times end any circle that reuse could make.
            let parent = if below.ppid == 0 { None } else { row(below.ppid)? };
            child = parent.filter(|parent| {
                parent.start_time <= below.start_time && ancestors.insert(parent.identity())
            });
        }
        Ok(Self { caller, ancestors, own: BTreeSet::new() })
    }

    /// Protects one process more, such as a helper that the caller started.
    pub fn protect(&mut self, identity: Identity) {
        self.own.insert(identity);
    }

    pub(super) fn why(&self, row: &Row) -> Option<Protection> {
        let identity = row.identity();
        if row.pid <= 1 {
            Some(Protection::Init)
        } else if row.kernel {
            Some(Protection::Kernel)
        } else if identity == self.caller {
            Some(Protection::Caller)
        } else if self.ancestors.contains(&identity) {
            Some(Protection::Ancestor)
        } else if self.own.contains(&identity) {
            Some(Protection::Own)
        } else {
            None
        }
    }

    pub(super) fn check(&self, row: &Row) -> Result<(), Error> {
        match self.why(row) {
            Some(why) => Err(Error::Protected { pid: row.pid, why }),
            None => Ok(()),
        }
    }
}
