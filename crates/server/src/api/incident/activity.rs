//! Activity events, as the API shows them.

use quell_incident::text::shown;
use quell_store::chain::rows;
use quell_store::detection::Mark;
use quell_wire::activity::{self as wire, Deed};
use serde::Serialize;
use utoipa::ToSchema;

use super::process::{Image, digest};
use super::sentence::{NAME, sentence};
use crate::api::detection::{Named, some, text};
use crate::api::time;
use crate::incident::{gather, word};

/// One activity event: what a process did.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Activity {
    /// Its chain.
    #[schema(format = Uuid)]
    chain: String,
    /// Its number; rises on one endpoint.
    id: i64,
    /// Where it happened.
    endpoint: Named,
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// When it came here.
    #[schema(format = DateTime)]
    received_at: String,
    /// Who did it; of a start, who was started.
    process: Doer,
    /// `start`, `file_create`, `file_write`, `file_rename`, `connect`, `listen`, `dns` or `login`.
    kind: String,
    /// Something was detected on it.
    is_key: bool,
    /// Techniques of ATT&CK that rules name for it.
    techniques: Vec<String>,
    /// What was detected on it.
    detections: Vec<Hit>,
    /// What happened, in a line.
    summary: String,
    /// What was started, of a `start`.
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<Image>,
    /// The file as it was afterwards, of `file_create`, `file_write` and `file_rename`.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<FileDeed>,
    /// Of `connect` and `listen`.
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<Connection>,
    /// Of `dns`.
    #[serde(skip_serializing_if = "Option::is_none")]
    dns: Option<Question>,
    /// Of `login`.
    #[serde(skip_serializing_if = "Option::is_none")]
    login: Option<Login>,
}

/// Who did something.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Doer {
    /// Process id.
    pid: u32,
    /// When it started, clock ticks since boot.
    start: u64,
    /// What it runs, as far as that is known.
    path: Option<String>,
    /// As whom.
    user: Option<String>,
}

/// Something that was detected on an activity event.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Hit {
    /// The detection.
    #[schema(format = Uuid)]
    id: String,
    /// What found it.
    source: String,
    /// What happened, in a line.
    title: String,
    /// How bad it is.
    severity: &'static str,
    /// What was done about it at once.
    verdict: Option<String>,
}

/// A file, as it was after the deed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FileDeed {
    /// Its path.
    path: String,
    /// The same as hex of its bytes, where it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    path_hex: Option<String>,
    /// Its former path, of a rename.
    from: Option<String>,
    /// The same as hex of its bytes, where it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    from_hex: Option<String>,
    /// SHA-256 of its content.
    sha256: Option<String>,
    /// Bytes.
    size: u64,
    /// Type and permissions, as stat(2) tells them.
    mode: u32,
    /// `elf` or `script`, where it can be run.
    format: Option<&'static str>,
    /// The package that brought this very content under another name, with version.
    copy_of: Option<String>,
}

/// One end of a conversation with another.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Connection {
    /// `tcp`, `udp`, or the number of the protocol.
    protocol: String,
    /// Address on the endpoint.
    local: Option<String>,
    /// Port on the endpoint.
    local_port: u32,
    /// Address of the other end; `null` for a port that listens.
    remote: Option<String>,
    /// Port of the other end.
    remote_port: u32,
    /// The other end began it.
    inbound: bool,
    /// `attempted`, `established` or `failed`, where that is known.
    fate: Option<&'static str>,
}

/// A question to the domain name system.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Question {
    /// The name.
    name: String,
    /// Type of record: `A`, `AAAA`, …, or its number.
    r#type: String,
    /// Who was asked.
    server: Option<String>,
    /// Addresses that were answered, where that was seen.
    answers: Vec<String>,
}

/// A login.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Login {
    /// As whom.
    user: String,
    /// From where.
    from: Option<String>,
    /// Terminal.
    terminal: Option<String>,
    /// It was refused.
    failed: bool,
}

impl Activity {
    /// The view of a row; nothing where what is stored cannot be read. `process` is who did it, `marks` what was detected on
    /// the chain.
    pub fn of(
        row: &rows::Activity,
        endpoint: Named,
        process: Option<&wire::Process>,
        marks: &[Mark],
    ) -> Option<Self> {
        let stored = gather::activity(&row.body)?;
        let own: Vec<&Mark> = marks.iter().filter(|mark| mark.activity == row.activity).collect();
        let mut techniques: Vec<String> = own
            .iter()
            .flat_map(|mark| serde_json::from_str::<Vec<String>>(&mark.techniques).unwrap_or_default())
            .collect();
        techniques.sort();
        techniques.dedup();
        let deed = stored.deed.as_ref()?;
        let mut view = Self {
            chain: row.chain_id.to_string(),
            id: row.activity,
            endpoint,
            at: time::text(row.at),
            received_at: time::text(row.received_at),
            process: Doer::of(stored.process, process, deed),
            kind: row.kind.clone(),
            is_key: !own.is_empty(),
            techniques,
            detections: own.into_iter().map(Hit::of).collect(),
            summary: String::new(),
            image: None,
            file: None,
            connection: None,
            dns: None,
            login: None,
        };
        view.summary = format!("{} {}", view.process.name(), sentence(deed));
        match deed {
            Deed::Start(image) => view.image = Some(Image::of(image)),
            Deed::FileCreate(file) | Deed::FileWrite(file) | Deed::FileRename(file) => {
                view.file = Some(FileDeed::of(file));
            }
            Deed::Connect(connection) | Deed::Listen(connection) => {
                view.connection = Some(Connection::of(connection));
            }
            Deed::Dns(dns) => view.dns = Some(Question::of(dns)),
            Deed::Login(login) => view.login = Some(Login::of(login)),
        }
        Some(view)
    }
}

impl Activity {
    /// By what it is sorted among others.
    pub fn moment(&self) -> (&str, &str, i64) {
        (&self.at, &self.chain, self.id)
    }

    /// Its cells in a table.
    pub fn line(&self) -> Vec<String> {
        vec![
            self.at.clone(),
            self.endpoint.name.clone(),
            self.kind.clone(),
            self.summary.clone(),
            self.is_key.to_string(),
            self.techniques.join(" "),
            self.process.pid.to_string(),
            self.process.start.to_string(),
            self.chain.clone(),
            self.id.to_string(),
        ]
    }
}

impl Doer {
    fn of(key: wire::ProcessKey, process: Option<&wire::Process>, deed: &Deed) -> Self {
        let image = match deed {
            Deed::Start(image) => Some(image),
            _ => process.map(|process| &process.image),
        };
        Self {
            pid: key.pid,
            start: key.start,
            path: image.and_then(|image| some(text(&image.path).0)),
            user: process.and_then(|process| some(process.user.clone())),
        }
    }

    fn name(&self) -> String {
        let name = self.path.as_deref().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
        if name.is_empty() { format!("process {}", self.pid) } else { shown(name.as_bytes(), NAME) }
    }
}

impl Hit {
    fn of(mark: &Mark) -> Self {
        Self {
            id: mark.id.to_string(),
            source: mark.source.clone(),
            title: mark.title.clone(),
            severity: word::severity(mark.severity),
            verdict: mark.verdict.clone(),
        }
    }
}

impl FileDeed {
    fn of(file: &wire::FileDeed) -> Self {
        let ((path, path_hex), (from, from_hex)) = (text(&file.path), text(&file.from));
        Self {
            path,
            path_hex,
            from: some(from),
            from_hex,
            sha256: digest(&file.sha256),
            size: file.size,
            mode: file.mode,
            format: word::format(file.format()),
            copy_of: some(file.copy_of.clone()),
        }
    }
}

fn address(bytes: &[u8]) -> Option<String> {
    wire::address(bytes).map(|address| address.to_string())
}

impl Connection {
    fn of(connection: &wire::Connection) -> Self {
        Self {
            protocol: match connection.protocol {
                6 => "tcp".to_owned(),
                17 => "udp".to_owned(),
                other => other.to_string(),
            },
            local: address(&connection.local),
            local_port: connection.local_port,
            remote: address(&connection.remote),
            remote_port: connection.remote_port,
            inbound: connection.inbound,
            fate: word::fate(connection.fate()),
        }
    }
}

impl Question {
    fn of(dns: &wire::Dns) -> Self {
        // The types that one meets (IANA, "DNS Parameters").
        let kind = match dns.kind {
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
            _ => "",
        };
        Self {
            name: dns.name.clone(),
            r#type: if kind.is_empty() { dns.kind.to_string() } else { kind.to_owned() },
            server: address(&dns.server),
            answers: dns.answers.iter().filter_map(|answer| address(answer)).collect(),
        }
    }
}

impl Login {
    fn of(login: &wire::Login) -> Self {
        Self {
            user: login.user.clone(),
            from: some(login.from.clone()),
            terminal: some(login.terminal.clone()),
            failed: login.failed,
        }
    }
}
