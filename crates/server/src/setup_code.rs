//! The code that opens the first set-up: in a file that only the server's user reads, from the first start until the
//! set-up is done, and never again.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use quell_store::{Store, setup};
use quell_wire::digest::{Digest, sha256};
use ring::rand::{SecureRandom, SystemRandom};

use crate::first_key::Error;
use crate::pki::read_or_create_private;

const BYTES: usize = 15;
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// The code, until the set-up is done.
pub(crate) struct SetupCode {
    file: PathBuf,
    shown: Option<OpenSetup>,
    digest: Mutex<Option<Digest>>,
}

/// The code of a server that was not set up. To be shown by whoever starts it.
#[derive(Clone)]
pub struct OpenSetup {
    /// The code.
    pub code: String,
    /// The file that holds it, mode 0600.
    pub file: PathBuf,
}

impl std::fmt::Debug for OpenSetup {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "OpenSetup(***, {})", self.file.display())
    }
}

/// Reads or makes the code where the set-up is open; removes its file where it is not.
pub(crate) async fn ensure(store: &Store, file: &Path) -> Result<SetupCode, Error> {
    let closed = store.read(setup::closed_at).await.map_err(Error::Store)?;
    if closed.is_some() {
        remove(file);
        return Ok(SetupCode { file: file.to_owned(), shown: None, digest: Mutex::new(None) });
    }
    let bytes = read_or_create_private(file, || make().ok_or(Error::Random))?;
    let code = std::str::from_utf8(&bytes).map(str::trim).unwrap_or_default().to_owned();
    if plain(&code).len() < BYTES * 8 / 5 {
        return Err(Error::Foreign(file.to_owned()));
    }
    let known = Mutex::new(Some(digest(&code)));
    let shown = Some(OpenSetup { code, file: file.to_owned() });
    Ok(SetupCode { file: file.to_owned(), shown, digest: known })
}

fn make() -> Option<Vec<u8>> {
    let mut random = [0; BYTES * 8 / 5];
    SystemRandom::new().fill(&mut random).ok()?;
    let letters: Vec<u8> = random.iter().map(|byte| ALPHABET[usize::from(byte & 31)]).collect();
    let groups: Vec<&[u8]> = letters.chunks(6).collect();
    Some([groups.join(&b'-'), b"\n".to_vec()].concat())
}

fn plain(code: &str) -> String {
    code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

fn digest(code: &str) -> Digest {
    sha256(&[plain(code).as_bytes()])
}

fn remove(file: &Path) {
    if let Err(error) = std::fs::remove_file(file)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(%error, "setup.code could not be removed; it is good for nothing any more");
    }
}

impl SetupCode {
    /// The code, where the set-up was open when this process began.
    pub fn shown(&self) -> Option<&OpenSetup> {
        self.shown.as_ref()
    }

    fn known(&self) -> Option<Digest> {
        *self.digest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the set-up was open when this process last looked.
    pub fn is_open(&self) -> bool {
        self.known().is_some()
    }

    /// Whether it is the code.
    pub fn fits(&self, code: &str) -> bool {
        let tried = digest(code);
        self.known().is_some_and(|known| known.iter().zip(&tried).fold(0, |seen, (a, b)| seen | (a ^ b)) == 0)
    }

    /// The set-up is done.
    pub fn close(&self) {
        self.digest.lock().unwrap_or_else(PoisonError::into_inner).take();
        remove(&self.file);
    }
}
