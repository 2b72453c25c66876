//! The vault on disk: a key, and a directory per item with its encrypted content and its encrypted manifest. An item is
//! one that has a manifest; without, it is the beginning of one, and worth nothing.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::facts::Facts;
use super::seal::{self, Key, Sealer};
use super::{Error, Event, Watch, tell};

const KEY: &str = "key";
const CONTENT: &str = "content";
const MANIFEST: &str = "manifest";
const FORMAT: &str = "quell.quarantined/1";
/// Bytes of a manifest: attributes of 64 KiB each, as JSON.
const MANIFEST_BYTES: usize = 64 << 20;
/// Bytes of a zero block that is not written but left out.
const HOLE: usize = 4096;
/// Free space of the vault's file system that is left to others. Bytes.
const SPARE: u64 = 64 << 20;

/// The vault. Its directory belongs to the caller, mode 0700.
#[derive(Debug, Clone)]
pub struct Vault {
    dir: PathBuf,
    key: Key,
}

/// What is known of a file in the vault.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub format: String,
    pub id: String,
    pub path: Vec<u8>,
    pub device: u64,
    pub inode: u64,
    pub ctime: (i64, u32),
    /// When the file was made, where its file system keeps that.
    pub birth: Option<(i64, u32)>,
    pub size: u64,
    pub links: u64,
    pub sha1: [u8; 20],
    pub sha256: [u8; 32],
    pub facts: Facts,
    /// Microseconds since 1970.
    pub taken_us: u64,
}

/// An item, as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: String,
    /// Where the file was.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the content.
    pub sha256: [u8; 32],
    /// When it was taken, microseconds since 1970.
    pub taken_us: u64,
}

impl Manifest {
    pub fn new(
        id: &str,
        path: &Path,
        stat: &crate::file::Stat,
        hashes: super::pin::Hashes,
        facts: Facts,
    ) -> Self {
        let now = crate::process::since_1970();
        Self {
            format: FORMAT.to_owned(),
            id: id.to_owned(),
            path: path.as_os_str().as_bytes().to_vec(),
            device: stat.device,
            inode: stat.inode,
            ctime: stat.ctime,
            birth: None,
            size: stat.size,
            links: stat.links,
            sha1: hashes.sha1,
            sha256: hashes.sha256,
            facts,
            taken_us: now.as_micros() as u64,
        }
    }

    pub fn path(&self) -> PathBuf {
        OsString::from_vec(self.path.clone()).into()
    }
}

impl Vault {
    /// Opens it, and makes it with a new key where it is missing.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        match DirBuilder::new().mode(0o700).recursive(true).create(dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(Error::Vault(error)),
            _ => {}
        }
        let path = dir.join(KEY);
        if !path.exists() {
            make_key(dir, &path).map_err(Error::Vault)?;
        }
        let mut key = Key::default();
        let read = File::open(&path).and_then(|mut file| file.read_exact(&mut *key));
        read.map_err(|_| Error::Damaged("its key cannot be read"))?;
        Ok(Self { dir: dir.to_owned(), key })
    }

    /// What lies in it, oldest first. Damaged items are left out.
    pub fn list(&self) -> Result<Vec<Entry>, Error> {
        let mut all = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(Error::Vault)?.flatten() {
            let Some(id) = entry.file_name().to_str().map(str::to_owned) else { continue };
            if let Ok(Some(manifest)) = self.manifest(&id) {
                let path = manifest.path();
                let Manifest { size, sha256, taken_us, .. } = manifest;
                all.push(Entry { id, path, size, sha256, taken_us });
            }
        }
        all.sort_by(|a, b| (a.taken_us, &a.id).cmp(&(b.taken_us, &b.id)));
        Ok(all)
    }

    /// Removes an item; fine where there is none.
    pub fn discard(&self, id: &str) -> Result<(), Error> {
        self.remove(id)
    }

    fn item(&self, id: &str) -> Result<PathBuf, Error> {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if id.is_empty() || id.len() > 64 || id == KEY || !id.bytes().all(is_plain) {
            return Err(Error::NoItem);
        }
        Ok(self.dir.join(id))
    }

    /// `None`: no such item, or only the beginning of one.
    pub(super) fn manifest(&self, id: &str) -> Result<Option<Manifest>, Error> {
        let file = match File::open(self.item(id)?.join(MANIFEST)) {
            Ok(file) => file,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(Error::Vault(error)),
        };
        let mut json = Vec::new();
        let opened = seal::open(file, &self.key, &format!("{id}/{MANIFEST}"), |piece| {
            json.extend_from_slice(piece);
            if json.len() > MANIFEST_BYTES { Err(io::ErrorKind::InvalidData.into()) } else { Ok(()) }
        });
        opened.map_err(|_| Error::Damaged("its manifest was changed, or belongs to another key"))?;
        let manifest: Manifest =
            serde_json::from_slice(&json).map_err(|_| Error::Damaged("its manifest makes no sense"))?;
        if manifest.format != FORMAT || manifest.id != id {
            return Err(Error::Damaged("its manifest is of another kind"));
        }
        Ok(Some(manifest))
    }

    /// Begins an item anew; what there was of it goes.
    pub(super) fn begin(&self, id: &str) -> Result<Sealer<io::BufWriter<File>>, Error> {
        let item = self.item(id)?;
        self.remove(id)?;
        DirBuilder::new().mode(0o700).create(&item).map_err(Error::Vault)?;
        let made = create(&item.join(CONTENT)).map(|file| io::BufWriter::with_capacity(128 << 10, file));
        made.and_then(|file| Sealer::new(file, &self.key, &format!("{id}/{CONTENT}"))).map_err(Error::Vault)
    }

    /// Whether as many bytes find room, with some to spare for others.
    pub(super) fn has_room(&self, bytes: u64) -> bool {
        let free = rustix::fs::statvfs(&self.dir).map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
        free.is_ok_and(|free| free >= bytes.saturating_add(SPARE))
    }

    /// The content is complete: on disk when this returns.
    pub(super) fn sync_content(content: Sealer<io::BufWriter<File>>) -> Result<(), Error> {
        let file = content.finish().and_then(|out| out.into_inner().map_err(io::IntoInnerError::into_error));
        file.and_then(|file| file.sync_all()).map_err(Error::Vault)
    }

    /// From here on the item is one, also after a crash.
    pub(super) fn complete(&self, manifest: &Manifest) -> Result<(), Error> {
        let item = self.item(&manifest.id)?;
        let fresh = item.join("manifest.new");
        let _ = fs::remove_file(&fresh);
        let label = format!("{}/{MANIFEST}", manifest.id);
        let written = create(&fresh).and_then(|file| {
            let mut sealer = Sealer::new(file, &self.key, &label)?;
            sealer.write_all(&serde_json::to_vec(manifest)?)?;
            sealer.finish()?.sync_all()?;
            fs::rename(&fresh, item.join(MANIFEST))?;
            sync(&item)?;
            sync(&self.dir)
        });
        written.map_err(Error::Vault)
    }

    /// Writes the content, zeros as holes.
    pub(super) fn unseal(&self, id: &str, out: &File, watch: &mut Watch<'_>) -> Result<(), Error> {
        use std::os::unix::fs::FileExt;
        let file =
            File::open(self.item(id)?.join(CONTENT)).map_err(|_| Error::Damaged("its content is gone"))?;
        let mut at = 0u64;
        let mut stopped = Ok(());
        let file = io::BufReader::with_capacity(128 << 10, file);
        let done = seal::open(file, &self.key, &format!("{id}/{CONTENT}"), |piece| {
            for block in piece.chunks(HOLE) {
                if block.iter().any(|byte| *byte != 0) {
                    out.write_all_at(block, at)?;
                }
                at += block.len() as u64;
            }
            stopped = tell(watch, Event::Bytes(at), at);
            if stopped.is_err() { Err(io::ErrorKind::Other.into()) } else { Ok(()) }
        });
        stopped?;
        done.map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => {
                Error::Damaged("its content was changed, or belongs to another key")
            }
            _ => Error::io("write the file")(error),
        })?;
        // What ends in zeros has its length from here.
        out.set_len(at).map_err(Error::io("write the file"))
    }

    /// Removes an item; fine where there is none. The manifest goes first: half of an item is none.
    pub(super) fn remove(&self, id: &str) -> Result<(), Error> {
        let item = self.item(id)?;
        let gone = |result: io::Result<()>| match result {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::Vault(error)),
            _ => Ok(()),
        };
        if !item.exists() {
            return Ok(());
        }
        gone(fs::remove_file(item.join(MANIFEST)))?;
        gone(sync(&item))?;
        gone(fs::remove_dir_all(&item))?;
        sync(&self.dir).map_err(Error::Vault)
    }
}

/// Two that come at the same time agree on one: the link goes to whoever is first.
fn make_key(dir: &Path, path: &Path) -> io::Result<()> {
    let key = seal::new_key()?;
    let fresh = dir.join(format!(".key.{}", std::process::id()));
    let _ = fs::remove_file(&fresh);
    let mut file = create(&fresh)?;
    file.write_all(&*key)?;
    file.sync_all()?;
    let linked = fs::hard_link(&fresh, path);
    fs::remove_file(&fresh)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => sync(dir),
    }
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
