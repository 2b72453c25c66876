//! Reading archives that an agent wrote: zip, deflated, WinZip AES-256 (AE-2). Only this form is read, and nothing that
//! an archive says of itself is believed: it comes from an endpoint that may be hostile.
//!
//! Sources: PKWARE's APPNOTE 6.3.10; WinZip, "AES Encryption Information". No I/O: the caller reads the bytes that are
//! asked for, from a file or from a store.

mod decode;
mod directory;
mod read;

pub use decode::Decoder;
pub use directory::{
    Entry, Extent, LOCAL_HEADER, MOST_DIRECTORY, MOST_ENTRIES, TAIL, content, entries, locate,
};
pub use read::{Hashed, Reader};

/// Why an archive cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not an archive, or one that was cut.
    #[error("it is not a zip archive, or it was cut: {0}")]
    Malformed(&'static str),
    /// An archive of a kind that agents do not write.
    #[error("it is of a kind that agents do not write: {0}")]
    Foreign(&'static str),
    /// Too much of something.
    #[error("it is larger than is read: {0}")]
    TooLarge(&'static str),
    /// The password is another.
    #[error("the password does not open it")]
    Password,
    /// The content is not what its headers say.
    #[error("its content is not what its headers say: {0}")]
    Lies(&'static str),
    /// Reading the bytes failed.
    #[error("it cannot be read")]
    Io(#[from] std::io::Error),
}
