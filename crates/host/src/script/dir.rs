//! The run's directory: what lies in it, and how it is written so that a power cut leaves no half of it.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Error, Interpreter, Job, Limits, Outcome};
use crate::process::Identity;

pub(super) const BODY_CAP: u64 = 4 * 1024 * 1024;
const JSON_CAP: u64 = 1024 * 1024;

const JOB: &str = "job.json";
const CLAIM: &str = "supervisor.json";
const RESULT: &str = "result.json";
const CANCEL: &str = "cancel";
const WORK: &str = "work";

/// A run's directory, known to be private.
#[derive(Debug, Clone)]
pub(super) struct Dir(PathBuf);

/// `job.json`: everything of the job but the body.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Spec {
    pub interpreter: Interpreter,
    pub sha256: [u8; 32],
    pub args: Vec<String>,
    pub env: BTreeMap<String, String>,
    pub cwd: Option<PathBuf>,
    pub limits: Limits,
    /// Found in the environment of whatever descends from the script.
    pub run: String,
}

/// `supervisor.json`: who runs this. Made once, by whoever comes first.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Claim {
    /// A supervisor, written before it started the script.
    Supervisor { identity: Identity, boot_id: String },
    /// Nobody, for ever: it was given up before a supervisor had come.
    Void,
}

impl Dir {
    /// Makes it, with all that the supervisor needs. Durable when this returns.
    pub fn create(path: &Path, job: &Job, run: String) -> Result<Self, Error> {
        match DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(Error::Exists),
            Err(error) => return Err(Error::io("make the run's directory")(error)),
        }
        let dir = Self(path.to_owned());
        let work = DirBuilder::new().mode(0o700).create(dir.work());
        work.map_err(Error::io("make the working directory"))?;
        dir.write(job.interpreter.body(), &job.body).map_err(Error::io("write the script"))?;
        let Job { interpreter, sha256, ref args, ref env, ref cwd, limits, .. } = *job;
        let (args, env, cwd) = (args.clone(), env.clone(), cwd.clone());
        let spec = Spec { interpreter, sha256, args, env, cwd, limits, run };
        dir.place(JOB, &json(&spec)?).map_err(Error::io("write the job"))?;
        let parent = path.parent().unwrap_or(Path::new("/"));
        sync(parent).map_err(Error::io("sync the directory above the run's"))?;
        Ok(dir)
    }

    /// An existing one. Must belong to this user, and to nobody else's writing.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let about = std::fs::symlink_metadata(path).map_err(Error::io("open the run's directory"))?;
        if !about.is_dir() {
            return Err(Error::Directory("it is no directory"));
        }
        if about.uid() != rustix::process::geteuid().as_raw() || about.mode() & 0o077 != 0 {
            return Err(Error::Directory("others have access to it"));
        }
        Ok(Self(path.to_owned()))
    }

    pub fn work(&self) -> PathBuf {
        self.0.join(WORK)
    }

    pub fn body(&self, interpreter: Interpreter) -> PathBuf {
        self.0.join(interpreter.body())
    }

    pub fn output(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn read_body(&self, interpreter: Interpreter) -> Result<Vec<u8>, Error> {
        read(&self.body(interpreter), BODY_CAP).map_err(Error::io("read the script"))
    }

    pub fn spec(&self) -> Result<Spec, Error> {
        self.json(JOB)?.ok_or(Error::Directory("it holds no job"))
    }

    pub fn claim(&self) -> Result<Option<Claim>, Error> {
        self.json(CLAIM)
    }

    pub fn result(&self) -> Result<Option<Outcome>, Error> {
        self.json(RESULT)
    }

    /// `false` when another claim was there first.
    pub fn make_claim(&self, claim: &Claim) -> Result<bool, Error> {
        // Linked into place: unlike a rename this never replaces, on any file system.
        let temporary = format!(".{CLAIM}.{}", std::process::id());
        let _ = std::fs::remove_file(self.0.join(&temporary));
        let failed = Error::io("claim the run");
        let made = self.write(&temporary, &json(claim)?).and_then(|()| {
            let linked = std::fs::hard_link(self.0.join(&temporary), self.0.join(CLAIM));
            std::fs::remove_file(self.0.join(&temporary))?;
            linked?;
            sync(&self.0)
        });
        match made {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }

    pub fn finish(&self, outcome: &Outcome) -> Result<(), Error> {
        self.place(RESULT, &json(outcome)?).map_err(Error::io("write the result"))
    }

    pub fn ask_cancel(&self) -> Result<(), Error> {
        match self.write(CANCEL, b"") {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(Error::io("ask for the cancel")(error))
            }
            _ => sync(&self.0).map_err(Error::io("ask for the cancel")),
        }
    }

    pub fn is_canceled(&self) -> bool {
        self.0.join(CANCEL).exists()
    }

    fn json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        match read(&self.0.join(name), JSON_CAP) {
            Ok(bytes) => {
                let damaged = |_| Error::Directory("a file in it is damaged");
                serde_json::from_slice(&bytes).map(Some).map_err(damaged)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read the run's state")(error)),
        }
    }

    /// A whole file or none.
    fn place(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let temporary = format!(".{name}.{}", std::process::id());
        self.write(&temporary, bytes)?;
        std::fs::rename(self.0.join(&temporary), self.0.join(name))?;
        sync(&self.0)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut file = create(&self.0.join(name))?;
        file.write_all(bytes)?;
        file.sync_all()
    }
}

/// A new file for this user alone.
pub(super) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn read(path: &Path, cap: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(cap + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > cap { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
}

fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn json<T: Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(|error| Error::io("encode the run's state")(error.into()))
}
