//! Real terminals with real shells: what is typed, what is hidden, and what is left when it is over.

use std::time::{Duration, Instant};

use quell_host::process::{self, Identity};
use quell_host::pty::{self, Ended, Error, Failure, Program, Session, Spec};
use quell_host::script::Launcher;
use rustix::event::{PollFd, PollFlags, poll};

use crate::script::program;
use crate::until;

fn launcher() -> Launcher {
    Launcher { program: program(), args: vec!["keep-pty".into()] }
}

fn spec() -> Spec {
    Spec { program: Program::Sh, user: None, directory: Some("/tmp".into()), processes: 256 }
}

struct Terminal {
    session: Session,
    seen: String,
}

impl Terminal {
    fn open(spec: &Spec) -> Self {
        Self { session: pty::open(spec, (80, 24), &launcher()).unwrap(), seen: String::new() }
    }

    fn say(&self, text: &str) {
        assert_eq!(rustix::io::write(self.session.master(), text.as_bytes()).unwrap(), text.len());
    }

    fn pump(&mut self) {
        let master = self.session.master();
        let mut fds = [PollFd::new(&master, PollFlags::IN)];
        let _ = poll(&mut fds, Some(&rustix::time::Timespec { tv_sec: 0, tv_nsec: 20_000_000 }));
        let mut buffer = [0; 4096];
        while let Ok(count) = rustix::io::read(self.session.master(), &mut buffer) {
            if count == 0 {
                break;
            }
            self.seen.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    }

    /// Until the terminal shows this; what came before it is forgotten with it.
    fn shows(&mut self, wanted: &str) -> String {
        let late = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(at) = self.seen.find(wanted) {
                let rest = self.seen.split_off(at + wanted.len());
                return std::mem::replace(&mut self.seen, rest);
            }
            assert!(Instant::now() < late, "{wanted} was not shown, but {:?}", self.seen);
            self.pump();
        }
    }

    fn ended(&mut self) -> Ended {
        let late = Instant::now() + Duration::from_secs(30);
        loop {
            self.pump();
            if let Some(ended) = self.session.ended().unwrap() {
                return ended;
            }
            let below =
                || process::get(self.session.started().pid).map(|shell| process::tree(shell.identity));
            assert!(Instant::now() < late, "it did not end, but {:?} with {:?}", self.seen, below());
        }
    }

    /// A process of this name below the shell's keeper.
    fn started(&mut self, command: &str) -> Identity {
        self.say(&format!("{command} & echo pid=$!.\n"));
        loop {
            let text = self.shows("pid=");
            drop(text);
            let digits = self.shows(".");
            if let Ok(pid) = digits.trim_end_matches('.').parse() {
                return process::get(pid).unwrap().identity;
            }
        }
    }
}

#[test]
fn a_shell_leads_its_terminal_and_tells_its_exit() {
    let mut terminal = Terminal::open(&spec());
    terminal.say("tty; test -t 0 && echo is-a-terminal; stty size; pwd; umask; env | grep -c QUELL\n");
    terminal.shows("/dev/pts/");
    terminal.shows("is-a-terminal\r\n");
    terminal.shows("24 80\r\n/tmp\r\n0022\r\n0\r\n");
    terminal.session.resize(132, 50).unwrap();
    terminal.say("stty size\n");
    terminal.shows("50 132\r\n");
    let pid = terminal.session.started().pid;
    let row = process::get(pid).unwrap();
    assert_eq!((row.session, row.group), (pid, pid));
    terminal.say("sleep 1000\n");
    // Once it is what it will be, the shell has given it the terminal: a key before that reaches nobody.
    until("a foreground job", || {
        process::tree(row.identity).is_ok_and(|below| matches!(&below[..], [one] if one.name == "sleep"))
    });
    terminal.say("\u{3}");
    // What is typed before the shell has dealt with the key may go with it.
    until("the shell", || {
        terminal.say("echo ba''ck\n");
        terminal.pump();
        terminal.seen.contains("back\r\n")
    });
    terminal.say("exit 7\n");
    let ended = terminal.ended();
    assert_eq!((ended.exit_code, ended.signal, ended.stopped, ended.left), (Some(7), None, 0, 0));
}

#[test]
fn what_a_password_prompt_hides_is_known() {
    let mut terminal = Terminal::open(&spec());
    terminal.say("echo ready\n");
    terminal.shows("ready\r\n");
    until("an echo", || terminal.session.echoes());
    terminal.say("stty -echo; echo ask; read secret; stty echo; echo got-$secret\n");
    terminal.shows("ask\r\n");
    assert!(!terminal.session.echoes());
    terminal.say("swordfish\n");
    let shown = terminal.shows("got-");
    assert!(!shown.contains("swordfish"), "{shown}");
    assert!(terminal.session.echoes());
}

#[test]
fn nothing_outlives_its_end() {
    let mut terminal = Terminal::open(&spec());
    let job = terminal.started("sleep 1001");
    let ignoring = terminal.started("sh -c \"trap '' HUP TERM; sleep 1002\"");
    let detached = terminal.started("setsid sh -c 'sleep 1003 & sleep 1003'");
    terminal.session.end();
    let ended = terminal.ended();
    assert_eq!((ended.left, ended.too_many), (0, None));
    for identity in [job, ignoring, detached] {
        assert!(!identity.is_running().unwrap());
    }
}

#[test]
fn all_of_it_ends_with_whoever_holds_the_terminal() {
    let mut terminal = Terminal::open(&spec());
    let shell = process::get(terminal.session.started().pid).unwrap().identity;
    let detached = terminal.started("setsid sleep 1004");
    // As when the agent is killed: the line closes and nothing is said.
    drop(terminal);
    until("the end of the shell", || !shell.is_running().unwrap() && !detached.is_running().unwrap());
}

#[test]
fn too_many_processes_end_it() {
    let mut terminal = Terminal::open(&Spec { processes: 64, ..spec() });
    terminal.say("i=0; while [ $i -lt 200 ]; do sleep 1005 & i=$((i+1)); done\n");
    let ended = terminal.ended();
    assert!(ended.too_many.is_some_and(|seen| seen > 64), "{ended:?}");
    assert!(ended.stopped > 64 && ended.left == 0, "{ended:?}");
}

#[test]
fn a_shell_of_somebody_else_is_theirs_alone() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root can become somebody else");
        return;
    }
    let mut terminal = Terminal::open(&Spec { user: Some("nobody".into()), ..spec() });
    terminal.say("id -un; id -Gn; echo $HOME $USER; cat /etc/shadow; test -w $(tty) && echo mine\n");
    terminal.shows("nobody\r\n");
    terminal.shows("nogroup\r\n");
    terminal.shows("Permission denied");
    terminal.shows("mine\r\n");
}

#[test]
fn what_cannot_start_says_why() {
    let failure = |spec: &Spec| match pty::open(spec, (80, 24), &launcher()) {
        Err(Error::NotStarted { what, why }) => (what, why),
        other => panic!("{other:?}"),
    };
    let (what, why) = failure(&Spec { user: Some("nobody-of-this-name".into()), ..spec() });
    assert_eq!(what, Failure::Account, "{why}");
    let (what, why) = failure(&Spec { directory: Some("/nonexistent".into()), ..spec() });
    assert_eq!(what, Failure::Directory, "{why}");
    let other = Launcher { program: "/bin/true".into(), args: Vec::new() };
    assert!(pty::open(&spec(), (80, 24), &other).is_err());
}
