//! Activity events in words, each in one line.

use quell_wire::activity::{Deed, Fate, FileDeed, Format, Image};

use crate::chain::{Entry, Object, object_end};
use crate::text::{LINE, NAME, command_line, count, cut, hex, shown};

/// The kind of an activity event, as the API names it.
pub const fn kind(deed: &Deed) -> &'static str {
    match deed {
        Deed::Start(_) => "start",
        Deed::FileCreate(_) => "file_create",
        Deed::FileWrite(_) => "file_write",
        Deed::FileRename(_) => "file_rename",
        Deed::Connect(_) => "connect",
        Deed::Listen(_) => "listen",
        Deed::Dns(_) => "dns",
        Deed::Login(_) => "login",
    }
}

/// The same for people.
pub const fn kind_title(deed: &Deed) -> &'static str {
    match deed {
        Deed::Start(_) => "Starting a process",
        Deed::FileCreate(_) => "File creation",
        Deed::FileWrite(_) => "File write",
        Deed::FileRename(_) => "File rename",
        Deed::Connect(_) => "Connection",
        Deed::Listen(_) => "Open port",
        Deed::Dns(_) => "DNS question",
        Deed::Login(_) => "Login",
    }
}

/// What an activity event says, in clean text: `wrote /tmp/x (ELF, 4096 bytes, SHA-256 1111…)`.
pub fn activity(entry: &Entry<'_>) -> String {
    match &entry.activity.deed {
        Some(Deed::Start(image)) => start(image),
        Some(Deed::FileCreate(file)) => format!("created {}", of_file(file)),
        Some(Deed::FileWrite(file)) => format!("wrote {}", of_file(file)),
        Some(Deed::FileRename(file)) => format!("renamed {} to {}", shown(&file.from, NAME), of_file(file)),
        Some(Deed::Connect(connection)) => {
            let end = object_end(&connection.remote, connection.remote_port);
            let verb = match (connection.inbound, connection.fate()) {
                (true, _) => "was reached from",
                (false, Fate::Failed) => "failed to connect to",
                (false, Fate::Attempted) => "tried to connect to",
                (false, Fate::Established | Fate::Unspecified) => "connected to",
            };
            format!("{verb} {end}")
        }
        Some(Deed::Listen(_)) => {
            format!("opened {}", Object::of(entry.activity).map_or_else(String::new, |object| object.label()))
        }
        Some(Deed::Dns(dns)) => {
            let answers: Vec<_> =
                dns.answers.iter().filter_map(|answer| quell_wire::activity::address(answer)).collect();
            let told: Vec<_> = answers.iter().take(4).map(ToString::to_string).collect();
            let told = if told.is_empty() { String::new() } else { format!(": {}", told.join(", ")) };
            format!("asked for {}{told}", shown(dns.name.as_bytes(), NAME))
        }
        Some(Deed::Login(login)) => {
            let from = if login.from.is_empty() {
                String::new()
            } else {
                format!(" from {}", shown(login.from.as_bytes(), NAME))
            };
            let verb = if login.failed { "a login was refused:" } else { "logged in:" };
            format!("{verb} {}{from}", shown(login.user.as_bytes(), NAME))
        }
        None => "did something that was not told".to_owned(),
    }
}

fn start(image: &Image) -> String {
    let line = command_line(&image.arguments, image.arguments_cut);
    let line = if line.is_empty() { shown(&image.path, NAME) } else { line };
    let script = image.script.as_ref().filter(|script| !script.path.is_empty());
    let script = script.map_or_else(String::new, |script| format!(" (script {})", shown(&script.path, NAME)));
    format!("ran {}{script}", cut(&line, LINE))
}

fn of_file(file: &FileDeed) -> String {
    let mut facts = Vec::new();
    match file.format() {
        Format::Elf => facts.push("ELF".to_owned()),
        Format::Script => facts.push("script".to_owned()),
        Format::Unspecified => {}
    }
    facts.push(count(usize::try_from(file.size).unwrap_or(usize::MAX), "byte", "bytes"));
    if let Some(head) = file.sha256.get(..8) {
        facts.push(format!("SHA-256 {}…", hex(head)));
    }
    format!("{} ({})", shown(&file.path, NAME), facts.join(", "))
}
