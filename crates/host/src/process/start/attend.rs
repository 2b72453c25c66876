//! The attendant's side: its whole life, from the claim to the program's end and the last of its output.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use rustix::time::Timespec;

use super::program::{Account, Program, refusal};
use super::{
    CLAIM, Claim, ENDED, End, OUTPUT, PLAN, Plan, REFUSED, Refusal, STARTED, Started, claim_it, get, put, run,
};
use crate::process::{Identity, Proc, get as process};

/// Bytes taken from the pipe at once.
const PIECE: usize = 16 << 10;
/// Where a pidfd cannot be had, the child is looked at this often.
const LOOK: Duration = Duration::from_millis(50);

/// Attends the start in `dir` to its end. For a process of its own, which has done nothing yet. Returns its exit code.
pub fn attend(dir: &Path) -> i32 {
    // It was started as /proc/self/exe, and would be listed as `exe`.
    let _ = rustix::thread::set_name(c"quell-start");
    // Fails only for a group leader, which has left the caller's group already.
    let _ = rustix::process::setsid();
    i32::from(attended(dir).is_err())
}

fn attended(dir: &Path) -> io::Result<()> {
    let plan: Plan = get(dir, PLAN)?.ok_or(io::ErrorKind::NotFound)?;
    let identity = Identity::own().map_err(io::Error::other)?;
    let boot_id = crate::system::boot_id()?.to_string();
    if !claim_it(dir, &Claim::Attendant { identity, boot_id: boot_id.clone() })? {
        return Err(io::Error::from(io::ErrorKind::AlreadyExists));
    }
    debug_assert!(dir.join(CLAIM).exists());
    let begun = begin(dir, &plan, boot_id);
    let running = match begun {
        Ok(running) => running,
        Err(refusal) => {
            put(dir, REFUSED, &refusal)?;
            return Ok(());
        }
    };
    report();
    running.attend(dir)
}

/// The caller waits for this.
fn report() {
    let mut out = io::stdout();
    let _ = out.write_all(b"ready\n").and_then(|()| out.flush());
    if let Ok(null) = File::options().write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdout(&null);
    }
}

struct Running {
    child: Child,
    pidfd: Option<OwnedFd>,
    pipe: Option<OwnedFd>,
    output: File,
    room: u64,
    since: Instant,
}

fn begin(dir: &Path, plan: &Plan, boot_id: String) -> Result<Running, Refusal> {
    let failed = |error: io::Error| refusal("not_started", error.to_string());
    let program = Program::open(plan)?;
    let account = Account::of(plan.user.as_deref())?;
    let uid = account.uid;
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(dir.join(OUTPUT));
    let output = made.map_err(failed)?;
    let (read, write) = run::pipe().map_err(failed)?;
    let mut child = run::run(plan, &program, account, write)?;
    let since = Instant::now();
    let pid = Pid::from_child(&child);
    let started = started(&child, &program, boot_id, uid).and_then(|started| {
        put(dir, STARTED, &started).map_err(failed)?;
        Ok(started)
    });
    if let Err(refusal) = started {
        // Not known to anybody, or not what was asked for: it must not go on.
        let _ = child.kill();
        let _ = child.wait();
        return Err(refusal);
    }
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok();
    Ok(Running { child, pidfd, pipe: Some(read), output, room: plan.output, since })
}

/// What runs, seen from outside of it. It cannot have been collected: its parent is here.
fn started(child: &Child, program: &Program, boot_id: String, uid: u32) -> Result<Started, Refusal> {
    let found = process(child.id()).map_err(|error| refusal("not_started", error.to_string()))?;
    let is_it = Proc::open(child.id()).ok().flatten().and_then(|proc| {
        let exe = proc.open_at("exe", rustix::fs::OFlags::PATH).ok()?;
        let is = rustix::fs::fstat(exe).ok()?;
        Some((is.st_dev, is.st_ino) == (program.stat.device, program.stat.inode))
    });
    if !program.is_unchanged() {
        return Err(refusal(
            "being_written",
            "the program changed while it was started, and was ended at once",
        ));
    }
    // A process that has ended already shows no file any more; that it was executed is known from the call itself.
    Ok(Started {
        identity: found.identity,
        boot_id,
        program: program.resolved.clone(),
        sha256: program.sha256,
        script: program.script,
        uid,
        seen: program.script || is_it.unwrap_or(false),
    })
}

impl Running {
    fn attend(mut self, dir: &Path) -> io::Result<()> {
        let mut ended = None;
        while ended.is_none() || self.pipe.is_some() {
            self.wait(ended.is_some());
            self.drain();
            if ended.is_none()
                && let Some(status) = self.child.try_wait()?
            {
                let after_ms = self.since.elapsed().as_millis() as u64;
                // What it wrote before its end is in the pipe by now.
                self.drain();
                let end = End { code: status.code(), signal: status.signal(), after_ms };
                // The directory is removed when the order is over; the program is attended all the same.
                let _ = put(dir, ENDED, &end);
                ended = Some(end);
            }
        }
        Ok(())
    }

    /// Until there is output, or the program has ended.
    fn wait(&self, is_over: bool) {
        let mut fds = Vec::with_capacity(2);
        if let Some(pipe) = &self.pipe {
            fds.push(PollFd::new(pipe, PollFlags::IN));
        }
        if let (Some(pidfd), false) = (&self.pidfd, is_over) {
            fds.push(PollFd::new(pidfd, PollFlags::IN));
        }
        let limit = Timespec::try_from(LOOK).ok().filter(|_| self.pidfd.is_none() && !is_over);
        let _ = poll(&mut fds, limit.as_ref());
    }

    /// Takes what is there: the first of it is kept, the rest let go.
    fn drain(&mut self) {
        let mut piece = [0u8; PIECE];
        while let Some(pipe) = &self.pipe {
            match rustix::io::read(pipe, &mut piece) {
                Ok(0) => self.pipe = None,
                Ok(n) => {
                    let kept = usize::try_from(self.room).unwrap_or(n).min(n);
                    if kept > 0 && self.output.write_all(&piece[..kept]).is_ok() {
                        self.room -= kept as u64;
                    }
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => self.pipe = None,
            }
        }
    }
}
