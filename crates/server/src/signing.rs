//! Which signer this server asks for signatures, and whether it is the one whose keys the agents know.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prost::Message as _;
use quell_engine::RemoteSigner;
use quell_signer::{Client, FileError, Keys, OpenError, Place, SIGN_SOCKET, Service, system_clock};
use quell_wire::keys::KeySet;

use crate::directory;
use crate::pki::{PrivateFileError, private_file};

/// The signer's own directory, in the server's.
const DIRECTORY: &str = "signer";
/// The keys that agents were given, in the server's directory.
const KNOWN: &str = "order.pub";
/// The signer tells its keys within this time, or the server does not start: nobody could be enrolled.
const START: Duration = Duration::from_secs(15);

/// How long a signer within this process may take to leave its directory, and how often that is looked at.
const LEAVE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(5);

/// What keeps a signer's process up; whoever drops it ends the process.
pub type Keeper = Box<dyn Send + Sync>;

/// Who signs orders.
#[derive(Clone, Debug, Default)]
pub enum Signing {
    /// A thread of this process: for programs that embed a server, such as tests. The order key is in this process.
    #[default]
    Inside,
    /// A process that is started with the server and ends with it.
    Child(Launcher),
    /// A signer that somebody else runs.
    At(Place),
}

/// Starts a signer's process.
#[derive(Clone)]
pub struct Launcher(Arc<Launch>);

type Launch = dyn Fn(&Path) -> io::Result<Keeper> + Send + Sync;

impl Launcher {
    /// Of a function that starts a process which works in the directory that it is given, and listens there.
    pub fn new(launch: impl Fn(&Path) -> io::Result<Keeper> + Send + Sync + 'static) -> Self {
        Self(Arc::new(launch))
    }
}

impl std::fmt::Debug for Launcher {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Launcher")
    }
}

/// There is no signer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The order key cannot be put where the signer expects it.
    #[error("the order key cannot be handed to the signer")]
    HandOver(#[from] directory::Error),
    /// The signer within this process.
    #[error(transparent)]
    Inside(#[from] OpenError),
    /// Its process.
    #[error("the signer's process cannot be started")]
    Start(#[source] io::Error),
    /// It does not answer.
    #[error("no orders could be signed and nobody enrolled; its own log says more")]
    Absent(#[source] quell_signer::Error),
    /// The keys that agents know.
    #[error(transparent)]
    Known(#[from] PrivateFileError),
    /// The file of them.
    #[error("{0} is damaged; put it back from a copy")]
    Damaged(PathBuf),
}

/// A signer that answers, and what keeps it up.
pub(crate) struct Opened {
    pub signer: Arc<RemoteSigner>,
    pub keeper: Option<Keeper>,
}

/// Finds the signer, and waits until it told its keys.
pub(crate) async fn open(choice: &Signing, data: &Path) -> Result<Opened, Error> {
    let directory = data.join(DIRECTORY);
    let (place, keeper) = match choice {
        Signing::At(place) => {
            if data.join("order.key").exists() || directory.join("order.key").exists() {
                tracing::warn!(
                    signer = %place,
                    "an order key lies in the server's directory though another signer is used; move it to the signer, or away"
                );
            }
            (place.clone(), None)
        }
        Signing::Inside => {
            directory::hand_over_order_key(data, &directory)?;
            (Place::Inside(Arc::new(inside(&directory).await?)), None)
        }
        Signing::Child(launcher) => {
            directory::hand_over_order_key(data, &directory)?;
            let keeper = (launcher.0)(&directory).map_err(Error::Start)?;
            (Place::Unix(directory.join(SIGN_SOCKET)), Some(keeper))
        }
    };
    let known = Known::open(data.join(KNOWN))?;
    let client = Client::start(place, Box::new(move |keys| known.judge(keys)));
    client.ready(START).await.map_err(Error::Absent)?;
    Ok(Opened { signer: Arc::new(RemoteSigner::new(client)), keeper })
}

/// The signer within this process. That of a server which was here a moment ago may still be on its way out; the lock of the
/// server's own directory says that no other server lives.
async fn inside(directory: &Path) -> Result<Service, OpenError> {
    let end = tokio::time::Instant::now() + LEAVE;
    loop {
        match Service::open(directory, system_clock()) {
            Err(OpenError::File(FileError::InUse(_))) if tokio::time::Instant::now() < end => {
                tokio::time::sleep(LOOK).await;
            }
            result => return result,
        }
    }
}

/// The keys that agents were given. A signer with others, and without the rotations that lead to them, is a wrong one: all
/// agents would refuse what it signs.
struct Known {
    path: PathBuf,
    set: Mutex<Option<KeySet>>,
}

impl Known {
    fn open(path: PathBuf) -> Result<Self, Error> {
        let set = match private_file::read(&path)? {
            Some(bytes) => Some(KeySet::decode(bytes.as_slice()).map_err(|_| Error::Damaged(path.clone()))?),
            None => None,
        };
        Ok(Self { path, set: Mutex::new(set) })
    }

    fn judge(&self, keys: &Keys) -> Result<(), String> {
        let mut known = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref() == Some(&keys.set) {
            return Ok(());
        }
        if known.as_ref().is_some_and(|known| !keys.follow(known)) {
            return Err(format!(
                "it holds other keys than the agents of this server know; give it the order.key of before (or, to begin \
                 anew and enrol every endpoint again, remove {})",
                self.path.display()
            ));
        }
        replace(&self.path, &keys.set.encode_to_vec())
            .map_err(|error| format!("{} cannot be written: {error}", self.path.display()))?;
        *known = Some(keys.set.clone());
        Ok(())
    }
}

/// After a crash it is wholly the old one or wholly the new one.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), PrivateFileError> {
    let new = path.with_added_extension("new");
    private_file::write(&new, bytes, false)?;
    let renamed = std::fs::rename(&new, path);
    renamed.map_err(|source| PrivateFileError::Io { path: path.to_owned(), source })?;
    path.parent().map_or(Ok(()), private_file::sync_directory)
}
