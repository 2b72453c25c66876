//! Command lines, read so that no process keeps the reader waiting.
//!
//! The kernel takes the lock of a process's memory for this file, and every program can hold its own for as long as it
//! likes: it has the kernel read a page of a file system that it serves itself, and asks for another mapping beside. So a
//! thread reads, which is left behind where it does not come back. It ends when that lock is free, or with the caller's
//! process; and no more than [`MOST_STUCK`] are ever left so at the same time.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::procfs::{fill, is_gone};
use super::{Identity, Proc, Process};

/// Bytes kept of a command line.
pub const COMMAND: usize = 4 << 10;
/// That one [`Commands`] waits in all.
const PATIENCE: Duration = Duration::from_secs(2);
/// A reading may take so long without being counted: a busy machine with many processes is not to use the patience up.
const FREE: Duration = Duration::from_millis(1);
/// Threads that wait for a process which may never let go.
const MOST_STUCK: usize = 2;
/// Of the thread that reads. Bytes.
const STACK: usize = 64 << 10;

/// The processes that a thread was left behind with: not asked again. Locked while one is asked, so that they stay few.
static STUCK: Mutex<Vec<Identity>> = Mutex::new(Vec::new());

/// Reads command lines for one order, and waits two seconds for all of them together.
#[derive(Debug)]
pub struct Commands {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    left: Duration,
    reader: Option<Reader>,
}

#[derive(Debug)]
struct Reader {
    ask: Sender<(Identity, OwnedFd)>,
    answer: Receiver<Option<Vec<u8>>>,
    is_left: Arc<AtomicBool>,
}

impl Default for Commands {
    fn default() -> Self {
        Self::new()
    }
}

impl Commands {
    /// With all its patience.
    pub const fn new() -> Self {
        Self { inner: Mutex::new(Inner { left: PATIENCE, reader: None }) }
    }

    /// Puts the command line into a process that was looked up without; leaves it out where it was not had.
    pub fn fill(&self, process: &mut Process) {
        if process.kernel {
            return;
        }
        let Ok(Some(proc)) = Proc::open(process.identity.pid) else { return };
        if proc.row().is_ok_and(|row| row.is_some_and(|row| row.identity() == process.identity)) {
            process.command = self.line(&proc, process.identity);
        }
    }

    /// Arguments separated by blanks, lossy, at most [`COMMAND`] bytes. `None`: not read.
    pub(super) fn line(&self, proc: &Proc, identity: Identity) -> Option<String> {
        self.bytes(proc, identity).map(text)
    }

    /// The same as the kernel has it: each argument with a NUL behind it.
    pub(crate) fn bytes(&self, proc: &Proc, identity: Identity) -> Option<Vec<u8>> {
        match proc.open_at("cmdline", OFlags::RDONLY | OFlags::NOFOLLOW) {
            Ok(file) => self.ask(identity, file),
            Err(errno) => of_none(errno),
        }
    }

    fn ask(&self, identity: Identity, file: OwnedFd) -> Option<Vec<u8>> {
        let inner = &mut *locked(&self.inner);
        let mut stuck = locked(&STUCK);
        if inner.left.is_zero() || stuck.len() >= MOST_STUCK || stuck.contains(&identity) {
            return None;
        }
        if inner.reader.is_none() {
            inner.reader = Reader::start();
        }
        let (left, reader) = (inner.left, inner.reader.as_ref()?);
        reader.ask.send((identity, file)).ok()?;
        let began = Instant::now();
        let answer = reader.answer.recv_timeout(left);
        inner.left = left.saturating_sub(began.elapsed().saturating_sub(FREE));
        if let Ok(line) = answer {
            return line;
        }
        // Noted before the thread can learn that nobody listens, since then it takes the note away.
        stuck.push(identity);
        reader.is_left.store(true, Ordering::Release);
        inner.left = Duration::ZERO;
        inner.reader = None;
        None
    }
}

impl Reader {
    fn start() -> Option<Self> {
        let (ask, asked) = channel::<(Identity, OwnedFd)>();
        let (tell, answer) = channel();
        let is_left = Arc::new(AtomicBool::new(false));
        let left = is_left.clone();
        let work = move || {
            let mut last = None;
            for (identity, file) in asked {
                last = Some(identity);
                if tell.send(read(file).map_or_else(of_none, Some)).is_err() {
                    break;
                }
            }
            if left.load(Ordering::Acquire) {
                let mut stuck = locked(&STUCK);
                if let Some(at) = stuck.iter().position(|one| Some(*one) == last) {
                    stuck.swap_remove(at);
                }
            }
        };
        std::thread::Builder::new().name("command lines".to_owned()).stack_size(STACK).spawn(work).ok()?;
        Some(Self { ask, answer, is_left })
    }
}

/// What has ended has no command line any more.
fn of_none(errno: Errno) -> Option<Vec<u8>> {
    is_gone(errno).then(Vec::new)
}

fn read(file: OwnedFd) -> Result<Vec<u8>, Errno> {
    let mut buffer = vec![0; COMMAND];
    let len = fill(file.as_fd(), &mut buffer)?;
    buffer.truncate(len);
    Ok(buffer)
}

fn text(mut bytes: Vec<u8>) -> String {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    for byte in &mut bytes[..end] {
        if *byte == 0 {
            *byte = b' ';
        }
    }
    let text = String::from_utf8_lossy(&bytes[..end]);
    text[..text.floor_char_boundary(COMMAND)].to_owned()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::io::Write as _;

    use super::*;

    #[test]
    fn who_gives_no_answer_is_left_behind_and_not_asked_again_until_he_does() {
        let odd = Identity { pid: u32::MAX, start_time: 1 };
        let own = Identity::own().unwrap();
        let (silent, mut end) = std::io::pipe().unwrap();
        let (commands, began) = (Commands::new(), Instant::now());
        assert_eq!(commands.ask(odd, silent.try_clone().unwrap().into()), None);
        let took = began.elapsed();
        assert!(took >= PATIENCE && took < PATIENCE * 3, "{took:?}");
        let proc = Proc::open(own.pid).unwrap().unwrap();
        assert_eq!(commands.line(&proc, own), None, "the patience of this order is used up");
        let (others, began) = (Commands::new(), Instant::now());
        assert_eq!(others.ask(odd, silent.into()), None);
        assert!(began.elapsed() < PATIENCE / 2, "not asked again");
        assert!(others.line(&proc, own).unwrap().contains("host"));
        end.write_all(b"a\0b\0").unwrap();
        drop(end);
        let until = Instant::now() + Duration::from_secs(20);
        while locked(&STUCK).contains(&odd) {
            assert!(Instant::now() < until, "the thread does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
        let (told, mut end) = std::io::pipe().unwrap();
        end.write_all(b"a\0b\0").unwrap();
        drop(end);
        assert_eq!(others.ask(odd, told.into()).map(text).unwrap(), "a b");
    }
}
