//! The order key in its file, and its rotation.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use prost::Message as _;
use quell_wire::SigningKey;
use quell_wire::digest::hex;
use quell_wire::keys::{Domain, KeyError, KeySet, SignedKeySet, key_id};
use serde::{Deserialize, Serialize};

use crate::file;

/// Key sets that are kept: an agent that was away for this many rotations must be enrolled again.
const KEPT: usize = 8;

/// The order key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its file cannot be read or written.
    #[error("the order key file cannot be used")]
    File(#[from] file::Error),
    /// The file holds something else.
    #[error("the order key file is damaged")]
    Damaged,
    /// The key could not be made.
    #[error("no order key could be made")]
    Key(#[from] KeyError),
}

/// The order key, with the rotations so far.
pub struct KeyFile {
    path: PathBuf,
    held: Mutex<Arc<Held>>,
}

/// What the file holds, ready for use.
pub(crate) struct Held {
    contents: Contents,
    current: SigningKey,
    /// Which key signs.
    pub(crate) id: String,
    /// The keys that agents are to trust now.
    pub(crate) set: KeySet,
    /// Rotations so far, oldest first.
    pub(crate) rotations: Vec<SignedKeySet>,
}

/// What stands in the file; bytes as hex.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    version: u64,
    /// PKCS#8, newest first: one, or two while a rotation is under way.
    keys: Vec<String>,
    /// (set, signature), oldest first.
    rotations: Vec<(String, String)>,
}

impl std::fmt::Debug for KeyFile {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "KeyFile({})", self.held().id)
    }
}

impl Held {
    fn of(contents: Contents) -> Result<Self, Error> {
        let keys: Vec<SigningKey> =
            contents.keys.iter().map(|key| read_key(key)).collect::<Result<_, _>>()?;
        let set = KeySet { version: contents.version, keys: keys.iter().map(SigningKey::public).collect() };
        let rotations = contents
            .rotations
            .iter()
            .map(|(set, signature)| Some(SignedKeySet { set: unhex(set)?, signature: unhex(signature)? }))
            .collect::<Option<Vec<_>>>()
            .filter(|all| all.iter().all(|signed| KeySet::decode(signed.set.as_slice()).is_ok()))
            .ok_or(Error::Damaged)?;
        let current = keys.into_iter().next().ok_or(Error::Damaged)?;
        Ok(Self { id: key_id(&current.public()), contents, current, set, rotations })
    }

    /// Signs the bytes of an order.
    pub(crate) fn sign(&self, order: &[u8]) -> Vec<u8> {
        self.current.sign(Domain::Order, order)
    }

    pub(crate) fn sign_delta(&self, delta: &[u8]) -> Vec<u8> {
        self.current.sign(Domain::BlockList, delta)
    }

    pub(crate) fn sign_protection(&self, protection: &[u8]) -> Vec<u8> {
        self.current.sign(Domain::Protection, protection)
    }
}

impl KeyFile {
    /// Opens the file, or makes it with a new key.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let contents = if let Some(bytes) = file::read(path)? {
            serde_json::from_slice(&bytes).map_err(|_| Error::Damaged)?
        } else {
            let keys = vec![hex(&SigningKey::generate()?)];
            let contents = Contents { version: 1, keys, rotations: Vec::new() };
            file::write_new(path, &bytes(&contents)?)?;
            contents
        };
        Ok(Self { path: path.to_owned(), held: Mutex::new(Arc::new(Held::of(contents)?)) })
    }

    /// Makes a new key the one that signs. The one before stays trusted until [`KeyFile::retire`].
    pub fn rotate(&self) -> Result<SignedKeySet, Error> {
        let new = SigningKey::generate()?;
        self.change(|contents| {
            contents.keys.truncate(1);
            contents.keys.insert(0, hex(&new));
        })
    }

    /// Ends the trust in the previous key.
    pub fn retire(&self) -> Result<SignedKeySet, Error> {
        self.change(|contents| contents.keys.truncate(1))
    }

    /// The keys that agents are to trust now: what enrolment pins.
    pub fn key_set(&self) -> KeySet {
        self.held().set.clone()
    }

    /// The rotations so far, oldest first.
    pub fn rotations(&self) -> Vec<SignedKeySet> {
        self.held().rotations.clone()
    }

    /// Signs an order without a look at it: for who holds the key in a program of their own, such as tests.
    pub fn sign(&self, order: &quell_wire::Order) -> quell_wire::SignedOrder {
        quell_wire::SignedOrder::sign(&self.held().current, order)
    }

    /// Signs a delta of a block list without a look at it.
    pub fn sign_delta(&self, delta: &[u8]) -> quell_wire::blocklist::SignedDelta {
        quell_wire::blocklist::SignedDelta::sign(&self.held().current, delta)
    }

    /// Signs a protection document without a look at it.
    pub fn sign_protection(&self, document: &[u8]) -> quell_wire::protection::SignedProtection {
        quell_wire::protection::SignedProtection::sign(&self.held().current, document)
    }

    pub(crate) fn held(&self) -> Arc<Held> {
        Arc::clone(&self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self, edit: impl FnOnce(&mut Contents)) -> Result<SignedKeySet, Error> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let mut contents = held.contents.clone();
        edit(&mut contents);
        contents.version += 1;
        let set = Held::of(contents.clone())?.set;
        // Signed by the key that agents already know to be current.
        let signed = SignedKeySet::sign(&held.current, &set);
        contents.rotations.push((hex(&signed.set), hex(&signed.signature)));
        let surplus = contents.rotations.len().saturating_sub(KEPT);
        contents.rotations.drain(..surplus);
        let new = Held::of(contents)?;
        file::replace(&self.path, &bytes(&new.contents)?)?;
        *held = Arc::new(new);
        Ok(signed)
    }
}

fn bytes(contents: &Contents) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(contents).map_err(|_| Error::Damaged)
}

fn read_key(text: &str) -> Result<SigningKey, Error> {
    Ok(SigningKey::from_pkcs8(&unhex(text).ok_or(Error::Damaged)?)?)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}
