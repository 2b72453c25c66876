//! An activity event with Sigma's names.

use quell_sigma::{Record, Value};
use quell_wire::activity::{Connection, Deed, address};
use quell_wire::digest::hex;

use crate::recorder::item::{Item, Program, What};

/// An event, and who did it.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub item: &'a Item,
    /// What the process ran then.
    pub program: &'a Program,
    pub uid: u32,
    pub user: &'a str,
    pub container: &'a str,
    /// Its parent: pid, program, user.
    pub parent: Option<(u32, &'a Program, &'a str)>,
}

impl Subject<'_> {
    /// The file that the event is about.
    pub fn file(&self) -> Option<&[u8]> {
        match self.deed()? {
            Deed::FileCreate(file) | Deed::FileWrite(file) | Deed::FileRename(file) => Some(&file.path),
            Deed::Start(_) | Deed::Connect(_) | Deed::Listen(_) | Deed::Dns(_) | Deed::Login(_) => None,
        }
    }

    fn deed(&self) -> Option<&Deed> {
        match &self.item.what {
            What::Start(_) => None,
            What::File(deed, _) | What::Other(deed) => Some(deed),
        }
    }
}

/// The same, with what had to be put together.
#[derive(Debug)]
pub struct Fields<'a> {
    subject: Subject<'a>,
    command: Vec<u8>,
    parent_command: Vec<u8>,
    hashes: String,
    sha256: String,
    source: String,
    destination: String,
    results: String,
}

impl<'a> Fields<'a> {
    pub fn of(subject: &Subject<'a>) -> Self {
        let sha256 = digest(subject);
        let (source, destination) = subject.deed().and_then(connection).map(ends).unwrap_or_default();
        let parent = subject.parent.map(|(_, program, _)| command(program));
        let results = if let Some(Deed::Dns(dns)) = subject.deed() {
            let all = dns.answers.iter().filter_map(|answer| address(answer));
            all.map(|address| address.to_string()).collect::<Vec<_>>().join(";")
        } else {
            String::new()
        };
        Self {
            command: command(subject.program),
            parent_command: parent.unwrap_or_default(),
            hashes: if sha256.is_empty() { String::new() } else { format!("SHA256={sha256}") },
            sha256,
            source,
            destination,
            results,
            subject: *subject,
        }
    }

    fn process(&self, name: &str) -> Option<Value<'_>> {
        let Subject { item, program, uid, user, container, parent } = &self.subject;
        let image = &program.image;
        Some(match name {
            "Image" => Value::Bytes(&image.path),
            "CommandLine" => Value::Bytes(&self.command),
            "CurrentDirectory" => Value::Bytes(&image.directory),
            "User" => (*user).into(),
            "UserId" => Value::Int((*uid).into()),
            "ProcessId" => Value::Int(item.key.pid.into()),
            "ParentImage" => Value::Bytes(&parent.as_ref()?.1.image.path),
            "ParentCommandLine" if parent.is_some() => Value::Bytes(&self.parent_command),
            "ParentProcessId" => Value::Int(parent.as_ref()?.0.into()),
            "ParentUser" => parent.as_ref()?.2.into(),
            "Hashes" if !self.hashes.is_empty() => self.hashes.as_str().into(),
            "sha256" if !self.sha256.is_empty() => self.sha256.as_str().into(),
            "Deleted" => Value::Bool(image.nameless),
            "Package" => {
                program.late.get().map(|facts| &*facts.package).filter(|package| !package.is_empty())?.into()
            }
            "Script" => Value::Bytes(&image.script.as_ref()?.path),
            "Container" if !container.is_empty() => (*container).into(),
            _ => return None,
        })
    }

    fn deed(&self, name: &str) -> Option<Value<'_>> {
        match self.subject.deed()? {
            Deed::FileCreate(file) | Deed::FileWrite(file) | Deed::FileRename(file) => match name {
                "TargetFilename" => Some(Value::Bytes(&file.path)),
                "SourceFilename" if !file.from.is_empty() => Some(Value::Bytes(&file.from)),
                _ => None,
            },
            Deed::Connect(connection) | Deed::Listen(connection) => self.network(connection, name),
            Deed::Dns(dns) => match name {
                "QueryName" => Some(dns.name.as_str().into()),
                "QueryType" => kind(dns.kind).map(Value::from),
                "QueryResults" if !self.results.is_empty() => Some(self.results.as_str().into()),
                _ => None,
            },
            Deed::Login(login) => match name {
                "User" => Some(login.user.as_str().into()),
                "SourceIp" if login.from.parse::<std::net::IpAddr>().is_ok() => {
                    Some(login.from.as_str().into())
                }
                "SourceHostname" => Some(login.from.as_str().into()),
                "Terminal" => Some(login.terminal.as_str().into()),
                "Outcome" => Some(if login.failed { "failure" } else { "success" }.into()),
                _ => None,
            },
            Deed::Start(_) => None,
        }
    }

    fn network(&self, connection: &Connection, name: &str) -> Option<Value<'_>> {
        Some(match name {
            // Both texts are in use.
            "Initiated" => if connection.inbound { "false" } else { "true" }.into(),
            "Protocol" => if connection.protocol == 6 { "tcp" } else { "udp" }.into(),
            "SourceIp" if !self.source.is_empty() => self.source.as_str().into(),
            "SourcePort" => Value::Int(
                if connection.inbound { connection.remote_port } else { connection.local_port }.into(),
            ),
            "DestinationIp" if !self.destination.is_empty() => self.destination.as_str().into(),
            "DestinationPort" => Value::Int(
                if connection.inbound { connection.local_port } else { connection.remote_port }.into(),
            ),
            _ => return None,
        })
    }
}

/// Names that a record may have.
const NAMES: [&str; 32] = [
    "Image",
    "CommandLine",
    "CurrentDirectory",
    "User",
    "UserId",
    "ProcessId",
    "ParentImage",
    "ParentCommandLine",
    "ParentProcessId",
    "ParentUser",
    "Hashes",
    "sha256",
    "Deleted",
    "Package",
    "Script",
    "Container",
    "TargetFilename",
    "SourceFilename",
    "Initiated",
    "Protocol",
    "SourceIp",
    "SourcePort",
    "DestinationIp",
    "DestinationPort",
    "QueryName",
    "QueryType",
    "QueryResults",
    "SourceHostname",
    "Terminal",
    "Outcome",
    "QueryStatus",
    "DestinationHostname",
];

impl Record for Fields<'_> {
    fn field(&self, name: &str) -> Option<Value<'_>> {
        self.deed(name).or_else(|| self.process(name))
    }

    fn each(&self, visit: &mut dyn FnMut(&str, Value<'_>)) {
        for name in NAMES {
            if let Some(value) = self.field(name) {
                visit(name, value);
            }
        }
    }
}

/// Of a start the program, of a file the file.
fn digest(subject: &Subject<'_>) -> String {
    let facts = subject.item.late().and_then(|late| late.get());
    let own = facts.or_else(|| subject.program.late.get());
    own.and_then(|facts| facts.sha256).map(|digest| hex(&digest)).unwrap_or_default()
}

fn command(program: &Program) -> Vec<u8> {
    program.image.arguments.join(&b' ')
}

fn connection(deed: &Deed) -> Option<&Connection> {
    match deed {
        Deed::Connect(connection) | Deed::Listen(connection) => Some(connection),
        Deed::Start(_)
        | Deed::FileCreate(_)
        | Deed::FileWrite(_)
        | Deed::FileRename(_)
        | Deed::Dns(_)
        | Deed::Login(_) => None,
    }
}

/// Where it came from, and where it went.
fn ends(connection: &Connection) -> (String, String) {
    let text = |bytes: &[u8]| address(bytes).map(|address| address.to_string()).unwrap_or_default();
    let (local, remote) = (text(&connection.local), text(&connection.remote));
    if connection.inbound { (remote, local) } else { (local, remote) }
}

/// Common types of record (RFC 1035, 3596, 2782, 9460).
fn kind(number: u32) -> Option<&'static str> {
    Some(match number {
        1 => "A",
        2 => "NS",
        5 => "CNAME",
        6 => "SOA",
        12 => "PTR",
        15 => "MX",
        16 => "TXT",
        28 => "AAAA",
        33 => "SRV",
        65 => "HTTPS",
        255 => "ANY",
        _ => return None,
    })
}
