//! A whole archive at hand: for whoever verifies one.

use std::io::{Read, Seek, SeekFrom};

use sha2::{Digest, Sha256};

use super::directory::{LOCAL_HEADER, TAIL, content, entries, locate};
use super::{Decoder, Entry, Error};

const CHUNK: usize = 64 << 10;

/// An archive that can be read anywhere.
#[derive(Debug)]
pub struct Reader<R> {
    file: R,
    entries: Vec<Entry>,
}

/// What an entry was found to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hashed {
    /// Bytes.
    pub size: u64,
    /// SHA-256 of them.
    pub sha256: [u8; 32],
}

impl<R: Read + Seek> Reader<R> {
    /// Reads the directory.
    pub fn open(mut file: R) -> Result<Self, Error> {
        let size = file.seek(SeekFrom::End(0))?;
        let start = size.saturating_sub(TAIL);
        let tail = part(&mut file, start, size - start)?;
        let extent = locate(&tail, size)?;
        let directory = part(&mut file, extent.offset, extent.size)?;
        let entries = entries(&directory, extent)?;
        Ok(Self { file, entries })
    }

    /// Its entries, in their order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Hands an entry's content to `take`, piece by piece, at most `most` bytes of it, and checks it.
    pub fn read(
        &mut self,
        index: usize,
        password: &[u8],
        most: u64,
        mut take: impl FnMut(&[u8]),
    ) -> Result<Hashed, Error> {
        let entry = self.entries.get(index).ok_or(Error::Malformed("there is no such entry"))?;
        if entry.size > most {
            return Err(Error::TooLarge("an entry has more bytes than are read"));
        }
        let mut decoder = Decoder::new(entry, password)?;
        let header = part(&mut self.file, entry.offset, LOCAL_HEADER as u64)?;
        self.file.seek(SeekFrom::Start(content(entry, &header)?))?;
        let (mut left, mut hash) = (entry.packed, Sha256::new());
        let (mut input, mut output) = (vec![0; CHUNK], vec![0; CHUNK]);
        while left > 0 {
            let n = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
            self.file.read_exact(&mut input[..n])?;
            left -= n as u64;
            decoder.feed(&input[..n])?;
            loop {
                let given = decoder.take(&mut output)?;
                if given == 0 {
                    break;
                }
                hash.update(&output[..given]);
                take(&output[..given]);
            }
        }
        let size = decoder.given();
        decoder.finish()?;
        Ok(Hashed { size, sha256: hash.finalize().into() })
    }
}

/// Both bounds were looked at before, so the memory is bounded.
fn part<R: Read + Seek>(file: &mut R, offset: u64, size: u64) -> Result<Vec<u8>, Error> {
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = vec![0; usize::try_from(size).map_err(|_| Error::TooLarge("its directory"))?];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}
