//! A kit as a whole: its steps, and that every file which they name is there.

use std::collections::BTreeMap;
use std::io::Read;

use crate::archive::{Entry, Name, each};
use crate::steps::{Manifest, Work};
use crate::{Error, steps};

/// What says the steps.
pub const MANIFEST: &str = "kit.yaml";
/// Bytes of it at most: 256 KiB.
const MOST_MANIFEST: u64 = 256 << 10;

/// One file of a kit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Bytes.
    pub size: u64,
}

/// A kit that was read to its end.
#[derive(Clone, Debug)]
pub struct Kit {
    /// What it says of itself.
    pub manifest: Manifest,
    /// Its files.
    pub files: BTreeMap<Name, File>,
}

impl Kit {
    /// Reads the archive within a signed kit.
    ///
    /// # Errors
    /// Whatever keeps it from being a kit.
    pub fn read(payload: &[u8]) -> Result<Self, Error> {
        let mut text = None;
        let mut files = BTreeMap::new();
        each(payload, |entry: &Entry, content: &mut dyn Read| {
            if entry.name.as_str() == MANIFEST {
                text = Some(small(entry, content, MOST_MANIFEST)?);
            }
            files.insert(entry.name.clone(), File { size: entry.size });
            Ok::<_, Error>(())
        })?;
        let text = text.ok_or_else(|| Error::Archive(format!("it has no {MANIFEST}")))?;
        let kit = Self { manifest: steps::parse(&text)?, files };
        kit.is_whole()?;
        Ok(kit)
    }

    /// One of its files, of at most so many bytes.
    ///
    /// # Errors
    /// It is not there, or longer.
    pub fn content(payload: &[u8], name: &Name, most: u64) -> Result<Vec<u8>, Error> {
        let mut found = None;
        each(payload, |entry: &Entry, content: &mut dyn Read| {
            if entry.name == *name {
                found = Some(small(entry, content, most)?);
            }
            Ok::<_, Error>(())
        })?;
        found.ok_or_else(|| Error::Archive(format!("it has no {}", name.as_str())))
    }

    /// Files that steps run as programs.
    pub fn tools(&self) -> impl Iterator<Item = &Name> {
        self.manifest.steps.iter().filter_map(|step| match &step.work {
            Work::Tool { file, .. } => Some(file),
            Work::Script { .. } | Work::Query { .. } | Work::Yara { .. } | Work::Evidence { .. } => None,
        })
    }

    fn is_whole(&self) -> Result<(), Error> {
        for step in &self.manifest.steps {
            if let Some(file) = step.file().filter(|file| !self.files.contains_key(file)) {
                return Err(Error::Missing { step: step.name.clone(), file: file.as_str().to_owned() });
            }
        }
        // A file that is a directory for another cannot be unpacked.
        for name in self.files.keys() {
            let mut at = name.as_str();
            while let Some((above, _)) = at.rsplit_once('/') {
                if self.files.keys().any(|other| other.as_str().eq_ignore_ascii_case(above)) {
                    let why = "another entry lies within it";
                    return Err(Error::Entry { name: above.to_owned(), why });
                }
                at = above;
            }
        }
        Ok(())
    }
}

fn small(entry: &Entry, content: &mut dyn Read, most: u64) -> Result<Vec<u8>, Error> {
    if entry.size > most {
        let name = entry.name.as_str();
        return Err(Error::TooLarge(format!("{name} has more than {} KiB", most >> 10)));
    }
    let mut bytes = Vec::new();
    content
        .take(most)
        .read_to_end(&mut bytes)
        .map_err(|error| Error::Archive(format!("its archive cannot be read: {error}")))?;
    if bytes.len() as u64 == entry.size {
        Ok(bytes)
    } else {
        Err(Error::Archive("its archive ends within a file".to_owned()))
    }
}
