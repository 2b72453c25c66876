//! Secrets of tasks: derived when they are needed, never stored.
//!
//! A secret is HMAC-SHA256 (RFC 2104) under the server's key over its domain and the id that it belongs to,
//! written in base 32 (RFC 4648). Whoever may see it gets it derived again.

use std::{
    io::{Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use quell_catalog::Secret;
use ring::hmac;
use uuid::Uuid;

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Derives secrets. Prints nothing of its key.
#[derive(Clone)]
pub struct Secrets {
    key: hmac::Key,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Secrets(***)")
    }
}

impl Secrets {
    /// From a key of 32 bytes.
    pub fn new(key: &[u8; 32]) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key) }
    }

    /// From a file of 32 bytes, which is made when absent, readable by its owner only.
    ///
    /// # Errors
    /// The file cannot be read or made, or has another length.
    pub fn open(path: &Path, entropy: &dyn crate::Entropy) -> std::io::Result<Self> {
        let mut key = [0; 32];
        match std::fs::File::open(path) {
            Ok(mut file) => {
                file.read_exact(&mut key)?;
                if file.read(&mut [0])? != 0 {
                    return Err(std::io::Error::other("the secret file is not 32 bytes long"));
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                if !entropy.fill(&mut key) {
                    return Err(std::io::Error::other("the system gave no randomness"));
                }
                write_new(path, &key)?;
            }
            Err(error) => return Err(error),
        }
        Ok(Self::new(&key))
    }

    /// The secret of this kind. An archive password belongs to a task, a release code to one command.
    pub fn derive(&self, kind: Secret, task: Uuid, command: Uuid) -> String {
        match kind {
            // 130 bits: it protects files that leave the server.
            Secret::ArchivePassword => self.text(kind, task, 26),
            // 80 bits, in groups, since a person types it: guessing happens at the endpoint only.
            Secret::ReleaseCode => {
                let text = self.text(kind, command, 16);
                let groups: Vec<&str> = [0, 4, 8, 12].iter().filter_map(|at| text.get(*at..at + 4)).collect();
                groups.join("-")
            }
        }
    }

    /// A key for this purpose alone, for what is stored sealed.
    pub fn key(&self, purpose: &str) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(b"quell/seal/v1\0");
        context.update(purpose.as_bytes());
        let mut key = [0; 32];
        key.copy_from_slice(context.sign().as_ref());
        key
    }

    fn text(&self, kind: Secret, id: Uuid, length: usize) -> String {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(b"quell/secret/v1\0");
        context.update(kind.as_str().as_bytes());
        context.update(&[0]);
        context.update(id.as_bytes());
        base32(context.sign().as_ref(), length)
    }
}

fn base32(bytes: &[u8], length: usize) -> String {
    let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| byte >> (7 - at % 8) & 1);
    (0..length)
        .map(|digit| (0..5).fold(0, |value, offset| value << 1 | usize::from(bit(digit * 5 + offset))))
        .map(|value| char::from(ALPHABET[value]))
        .collect()
}

/// Writes a file that was not there, durable, readable by its owner only.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => std::fs::File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}
