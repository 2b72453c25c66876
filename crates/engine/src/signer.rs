//! Who signs orders. Behind a trait: a server asks a signer in a process of its own, which checks again what it signs, and
//! tests hold a key themselves.

use std::{future::Future, path::Path, pin::Pin};

use prost::Message as _;
use quell_signer::{Client, KeyFile, KeyFileError};
use quell_wire::{
    Order, SignedOrder,
    blocklist::SignedDelta,
    keys::{KeySet, SignedKeySet},
    protection::SignedProtection,
};

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The key file cannot be used.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// The signer cannot be reached, or does not sign now. The same order may be signed later.
    #[error("{0}")]
    Unreachable(String),
    /// The signer will not sign this order, now or later.
    #[error("the signer refused ({code}): {message}")]
    Refused {
        /// A stable code.
        code: String,
        /// For people.
        message: String,
    },
}

/// A signature on its way.
pub type Signing<'a> = Pin<Box<dyn Future<Output = Result<SignedOrder, Error>> + Send + 'a>>;
/// Signatures on their way, one for each order.
pub type SigningAll<'a> = Pin<Box<dyn Future<Output = Vec<Result<SignedOrder, Error>>> + Send + 'a>>;

/// A signature of a delta of a block list on its way.
pub type SigningDelta<'a> = Pin<Box<dyn Future<Output = Result<SignedDelta, Error>> + Send + 'a>>;

/// A signature of a protection document on its way.
pub type SigningProtection<'a> = Pin<Box<dyn Future<Output = Result<SignedProtection, Error>> + Send + 'a>>;

/// Signs orders.
pub trait Signer: Send + Sync {
    /// Signs. The same order gives the same bytes as long as the key is the same.
    fn sign<'a>(&'a self, order: &'a Order) -> Signing<'a>;

    /// Signs several, together where that costs less: one answer for each, in their order.
    fn sign_all<'a>(&'a self, orders: &'a [Order]) -> SigningAll<'a> {
        Box::pin(async move {
            let mut signed = Vec::with_capacity(orders.len());
            for order in orders {
                signed.push(self.sign(order).await);
            }
            signed
        })
    }

    /// Signs an encoded delta of a block list.
    fn sign_delta<'a>(&'a self, delta: &'a [u8]) -> SigningDelta<'a>;

    /// Signs an encoded protection document.
    fn sign_protection<'a>(&'a self, document: &'a [u8]) -> SigningProtection<'a>;

    /// The keys that agents are to trust now: what enrolment pins.
    fn key_set(&self) -> KeySet;

    /// The rotations so far, oldest first: what an agent needs that pinned an older set. Each is signed by a
    /// key of the set before it.
    fn rotations(&self) -> Vec<SignedKeySet>;
}

/// Signs in this process without a look at what it signs: for tests, and for programs that are their own server.
#[derive(Debug)]
pub struct FileSigner {
    keys: KeyFile,
}

impl FileSigner {
    /// Opens the key file, or makes it with a new key.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Ok(Self { keys: KeyFile::open(path)? })
    }

    /// Makes a new key the one that signs. The one before stays trusted until [`FileSigner::retire`].
    pub fn rotate(&self) -> Result<SignedKeySet, Error> {
        Ok(self.keys.rotate()?)
    }

    /// Ends the trust in the previous key.
    pub fn retire(&self) -> Result<SignedKeySet, Error> {
        Ok(self.keys.retire()?)
    }
}

impl Signer for FileSigner {
    fn sign<'a>(&'a self, order: &'a Order) -> Signing<'a> {
        Box::pin(std::future::ready(Ok(self.keys.sign(order))))
    }

    fn sign_delta<'a>(&'a self, delta: &'a [u8]) -> SigningDelta<'a> {
        Box::pin(std::future::ready(Ok(self.keys.sign_delta(delta))))
    }

    fn sign_protection<'a>(&'a self, document: &'a [u8]) -> SigningProtection<'a> {
        Box::pin(std::future::ready(Ok(self.keys.sign_protection(document))))
    }

    fn key_set(&self) -> KeySet {
        self.keys.key_set()
    }

    fn rotations(&self) -> Vec<SignedKeySet> {
        self.keys.rotations()
    }
}

/// A signer in another process, or on another host.
#[derive(Debug)]
pub struct RemoteSigner {
    client: Client,
}

impl RemoteSigner {
    /// Over this connection, which told its keys already ([`Client::ready`]).
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// The connection.
    pub fn client(&self) -> &Client {
        &self.client
    }
}

impl From<quell_signer::Error> for Error {
    fn from(error: quell_signer::Error) -> Self {
        match error {
            quell_signer::Error::Refused { code, message } => Self::Refused { code, message },
            quell_signer::Error::Unreachable(_) | quell_signer::Error::Busy { .. } => {
                Self::Unreachable(error.to_string())
            }
        }
    }
}

impl Signer for RemoteSigner {
    fn sign<'a>(&'a self, order: &'a Order) -> Signing<'a> {
        Box::pin(async move {
            let order = order.encode_to_vec();
            let signed = self.client.sign(order.clone()).await?;
            Ok(SignedOrder { order, signature: signed.signature, key_id: signed.key_id })
        })
    }

    fn sign_delta<'a>(&'a self, delta: &'a [u8]) -> SigningDelta<'a> {
        Box::pin(async move {
            let signed = self.client.sign_delta(delta.to_vec()).await?;
            Ok(SignedDelta { delta: delta.to_vec(), signature: signed.signature, key_id: signed.key_id })
        })
    }

    fn sign_protection<'a>(&'a self, document: &'a [u8]) -> SigningProtection<'a> {
        Box::pin(async move {
            let signed = self.client.sign_protection(document.to_vec()).await?;
            let protection = document.to_vec();
            Ok(SignedProtection { protection, signature: signed.signature, key_id: signed.key_id })
        })
    }

    fn sign_all<'a>(&'a self, orders: &'a [Order]) -> SigningAll<'a> {
        Box::pin(futures_util::future::join_all(orders.iter().map(|order| self.sign(order))))
    }

    fn key_set(&self) -> KeySet {
        self.client.keys().set.clone()
    }

    fn rotations(&self) -> Vec<SignedKeySet> {
        self.client.keys().rotations.clone()
    }
}
