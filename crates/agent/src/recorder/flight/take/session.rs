//! Who came in by SSH and is in no record: `ssh host command`, `scp`. Servers write of sessions on a terminal alone into wtmp, and
//! whoever has other people's keys needs none. Such a session is known by what it begins with: the server runs a program, as
//! the one who came in.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use quell_host::recorder::raw::{Program as Told, Task};
use quell_wire::activity::{Deed, Login, ProcessKey, address};

use super::Flight;
use crate::recorder::item::What;
use crate::recorder::tree::LetIn;

/// Programs that let people in over the network. The second is the part of newer versions that serves one connection.
const SERVERS: [&str; 3] = ["sshd", "sshd-session", "dropbear"];
/// Where they lie. Elsewhere the name says nothing.
const SYSTEM: [&[u8]; 4] = [b"/usr/", b"/sbin/", b"/lib/", b"/opt/"];
/// Where there is this file, sessions on a terminal are told by it.
const WRITTEN: &str = "/var/log/wtmp";
/// Servers put it there for the program of a session, and not for helpers that they run on the way to it.
const MARK: &[u8] = b"SSH_CONNECTION=";
/// Bytes of an environment that are looked through; servers put theirs first.
const ENVIRONMENT: u64 = 16 << 10;
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
        let is_recorded = task.terminal.is_some() && Path::new(WRITTEN).exists();
        let now = if is_recorded { LetIn::Told } else { let_in(key.pid, forked_as, task, at) };
        if now == LetIn::Nobody {
            return;
        }
        if let Some(above) = self.tree.get_mut(serves) {
            above.let_in = now;
        }
        if now == LetIn::Told && !is_recorded {
            self.tell_session(serves, task.euid, task.terminal.as_deref(), at);
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
            user: self.account(uid),
            from: self.came_from(serves),
            terminal: terminal.unwrap_or_default().to_owned(),
            failed: false,
        };
        self.record(serves, at, What::Other(Deed::Login(login)));
    }

    fn serves(&self, key: ProcessKey) -> bool {
        self.tree.get(key).is_some_and(|entry| is_server(&entry.program.image.path))
    }

    fn account(&mut self, uid: u32) -> String {
        self.names.look();
        match self.names.user(uid) {
            "" => uid.to_string(),
            name => name.to_owned(),
        }
    }

    /// The other end of the connection that a server's process has from itself or from the one that made it; empty where that
    /// was not seen.
    fn came_from(&self, serves: ProcessKey) -> String {
        let mut next = Some(serves);
        for _ in 0..PARTS {
            let Some(key) = next.filter(|key| self.serves(*key)) else { break };
            let of_it = self.state.recent.iter().rev().filter(|item| item.key == key);
            let remote = |what: &What| match what {
                What::Other(Deed::Connect(connection)) if connection.inbound => address(&connection.remote),
                _ => None,
            };
            // Who listens for all has connections of all: of those, none says whose this is.
            if !self.listens(key)
                && let Some(address) = of_it.map(|item| &item.what).find_map(remote)
            {
                return address.to_string();
            }
            next = self.tree.get(key).and_then(|entry| entry.parent);
        }
        String::new()
    }

    fn listens(&self, key: ProcessKey) -> bool {
        self.tree.get(key).is_some_and(|entry| self.tree.is_daemon(entry))
    }
}

fn is_server(path: &[u8]) -> bool {
    let name = Path::new(std::ffi::OsStr::from_bytes(path)).file_name().unwrap_or_default();
    SYSTEM.iter().any(|system| path.starts_with(system)) && SERVERS.iter().any(|known| name == *known)
}

/// Whether a program that a server runs is somebody's session, and not a helper of the server's.
fn let_in(pid: u32, forked_as: u32, task: &Task, at: u64) -> LetIn {
    // The server had put its rights down before it made the process: it does so for nobody but who was let in.
    if task.euid != 0 && forked_as == task.euid {
        return LetIn::Told;
    }
    match environment(pid) {
        Some(all) if all.split(|byte| *byte == 0).any(|one| one.starts_with(MARK)) => LetIn::Told,
        // It has ended. The login has its number by now, so it was a session, or a helper on the way to one that comes next.
        None if task.login == Some(task.euid) => LetIn::Perhaps(task.euid, at),
        Some(_) | None => LetIn::Nobody,
    }
}

/// None where the process has ended.
fn environment(pid: u32) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(format!("/proc/{pid}/environ")).ok()?.take(ENVIRONMENT).read_to_end(&mut bytes).ok()?;
    (!bytes.is_empty()).then_some(bytes)
}
