//! What the agent answers beside the terminal: tables, and files in both directions.
//!
//! A verb never passes through the shell, so nothing on the endpoint can fake its answer short of the kernel, and it works
//! where the shell's own programs are missing or not to be trusted.

mod files;
mod look;
mod net;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quell_host::behalf::Account;
use quell_host::process::{Guard, Identity, Options, terminate};
use quell_wire::limits;
use quell_wire::shell::{ANSWER, Answer, Verb};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use crate::runner::{Cancel, chain};
use crate::transfer::Gateway;

/// Every verb, with its arguments and what it does.
const VERBS: &[(&str, &str, &str)] = &[
    ("help", "", "this list"),
    ("get", "PATH", "collect a file, encrypted with the task's password"),
    (
        "put",
        "ARTIFACT PATH [--force]",
        "write a file that was given to this shell, checked against its SHA-256",
    ),
    ("ps", "", "processes, with the start time that tells two of one pid apart"),
    ("kill", "PID START", "end one process, and no other that has its pid by now"),
    ("memdump", "PID START", "collect the memory of a process, encrypted with the task's password"),
    ("netstat", "", "sockets and the processes that hold them"),
    ("hash", "PATH", "SHA-1 and SHA-256 of a file"),
    ("ls", "[PATH]", "what is in a directory"),
];

/// The names of all of them.
pub(super) const NAMES: &[&str] = &["help", "get", "put", "ps", "kill", "memdump", "netstat", "hash", "ls"];

/// Progress is told this often.
const TELL: Duration = Duration::from_millis(250);
const STACK: usize = 512 << 10;
const NOT_ROOT: &str = "this verb acts as root, and the shell does not run as root; use what the shell has";

/// What verbs work with.
#[derive(Clone, Debug)]
pub(crate) struct Tools {
    /// The way to the gateway.
    pub gateway: Gateway,
    /// The order.
    pub order_id: String,
    /// Its private directory.
    pub work: PathBuf,
    /// The password of archives; none where it did not come with the order.
    pub password: Option<String>,
    /// Asked when the shell is over.
    pub cancel: Cancel,
    /// As whom the shell runs: no verb shows, takes or changes what this account may not.
    pub account: Account,
}

/// A verb's end.
type Found = Result<Value, String>;

/// An answer that says no.
pub(super) fn refusal(id: u64, why: &str) -> Answer {
    finished(id, Err(why.to_owned()))
}

fn finished(id: u64, found: Found) -> Answer {
    let (is_ok, message, result) = match found {
        Ok(value) => match serde_json::to_vec(&value) {
            Ok(result) if result.len() <= ANSWER => (true, String::new(), result),
            _ => (false, "the answer is too large".to_owned(), Vec::new()),
        },
        Err(mut why) => {
            why.truncate(why.floor_char_boundary(limits::MESSAGE));
            (false, why, Vec::new())
        }
    };
    Answer { id, is_over: true, is_ok, message, result, done: 0, total: 0 }
}

/// Answers a verb, with progress on the way. `number` is unique in the shell.
pub(super) async fn answer(tools: Tools, verb: Verb, number: u16, answers: mpsc::Sender<Answer>) {
    let counts = Counts::default();
    let mut work = Box::pin(carry(&tools, &verb, number, &counts));
    let mut ticks = tokio::time::interval(TELL);
    ticks.tick().await;
    let found = loop {
        tokio::select! {
            found = &mut work => break found,
            _ = ticks.tick() => {
                let (done, total) = (counts.done(), counts.total.load(Ordering::Relaxed));
                if done > 0 {
                    let progress = Answer { id: verb.id, done, total, ..Answer::default() };
                    let _ = answers.try_send(progress);
                }
            }
        }
    };
    let _ = answers.send(finished(verb.id, found)).await;
}

/// How far a verb is.
#[derive(Clone, Debug, Default)]
struct Counts {
    done: Arc<AtomicU64>,
    total: Arc<AtomicU64>,
}

impl Counts {
    fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }
}

async fn carry(tools: &Tools, verb: &Verb, number: u16, counts: &Counts) -> Found {
    let arguments: Vec<&str> = verb.arguments.iter().map(String::as_str).collect();
    match (verb.verb.as_str(), arguments.as_slice()) {
        ("help", _) => Ok(help()),
        ("kill" | "memdump", [_, _]) if !tools.account.is_own() => Err(NOT_ROOT.to_owned()),
        ("ls", []) => apart_as(&tools.account, || look::list("/", true)).await,
        ("ls", [path]) => {
            let (path, is_own) = ((*path).to_owned(), tools.account.is_own());
            apart_as(&tools.account, move || look::list(&path, is_own)).await
        }
        ("ps", []) => apart_as(&tools.account, look::processes).await,
        ("netstat", []) => apart_as(&tools.account, net::sockets).await,
        ("hash", [path]) => {
            let (path, counts, cancel) = ((*path).to_owned(), counts.clone(), tools.cancel.clone());
            apart_as(&tools.account, move || files::hash(&path, &counts, &cancel)).await
        }
        ("kill", [pid, start]) => {
            let identity = identity(pid, start)?;
            apart(move || kill(identity)).await
        }
        ("get", [path]) => files::get(tools, path, number, counts).await,
        ("memdump", [pid, start]) => files::memdump(tools, identity(pid, start)?, number, counts).await,
        ("put", [artifact, path]) => files::put(tools, (artifact, &verb.sha256), path, false).await,
        ("put", [artifact, path, "--force"]) => files::put(tools, (artifact, &verb.sha256), path, true).await,
        (name, _) => Err(match VERBS.iter().find(|(known, ..)| *known == name) {
            Some((name, usage, _)) => format!("usage: {name} {usage}"),
            None => "there is no such verb; `help` lists them".to_owned(),
        }),
    }
}

fn help() -> Value {
    let row = |(verb, usage, about): &(&str, &str, &str)| json!({ "verb": verb, "arguments": usage, "about": about });
    json!({ "rows": VERBS.iter().map(row).collect::<Vec<_>>() })
}

fn identity(pid: &str, start: &str) -> Result<Identity, String> {
    let number =
        |text: &str, what: &str| text.parse().map_err(|_| format!("{text} is no {what}; `ps` shows both"));
    let pid = u32::try_from(number(pid, "pid")?).map_err(|_| format!("{pid} is no pid"))?;
    Ok(Identity { pid, start_time: number(start, "start time")? })
}

fn kill(identity: Identity) -> Found {
    let guard = Guard::new().map_err(|error| chain(&error))?;
    let ended = terminate(identity, Options::default(), &guard).map_err(|error| chain(&error))?;
    Ok(json!({ "pid": identity.pid, "start_time": identity.start_time, "how": format!("{:?}", ended.how) }))
}

/// Work with the rights of the shell's account.
async fn apart_as<T: Send + 'static>(
    account: &Account,
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let account = account.clone();
    let checked = move || {
        account.take_on().map_err(|error| format!("cannot act as the shell's account: {error}"))?;
        work()
    };
    apart(checked).await
}

/// Blocking work on a thread of its own: a file system that hangs must hang this verb alone.
async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let (sender, receiver) = oneshot::channel();
    let thread = std::thread::Builder::new().name("verb".to_owned()).stack_size(STACK);
    thread
        .spawn(move || drop(sender.send(work())))
        .map_err(|error| format!("cannot start a thread: {error}"))?;
    receiver.await.unwrap_or_else(|_| Err("it ended unexpectedly".to_owned()))
}

/// Text of the endpoint's own making, cut and without what could steer a terminal.
fn clean(text: &str, most: usize) -> String {
    text.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).take(most).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

    use super::*;

    #[test]
    fn the_names_are_those_of_the_verbs() {
        assert_eq!(VERBS.iter().map(|(name, ..)| *name).collect::<Vec<_>>(), NAMES);
    }

    #[test]
    fn a_process_is_named_by_pid_and_start() {
        assert_eq!(identity("7", "99").unwrap(), Identity { pid: 7, start_time: 99 });
        for (pid, start) in [("", "1"), ("-1", "1"), ("99999999999", "1"), ("1", "x")] {
            assert!(identity(pid, start).is_err(), "{pid} {start}");
        }
        // A pid that is there, with another's start time.
        let own = Identity::own().unwrap();
        assert!(kill(Identity { start_time: own.start_time + 1, ..own }).is_err());
    }

    #[test]
    fn tables_name_what_is_there() {
        let rows = |found: Found| found.unwrap()["rows"].as_array().unwrap().clone();
        let own = std::process::id();
        assert!(rows(look::processes()).iter().any(|row| row["pid"] == own));
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a\u{1b}[31m"), b"abc").unwrap();
        let listed = rows(look::list(dir.path().to_str().unwrap(), false));
        assert_eq!((listed[0]["size"].as_u64(), listed[0]["kind"].as_str()), (Some(3), Some("file")));
        assert_eq!(listed[0]["name"], "a\u{FFFD}[31m");
        assert!(look::list("/nonexistent", true).is_err() && look::list("relative", true).is_err());
        // The agent's own, which the kernel shows to every thread of it.
        let shown = |path: &str, is_own| look::list(path, is_own).is_ok();
        let thread = rustix::thread::gettid().as_raw_pid();
        for own in ["/proc/self/fd", "/proc/self", "/proc/thread-self/fd", "/dev/fd/", "/proc/self/fd/0"]
            .map(str::to_owned)
            .into_iter()
            .chain([format!("/proc/{own}/fd"), format!("/proc/{thread}/fdinfo"), format!("/proc/{own}/task")])
        {
            assert!(!shown(&own, false), "{own}");
        }
        assert!(shown("/proc/self/fd", true) && shown("/proc/1", false) && shown("/proc", false));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let local = format!("127.0.0.1:{port}");
        let found = rows(net::sockets());
        let mine = found.iter().find(|row| row["local"] == local.as_str()).unwrap();
        assert_eq!((mine["state"].as_str(), mine["pid"].as_u64()), (Some("LISTEN"), Some(u64::from(own))));
    }

    #[tokio::test]
    async fn another_account_is_not_told_who_holds_a_socket() {
        if !rustix::process::geteuid().is_root() {
            println!("skipped: needs root");
            return;
        }
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let local = listener.local_addr().unwrap().to_string();
        // Somebody else's: what the agent itself holds is its own to see, whoever it acts for.
        let mut command = std::process::Command::new("sleep");
        command.arg("600").stdin(std::os::fd::OwnedFd::from(listener));
        let mut child = command.spawn().unwrap();
        drop(command);
        for (uid, pid) in [(0, Some(u64::from(child.id()))), (54_321, None)] {
            let account = Account { uid, gid: uid, groups: vec![uid] };
            let found = apart_as(&account, net::sockets).await.unwrap();
            let mine = found["rows"].as_array().unwrap().iter().find(|row| row["local"] == local.as_str());
            assert_eq!(mine.unwrap()["pid"].as_u64(), pid, "{uid}");
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_hash_is_of_a_plain_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("abc");
        std::fs::write(&path, b"abc").unwrap();
        let (counts, cancel) = (Counts::default(), Cancel::default());
        let hash = |path: &std::path::Path| files::hash(path.to_str().unwrap(), &counts, &cancel);
        let found = hash(&path).unwrap();
        assert_eq!(found["sha1"], "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(found["sha256"], "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        for bad in ["/dev/zero", "/tmp", "/nonexistent"] {
            assert!(hash(std::path::Path::new(bad)).is_err(), "{bad}");
        }
    }
}
