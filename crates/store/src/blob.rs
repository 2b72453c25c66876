//! The bytes of artifacts: received in pieces into a spool file, checked, then moved into the object store.
//!
//! An upload may stop and go on at any byte that was answered as safe. Nothing reaches the object store
//! before its length and digest are what was announced. Names are made from ids only: no text from outside
//! is ever part of a path.

use std::{
    collections::HashSet,
    ops::Range,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use object_store::{
    GetOptions, GetRange, ObjectStore, ObjectStoreExt as _, PutPayload, WriteMultipart,
    local::LocalFileSystem, path::Path,
};
use sha2::{Digest, Sha256};
use tokio::{
    fs,
    io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _},
};
use uuid::Uuid;

/// Pieces that are read and written at a time.
const CHUNK: usize = 256 * 1024;
/// Objects up to this size are put in one piece.
const SMALL: u64 = 4 << 20;

/// What can go wrong with bytes.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The piece begins elsewhere than where the file ends; go on from there.
    #[error("the upload stands at byte {0}")]
    Offset(u64),
    /// More bytes than announced.
    #[error("more bytes than the {0} announced")]
    TooLong(u64),
    /// Fewer bytes than announced, or other bytes.
    #[error("the bytes are not those that were announced")]
    Mismatch,
    /// Another piece of the same upload is on its way.
    #[error("another piece of this upload is being received")]
    Busy,
    /// No such object.
    #[error("no such object")]
    NotFound,
    /// The disk is full.
    #[error("the artifact directory has no space left")]
    Full,
    /// The file system failed.
    #[error("the artifact directory cannot be used")]
    Io(#[source] std::io::Error),
    /// The object store failed.
    #[error("the object store failed")]
    Object(#[source] object_store::Error),
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::Full,
            std::io::ErrorKind::NotFound => Self::NotFound,
            _ => Self::Io(error),
        }
    }
}

impl From<object_store::Error> for Error {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::NotFound,
            other => Self::Object(other),
        }
    }
}

/// Where artifacts are kept. Cheap to clone.
#[derive(Clone)]
pub struct ArtifactStore {
    objects: Arc<dyn ObjectStore>,
    spool: PathBuf,
    busy: Arc<Mutex<HashSet<(Uuid, Uuid)>>>,
}

/// Keeps two pieces of one upload from being written into each other.
struct Turn {
    busy: Arc<Mutex<HashSet<(Uuid, Uuid)>>>,
    upload: (Uuid, Uuid),
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.upload);
    }
}

impl ArtifactStore {
    /// Keeps objects and unfinished uploads under this directory, which is made when absent.
    pub async fn open(directory: &std::path::Path) -> Result<Self, Error> {
        let (objects, spool) = (directory.join("objects"), directory.join("spool"));
        for path in [&objects, &spool] {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(path).await?;
        }
        let objects = LocalFileSystem::new_with_prefix(&objects)?.with_fsync(true);
        Ok(Self { objects: Arc::new(objects), spool, busy: Arc::default() })
    }

    /// How many bytes of an upload are safe.
    pub async fn received(&self, tenant: Uuid, id: Uuid) -> Result<u64, Error> {
        match fs::metadata(self.spool_path(tenant, id)).await {
            Ok(found) => Ok(found.len()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    /// Appends a piece that begins at `offset`, flushes it to the disk, and answers how many bytes are safe.
    ///
    /// A piece that lies wholly or partly before the end is taken from where it goes on, so that a repeat does
    /// no harm. When the stream breaks off, what came is kept and flushed, and its error is given back.
    ///
    /// # Errors
    /// [`Error::Offset`] when there is a gap; [`Error::TooLong`] beyond `size`; [`Error::Busy`] while another
    /// piece is being written.
    pub async fn append<S, E>(
        &self,
        tenant: Uuid,
        id: Uuid,
        offset: u64,
        size: u64,
        mut piece: S,
    ) -> Result<u64, Error>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
        E: Into<std::io::Error>,
    {
        let _turn = self.turn(tenant, id)?;
        let path = self.spool_path(tenant, id);
        let mut file = fs::OpenOptions::new().create(true).append(true).mode(0o600).open(&path).await?;
        let mut end = file.metadata().await?.len();
        if offset > end {
            return Err(Error::Offset(end));
        }
        let mut skip = end - offset;
        let result = loop {
            let bytes = match piece.next().await {
                Some(Ok(bytes)) => bytes,
                Some(Err(error)) => break Err(Error::from(error.into())),
                None => break Ok(()),
            };
            let known = skip.min(bytes.len() as u64);
            skip -= known;
            let fresh = bytes.slice(known as usize..);
            if end + fresh.len() as u64 > size {
                break Err(Error::TooLong(size));
            }
            if let Err(error) = file.write_all(&fresh).await {
                break Err(error.into());
            }
            end += fresh.len() as u64;
        };
        file.flush().await?;
        file.sync_all().await?;
        if offset == 0 {
            self.sync_spool().await?;
        }
        result.map(|()| end)
    }

    /// Checks a complete upload against what was announced and moves it into the object store; answers its key.
    ///
    /// Safe to repeat: an upload that was moved already is found there.
    ///
    /// # Errors
    /// [`Error::Mismatch`] leaves the spool file; [`ArtifactStore::discard`] removes it.
    pub async fn finish(
        &self,
        tenant: Uuid,
        id: Uuid,
        size: u64,
        sha256: &[u8; 32],
    ) -> Result<String, Error> {
        let _turn = self.turn(tenant, id)?;
        let key = object_key(tenant, id);
        let path = self.spool_path(tenant, id);
        let mut file = match fs::File::open(&path).await {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let stored = self.objects.head(&key).await?;
                return if stored.size == size { Ok(key.to_string()) } else { Err(Error::Mismatch) };
            }
            Err(error) => return Err(error.into()),
        };
        if file.metadata().await?.len() != size || digest(&mut file).await? != *sha256 {
            return Err(Error::Mismatch);
        }
        file.rewind().await?;
        self.put(&key, file, size).await?;
        fs::remove_file(&path).await?;
        Ok(key.to_string())
    }

    async fn put(&self, key: &Path, mut file: fs::File, size: u64) -> Result<(), Error> {
        if size <= SMALL {
            let mut bytes = Vec::with_capacity(size as usize);
            file.read_to_end(&mut bytes).await?;
            self.objects.put(key, PutPayload::from(bytes)).await?;
            return Ok(());
        }
        let mut upload = WriteMultipart::new(self.objects.put_multipart(key).await?);
        let mut buffer = vec![0; CHUNK];
        loop {
            let read = file.read(&mut buffer).await?;
            if read == 0 {
                break;
            }
            upload.wait_for_capacity(4).await?;
            upload.write(&buffer[..read]);
        }
        upload.finish().await?;
        Ok(())
    }

    /// Streams an object, or a part of it, with its whole size.
    pub async fn read(
        &self,
        key: &str,
        range: Option<Range<u64>>,
    ) -> Result<(u64, impl Stream<Item = Result<Bytes, Error>> + Send + use<>), Error> {
        let options = GetOptions { range: range.map(GetRange::Bounded), ..GetOptions::default() };
        let found = self.objects.get_opts(&Path::from(key), options).await?;
        Ok((found.meta.size, found.into_stream().map_err(Error::from)))
    }

    /// Deletes an object; one that is gone already is well.
    pub async fn delete(&self, key: &str) -> Result<(), Error> {
        match self.objects.delete(&Path::from(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes an unfinished upload.
    pub async fn discard(&self, tenant: Uuid, id: Uuid) -> Result<(), Error> {
        match fs::remove_file(self.spool_path(tenant, id)).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn turn(&self, tenant: Uuid, id: Uuid) -> Result<Turn, Error> {
        let upload = (tenant, id);
        if !self.busy.lock().unwrap_or_else(PoisonError::into_inner).insert(upload) {
            return Err(Error::Busy);
        }
        Ok(Turn { busy: Arc::clone(&self.busy), upload })
    }

    fn spool_path(&self, tenant: Uuid, id: Uuid) -> PathBuf {
        self.spool.join(format!("{tenant}.{id}"))
    }

    async fn sync_spool(&self) -> Result<(), Error> {
        Ok(fs::File::open(&self.spool).await?.sync_all().await?)
    }
}

fn object_key(tenant: Uuid, id: Uuid) -> Path {
    Path::from_iter([tenant.to_string(), id.to_string()])
}

async fn digest(file: &mut fs::File) -> Result<[u8; 32], Error> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = file.read(&mut buffer).await?;
        if read == 0 {
            return Ok(hasher.finalize().into());
        }
        hasher.update(&buffer[..read]);
    }
}
