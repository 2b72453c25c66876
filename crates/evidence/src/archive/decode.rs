//! One entry's content: decrypted and inflated piece by piece, so that a bomb costs no more than what is taken of it.

use std::num::NonZeroU32;

use aes::Aes256;
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use flate2::{Decompress, FlushDecompress, Status};
use ring::{hmac, pbkdf2};
use zeroize::Zeroize;

use super::directory::ENVELOPE;
use super::{Entry, Error};

const ROUNDS: NonZeroU32 = NonZeroU32::new(1000).unwrap();
const SALT: usize = 16;
/// Salt and password verifier.
const HEAD: usize = SALT + 2;
const MAC: usize = 10;
const BLOCK: usize = 16;

/// Turns the bytes of an entry into its content: [`Decoder::feed`] bytes, then [`Decoder::take`] content until it gives
/// none, and so on; [`Decoder::finish`] at the end says whether it was all, and untouched.
pub struct Decoder {
    password: zeroize::Zeroizing<Vec<u8>>,
    head: Vec<u8>,
    keys: Option<Keys>,
    /// Encrypted bytes to come.
    body: u64,
    tag: Vec<u8>,
    inflate: Decompress,
    plain: Vec<u8>,
    used: usize,
    announced: u64,
    ended: bool,
}

struct Keys {
    cipher: Aes256,
    mac: hmac::Context,
    counter: u128,
    stream: aes::Block,
    at: usize,
}

impl Decoder {
    /// For this entry, under this password.
    pub fn new(entry: &Entry, password: &[u8]) -> Result<Self, Error> {
        if !entry.readable {
            return Err(Error::Foreign("an entry is not encrypted as agents do"));
        }
        Ok(Self {
            password: zeroize::Zeroizing::new(password.to_vec()),
            head: Vec::with_capacity(HEAD),
            keys: None,
            body: entry.packed.saturating_sub(ENVELOPE),
            tag: Vec::with_capacity(MAC),
            inflate: Decompress::new(false),
            plain: Vec::new(),
            used: 0,
            announced: entry.size,
            ended: false,
        })
    }

    /// Takes bytes of the entry in, in their order. What was fed before must have been taken out.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        if self.keys.is_none() {
            let n = bytes.len().min(HEAD - self.head.len());
            self.head.extend_from_slice(&bytes[..n]);
            bytes = &bytes[n..];
            if self.head.len() < HEAD {
                return Ok(());
            }
            self.keys = Some(Keys::derive(&self.password, &self.head)?);
        }
        let n = usize::try_from(self.body).unwrap_or(usize::MAX).min(bytes.len());
        self.plain.drain(..self.used);
        self.used = 0;
        if let Some(keys) = &mut self.keys {
            keys.mac.update(&bytes[..n]);
            let from = self.plain.len();
            self.plain.extend_from_slice(&bytes[..n]);
            keys.apply(&mut self.plain[from..]);
        }
        self.body -= n as u64;
        let rest = &bytes[n..];
        self.tag.extend_from_slice(&rest[..rest.len().min(MAC - self.tag.len())]);
        Ok(())
    }

    /// Gives content out, at most as much as `into` holds. 0 where more must be fed, or the content has ended.
    pub fn take(&mut self, into: &mut [u8]) -> Result<usize, Error> {
        if self.ended || into.is_empty() {
            return Ok(0);
        }
        let (read, given) = (self.inflate.total_in(), self.inflate.total_out());
        let input = self.plain.get(self.used..).unwrap_or_default();
        let status = self
            .inflate
            .decompress(input, into, FlushDecompress::None)
            .map_err(|_| Error::Lies("it cannot be inflated"))?;
        self.used += (self.inflate.total_in() - read) as usize;
        self.ended = status == Status::StreamEnd;
        if self.inflate.total_out() > self.announced {
            return Err(Error::Lies("an entry is longer than announced"));
        }
        Ok((self.inflate.total_out() - given) as usize)
    }

    /// Content given out so far. Bytes.
    pub fn given(&self) -> u64 {
        self.inflate.total_out()
    }

    /// After the last byte was fed and all was taken: whether the content is whole and as it was written.
    pub fn finish(self) -> Result<(), Error> {
        if !self.ended || self.inflate.total_out() != self.announced {
            return Err(Error::Lies("an entry is shorter than announced"));
        }
        let Some(keys) = self.keys else { return Err(Error::Malformed("an entry is cut")) };
        if keys.mac.sign().as_ref().get(..MAC) == Some(self.tag.as_slice()) {
            Ok(())
        } else {
            Err(Error::Lies("an entry was changed after it was written"))
        }
    }
}

impl Keys {
    fn derive(password: &[u8], head: &[u8]) -> Result<Self, Error> {
        let mut keys = [0; 66];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA1, ROUNDS, &head[..SALT], password, &mut keys);
        let fits = keys[64..] == head[SALT..];
        let cipher = Aes256::new_from_slice(&keys[..32]);
        let mac =
            hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &keys[32..64]));
        keys.zeroize();
        match cipher {
            Ok(cipher) if fits => {
                Ok(Self { cipher, mac, counter: 0, stream: aes::Block::default(), at: BLOCK })
            }
            _ => Err(Error::Password),
        }
    }

    /// Counter mode, the counter little-endian and from 1.
    fn apply(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            if self.at == BLOCK {
                self.counter += 1;
                self.stream.copy_from_slice(&self.counter.to_le_bytes());
                self.cipher.encrypt_block(&mut self.stream);
                self.at = 0;
            }
            *byte ^= self.stream[self.at];
            self.at += 1;
        }
    }
}
