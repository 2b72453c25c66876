//! Processes of chains, and the programs that they run, as the API shows them.

use std::collections::BTreeMap;

use quell_incident::chain::{Node, Place};
use quell_incident::text::{command_line, hex};
use quell_wire::activity::{self as wire, ProcessKey};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::detection::{some, text};
use crate::api::time;
use crate::incident::word;

/// Names a process within one boot of an endpoint.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(crate) struct Key {
    /// Process id.
    pid: u32,
    /// When it started, clock ticks since boot.
    start: u64,
}

/// A process of a chain.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Process {
    /// Its chain.
    #[schema(format = Uuid)]
    chain: String,
    /// Process id.
    pid: u32,
    /// When it started, clock ticks since boot: with the process id it names a process within one boot.
    start: u64,
    /// Who made it, as it was told; `null` where that is not known.
    parent: Option<Key>,
    /// Steps below the process on which it hangs; 0 for the root, and for those without a parent in the chain.
    depth: usize,
    /// Why it hangs where it does: `root`, `child`, `parent_unknown`, `parent_absent` (it is named, and not part of the chain)
    /// or `parent_impossible` (what was told of its parents goes round in a circle).
    #[schema(value_type = String)]
    place: Place,
    /// Something was detected on one of its activity events.
    is_key: bool,
    /// What it runs now, or ran last; `null` where only its activity was told.
    image: Option<Image>,
    /// Effective user.
    uid: Option<u32>,
    /// That user's name on the endpoint.
    user: Option<String>,
    /// Who logged in, whatever the user became since.
    login_uid: Option<u32>,
    /// When it started.
    #[schema(format = DateTime)]
    started_at: Option<String>,
    /// When it ended; `null` while it runs, as far as that is known.
    #[schema(format = DateTime)]
    ended_at: Option<String>,
    /// How it ended.
    exit: Option<Exit>,
    /// The PID namespace below the agent's in which it lives.
    pid_namespace: Option<u64>,
    /// The container that it belongs to.
    container: Option<String>,
    /// It ran before the recorder did; what it had done is not known.
    from_before: bool,
    /// Some of this could not be read in time.
    incomplete: bool,
    /// How many activity events of each kind it has; kinds of which it has none are left out.
    activity_counts: BTreeMap<String, i64>,
    /// Techniques of ATT&CK that rules name for it.
    techniques: Vec<String>,
    /// The worst of what was detected on it.
    severity: Option<&'static str>,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(crate) struct Exit {
    /// Exit code, where it ended by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u32>,
    /// The signal, where one ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<u32>,
}

/// A program as it was started.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Image {
    /// Path of the executable.
    path: String,
    /// The same as hex of its bytes, where it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    path_hex: Option<String>,
    /// Its arguments, the name first.
    arguments: Vec<String>,
    /// All of them as hex of their bytes, where any is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments_hex: Option<Vec<String>>,
    /// There were more arguments.
    arguments_cut: bool,
    /// The arguments in a line, as a person would type them.
    command_line: String,
    /// Working directory.
    directory: Option<String>,
    /// SHA-256 of the executable.
    sha256: Option<String>,
    /// The package that it belongs to, with version.
    package: Option<String>,
    /// The package that brought this very content, where the path is not its own: a copy of `/bin/bash` in `/tmp`.
    copy_of: Option<String>,
    /// What is interpreted.
    script: Option<Script>,
    /// It has no name in any directory: it was deleted, or never had one.
    nameless: bool,
    /// It lives in memory alone.
    in_memory: bool,
    /// Bytes of the executable.
    size: Option<u64>,
    /// Controlling terminal.
    terminal: Option<String>,
}

/// A file that an interpreter runs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Script {
    /// Its path.
    path: String,
    /// The same as hex of its bytes, where it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    path_hex: Option<String>,
    /// SHA-256 of its content.
    sha256: Option<String>,
}

/// A digest, where there is one.
pub(super) fn digest(bytes: &[u8]) -> Option<String> {
    (!bytes.is_empty()).then(|| hex(bytes))
}

/// A time, where there is one.
fn moment(at: i64) -> Option<String> {
    (at != 0).then(|| time::text(at))
}

impl From<ProcessKey> for Key {
    fn from(ProcessKey { pid, start }: ProcessKey) -> Self {
        Self { pid, start }
    }
}

impl Exit {
    /// What wait(2) tells: the signal in the lower seven bits, else the exit code in the next eight.
    fn of(status: u32) -> Self {
        match status & 0x7f {
            0 => Self { code: Some(status >> 8 & 0xff), signal: None },
            signal => Self { code: None, signal: Some(signal) },
        }
    }
}

impl Image {
    /// Of what an endpoint told.
    pub fn of(image: &wire::Image) -> Self {
        let (path, path_hex) = text(&image.path);
        let is_text = image.arguments.iter().all(|argument| std::str::from_utf8(argument).is_ok());
        Self {
            path,
            path_hex,
            arguments: image.arguments.iter().map(|argument| text(argument).0).collect(),
            arguments_hex: (!is_text).then(|| image.arguments.iter().map(|argument| hex(argument)).collect()),
            arguments_cut: image.arguments_cut,
            command_line: command_line(&image.arguments, image.arguments_cut),
            directory: some(text(&image.directory).0),
            sha256: digest(&image.sha256),
            package: some(image.package.clone()),
            copy_of: some(image.copy_of.clone()),
            script: image.script.as_ref().map(Script::of),
            nameless: image.nameless,
            in_memory: image.in_memory,
            size: (image.size > 0).then_some(image.size),
            terminal: some(image.terminal.clone()),
        }
    }
}

impl Script {
    fn of(script: &wire::Script) -> Self {
        let (path, path_hex) = text(&script.path);
        Self { path, path_hex, sha256: digest(&script.sha256) }
    }
}

impl Process {
    /// Of a process in its place within a chain.
    pub fn of(chain: Uuid, node: &Node<'_>) -> Self {
        let process = node.process;
        let ended = process.filter(|process| process.ended_at_us != 0);
        Self {
            chain: chain.to_string(),
            pid: node.key.pid,
            start: node.key.start,
            parent: process.and_then(|process| process.parent).map(Key::from),
            depth: node.depth,
            place: node.place,
            is_key: !node.key_events.is_empty(),
            image: process.map(|process| Image::of(&process.image)),
            uid: process.map(|process| process.uid),
            user: process.and_then(|process| some(process.user.clone())),
            login_uid: process.and_then(|process| process.login_uid),
            started_at: process.and_then(|process| moment(process.started_at_us)),
            ended_at: ended.and_then(|process| moment(process.ended_at_us)),
            exit: ended.map(|process| Exit::of(process.exit_status)),
            pid_namespace: process.map(|process| process.pid_namespace).filter(|inode| *inode != 0),
            container: process.and_then(|process| some(process.container.clone())),
            from_before: process.is_some_and(|process| process.from_before),
            incomplete: process.is_some_and(|process| process.incomplete),
            activity_counts: BTreeMap::new(),
            techniques: node.techniques.iter().map(|technique| (*technique).to_owned()).collect(),
            severity: node.severity.map(|severity| word::severity(word::graded(severity))),
        }
    }

    /// Which it is.
    pub fn key(&self) -> (i64, i64) {
        (i64::from(self.pid), i64::try_from(self.start).unwrap_or(i64::MAX))
    }

    /// Says how many activity events of a kind it has.
    pub fn count(&mut self, kind: String, count: i64) {
        self.activity_counts.insert(kind, count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_code_or_a_signal() {
        let told = |status| {
            let Exit { code, signal } = Exit::of(status);
            (code, signal)
        };
        assert_eq!(told(0), (Some(0), None));
        assert_eq!(told(3 << 8), (Some(3), None));
        assert_eq!(told(9), (None, Some(9)));
        assert_eq!(told(0x8b), (None, Some(11)), "with a core dump");
    }

    #[test]
    fn what_is_no_text_is_there_as_hex_too() {
        let image = wire::Image {
            path: b"/tmp/\xff".to_vec(),
            arguments: vec![b"a b".to_vec(), b"\xfe".to_vec()],
            ..wire::Image::default()
        };
        let shown = Image::of(&image);
        assert_eq!((shown.path.as_str(), shown.path_hex.as_deref()), ("/tmp/\u{fffd}", Some("2f746d702fff")));
        assert_eq!(shown.arguments_hex, Some(vec!["612062".to_owned(), "fe".to_owned()]));
        assert_eq!(shown.command_line, "'a b' '\\xfe'");
    }
}
