//! Files, opened so that nothing on the way can mislead, block or swap them, and collected into an
//! encrypted archive with their hashes.

mod archive;
mod bundle;
mod collect;
mod content;
mod name;
mod open;
pub(crate) mod zip;

use std::io;
use std::path::PathBuf;

pub use archive::{Archived, archive_to_file};
pub use bundle::{Bundle, Entry, Taken};
pub use collect::{Change, Collected, Password, SIDECAR, collect, collect_to_file};
pub(crate) use name::entry as entry_name;
pub(crate) use open::is_pseudo;
pub use open::{
    KeptOut, Limits, Opened, Origin, Stat, is_kept, keep_out, open_descriptor, open_executable,
    open_for_collect,
};
pub(crate) use open::{check as check_path, open_handle, stat};

/// What a path can lead to beside a regular file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Kind {
    /// A directory.
    #[error("a directory")]
    Directory,
    /// A named or unnamed pipe.
    #[error("a pipe")]
    Fifo,
    /// A socket.
    #[error("a socket")]
    Socket,
    /// A character or block device.
    #[error("a device")]
    Device,
    /// A symbolic link.
    #[error("a symbolic link")]
    Symlink,
    /// Something without a type, such as an epoll or a pidfd.
    #[error("an object of the kernel that is no file")]
    Other,
}

/// Why a file was not opened or not collected.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The path is unusable as it stands.
    #[error("the path is refused: {0}")]
    Path(&'static str),
    /// Nothing is there.
    #[error("there is no such file")]
    NotFound,
    /// The last part is a symbolic link, and following was not asked for.
    #[error("the path names a symbolic link to {}", target.display())]
    Symlink {
        /// Where it points, as it stands in the link.
        target: PathBuf,
    },
    /// A symbolic link of one user leads to a file of another: whoever made it may not be able to read that.
    #[error("the path leads through a symbolic link of user {owner} to a file of user {found}")]
    ForeignLink {
        /// The link's owner.
        owner: u32,
        /// The file's.
        found: u32,
    },
    /// It holds secrets of this program.
    #[error("it belongs to the agent")]
    Own,
    /// Something is there, but no regular file.
    #[error("it is {0}, not a regular file")]
    NotRegular(Kind),
    /// A file of the kernel's own (procfs, sysfs and the like), whose size says nothing.
    #[error("it is no stored file: it lies in a file system that the kernel makes up")]
    Pseudo,
    /// Larger than allowed.
    #[error("it has {size} bytes, and {limit} are allowed")]
    TooLarge {
        /// Bytes it has.
        size: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// The process that holds it cannot be had.
    #[error("the process that holds the file cannot be reached")]
    Process(#[from] crate::process::Error),
    /// The process has no such descriptor, or no executable.
    #[error("the process holds no such file")]
    NotHeld,
    /// The system refused to open it.
    #[error("cannot open it")]
    Open(#[source] io::Error),
    /// Reading failed on the way.
    #[error("cannot read on after {at} bytes")]
    Read {
        /// Bytes read until then.
        at: u64,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The archive could not be written, for instance because the disk is full.
    #[error("cannot write the archive")]
    Archive(#[source] io::Error),
    /// The password is empty or too long.
    #[error("the password must have 1 to 127 bytes")]
    Password,
    /// The caller asked to stop.
    #[error("stopped after {at} bytes, as asked")]
    Canceled {
        /// Bytes read until then.
        at: u64,
    },
}
