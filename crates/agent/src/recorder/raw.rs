//! What the kernel told, in the words of the protocol and within its limits.

mod script;

use std::borrow::Cow;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use quell_host::process::Identity;
use quell_host::recorder::raw as host;
use quell_wire::activity::{Connection, Deed, Dns, Fate, FileDeed, Format, Image, Login, ProcessKey, Script};
use quell_wire::limits;

/// Of a pid and a start time; `None` where the start is not known.
pub fn key(identity: Identity) -> Option<ProcessKey> {
    let key = ProcessKey { pid: identity.pid, start: identity.start_time };
    (key.start > 0 && key.is_sound()).then_some(key)
}

/// The same the other way round.
pub fn identity(key: ProcessKey) -> Identity {
    Identity { pid: key.pid, start_time: key.start }
}

/// A path within its limit: what is longer, no system call takes.
pub fn path(path: &Path) -> Vec<u8> {
    let bytes = path.as_os_str().as_bytes();
    bytes.get(..bytes.len().min(limits::PATH)).unwrap_or_default().to_vec()
}

/// Text within its limit.
pub fn short(text: &str) -> String {
    text.get(..text.floor_char_boundary(limits::NAME)).unwrap_or_default().to_owned()
}

/// A program, without what is learned by reading it.
pub fn image(program: &host::Program, terminal: Option<&str>) -> Image {
    let (arguments, is_more) = arguments(program.arguments());
    let script = script(program, &arguments);
    Image {
        path: path(&program.path),
        arguments_cut: is_more || program.is_cut(),
        directory: path(&program.directory),
        script: script.map(|path| Script { path, sha256: Vec::new() }),
        nameless: program.deleted || program.in_memory,
        in_memory: program.in_memory,
        terminal: terminal.map(short).unwrap_or_default(),
        arguments,
        ..Image::default()
    }
}

fn arguments<'a>(all: impl Iterator<Item = &'a [u8]>) -> (Vec<Vec<u8>>, bool) {
    let (mut kept, mut room) = (Vec::new(), limits::COMMAND_LINE);
    for argument in all {
        if kept.len() == limits::ARGUMENTS || room == 0 {
            return (kept, true);
        }
        let fits = argument.len().min(room - 1);
        kept.push(argument.get(..fits).unwrap_or_default().to_vec());
        room -= fits + 1;
        if fits < argument.len() {
            return (kept, true);
        }
    }
    (kept, false)
}

fn script(program: &host::Program, arguments: &[Vec<u8>]) -> Option<Vec<u8>> {
    if program.interpreter.is_some() && !program.asked.as_os_str().is_empty() {
        return Some(joined(&program.directory, &program.asked));
    }
    let name = program.path.file_name()?.to_str()?;
    script::operand(name, arguments).and_then(|file| named(program, file))
}

fn named(program: &host::Program, file: &[u8]) -> Option<Vec<u8>> {
    if file.is_empty() {
        return None;
    }
    Some(joined(&program.directory, Path::new(std::ffi::OsStr::from_bytes(file))))
}

/// Whether a path says where something lies: its beginning is there, and it does not leave what it begins with again. Of any
/// other no directory is believed.
pub fn is_whole(path: &[u8]) -> bool {
    path.starts_with(b"/") && path.split(|byte| *byte == b'/').all(|part| part != b"..")
}

/// An absolute path, without asking any file system: `.` and doubled slashes go, `..` stays.
fn joined(directory: &Path, file: &Path) -> Vec<u8> {
    let whole: Cow<'_, Path> =
        if file.is_absolute() { Cow::Borrowed(file) } else { Cow::Owned(directory.join(file)) };
    let clean: PathBuf = whole.components().filter(|part| *part != Component::CurDir).collect();
    path(&clean)
}

/// What a program did to a file.
pub fn file(change: &host::FileChange) -> Deed {
    let facts = change.facts;
    let format = facts.map_or(host::Format::Other, |facts| facts.format);
    let mut deed = FileDeed {
        path: path(&change.path),
        size: facts.map_or(0, |facts| facts.size).min(i64::MAX as u64),
        mode: facts.map_or(0, |facts| facts.mode),
        format: match format {
            host::Format::Elf => Format::Elf,
            host::Format::Script => Format::Script,
            host::Format::Other => Format::Unspecified,
        }
        .into(),
        ..FileDeed::default()
    };
    match &change.change {
        host::Change::Created => Deed::FileCreate(deed),
        host::Change::Written => Deed::FileWrite(deed),
        host::Change::Renamed(from) => {
            deed.from = from.as_deref().map(path).unwrap_or_default();
            Deed::FileRename(deed)
        }
    }
}

fn address(socket: SocketAddr) -> Vec<u8> {
    match socket.ip().to_canonical() {
        ip if ip.is_unspecified() => Vec::new(),
        std::net::IpAddr::V4(four) => four.octets().to_vec(),
        std::net::IpAddr::V6(six) => six.octets().to_vec(),
    }
}

/// A step of a conversation.
pub fn network(network: &host::Network) -> Deed {
    let fate = match network.step {
        host::Step::Connecting => Fate::Attempted,
        host::Step::Connected | host::Step::Accepted | host::Step::Taken => Fate::Established,
        host::Step::Failed(_) => Fate::Failed,
        host::Step::Listening | host::Step::Sending => Fate::Unspecified,
    };
    let connection = Connection {
        protocol: if network.tcp { 6 } else { 17 },
        local: address(network.local),
        local_port: network.local.port().into(),
        remote: address(network.remote),
        remote_port: network.remote.port().into(),
        inbound: matches!(network.step, host::Step::Accepted | host::Step::Taken),
        fate: fate.into(),
    };
    if network.step == host::Step::Listening { Deed::Listen(connection) } else { Deed::Connect(connection) }
}

/// A question.
pub fn question(question: &host::Question) -> Deed {
    let name = &question.name;
    Deed::Dns(Dns {
        name: name.get(..name.floor_char_boundary(limits::DNS_NAME)).unwrap_or_default().to_owned(),
        kind: question.kind.into(),
        server: address(question.server),
        answers: Vec::new(),
    })
}

/// A login.
pub fn login(login: &host::Login) -> Deed {
    Deed::Login(Login {
        user: short(&login.user),
        from: short(&login.from),
        terminal: short(&login.terminal),
        failed: !login.accepted,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn of(path: &str, asked: &str, interpreter: Option<&str>, arguments: &[&str]) -> Image {
        let command: Vec<u8> =
            arguments.iter().flat_map(|argument| argument.bytes().chain(Some(0))).collect();
        let program = host::Program {
            path: path.into(),
            asked: asked.into(),
            interpreter: interpreter.map(PathBuf::from),
            command_size: command.len() as u64,
            command,
            directory: "/home/ann".into(),
            ..host::Program::default()
        };
        image(&program, Some("pts/0"))
    }

    fn script_of(path: &str, arguments: &[&str]) -> Option<String> {
        of(path, path, None, arguments).script.map(|script| String::from_utf8(script.path).unwrap())
    }

    #[test]
    fn a_script_is_found_behind_its_interpreter() {
        let started = of("/usr/bin/dash", "./x.sh", Some("/bin/sh"), &["/bin/sh", "./x.sh", "1"]);
        assert_eq!(started.script.unwrap().path, b"/home/ann/x.sh");
        assert_eq!(script_of("/usr/bin/dash", &["sh", "-x", "a/b"]).as_deref(), Some("/home/ann/a/b"));
        assert_eq!(script_of("/usr/bin/bash", &["bash", "-lc", "rm x"]), None);
    }

    #[test]
    fn a_path_that_leaves_or_has_no_beginning_is_not_whole() {
        assert!(is_whole(b"/usr/bin/x") && is_whole(b"/tmp/..x/y..") && is_whole(b"/"));
        assert!(!is_whole(b"/usr/../tmp/x") && !is_whole(b"/usr/..") && !is_whole(b""));
        assert!(!is_whole("…/usr/bin/x".as_bytes()) && !is_whole(b"usr/x"));
        let started = of("/usr/bin/dash", "/usr/../tmp/x.sh", Some("/bin/sh"), &["/bin/sh"]);
        assert!(!is_whole(&started.script.unwrap().path));
    }

    #[test]
    fn a_command_line_is_kept_up_to_its_limit() {
        let long = "x".repeat(5000);
        let image = of("/a", "/a", None, &["a", &long, "never"]);
        assert_eq!(image.arguments.len(), 2);
        assert!(image.arguments_cut && image.check().is_ok());
        let whole: usize = image.arguments.iter().map(|argument| argument.len() + 1).sum();
        assert_eq!(whole, limits::COMMAND_LINE);
        let many = vec![""; 3000];
        let image = of("/a", "/a", None, &many);
        assert!(image.arguments_cut && image.check().is_ok());
        assert!(!of("/a", "/a", None, &["a", "b"]).arguments_cut);
    }
}
