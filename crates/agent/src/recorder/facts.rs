//! What is learned of files by reading them: hashes, packages, containers. On a thread of its own with a bounded queue, so
//! that a flood of programs keeps no event waiting; what finds no room there stays unread, and is counted.
//!
//! Only files are opened that keep nobody waiting (`quell_host::guard::open_local`, `quell_host::process::open_program`).

mod copies;
mod digest;
mod packages;

use std::collections::{HashMap, VecDeque};
use std::ffi::OsStr;
use std::fs::File;
use std::hash::BuildHasher;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use quell_host::process::{Identity, container_of, open_program};
use tokio::sync::oneshot;

use self::copies::Copies;
pub use self::digest::Key;
use self::digest::{Read, read};
use self::packages::{Digest, Packages};
use super::item::{Facts, Item, Program, What};
use super::raw::identity;

/// Files that wait to be read.
const WAITING: usize = 4096;
/// Files whose facts are remembered; beyond that all are forgotten. About 200 bytes each.
const KNOWN: usize = 8192;
/// Names of one file by which it is a package's; under more it is read each time.
const NAMES: usize = 256;
/// For how long a program of the system is taken for unchanged without another look. It takes root to change it, and root
/// to change what is said of it.
const FRESH: Duration = Duration::from_secs(5);
/// Between two looks whether packages are known by now.
const SOON: Duration = Duration::from_millis(100);
const STACK: usize = 384 << 10;

/// A file: its device by both numbers, and its inode.
type Inode = ((u32, u32), u64);

/// What is to be learned.
#[derive(Debug)]
pub enum Job {
    /// Of a program that was begun; without an event where it runs already.
    Program { program: Arc<Program>, by: Identity, item: Option<Arc<Item>>, foreign: bool },
    /// Of a file that came to be, was changed or renamed.
    File { item: Arc<Item>, path: Vec<u8>, inode: Inode, by: Option<Identity>, foreign: bool },
    /// The container of a mount namespace, by a process in it.
    Container { mounts: u32, by: Identity },
    /// Nothing: somebody waits until all that was asked before is learned.
    Pass(oneshot::Sender<()>),
}

/// What was learned.
#[derive(Debug)]
pub enum Learned {
    /// The facts of an event's file are where they belong.
    Item(Arc<Item>),
    /// The facts of a program that ran already.
    Program(Identity),
    /// A container's id; empty where it is none.
    Container(u32, Arc<str>),
    /// All that was asked before is learned.
    Passed(oneshot::Sender<()>),
}

/// A file for rules about content.
pub struct Content {
    pub file: File,
    pub path: Vec<u8>,
    pub item: Arc<Item>,
    /// Names the content for as long as nobody writes.
    pub key: Key,
}

/// Takes what was learned.
pub type Tell = Box<dyn Fn(Learned) + Send>;
/// Takes files whose content is to be looked at.
pub type Scan = Box<dyn Fn(Content) + Send>;

/// What was read of a package's program.
struct Fresh {
    at: Instant,
    name: Vec<u8>,
    facts: Facts,
}

#[derive(Default)]
struct Shared {
    /// Programs of packages that were read a moment ago, by inode. Under another name a file is no package's.
    fresh: Mutex<HashMap<Inode, Fresh>>,
    unread: AtomicU64,
    /// Whether content is looked at by rules.
    scans: AtomicBool,
}

/// What others give it jobs by. Cheap to clone; the thread ends with the last.
#[derive(Clone)]
pub struct Reader {
    jobs: SyncSender<Job>,
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Reader({} unread)", self.unread())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Reader {
    /// Begins the thread.
    pub fn start(tell: Tell, scan: Scan) -> std::io::Result<Self> {
        let (jobs, received) = sync_channel(WAITING);
        let shared = Arc::new(Shared::default());
        let work = Work {
            shared: shared.clone(),
            known: HashMap::new(),
            packages: Packages::default(),
            copies: Copies::default(),
            buffer: Vec::new(),
            tell,
            scan,
        };
        let thread = std::thread::Builder::new().name("flight-facts".into()).stack_size(STACK);
        thread.spawn(move || work.run(&received))?;
        Ok(Self { jobs, shared })
    }

    /// Learns of something. Whether an answer comes.
    pub fn ask(&self, job: Job) -> bool {
        match self.jobs.try_send(job) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.shared.unread.fetch_add(1, Ordering::Relaxed);
                false
            }
        }
    }

    /// Hands on who waits until all that was asked is learned; back where there is no room.
    pub fn pass(&self, answer: oneshot::Sender<()>) -> Option<oneshot::Sender<()>> {
        match self.jobs.try_send(Job::Pass(answer)) {
            Err(TrySendError::Full(Job::Pass(answer)) | TrySendError::Disconnected(Job::Pass(answer))) => {
                Some(answer)
            }
            Ok(()) | Err(_) => None,
        }
    }

    /// What is known without asking: of a program that is a package's and was read a moment ago. Rules about content do not look
    /// at these anyway.
    pub fn at_once(&self, program: &Program) -> bool {
        let Some(inode) = program.inode.filter(|_| program.image.script.is_none()) else { return false };
        let fresh = lock(&self.shared.fresh);
        let known = fresh.get(&inode).filter(|known| known.at.elapsed() < FRESH);
        let known = known.filter(|known| known.name == program.image.path);
        known.is_some_and(|known| program.late.set(known.facts.clone()).is_ok())
    }

    /// Whether rules look at content from now on.
    pub fn scans(&self, yes: bool) {
        self.shared.scans.store(yes, Ordering::Relaxed);
    }

    /// Files that were not read for want of room.
    pub fn unread(&self) -> u64 {
        self.shared.unread.load(Ordering::Relaxed)
    }
}

/// A file that was read.
#[derive(Clone)]
struct Known {
    read: Read,
    /// The number of the name that was asked for. Of several names of one file, one by which it is its package's.
    name: Option<u64>,
    /// Numbers of other names by which it is a package's, and of which.
    others: Vec<(u64, Arc<str>)>,
}

impl Known {
    fn new(read: Read, name: Option<u64>) -> Self {
        Self { read, name, others: Vec::new() }
    }

    /// What it is under this name, where that is known.
    fn under(&self, name: Option<u64>) -> Option<Read> {
        if self.name == name {
            return Some(self.read.clone());
        }
        let (_, package) = self.others.iter().find(|(other, _)| Some(*other) == name)?;
        Some(Read { package: package.clone(), copy_of: Arc::default(), ..self.read.clone() })
    }
}

struct Work {
    shared: Arc<Shared>,
    known: HashMap<Key, Known>,
    packages: Packages,
    copies: Copies,
    buffer: Vec<u8>,
    tell: Tell,
    scan: Scan,
}

impl Work {
    fn run(mut self, jobs: &Receiver<Job>) {
        let mut later = VecDeque::new();
        self.packages.renew();
        loop {
            let job = match jobs.try_recv() {
                Ok(job) => job,
                Err(TryRecvError::Disconnected) => return,
                // What ran already can wait for what happens, and for the packages.
                Err(TryRecvError::Empty) if later.is_empty() => match jobs.recv() {
                    Ok(job) => job,
                    Err(_) => return,
                },
                Err(TryRecvError::Empty) => {
                    let patience = if self.packages.is_ready() { Duration::ZERO } else { SOON };
                    match jobs.recv_timeout(patience) {
                        Ok(job) => job,
                        Err(RecvTimeoutError::Disconnected) => return,
                        Err(RecvTimeoutError::Timeout) => {
                            self.packages.renew();
                            if self.packages.is_ready()
                                && let Some(job) = later.pop_front()
                            {
                                self.job(job);
                            }
                            continue;
                        }
                    }
                }
            };
            let ran_already = matches!(job, Job::Program { item: None, .. });
            if ran_already && later.len() < WAITING {
                later.push_back(job);
            } else {
                self.job(job);
            }
        }
    }

    fn job(&mut self, job: Job) {
        if self.packages.is_other() {
            // What belongs to whom may be another now.
            self.known.clear();
            self.copies.forget();
            lock(&self.shared.fresh).clear();
        }
        match job {
            Job::Program { program, by, item, foreign } => {
                self.program(&program, by, item.as_ref(), foreign);
                (self.tell)(item.map_or(Learned::Program(by), Learned::Item));
            }
            Job::File { item, path, inode, by, foreign } => {
                self.file(&item, path, inode, by.filter(|_| foreign));
                (self.tell)(Learned::Item(item));
            }
            Job::Container { mounts, by } => {
                let container = container_of(by).unwrap_or_default();
                (self.tell)(Learned::Container(mounts, container.into()));
            }
            Job::Pass(answer) => (self.tell)(Learned::Passed(answer)),
        }
    }

    fn program(&mut self, program: &Program, by: Identity, item: Option<&Arc<Item>>, foreign: bool) {
        if program.late.get().is_some() {
            return;
        }
        let image = &program.image;
        // By the process itself: what it runs need not lie under any name. Once it has ended, by the name: as it was for it, or as
        // it is for us, where that is the same file.
        let is_this = |file: &File| program.inode.is_some() && is_it(file, program.inode);
        let named = |by| place(&image.path, by).and_then(|path| open(&path)).filter(is_this);
        let opened = open_program(by).ok().filter(|file| is_it(file, program.inode));
        let opened = opened.or_else(|| if foreign { named(Some(by)) } else { None }).or_else(|| named(None));
        let mut facts = Facts::default();
        if let Some(file) = opened {
            let name = (!foreign).then_some(image.path.as_slice());
            if let Some((key, known)) = self.look(&file, name) {
                (facts.sha256, facts.size) = (known.sha256, known.size);
                (facts.package, facts.copy_of) = (known.package, known.copy_of);
                if let (Some(item), true) = (item, facts.package.is_empty()) {
                    self.scan(file, &image.path, item, key);
                } else if let Some(inode) = program.inode.filter(|_| !facts.package.is_empty()) {
                    self.remember(inode, &image.path, &facts);
                }
            }
        }
        if let Some(script) = &image.script
            && let Some(file) = place(&script.path, foreign.then_some(by)).and_then(|path| open(&path))
            && let Some((key, known)) = self.look(&file, (!foreign).then_some(script.path.as_slice()))
        {
            facts.script = known.sha256;
            if let (Some(item), true) = (item, known.package.is_empty()) {
                self.scan(file, &script.path, item, key);
            }
        }
        let _ = program.late.set(facts);
    }

    fn file(&mut self, item: &Arc<Item>, path: Vec<u8>, inode: Inode, by: Option<Identity>) {
        let What::File(_, late) = &item.what else { return };
        let Some(named) = place(&path, by) else { return };
        // Another file may have taken its name meanwhile.
        let Some(file) = open(&named).filter(|file| is_it(file, Some(inode))) else { return };
        if digest::is_object(&file) {
            return;
        }
        let Some((key, known)) = self.look(&file, None) else { return };
        let Read { sha256, size, package, copy_of, .. } = known;
        // Of files it is told whose content it is; whose file it is, of programs alone.
        let copy_of = if copy_of.is_empty() { package } else { copy_of };
        let _ = late.set(Facts { sha256, size, copy_of, ..Facts::default() });
        self.scan(file, &path, item, key);
    }

    /// Learns what a file is, or remembers it. `name`: where packages know it.
    fn look(&mut self, file: &File, name: Option<&[u8]>) -> Option<(Key, Read)> {
        let key = Key::of(file)?;
        let number = name.map(|name| self.known.hasher().hash_one(name));
        let before = self.known.get(&key).cloned();
        if let Some(read) = before.as_ref().and_then(|known| known.under(number)) {
            return Some((key, read));
        }
        let mut read = match &before {
            Some(before) => self.renamed(file, key, name, &before.read)?,
            None => self.learn(file, key, name)?,
        };
        if read.package.is_empty() {
            read.copy_of = match &before {
                Some(Known { read: before, .. }) if !before.package.is_empty() => before.package.clone(),
                Some(Known { read: before, .. }) => before.copy_of.clone(),
                None => self.original(&read),
            };
        }
        if before.is_none_or(|before| before.read.package.is_empty()) {
            self.keep(key, Known::new(read.clone(), number));
        } else if !read.package.is_empty()
            && let (Some(known), Some(number)) = (self.known.get_mut(&key), number)
            && known.others.len() < NAMES
        {
            known.others.push((number, read.package.clone()));
        }
        Some((key, read))
    }

    /// The same file under another name: its content is known, and it is a package's only where that lists this name.
    fn renamed(&mut self, file: &File, key: Key, name: Option<&[u8]>, before: &Read) -> Option<Read> {
        if name.is_some_and(|name| self.packages.owner(name).is_some()) {
            return self.learn(file, key, name);
        }
        Some(Read { package: Arc::default(), copy_of: Arc::default(), ..before.clone() })
    }

    fn keep(&mut self, key: Key, known: Known) {
        if key.is_settled() {
            if self.known.len() >= KNOWN {
                self.known.clear();
            }
            self.known.insert(key, known);
        }
    }

    /// The package whose program has the same content; empty where none is known.
    fn original(&mut self, copy: &Read) -> Arc<str> {
        let Some(digest) = copy.sha256.filter(|_| copy.size > 0) else { return Arc::default() };
        for path in self.copies.of_size(copy.size) {
            let known = open(&path).and_then(|file| self.packaged(&file, path.as_os_str().as_bytes()));
            if let Some(known) = known.filter(|known| known.sha256 == Some(digest)) {
                return known.package;
            }
        }
        Arc::default()
    }

    /// What a program of the system is, if it is a package's: read once for as long as it stays as it is.
    fn packaged(&mut self, file: &File, name: &[u8]) -> Option<Read> {
        let key = Key::of(file)?;
        if let Some(known) = self.known.get(&key).filter(|known| !known.read.package.is_empty()) {
            return Some(known.read.clone());
        }
        let read = self.learn(file, key, Some(name)).filter(|read| !read.package.is_empty())?;
        let number = Some(self.known.hasher().hash_one(name));
        self.keep(key, Known::new(read.clone(), number));
        Some(read)
    }

    /// Reads a file, and whose it is. `name`: where packages know it.
    fn learn(&mut self, file: &File, key: Key, name: Option<&[u8]>) -> Option<Read> {
        let owner = name.and_then(|name| self.packages.owner(name));
        let digest = owner.as_ref().and_then(|owner| owner.digest);
        let mut known = read(file, &key, matches!(digest, Some(Digest::Md5(_))), &mut self.buffer)?;
        let is_as_brought = digest.is_some_and(|digest| match digest {
            Digest::Md5(md5) => known.md5 == Some(md5),
            Digest::Sha256(sha256) => known.sha256 == Some(sha256),
        });
        // Content that is not what the package brought is not the package's; nor what nobody knows that of: a file of settings,
        // which may be a script that everybody has run.
        if let Some(owner) = owner.filter(|_| is_as_brought) {
            known.package = owner.package;
        }
        Some(known)
    }

    fn remember(&self, inode: Inode, name: &[u8], facts: &Facts) {
        let mut fresh = lock(&self.shared.fresh);
        if fresh.len() >= 1024 {
            fresh.clear();
        }
        fresh.insert(inode, Fresh { at: Instant::now(), name: name.to_vec(), facts: facts.clone() });
    }

    fn scan(&self, file: File, path: &[u8], item: &Arc<Item>, key: Key) {
        if self.shared.scans.load(Ordering::Relaxed) {
            (self.scan)(Content { file, path: path.to_vec(), item: item.clone(), key });
        }
    }
}

/// Where a path leads, for a process that may have other mounts than we do.
fn place(path: &[u8], by: Option<Identity>) -> Option<PathBuf> {
    let path = Path::new(OsStr::from_bytes(path));
    if !path.is_absolute() {
        return None;
    }
    match by {
        None => Some(path.to_owned()),
        Some(by) => {
            Some(Path::new("/proc").join(by.pid.to_string()).join("root").join(path.strip_prefix("/").ok()?))
        }
    }
}

fn open(path: &Path) -> Option<File> {
    quell_host::guard::open_local(path).ok()
}

fn is_it(file: &File, inode: Option<Inode>) -> bool {
    inode.is_none_or(|(device, inode)| digest::inode(file) == Some((device, inode)))
}

/// What a process is, for reading by it.
pub fn by(key: quell_wire::activity::ProcessKey) -> Identity {
    identity(key)
}

#[cfg(test)]
mod tests;
