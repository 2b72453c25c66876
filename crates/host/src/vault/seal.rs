//! Encrypted streams: AES-256-GCM in pieces, each bound to its place, the last one marked, so that nothing can be cut
//! off, exchanged or put elsewhere unseen. Each stream has a key of its own, derived from the vault's key and a random
//! salt (HKDF-SHA-256, RFC 5869), so that no nonce is ever used twice under one key.

use std::io::{self, Read, Write};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

const MAGIC: &[u8; 8] = b"QVAULT1\n";
const SALT: usize = 32;
const PIECE: usize = 64 << 10;
const TAG: usize = 16;

/// The vault's key.
pub(super) type Key = Zeroizing<[u8; 32]>;

fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| io::Error::other("no random bytes to be had"))?;
    Ok(bytes)
}

pub(super) fn new_key() -> io::Result<Key> {
    random().map(Zeroizing::new)
}

struct Length;

impl KeyType for Length {
    fn len(&self) -> usize {
        32
    }
}

fn derived(key: &Key, salt: &[u8], label: &str) -> io::Result<LessSafeKey> {
    let failed = |_| io::Error::other("no key can be derived");
    let mut bytes = Zeroizing::new([0u8; 32]);
    let info = [b"quell vault stream".as_slice(), label.as_bytes()];
    Salt::new(HKDF_SHA256, salt)
        .extract(&**key)
        .expand(&info, Length)
        .and_then(|okm| okm.fill(&mut *bytes))
        .map_err(failed)?;
    Ok(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &*bytes).map_err(failed)?))
}

fn nonce(number: u64, is_last: bool) -> Nonce {
    let mut bytes = [0; 12];
    bytes[3] = u8::from(is_last);
    bytes[4..].copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

/// Encrypts what is written to it. `label` says whose stream it is; it opens under no other.
pub(super) struct Sealer<W> {
    out: W,
    key: LessSafeKey,
    number: u64,
    piece: Zeroizing<Vec<u8>>,
}

impl<W: Write> Sealer<W> {
    pub fn new(mut out: W, key: &Key, label: &str) -> io::Result<Self> {
        let salt: [u8; SALT] = random()?;
        out.write_all(MAGIC)?;
        out.write_all(&salt)?;
        let key = derived(key, &salt, label)?;
        Ok(Self { out, key, number: 0, piece: Zeroizing::new(Vec::with_capacity(PIECE + TAG)) })
    }

    fn put(&mut self, is_last: bool) -> io::Result<()> {
        let nonce = nonce(self.number, is_last);
        self.key
            .seal_in_place_append_tag(nonce, Aad::empty(), &mut *self.piece)
            .map_err(|_| io::Error::other("cannot encrypt"))?;
        self.out.write_all(&self.piece)?;
        self.piece.clear();
        self.number += 1;
        Ok(())
    }

    pub fn finish(mut self) -> io::Result<W> {
        self.put(true)?;
        Ok(self.out)
    }
}

impl<W: Write> Write for Sealer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.piece.len() == PIECE {
            self.put(false)?;
        }
        let n = bytes.len().min(PIECE - self.piece.len());
        self.piece.extend_from_slice(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Gives what a [`Sealer`] was given, piece by piece. A stream that was changed or cut is `InvalidData`.
pub(super) fn open(
    mut from: impl Read,
    key: &Key,
    label: &str,
    mut take: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let damaged = || io::Error::from(io::ErrorKind::InvalidData);
    let mut head = [0; MAGIC.len() + SALT];
    from.read_exact(&mut head).map_err(|_| damaged())?;
    let (magic, salt) = head.split_at(MAGIC.len());
    if magic != MAGIC {
        return Err(damaged());
    }
    let key = derived(key, salt, label)?;
    let mut piece = Zeroizing::new(vec![0; PIECE + TAG]);
    let mut ahead = [0u8; 1];
    let mut has_ahead = false;
    for number in 0.. {
        // One byte is read ahead, to know whether this piece is the last.
        let mut filled = usize::from(has_ahead);
        piece[0] = ahead[0];
        filled += fill(&mut from, &mut piece[filled..])?;
        has_ahead = filled == piece.len() && fill(&mut from, &mut ahead)? == 1;
        let text = key
            .open_in_place(nonce(number, !has_ahead), Aad::empty(), &mut piece[..filled])
            .map_err(|_| damaged())?;
        take(text)?;
        if !has_ahead {
            break;
        }
    }
    Ok(())
}

fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match from.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn sealed(key: &Key, text: &[u8]) -> Vec<u8> {
        let mut sealer = Sealer::new(Vec::new(), key, "a").unwrap();
        sealer.write_all(text).unwrap();
        sealer.finish().unwrap()
    }

    fn opened(key: &Key, label: &str, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        open(bytes, key, label, |piece| {
            out.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(out)
    }

    #[test]
    fn every_length_comes_back_and_every_change_is_seen() {
        let key = new_key().unwrap();
        for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE + 7] {
            let text: Vec<u8> = (0..length).map(|at| (at * 7 + at / 251) as u8).collect();
            let bytes = sealed(&key, &text);
            assert_eq!(opened(&key, "a", &bytes).unwrap(), text, "{length}");
            assert!(opened(&key, "b", &bytes).is_err());
            assert!(opened(&new_key().unwrap(), "a", &bytes).is_err());
            let cuts = [0, 1, 39, 40, 41, bytes.len() / 2, bytes.len() - 1, bytes.len() - TAG];
            for cut in cuts.into_iter().chain([40 + PIECE + TAG]).filter(|cut| *cut < bytes.len()) {
                assert!(opened(&key, "a", &bytes[..cut]).is_err(), "{length} cut at {cut}");
            }
            let mut longer = bytes.clone();
            longer.push(0);
            assert!(opened(&key, "a", &longer).is_err());
            let mut other = bytes.clone();
            let last = other.len() - 1;
            other[last] ^= 1;
            assert!(opened(&key, "a", &other).is_err());
        }
        assert_ne!(sealed(&key, b"same"), sealed(&key, b"same"), "a key of its own each time");
    }
}
