//! Who signs orders. Behind a trait, since it is to be a process of its own that checks again what it signs.

use std::{
    future::Future,
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Mutex, PoisonError},
};

use prost::Message as _;
use quell_wire::{
    Order, SignedOrder, SigningKey,
    digest::hex,
    keys::{KeySet, SignedKeySet},
};
use serde::{Deserialize, Serialize};

/// Key sets that are kept: an agent that was away for this many rotations must be enrolled again.
const KEPT: usize = 8;

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The key file cannot be read or written.
    #[error("the order key file cannot be used")]
    Io(#[from] std::io::Error),
    /// The key file holds something else.
    #[error("the order key file is damaged")]
    Damaged,
    /// The key could not be made.
    #[error("no order key could be made")]
    Key(#[from] quell_wire::keys::KeyError),
    /// A signer in another place cannot be reached.
    #[error("the signer cannot be reached: {0}")]
    Unreachable(String),
}

/// A signature on its way.
pub type Signing<'a> = Pin<Box<dyn Future<Output = Result<SignedOrder, Error>> + Send + 'a>>;

/// Signs orders.
pub trait Signer: Send + Sync {
    /// Signs. The same order gives the same bytes as long as the key is the same.
    fn sign<'a>(&'a self, order: &'a Order) -> Signing<'a>;

    /// The keys that agents are to trust now: what enrolment pins.
    fn key_set(&self) -> KeySet;

    /// The rotations so far, oldest first: what an agent needs that pinned an older set. Each is signed by a
    /// key of the set before it.
    fn rotations(&self) -> Vec<SignedKeySet>;
}

/// Signs in this process, with keys in a file that only its owner reads.
pub struct FileSigner {
    path: PathBuf,
    held: Mutex<Held>,
}

struct Held {
    file: File,
    current: SigningKey,
}

/// What the file holds; bytes as hex.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u64,
    /// PKCS#8, newest first: one, or two while a rotation is under way.
    keys: Vec<String>,
    /// (set, signature), oldest first.
    rotations: Vec<(String, String)>,
}

impl FileSigner {
    /// Opens the key file, or makes it with a new key.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|_| Error::Damaged)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let key = SigningKey::generate()?;
                let file = File { version: 1, keys: vec![hex(&key)], rotations: Vec::new() };
                let bytes = serde_json::to_vec(&file).map_err(|_| Error::Damaged)?;
                crate::secret::write_new(path, &bytes)?;
                file
            }
            Err(error) => return Err(error.into()),
        };
        let current = file.keys.first().ok_or(Error::Damaged).and_then(|key| read_key(key))?;
        Ok(Self { path: path.to_owned(), held: Mutex::new(Held { file, current }) })
    }

    /// Makes a new key the one that signs. The one before stays trusted until [`FileSigner::retire`].
    pub fn rotate(&self) -> Result<SignedKeySet, Error> {
        let new = SigningKey::generate()?;
        self.change(|file| {
            file.keys.truncate(1);
            file.keys.insert(0, hex(&new));
        })
    }

    /// Ends the trust in the previous key.
    pub fn retire(&self) -> Result<SignedKeySet, Error> {
        self.change(|file| file.keys.truncate(1))
    }

    fn change(&self, edit: impl FnOnce(&mut File)) -> Result<SignedKeySet, Error> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let mut file = held.file.clone();
        edit(&mut file);
        file.version += 1;
        let set = public(&file)?;
        // Signed by the key that agents already know to be current.
        let signed = SignedKeySet::sign(&held.current, &set);
        file.rotations.push((hex(&signed.set), hex(&signed.signature)));
        let surplus = file.rotations.len().saturating_sub(KEPT);
        file.rotations.drain(..surplus);
        let current = file.keys.first().ok_or(Error::Damaged).and_then(|key| read_key(key))?;
        replace(&self.path, &serde_json::to_vec(&file).map_err(|_| Error::Damaged)?)?;
        *held = Held { file, current };
        Ok(signed)
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Signer for FileSigner {
    fn sign<'a>(&'a self, order: &'a Order) -> Signing<'a> {
        let signed = SignedOrder::sign(&self.held().current, order);
        Box::pin(std::future::ready(Ok(signed)))
    }

    fn key_set(&self) -> KeySet {
        let held = self.held();
        public(&held.file)
            .unwrap_or_else(|_| KeySet { version: held.file.version, keys: vec![held.current.public()] })
    }

    fn rotations(&self) -> Vec<SignedKeySet> {
        let held = self.held();
        let pairs = held.file.rotations.iter();
        pairs
            .filter_map(|(set, signature)| {
                Some(SignedKeySet { set: unhex(set)?, signature: unhex(signature)? })
            })
            .filter(|signed| KeySet::decode(signed.set.as_slice()).is_ok())
            .collect()
    }
}

fn public(file: &File) -> Result<KeySet, Error> {
    let keys = file.keys.iter().map(|key| read_key(key).map(|key| key.public())).collect::<Result<_, _>>()?;
    Ok(KeySet { version: file.version, keys })
}

fn read_key(text: &str) -> Result<SigningKey, Error> {
    Ok(SigningKey::from_pkcs8(&unhex(text).ok_or(Error::Damaged)?)?)
}

/// Replaces a file in one step: after a crash it is wholly the old one or wholly the new one.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let new = path.with_extension("new");
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    crate::secret::write_new(&new, bytes)?;
    std::fs::rename(&new, path)?;
    match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => std::fs::File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}
