//! A zip archive written in one forward pass, each entry deflated and encrypted with AES-256 as 7-Zip and
//! WinZip read it.
//!
//! Sources: PKWARE's APPNOTE 6.3.10 for the container, WinZip's "AES Encryption Information" for AE-2. Our own
//! writer since the archive's bytes must be hashed as they are written, which a writer that goes back to patch
//! its headers forbids; and since AE-2 (no checksum of the plain text) shall hold for every length. The key
//! derivation of that format is weak (PBKDF2-HMAC-SHA1, 1,000 rounds), so the password has to be a random one.

use std::io::{self, Write};
use std::num::NonZeroU32;

use aes::Aes256;
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use flate2::Compression;
use flate2::write::DeflateEncoder;
use ring::rand::{SecureRandom, SystemRandom};
use ring::{hmac, pbkdf2};
use sha2::{Digest, Sha256};
use zeroize::Zeroize;

const ROUNDS: NonZeroU32 = NonZeroU32::new(1000).unwrap();
const SALT: usize = 16;
const MAC: usize = 10;
const BLOCK: usize = 16;
/// Blocks of key stream made at once; the cipher works on several in parallel.
const BATCH: usize = 64;
/// Bit 0 encrypted, bit 3 sizes follow the data, bit 11 names are UTF-8.
const FLAGS: u16 = 1 | 1 << 3 | 1 << 11;
/// 5.1: AES.
const VERSION: u16 = 51;
const METHOD_AES: u16 = 99;
/// AE-2, "AE", AES-256, deflated inside.
const AES_EXTRA: [u8; 11] = [0x01, 0x99, 7, 0, 2, 0, b'A', b'E', 3, 8, 0];
const BIG: u32 = u32::MAX;

/// An archive under construction.
pub(crate) struct Zip<W> {
    out: Hashed<W>,
    entries: Vec<Listed>,
}

/// One entry as the directory at the end lists it.
struct Listed {
    name: String,
    time: u32,
    mode: u32,
    offset: u64,
    packed: u64,
    size: u64,
}

/// What was written.
pub(crate) struct Written<W> {
    pub out: W,
    pub size: u64,
    pub sha256: [u8; 32],
}

impl<W: Write> Zip<W> {
    pub fn new(out: W) -> Self {
        Self { out: Hashed { out, hash: Sha256::new(), size: 0 }, entries: Vec::new() }
    }

    /// Writes one entry; `fill` gives its content. `time` is Unix time in seconds, `mode` as in `stat`.
    pub fn entry<T, E: From<io::Error>>(
        &mut self,
        name: &str,
        (time, mode): (i64, u32),
        password: &[u8],
        fill: impl FnOnce(&mut dyn Write) -> Result<T, E>,
    ) -> Result<T, E> {
        let (offset, time) = (self.out.size, dos_time(time));
        self.out.write_all(&local_header(name, time))?;
        let start = self.out.size;
        let cipher = Encrypt::new(&mut self.out, password)?;
        let mut deflate = DeflateEncoder::new(cipher, Compression::new(3));
        let value = fill(&mut deflate)?;
        let size = {
            deflate.try_finish()?;
            deflate.total_in()
        };
        deflate.finish()?.finish()?;
        let packed = self.out.size - start;
        let mut descriptor = Fields::default();
        descriptor.u32(0x0807_4b50).u32(0).u64(packed).u64(size);
        self.out.write_all(&descriptor.0)?;
        self.entries.push(Listed { name: name.to_owned(), time, mode, offset, packed, size });
        Ok(value)
    }

    /// Writes the directory.
    pub fn finish(mut self) -> io::Result<Written<W>> {
        let start = self.out.size;
        for entry in &self.entries {
            self.out.write_all(&entry.header())?;
        }
        let size = self.out.size - start;
        let count = self.entries.len() as u64;
        let mut end = Fields::default();
        if start >= u64::from(BIG) || size >= u64::from(BIG) || count >= u64::from(u16::MAX) {
            let at = self.out.size;
            end.u32(0x0606_4b50).u64(44).u16(3 << 8 | VERSION).u16(VERSION).u32(0).u32(0);
            end.u64(count).u64(count).u64(size).u64(start);
            end.u32(0x0706_4b50).u32(0).u64(at).u32(1);
        }
        let short = u16::try_from(count).unwrap_or(u16::MAX);
        end.u32(0x0605_4b50).u16(0).u16(0).u16(short).u16(short);
        end.u32(capped(size)).u32(capped(start)).u16(0);
        self.out.write_all(&end.0)?;
        self.out.flush()?;
        Ok(Written { out: self.out.out, size: self.out.size, sha256: self.out.hash.finalize().into() })
    }
}

fn local_header(name: &str, time: u32) -> Vec<u8> {
    let mut header = Fields::default();
    header.u32(0x0403_4b50).u16(VERSION).u16(FLAGS).u16(METHOD_AES).u32(time).u32(0).u32(BIG).u32(BIG);
    header.u16(name.len() as u16).u16(20 + AES_EXTRA.len() as u16).bytes(name.as_bytes());
    // Zip64, sizes not known yet: tells a forward reader that those behind the data have eight bytes.
    header.u16(1).u16(16).u64(0).u64(0).bytes(&AES_EXTRA);
    header.0
}

impl Listed {
    fn header(&self) -> Vec<u8> {
        let mut wide = Fields::default();
        for value in [self.size, self.packed, self.offset] {
            if value >= u64::from(BIG) {
                wide.u64(value);
            }
        }
        let mut extra = Fields::default();
        if !wide.0.is_empty() {
            extra.u16(1).u16(wide.0.len() as u16).bytes(&wide.0);
        }
        extra.bytes(&AES_EXTRA);
        let mut header = Fields::default();
        header
            .u32(0x0201_4b50)
            .u16(3 << 8 | VERSION)
            .u16(VERSION)
            .u16(FLAGS)
            .u16(METHOD_AES)
            .u32(self.time)
            .u32(0);
        header.u32(capped(self.packed)).u32(capped(self.size));
        header.u16(self.name.len() as u16).u16(extra.0.len() as u16).u16(0).u16(0).u16(0);
        header.u32(self.mode << 16).u32(capped(self.offset)).bytes(self.name.as_bytes()).bytes(&extra.0);
        header.0
    }
}

fn capped(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(BIG)
}

/// Little-endian fields, one behind the other.
#[derive(Default)]
struct Fields(Vec<u8>);

impl Fields {
    fn u16(&mut self, value: u16) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }
    fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }
    fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }
    fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.0.extend_from_slice(value);
        self
    }
}

/// Counts and hashes what passes.
struct Hashed<W> {
    out: W,
    hash: Sha256,
    size: u64,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.out.write(bytes)?;
        self.hash.update(&bytes[..n]);
        self.size += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// AES-256 in counter mode, the counter little-endian and from 1, then ten bytes of HMAC-SHA1 over the result.
struct Encrypt<W> {
    out: W,
    cipher: Aes256,
    mac: hmac::Context,
    counter: u128,
    stream: [aes::Block; BATCH],
    used: usize,
    buffer: Vec<u8>,
}

impl<W: Write> Encrypt<W> {
    fn new(mut out: W, password: &[u8]) -> io::Result<Self> {
        let mut salt = [0u8; SALT];
        SystemRandom::new().fill(&mut salt).map_err(|_| io::Error::other("no random bytes to be had"))?;
        let mut keys = [0u8; 66];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA1, ROUNDS, &salt, password, &mut keys);
        let cipher = Aes256::new_from_slice(&keys[..32]).map_err(io::Error::other)?;
        let mac =
            hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &keys[32..64]));
        out.write_all(&salt)?;
        out.write_all(&keys[64..])?;
        keys.zeroize();
        Ok(Self {
            out,
            cipher,
            mac,
            counter: 0,
            stream: [aes::Block::default(); BATCH],
            used: BATCH * BLOCK,
            buffer: Vec::with_capacity(32 * 1024),
        })
    }

    fn refill(&mut self) {
        for block in &mut self.stream {
            self.counter += 1;
            block.copy_from_slice(&self.counter.to_le_bytes());
        }
        self.cipher.encrypt_blocks(&mut self.stream);
        self.used = 0;
    }

    fn finish(mut self) -> io::Result<()> {
        let tag = self.mac.sign();
        self.out.write_all(&tag.as_ref()[..MAC])
    }
}

impl<W: Write> Write for Encrypt<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bytes = &bytes[..bytes.len().min(32 * 1024)];
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.used == BATCH * BLOCK {
                self.refill();
            }
            let key = &self.stream[self.used / BLOCK][self.used % BLOCK..];
            let n = rest.len().min(key.len());
            buffer.extend(rest[..n].iter().zip(key).map(|(byte, key)| byte ^ key));
            self.used += n;
            rest = &rest[n..];
        }
        self.mac.update(&buffer);
        let written = self.out.write_all(&buffer);
        self.buffer = buffer;
        written.map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Unix time as MS-DOS has it: two-second steps, 1980 to 2107, here in UTC.
fn dos_time(seconds: i64) -> u32 {
    let (first, last) = (315_532_800, 4_354_819_198);
    let seconds = seconds.clamp(first, last);
    let (mut days, time) = (seconds / 86_400 - first / 86_400, (seconds % 86_400) as u32);
    let mut year = 1980;
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    while days >= 365 + i64::from(leap(year)) {
        days -= 365 + i64::from(leap(year));
        year += 1;
    }
    let mut month = 1;
    for length in [31, 28 + i64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let date = ((year - 1980) as u32) << 9 | month << 5 | (days as u32 + 1);
    date << 16 | (time / 3600) << 11 | (time / 60 % 60) << 5 | (time % 60 / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dos_times_are_right_at_the_edges() {
        let parts = |seconds| {
            let (date, time) = (dos_time(seconds) >> 16, dos_time(seconds) & 0xffff);
            (1980 + (date >> 9), date >> 5 & 15, date & 31, time >> 11, time >> 5 & 63, (time & 31) * 2)
        };
        assert_eq!(parts(0), (1980, 1, 1, 0, 0, 0));
        assert_eq!(parts(951_868_799), (2000, 2, 29, 23, 59, 58));
        assert_eq!(parts(1_735_689_599), (2024, 12, 31, 23, 59, 58));
        assert_eq!(parts(1_735_689_600), (2025, 1, 1, 0, 0, 0));
        assert_eq!(parts(i64::MAX), (2107, 12, 31, 23, 59, 58));
    }
}
