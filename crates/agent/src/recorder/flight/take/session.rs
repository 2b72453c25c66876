//! Who came in by SSH and is in no record: `ssh host command`, `scp`. Servers write of sessions on a terminal alone into wtmp, and
//! whoever has other people's keys needs none. Such a session is known by what it begins with: the server runs a program, as
//! the one who came in.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;

use quell_host::recorder::raw::{Program as Told, Task};
use quell_wire::activity::{Deed, Login, ProcessKey, address};

use super::Flight;
use crate::recorder::item::What;
use crate::recorder::tree::{LetIn, is_one_of};

/// Programs that let people in over the network. The second is the part of newer versions that serves one connection.
const SERVERS: [&str; 3] = ["sshd", "sshd-session", "dropbear"];
/// Where they lie. Elsewhere the name says nothing.
const SYSTEM: [&[u8]; 4] = [b"/usr/", b"/sbin/", b"/lib/", b"/opt/"];
/// Where there is this file, sessions on a terminal are told by it.
const WRITTEN: &str = "/var/log/wtmp";
/// Servers put it there for the program of a session, and not for helpers that they run on the way to it.
const MARK: &[u8] = b"SSH_CONNECTION=";
/// The largest environment that Linux gives a program (execve(2)). What the one who comes in sends along stands before the mark.
const ENVIRONMENT: u64 = 6 << 20;
/// Processes of a server that one connection goes through.
const PARTS: usize = 4;

impl Flight {
    /// A process is about to be told as running another program: where a server began a session so, that is told first, of the
    /// server's process that serves it, and once.
    pub(super) fn session(&mut self, key: ProcessKey, task: &Task, told: &Told, at: u64) {
        let Some(entry) = self.tree.get(key) else { return };
        if !is_server(&entry.program.image.path) || is_server(told.path.as_os_str().as_bytes()) {
            return;
        }
        let (forked_as, parent) = (entry.who.uid, entry.parent);
        let Some(serves) = parent.filter(|parent| self.serves(*parent)) else { return };
        let told = self.tree.get(serves).map_or(LetIn::Told, |above| above.let_in);
        if told == LetIn::Told {
            return;
        }
        // Nobody follows the records of other places.
        let is_here = !self.names.is_foreign(task.mounts);
        let is_recorded = is_here && task.terminal.is_some() && Path::new(WRITTEN).exists();
        let now = if is_recorded { LetIn::Told } else { let_in(key.pid, forked_as, task, at) };
        if now == LetIn::Nobody {
            return;
        }
        if let Some(above) = self.tree.get_mut(serves) {
            above.let_in = now;
        }
        if now == LetIn::Told && !is_recorded {
            let uid = if forked_as == 0 { task.euid } else { forked_as };
            self.tell_session(serves, uid, task.terminal.as_deref(), at);
        }
    }

    /// A server's process is about to end. What was not known until now was a session: nothing else came after it.
    pub(super) fn session_ended(&mut self, key: ProcessKey) {
        let Some(entry) = self.tree.get_mut(key) else { return };
        if let LetIn::Perhaps(uid, at) = entry.let_in {
            entry.let_in = LetIn::Told;
            self.tell_session(key, uid, None, at);
        }
    }

    fn tell_session(&mut self, serves: ProcessKey, uid: u32, terminal: Option<&str>, at: u64) {
        let login = Login {
            user: self.account(serves, uid),
            from: self.came_from(serves),
            terminal: terminal.unwrap_or_default().to_owned(),
            failed: false,
        };
        self.record(serves, at, What::Other(Deed::Login(login)));
    }

    /// Whether a process is a part of a server that root began: it was forked for this, and has begun nothing itself. Whoever
    /// else runs the server's program has it say what they like.
    fn serves(&self, key: ProcessKey) -> bool {
        let Some(entry) = self.tree.get(key).filter(|entry| is_server(&entry.program.image.path)) else {
            return false;
        };
        let mut began = entry;
        for _ in 0..PARTS {
            let above = began.parent.and_then(|parent| self.tree.get(parent));
            let Some(above) = above.filter(|above| Arc::ptr_eq(&above.program, &began.program)) else {
                break;
            };
            began = above;
        }
        began.who.uid == 0
    }

    /// The name of a user of this machine; those of a container have numbers alone.
    fn account(&mut self, serves: ProcessKey, uid: u32) -> String {
        let mounts = self.tree.get(serves).map_or(0, |entry| entry.who.mounts);
        if self.names.is_foreign(mounts) {
            return uid.to_string();
        }
        self.names.look();
        match self.names.user(uid) {
            "" => uid.to_string(),
            name => name.to_owned(),
        }
    }

    /// A process has a connection from outside: where it is a server's for one alone, it is known from then on where that one
    /// came from. Who listens for all has connections of all: of those, none says whose it is.
    pub(super) fn connected(&mut self, key: ProcessKey, deed: &Deed) {
        let Deed::Connect(connection) = deed else { return };
        let Some(remote) = address(&connection.remote).filter(|_| connection.inbound) else { return };
        let Some(entry) = self.tree.get(key) else { return };
        if is_server(&entry.program.image.path)
            && !self.tree.is_daemon(entry)
            && let Some(entry) = self.tree.get_mut(key)
        {
            entry.came_from = Some(remote);
        }
    }

    /// The other end of the connection that a server's process has from itself or from the one that made it; empty where that
    /// was not seen.
    fn came_from(&self, serves: ProcessKey) -> String {
        let mut next = Some(serves);
        for _ in 0..PARTS {
            let Some(entry) = next.and_then(|key| self.tree.get(key)) else { break };
            if !is_server(&entry.program.image.path) {
                break;
            }
            if let Some(address) = entry.came_from {
                return address.to_string();
            }
            next = entry.parent;
        }
        String::new()
    }
}

fn is_server(path: &[u8]) -> bool {
    is_one_of(path, &SYSTEM, &SERVERS)
}

/// Whether a program that a server runs is somebody's session, and not a helper of the server's.
fn let_in(pid: u32, forked_as: u32, task: &Task, at: u64) -> LetIn {
    // The server had put its rights down before it made the process: it does so for nobody but who was let in.
    if forked_as != 0 || is_marked(pid) {
        return LetIn::Told;
    }
    // The login has its number by now: a session that has ended or hid what it is, or a helper on the way to one that comes next.
    if task.login == Some(task.euid) { LetIn::Perhaps(task.euid, at) } else { LetIn::Nobody }
}

/// Whether a process has the mark of a session in its environment, as far as that is still to be seen.
fn is_marked(pid: u32) -> bool {
    let mut bytes = Vec::new();
    let read = File::open(format!("/proc/{pid}/environ"))
        .and_then(|file| file.take(ENVIRONMENT).read_to_end(&mut bytes));
    read.is_ok() && bytes.split(|byte| *byte == 0).any(|one| one.starts_with(MARK))
}
