//! What an activity event is about.

use std::net::IpAddr;

use quell_wire::activity::{Activity, Connection, Deed, Detection, Dns, FileDeed, Image, Login, address};
use serde::Serialize;

use super::{Entry, View};
use crate::text::{NAME, shown};

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectKind {
    /// The executable of a process.
    Program,
    /// The file that an interpreter runs.
    Script,
    /// A file.
    File,
    /// The other end of a connection.
    Address,
    /// A port that was opened.
    Port,
    /// A name of the domain name system.
    Name,
    /// Somebody who logged in.
    Login,
}

/// What an activity event is about.
#[derive(Clone, Copy, Debug)]
pub struct Object<'a> {
    /// What it is.
    pub kind: ObjectKind,
    /// Path, of a program, script or file.
    pub path: &'a [u8],
    /// SHA-256 of its content, 32 bytes; empty where it is not known.
    pub sha256: &'a [u8],
    /// What was started, of a program or script.
    pub image: Option<&'a Image>,
    /// What became of a file.
    pub file: Option<&'a FileDeed>,
    /// A connection or port.
    pub connection: Option<&'a Connection>,
    /// A question.
    pub dns: Option<&'a Dns>,
    /// A login.
    pub login: Option<&'a Login>,
}

impl<'a> Object<'a> {
    /// What an activity event is about; `None` where it says nothing.
    pub fn of(activity: &'a Activity) -> Option<Self> {
        Some(match activity.deed.as_ref()? {
            Deed::Start(image) => Self::of_image(image),
            Deed::FileCreate(file) | Deed::FileWrite(file) | Deed::FileRename(file) => Self {
                path: &file.path,
                sha256: &file.sha256,
                file: Some(file),
                ..Self::bare(ObjectKind::File)
            },
            Deed::Connect(connection) => {
                Self { connection: Some(connection), ..Self::bare(ObjectKind::Address) }
            }
            Deed::Listen(connection) => Self { connection: Some(connection), ..Self::bare(ObjectKind::Port) },
            Deed::Dns(dns) => Self { dns: Some(dns), ..Self::bare(ObjectKind::Name) },
            Deed::Login(login) => Self { login: Some(login), ..Self::bare(ObjectKind::Login) },
        })
    }

    /// What a start is about: of an interpreter that runs a file, that file.
    pub fn of_image(image: &'a Image) -> Self {
        match &image.script {
            Some(script) if !script.path.is_empty() => Self {
                path: &script.path,
                sha256: &script.sha256,
                image: Some(image),
                ..Self::bare(ObjectKind::Script)
            },
            _ => Self {
                path: &image.path,
                sha256: &image.sha256,
                image: Some(image),
                ..Self::bare(ObjectKind::Program)
            },
        }
    }

    /// What a detection is about: the file that it names, else what its event is about.
    pub fn of_detection(hit: &'a Detection, entry: Option<&Entry<'a>>) -> Option<Self> {
        let own = entry.and_then(|entry| Self::of(entry.activity));
        let is_own = |own: &Self| hit.path.is_empty() || own.path == hit.path.as_slice();
        if let Some(own) = own.filter(is_own) {
            let is_told = !hit.path.is_empty() || own.kind == ObjectKind::Program;
            let sha256 = if own.sha256.is_empty() && is_told { &hit.sha256[..] } else { own.sha256 };
            return Some(Self { sha256, ..own });
        }
        if hit.path.is_empty() {
            return None;
        }
        Some(Self { path: &hit.path, sha256: &hit.sha256, ..Self::bare(ObjectKind::File) })
    }

    /// Which package it belongs to; empty where none, or where that is not known.
    pub fn package(&self) -> &'a str {
        match (self.kind, self.image) {
            (ObjectKind::Program, Some(image)) => &image.package,
            _ => "",
        }
    }

    /// Whether it is content with a path: what can be kept from running, moved away and deleted.
    pub const fn is_file(&self) -> bool {
        matches!(self.kind, ObjectKind::Program | ObjectKind::Script | ObjectKind::File)
    }

    /// The address of the other end.
    pub fn address(&self) -> Option<IpAddr> {
        address(&self.connection?.remote)
    }

    /// For sentences: a path, `192.0.2.7:443`, a name, a user.
    pub fn label(&self) -> String {
        match self.kind {
            ObjectKind::Program | ObjectKind::Script | ObjectKind::File if self.path.is_empty() => {
                "a file without a name".to_owned()
            }
            ObjectKind::Program | ObjectKind::Script | ObjectKind::File => shown(self.path, NAME),
            ObjectKind::Address => self
                .connection
                .map_or_else(String::new, |connection| end(&connection.remote, connection.remote_port)),
            ObjectKind::Port => self.connection.map_or_else(String::new, |connection| {
                format!("port {}/{}", connection.local_port, protocol(connection.protocol))
            }),
            ObjectKind::Name => self.dns.map_or_else(String::new, |dns| shown(dns.name.as_bytes(), NAME)),
            ObjectKind::Login => {
                self.login.map_or_else(String::new, |login| shown(login.user.as_bytes(), NAME))
            }
        }
    }

    const fn bare(kind: ObjectKind) -> Self {
        Self {
            kind,
            path: &[],
            sha256: &[],
            image: None,
            file: None,
            connection: None,
            dns: None,
            login: None,
        }
    }
}

/// `192.0.2.7:443`, `[2001:db8::7]:443`, `an unknown address`.
pub fn end(bytes: &[u8], port: u32) -> String {
    match address(bytes) {
        Some(IpAddr::V4(four)) => format!("{four}:{port}"),
        Some(IpAddr::V6(six)) => format!("[{six}]:{port}"),
        None => "an unknown address".to_owned(),
    }
}

/// `tcp`, `udp`, or the number.
pub fn protocol(number: u32) -> String {
    match number {
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        other => format!("protocol {other}"),
    }
}

impl<'a> View<'a> {
    /// What a detection of this chain is about.
    pub fn object_of(&self, hit: &'a Detection) -> Option<Object<'a>> {
        Object::of_detection(hit, self.entry(hit.activity))
    }
}
