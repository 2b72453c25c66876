//! Keeps a program running that belongs to this one: started with it, started again when it dies, ended with it.
//!
//! The program's standard input is a pipe whose other end is held here, so that the kernel tells it when this process has
//! ended, however that was. It is a process group of its own: a key press at the terminal ends this process, which ends the
//! other in its turn, and not both at once.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Before the first new start, and at most between two.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));
/// A program that lived for this long was well: the next start comes soon.
const WELL: Duration = Duration::from_secs(30);
/// How long the program has to end by itself.
const FAREWELL: Duration = Duration::from_secs(3);
/// Between two looks at it then.
const LOOK: Duration = Duration::from_millis(5);
/// Between two looks at it while it is well.
const WATCH: Duration = Duration::from_millis(100);

/// What is kept running.
#[derive(Clone, Debug)]
pub struct Program {
    /// The file.
    pub path: PathBuf,
    /// The name that lists of processes show.
    pub name: OsString,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Its whole environment.
    pub environment: Vec<(OsString, OsString)>,
}

/// A program that is kept running until this value is dropped.
#[derive(Debug)]
pub struct Kept {
    shared: Arc<Shared>,
    keeper: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    is_over: Mutex<bool>,
    over: Condvar,
}

impl Kept {
    /// Starts it.
    ///
    /// # Errors
    /// It cannot be started the first time. Later it is tried again and again.
    pub fn start(program: Program) -> io::Result<Self> {
        let first = program.start()?;
        let shared = Arc::new(Shared { is_over: Mutex::new(false), over: Condvar::new() });
        let held = Arc::clone(&shared);
        let keeper = std::thread::Builder::new()
            .name("keeper".to_owned())
            .spawn(move || keep(&program, first, &held))?;
        Ok(Self { shared, keeper: Some(keeper) })
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        *self.shared.lock() = true;
        self.shared.over.notify_all();
        if let Some(keeper) = self.keeper.take() {
            // A keeper that panicked keeps nothing any more.
            let _ = keeper.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, bool> {
        self.is_over.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits; whether it is over.
    fn wait(&self, time: Duration) -> bool {
        let waited = self.over.wait_timeout_while(self.lock(), time, |is_over| !*is_over);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Program {
    fn start(&self) -> io::Result<Child> {
        Command::new(&self.path)
            .arg0(&self.name)
            .args(&self.arguments)
            .env_clear()
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
    }
}

fn keep(program: &Program, first: Child, shared: &Shared) {
    let (mut child, mut pause, mut begun) = (Some(first), PAUSE.0, Instant::now());
    loop {
        if let Some(running) = &mut child {
            match running.try_wait() {
                Ok(None) => {
                    if shared.wait(WATCH) {
                        return end(running);
                    }
                    continue;
                }
                Ok(Some(status)) => {
                    tracing::warn!(program = ?program.name, %status, "ended and is started again");
                }
                Err(error) => {
                    tracing::error!(%error, program = ?program.name, "cannot be looked after; it is ended");
                    end(running);
                }
            }
        }
        if begun.elapsed() > WELL {
            pause = PAUSE.0;
        }
        if shared.wait(pause) {
            return;
        }
        pause = (pause * 2).min(PAUSE.1);
        begun = Instant::now();
        child = match program.start() {
            Ok(child) => Some(child),
            Err(error) => {
                tracing::error!(%error, program = ?program.name, "cannot be started; it is tried again");
                None
            }
        };
    }
}

/// Closes its standard input, by which it knows, and ends it when it does not know.
fn end(child: &mut Child) {
    drop(child.stdin.take());
    let late = Instant::now() + FAREWELL;
    while matches!(child.try_wait(), Ok(None)) && Instant::now() < late {
        std::thread::sleep(LOOK);
    }
    // It may have ended by itself.
    let _ = child.kill();
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn shell(script: &str) -> Program {
        Program {
            path: "/bin/sh".into(),
            name: "kept".into(),
            arguments: vec!["-c".into(), script.into()],
            environment: vec![("OUT".into(), std::env::temp_dir().into())],
        }
    }

    fn until(mut is_so: impl FnMut() -> bool) {
        let late = Instant::now() + Duration::from_secs(20);
        while !is_so() {
            assert!(Instant::now() < late, "it did not come");
            std::thread::sleep(LOOK);
        }
    }

    #[test]
    fn it_is_started_again_and_ends_with_its_keeper() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("starts");
        // Writes its pid, then waits for its standard input to end.
        let kept =
            Kept::start(shell(&format!("echo $$ >> {0}; cat > /dev/null; echo bye >> {0}", file.display())));
        let kept = kept.unwrap();
        let lines = || {
            std::fs::read_to_string(&file).unwrap_or_default().lines().map(str::to_owned).collect::<Vec<_>>()
        };
        until(|| lines().len() == 1);
        let pid = rustix::process::Pid::from_raw(lines()[0].parse().unwrap()).unwrap();
        rustix::process::kill_process_group(pid, rustix::process::Signal::KILL).unwrap();
        until(|| lines().len() == 2);
        assert_ne!(lines()[0], lines()[1]);
        drop(kept);
        assert_eq!(lines().last().unwrap(), "bye");
    }

    #[test]
    fn what_does_not_hear_is_ended() {
        let begun = Instant::now();
        let kept = Kept::start(shell("exec sleep 1000")).unwrap();
        drop(kept);
        assert!(begun.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn what_is_not_there_cannot_be_kept() {
        assert!(Kept::start(Program { path: "/nonexistent".into(), ..shell("") }).is_err());
    }
}
