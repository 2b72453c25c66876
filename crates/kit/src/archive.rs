//! The archive within a kit: gzip of a plain tar (POSIX ustar). Files alone, one after the other, each under a name that is
//! harmless wherever it is unpacked. The reader is our own because it must know nothing of links, devices, owners, sparse
//! files or extensions: a kit that has one is refused, not read in some way.

use std::collections::HashSet;
use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use crate::Error;

/// Files of one kit at most.
pub const MOST_FILES: usize = 1000;
/// Bytes that all files of a kit have together at most: 256 MiB.
pub const MOST_UNPACKED: u64 = 256 << 20;
/// What a byte may unpack to, and how much any kit may.
const MOST_RATIO: u64 = 200;
const ANY: u64 = 1 << 20;
const BLOCK: usize = 512;
const DEEPEST: usize = 8;
/// Bytes of a name at most, so that it fits into a header undivided.
const LONGEST: usize = 100;

/// A name that is relative, printable, goes nowhere but down, and is the same on every system.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// The name, if it is one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(name: &str) -> Result<Self, Error> {
        let refused = |why| Err(Error::Entry { name: name.chars().take(200).collect(), why });
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-/".contains(&byte);
        if name.is_empty() || name.len() > LONGEST {
            return refused("its name has to have 1 to 100 characters");
        }
        if name.starts_with('/') {
            return refused("its name begins at the root");
        }
        if !name.bytes().all(is_plain) {
            return refused("its name has other characters than letters, digits, `.`, `_`, `+`, `-` and `/`");
        }
        if name.split('/').any(|part| part.is_empty() || part == "." || part == "..") {
            return refused("its name leads out of the kit, or says nothing in a part of it");
        }
        if name.split('/').count() > DEEPEST {
            return refused("it lies too deep");
        }
        Ok(Self(name.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One file as it comes.
#[derive(Debug)]
pub struct Entry {
    /// Its name.
    pub name: Name,
    /// Bytes.
    pub size: u64,
}

/// Hands out the files of an archive in their order. What `take` leaves unread is passed over.
///
/// # Errors
/// Those of the archive, and of `take`.
pub fn each<E: From<Error>>(
    payload: &[u8],
    mut take: impl FnMut(&Entry, &mut dyn Read) -> Result<(), E>,
) -> Result<(), E> {
    // Blocks and headers count too.
    let most = MOST_UNPACKED.min(payload.len() as u64 * MOST_RATIO + ANY) + ((MOST_FILES * 2 * BLOCK) as u64);
    let mut plain = GzDecoder::new(payload).take(most);
    let mut names = HashSet::new();
    while let Some(entry) = header(&mut plain)? {
        if names.len() == MOST_FILES {
            return Err(Error::TooLarge(format!("it has more than {MOST_FILES} files")).into());
        }
        // Some systems take capitals for small letters, and then a directory for a file.
        if !names.insert(entry.name.as_str().to_lowercase()) {
            let why = "it is there twice";
            return Err(Error::Entry { name: entry.name.0, why }.into());
        }
        let padded = entry.size.next_multiple_of(BLOCK as u64);
        if padded > plain.limit() {
            return Err(bomb().into());
        }
        let mut content = Read::take(&mut plain, entry.size);
        take(&entry, &mut content)?;
        let unread = content.limit();
        skip(&mut plain, unread + (padded - entry.size))?;
    }
    Ok(())
}

fn bomb() -> Error {
    Error::TooLarge(format!(
        "it unpacks to more than {} MiB, or to more than {MOST_RATIO} times its size",
        MOST_UNPACKED >> 20
    ))
}

fn broken(error: io::Error) -> Error {
    Error::Archive(format!("its archive cannot be read: {error}"))
}

fn skip(plain: &mut dyn Read, bytes: u64) -> Result<(), Error> {
    match io::copy(&mut plain.take(bytes), &mut io::sink()) {
        Ok(passed) if passed == bytes => Ok(()),
        Ok(_) => Err(Error::Archive("its archive ends within a file".to_owned())),
        Err(error) => Err(broken(error)),
    }
}

/// The next header of a file; `None` at the end.
fn header(plain: &mut io::Take<GzDecoder<&[u8]>>) -> Result<Option<Entry>, Error> {
    loop {
        let mut block = [0; BLOCK];
        if plain.limit() < BLOCK as u64 {
            return Err(bomb());
        }
        plain.read_exact(&mut block).map_err(broken)?;
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let malformed = || Error::Archive("its archive is no plain tar (POSIX ustar)".to_owned());
        let sum: u64 = block
            .iter()
            .enumerate()
            .map(|(at, byte)| if (148..156).contains(&at) { u64::from(b' ') } else { u64::from(*byte) })
            .sum();
        if number(&block[148..156]) != Some(sum) || &block[257..262] != b"ustar" {
            return Err(malformed());
        }
        let text = |field: &[u8]| -> Result<String, Error> {
            let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
            String::from_utf8(field[..end].to_vec()).map_err(|_| malformed())
        };
        let name = text(&block[..LONGEST])?;
        let refused = |why| Err(Error::Entry { name: name.clone(), why });
        let size = number(&block[124..136]).ok_or_else(malformed)?;
        match block[156] {
            b'0' | 0 => {}
            // Directories are made where files need them.
            b'5' if size == 0 => {
                Name::new(name.trim_start_matches("./").trim_end_matches('/')).map(drop).or_else(
                    |error| {
                        if matches!(name.as_str(), "." | "./") { Ok(()) } else { Err(error) }
                    },
                )?;
                continue;
            }
            b'1' | b'2' => return refused("it is a link"),
            b'3' | b'4' | b'6' => return refused("it is a device or a pipe"),
            b'x' | b'g' | b'L' | b'K' => return refused("it has a name or facts that plain tar cannot hold"),
            _ => return refused("it is no plain file"),
        }
        if !text(&block[345..500])?.is_empty() {
            return refused("its name has more than 100 characters");
        }
        if size > MOST_UNPACKED {
            return Err(bomb());
        }
        let name = Name::new(name.strip_prefix("./").unwrap_or(&name))?;
        return Ok(Some(Entry { name, size }));
    }
}

/// An octal number as headers hold them.
fn number(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?.trim_matches(['\0', ' ']);
    if text.is_empty() { Some(0) } else { u64::from_str_radix(text, 8).ok() }
}

/// Packs files. The same files make the same bytes.
///
/// # Errors
/// A name or a count that a kit may not have, or too much content.
pub fn pack(files: &[(Name, Vec<u8>)]) -> Result<Vec<u8>, Error> {
    if files.len() > MOST_FILES {
        return Err(Error::TooLarge(format!("it has more than {MOST_FILES} files")));
    }
    if files.iter().map(|(_, content)| content.len() as u64).sum::<u64>() > MOST_UNPACKED {
        return Err(bomb());
    }
    let mut out = GzEncoder::new(Vec::new(), Compression::new(6));
    let written = (|| {
        for (name, content) in files {
            out.write_all(&head(name, content.len()))?;
            out.write_all(content)?;
            out.write_all(&[0; BLOCK][..content.len().next_multiple_of(BLOCK) - content.len()])?;
        }
        out.write_all(&[0; 2 * BLOCK])?;
        out.finish()
    })();
    written.map_err(broken)
}

fn head(name: &Name, size: usize) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, text: &str| block[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name.as_str());
    put(100, "0000600\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{size:011o}\0"));
    put(136, "00000000000\0");
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\0");
    put(263, "00");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}
