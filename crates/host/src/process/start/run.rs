//! Fork and exec. The file is executed by its descriptor, so that what runs is what was hashed, whatever its path leads
//! to by now. A script is the exception: its interpreter opens it by a path, and gets the one that was asked for.

use std::ffi::CString;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

use super::program::{Account, Program, refusal};
use super::{Plan, Refusal};
use crate::signals;

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const UMASK: u32 = 0o022;
/// How far the child came, told by a byte before the error's number.
const SESSION: u8 = 1;
const USER: u8 = 2;
const DIRECTORY: u8 = 3;
const EXEC: u8 = 4;

/// Everything that the child needs, made before the fork: after it, nothing may be allocated.
struct Prepared {
    file: RawFd,
    path: CString,
    script: bool,
    arguments: Vec<CString>,
    variables: Vec<CString>,
    directory: CString,
    account: Account,
    change_user: bool,
    told: OwnedFd,
}

/// Starts it. Both of its outputs go to `output`.
pub(super) fn run(
    plan: &Plan,
    program: &Program,
    account: Account,
    output: OwnedFd,
) -> Result<Child, Refusal> {
    let failed = |what: &str| {
        let what = what.to_owned();
        move |error: io::Error| refusal("not_started", format!("cannot {what}: {error}"))
    };
    let second = output.try_clone().map_err(failed("make a pipe"))?;
    let (heard, told) = pipe_with(PipeFlags::CLOEXEC).map_err(|errno| failed("make a pipe")(errno.into()))?;
    let prepared = prepare(plan, program, account, told)?;
    let pointers = |texts: &[CString]| {
        texts.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect::<Vec<_>>()
    };
    let (argv, envp) = (Pointers(pointers(&prepared.arguments)), Pointers(pointers(&prepared.variables)));
    let mut command = Command::new(&plan.program);
    command.stdin(Stdio::null()).stdout(Stdio::from(output)).stderr(Stdio::from(second));
    // SAFETY: between fork and exec only system calls are made with what was prepared before, which the closure owns;
    // nothing is allocated and no lock taken.
    unsafe { command.pre_exec(move || Err(begin(&prepared, &argv, &envp))) };
    let spawned = command.spawn();
    // The child's end of the pipe goes with the command.
    drop(command);
    spawned.map_err(|error| {
        let mut stage = [0u8; 1];
        let heard = std::fs::File::from(heard).read(&mut stage).unwrap_or(0);
        explained(if heard == 1 { stage[0] } else { 0 }, &error, plan, program)
    })
}

/// Pointers into texts that live beside them in the same closure.
struct Pointers(Vec<*const libc::c_char>);

// SAFETY: the closure that owns them is called once, in the child, on the thread that made them.
unsafe impl Send for Pointers {}
// SAFETY: as above.
unsafe impl Sync for Pointers {}

fn prepare(plan: &Plan, program: &Program, account: Account, told: OwnedFd) -> Result<Prepared, Refusal> {
    let text = |bytes: &[u8]| {
        CString::new(bytes).map_err(|_| refusal("params_invalid", "an argument or variable holds a NUL byte"))
    };
    let path = text(plan.program.as_os_str().as_bytes())?;
    let mut arguments = vec![path.clone()];
    for argument in &plan.arguments {
        arguments.push(text(argument.as_bytes())?);
    }
    let own = [("PATH".to_owned(), PATH.to_owned()), ("LANG".to_owned(), "C.UTF-8".to_owned())];
    let mut all: Vec<(String, String)> = own.into_iter().chain(account.variables.iter().cloned()).collect();
    for (name, value) in &plan.environment {
        all.retain(|(known, _)| known != name);
        all.push((name.clone(), value.clone()));
    }
    let variables = all
        .iter()
        .map(|(name, value)| text(format!("{name}={value}").as_bytes()))
        .collect::<Result<_, _>>()?;
    let directory = plan.directory.as_ref().map_or(&b"/"[..], |path| path.as_os_str().as_bytes());
    Ok(Prepared {
        file: program.file.as_raw_fd(),
        path,
        script: program.script,
        arguments,
        variables,
        directory: text(directory)?,
        change_user: plan.user.is_some(),
        account,
        told,
    })
}

/// In the child. Comes back only with an error.
fn begin(prepared: &Prepared, argv: &Pointers, envp: &Pointers) -> io::Error {
    let (stage, errno) = match become_it(prepared) {
        Err(failure) => failure,
        Ok(()) => (EXEC, exec(prepared, argv, envp)),
    };
    let _ = rustix::io::write(&prepared.told, &[stage]);
    errno.into()
}

fn become_it(prepared: &Prepared) -> Result<(), (u8, Errno)> {
    signals::by_default();
    rustix::process::setsid().map_err(|errno| (SESSION, errno))?;
    rustix::process::umask(Mode::from_raw_mode(UMASK));
    // Neither the agent's rank nor its protection is inherited; failing that is no reason not to start.
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    if let Ok(score) = rustix::fs::open(c"/proc/self/oom_score_adj", flags, Mode::empty()) {
        let _ = rustix::io::write(score, b"0");
    }
    if prepared.change_user {
        become_user(&prepared.account).map_err(|errno| (USER, errno))?;
    }
    rustix::process::chdir(&prepared.directory).map_err(|errno| (DIRECTORY, errno))?;
    // SAFETY: plain numbers. Everything above the standard three is marked to be closed, the file's descriptor too:
    // it is executed by it, and only then closed.
    unsafe { libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    Ok(())
}

fn become_user(account: &Account) -> Result<(), Errno> {
    let groups = account.groups.as_deref().unwrap_or_default();
    // SAFETY: `groups` lives through the call, which reads as many of it. The system calls themselves are made, not the
    // library's functions: those change all threads by signals, and this process has one.
    let done = unsafe {
        libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) == 0
            && libc::syscall(libc::SYS_setresgid, account.gid, account.gid, account.gid) == 0
            && libc::syscall(libc::SYS_setresuid, account.uid, account.uid, account.uid) == 0
    };
    if done { Ok(()) } else { Err(last()) }
}

fn exec(prepared: &Prepared, argv: &Pointers, envp: &Pointers) -> Errno {
    // SAFETY: both lists end in a null pointer and point to texts that `prepared` owns; the calls only read them. They
    // return only on failure.
    unsafe {
        if prepared.script {
            libc::execve(prepared.path.as_ptr(), argv.0.as_ptr(), envp.0.as_ptr());
        } else {
            libc::syscall(
                libc::SYS_execveat,
                prepared.file,
                c"".as_ptr(),
                argv.0.as_ptr(),
                envp.0.as_ptr(),
                libc::AT_EMPTY_PATH,
            );
        }
    }
    last()
}

fn last() -> Errno {
    Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::INVAL)
}

fn explained(stage: u8, error: &io::Error, plan: &Plan, program: &Program) -> Refusal {
    let number = error.raw_os_error().unwrap_or(0);
    match (stage, number) {
        (USER, _) => refusal("permission", format!("cannot become that user: {error}")),
        (DIRECTORY, libc::ENOENT) => refusal("directory_missing", "the working directory does not exist"),
        (DIRECTORY, _) => {
            refusal("directory_refused", format!("cannot work in that directory as that user: {error}"))
        }
        (EXEC, libc::ENOENT) if program.resolved.exists() => {
            refusal("interpreter_missing", "the interpreter or loader that it names does not exist")
        }
        (EXEC, libc::ENOEXEC) => refusal("not_a_program", "it is no program of a kind that this system runs"),
        (EXEC, libc::EACCES) => {
            let as_whom = plan.user.as_deref().map_or(String::new(), |user| format!(" {user}"));
            refusal(
                "not_executable",
                format!("the user{as_whom} may not execute it, or its interpreter: {error}"),
            )
        }
        (EXEC, libc::E2BIG) => refusal("params_invalid", "the arguments and variables are too long together"),
        (EXEC, libc::ETXTBSY) => refusal("being_written", "something has it open for writing"),
        _ => refusal("not_started", error.to_string()),
    }
}

/// A pipe for the output: the attendant's end does not block.
pub(super) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [0; 2];
    // SAFETY: `ends` lives through the call, which writes both; the new descriptors have no other owner.
    unsafe {
        if libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) != 0 {
            return Err(io::Error::last_os_error());
        }
        let (read, write) = (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1]));
        rustix::io::ioctl_fionbio(&read, true)?;
        Ok((read, write))
    }
}
