//! Files taken out of their place: into an encrypted vault, from which they come back exactly as they were, or for good.
//!
//! Three rules hold throughout. *The file that was hashed is the file that goes*: it is pinned by handle, its name is
//! moved into a private directory first, and only when what lies there is the pinned file does it go further; anything
//! else is put back. *Never neither*: the vault's copy is complete and on disk before the source goes, and the file is
//! back in its place and read back before the vault's copy goes, whenever the program dies. *Nothing is followed*: no
//! part of the path may be a symbolic link, so that nobody who may write there can lead elsewhere.
//!
//! The encryption keeps malware from being run, scanned or read by accident or by others, and is no defence against
//! root of the same machine: the key lies in the agent's own directory (mode 0600). A key that only the server has would
//! be one more thing to lose before a file can be restored, and root can copy the file before it is quarantined anyway.

mod delete;
mod facts;
mod item;
mod pin;
mod restore;
mod seal;
mod stage;
mod take;

use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;

pub use delete::{Before, Content, Deleted, delete};
pub use item::{Entry, Vault};
pub use pin::{Protect, Request};
pub use restore::{Restored, restore};
pub use take::{Taken, take};

use crate::process::Identity;

/// What a caller is told while a file is taken, restored or deleted. To break stops it where that leaves the file as it
/// was; after the point of no return it is not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Bytes read or written so far.
    Bytes(u64),
    /// Reached this step. For tests that end the program there.
    Step(Step),
}

/// The steps, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The vault holds the content.
    Content,
    /// The vault's copy is complete.
    Sealed,
    /// The private directory is made beside the file.
    Prepared,
    /// The file lies in it.
    Staged,
    /// It is the right one, and is about to go.
    Checked,
    /// Its name is gone.
    Unlinked,
    /// The restored content is written, in the private directory.
    Written,
    /// The file is back under its name.
    Placed,
    /// It was read back.
    Verified,
}

/// Told of [`Event`]s.
pub type Watch<'a> = dyn FnMut(Event) -> ControlFlow<()> + 'a;

/// A process that runs the file.
pub type Runs = Vec<Identity>;

/// Why a file was not taken, restored or deleted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be opened or read.
    #[error(transparent)]
    File(#[from] crate::file::Error),
    /// A directory of the path is a symbolic link.
    #[error("the path leads through a symbolic link; the file lies at {}", real.display())]
    ThroughLink {
        /// Where it leads.
        real: PathBuf,
    },
    /// It must stay.
    #[error("it is protected: {0}")]
    Protected(&'static str),
    /// Something is mounted there.
    #[error("it is a mount point")]
    MountPoint,
    /// Nothing can be changed there.
    #[error("its file system is read-only")]
    ReadOnly,
    /// The attributes immutable or append-only are set on it, or on its directory.
    #[error("{0} has the attribute immutable or append-only")]
    Immutable(&'static str),
    /// It is another file than was asked for.
    #[error("its {kind} is {found}, another file than was asked for")]
    Mismatch {
        /// `SHA-1` or `SHA-256`.
        kind: &'static str,
        /// Lower-case hex.
        found: String,
    },
    /// It changes faster than it can be read.
    #[error("it changed while it was read, several times over")]
    Changing,
    /// Another file took its name between the look and the move.
    #[error("another file took its name meanwhile; that one was put back")]
    Swapped,
    /// Another file took its name, and then a third one: the second lies elsewhere now.
    #[error("another file took its name meanwhile, and cannot be put back; it lies at {}", path.display())]
    Stranded {
        /// Where.
        path: PathBuf,
    },
    /// The directory it came from is gone.
    #[error("its directory {} is gone", path.display())]
    NoParent {
        /// The directory.
        path: PathBuf,
    },
    /// Something lies in its place.
    #[error("something lies at {} already", path.display())]
    Exists {
        /// Where.
        path: PathBuf,
    },
    /// The vault has no such item.
    #[error("the vault holds no item of this id")]
    NoItem,
    /// The item cannot be read as it was written.
    #[error("the vault's item is damaged: {0}")]
    Damaged(&'static str),
    /// The vault cannot be written, for instance because the disk is full.
    #[error("cannot write to the vault")]
    Vault(#[source] io::Error),
    /// The system said no.
    #[error("cannot {what}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
}

impl Error {
    fn io<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::Io { what, source: source.into() }
    }

    fn canceled(at: u64) -> Self {
        Self::File(crate::file::Error::Canceled { at })
    }
}

/// Tells, and turns a break into an error.
fn tell(watch: &mut Watch<'_>, event: Event, at: u64) -> Result<(), Error> {
    if watch(event).is_break() { Err(Error::canceled(at)) } else { Ok(()) }
}
