//! Chains written the way one tells them.

use quell_incident::{Chain, Endpoint, Setting};
use quell_wire::activity::{
    Activity, Connection, Deed, Detection, Dns, Fate, FileDeed, Format, Image, Process, ProcessKey, Script,
    Severity, Source, Verdict,
};

/// 2026-11-23T08:00:00Z.
pub const BEGIN_US: i64 = 1_795_420_800_000_000;
const SECOND_US: i64 = 1_000_000;

/// A chain that is being told; each event is a second after the one before.
pub struct Scene {
    pub chain: Chain,
    now_us: i64,
    next: u64,
}

/// The hash of a content that is named by one byte.
pub fn hash(of: u8) -> Vec<u8> {
    vec![of; 32]
}

pub fn key(pid: u32) -> ProcessKey {
    ProcessKey { pid, start: u64::from(pid) }
}

impl Scene {
    pub fn new(endpoint: &str, chain: &str, root: u32) -> Self {
        let chain = Chain {
            id: chain.into(),
            endpoint: endpoint.into(),
            boot_id: "boot-1".into(),
            root: key(root),
            ..Chain::default()
        };
        Self { chain, now_us: BEGIN_US, next: 1 }
    }

    /// The same on another day, or another minute.
    pub fn later(mut self, seconds: i64) -> Self {
        self.now_us += seconds * SECOND_US;
        self
    }

    fn event(&mut self, pid: u32, deed: Deed) -> u64 {
        let id = self.next;
        self.now_us += SECOND_US;
        self.next += 1;
        self.chain.activities.push(Activity { id, at_us: self.now_us, process: key(pid), deed: Some(deed) });
        id
    }

    /// A process that runs a command line; the program's path is the first word. What is in the system's places belongs to
    /// a package.
    pub fn run(&mut self, pid: u32, parent: u32, line: &str) -> u64 {
        let words: Vec<_> = line.split(' ').collect();
        let path = words[0];
        let is_system = path.starts_with("/usr/") || path.starts_with("/bin/") || path.starts_with("/lib");
        let name = path.rsplit('/').next().unwrap();
        let mut arguments: Vec<_> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        arguments[0] = name.as_bytes().to_vec();
        let image = Image {
            path: path.as_bytes().to_vec(),
            arguments,
            sha256: hash(if is_system { 0xaa } else { 0x11 }),
            package: if is_system { format!("{name} 1.0-1") } else { String::new() },
            directory: b"/root".to_vec(),
            terminal: if line.ends_with(" -i") { "pts/0".into() } else { String::new() },
            ..Image::default()
        };
        self.start(pid, parent, image)
    }

    /// A process of this image.
    pub fn start(&mut self, pid: u32, parent: u32, image: Image) -> u64 {
        let id = self.event(pid, Deed::Start(image.clone()));
        self.chain.processes.push(Process {
            key: key(pid),
            parent: (parent != 0).then(|| key(parent)),
            image,
            uid: 1000,
            user: "ann".into(),
            login_uid: Some(1000),
            started_at_us: self.now_us,
            ..Process::default()
        });
        id
    }

    pub fn process(&mut self, pid: u32) -> &mut Process {
        self.chain.processes.iter_mut().find(|process| process.key.pid == pid).unwrap()
    }

    /// Some interpreter runs a file.
    pub fn script(&mut self, pid: u32, parent: u32, interpreter: &str, path: &str) -> u64 {
        let name = interpreter.rsplit('/').next().unwrap();
        let image = Image {
            path: interpreter.into(),
            arguments: vec![name.into(), path.into()],
            sha256: hash(0xaa),
            package: format!("{name} 1.0-1"),
            script: Some(Script { path: path.into(), sha256: hash(0x22) }),
            ..Image::default()
        };
        self.start(pid, parent, image)
    }

    pub fn end(&mut self, pid: u32) {
        self.now_us += SECOND_US;
        let now_us = self.now_us;
        self.process(pid).ended_at_us = now_us;
    }

    pub fn create(&mut self, pid: u32, path: &str, content: u8, format: Format) -> u64 {
        self.event(pid, Deed::FileCreate(file(path, "", content, format)))
    }

    pub fn write(&mut self, pid: u32, path: &str, content: u8, format: Format) -> u64 {
        self.event(pid, Deed::FileWrite(file(path, "", content, format)))
    }

    pub fn rename(&mut self, pid: u32, from: &str, path: &str, content: u8, format: Format) -> u64 {
        self.event(pid, Deed::FileRename(file(path, from, content, format)))
    }

    pub fn connect(&mut self, pid: u32, remote: &str, port: u32) -> u64 {
        let remote: std::net::IpAddr = remote.parse().unwrap();
        let remote = match remote {
            std::net::IpAddr::V4(four) => four.octets().to_vec(),
            std::net::IpAddr::V6(six) => six.octets().to_vec(),
        };
        self.event(
            pid,
            Deed::Connect(Connection {
                protocol: 6,
                local: vec![10, 0, 0, 5],
                local_port: 50_000,
                remote,
                remote_port: port,
                inbound: false,
                fate: Fate::Established.into(),
            }),
        )
    }

    pub fn ask(&mut self, pid: u32, name: &str, answer: [u8; 4]) -> u64 {
        let dns =
            Dns { name: name.into(), kind: 1, server: vec![10, 0, 0, 1], answers: vec![answer.to_vec()] };
        self.event(pid, Deed::Dns(dns))
    }

    pub fn deed(&mut self, pid: u32, deed: Deed) -> u64 {
        self.event(pid, deed)
    }

    pub fn detect(
        &mut self,
        activity: u64,
        source: Source,
        severity: Severity,
        title: &str,
        techniques: &[&str],
    ) -> &mut Detection {
        let number = self.chain.detections.len() + 1;
        self.chain.detections.push(Detection {
            id: format!("{}-d{number}", self.chain.id),
            at_us: self.now_us,
            activity,
            source: source.into(),
            rule: format!("rule-{number}"),
            title: title.into(),
            severity: severity.into(),
            techniques: techniques.iter().map(|technique| (*technique).to_owned()).collect(),
            verdict: Verdict::Detected.into(),
            ..Detection::default()
        });
        self.chain.detections.last_mut().unwrap()
    }
}

fn file(path: &str, from: &str, content: u8, format: Format) -> FileDeed {
    FileDeed {
        path: path.into(),
        from: from.into(),
        sha256: if content == 0 { Vec::new() } else { hash(content) },
        size: 4096,
        mode: if format == Format::Unspecified { 0o100_644 } else { 0o100_755 },
        format: format.into(),
        ..FileDeed::default()
    }
}

/// An endpoint that can do everything.
pub fn endpoint(id: &str, name: &str) -> Endpoint {
    Endpoint {
        id: id.into(),
        name: name.into(),
        boot_id: Some("boot-1".into()),
        actions: quell_catalog::ActionKind::ALL.iter().map(|action| action.id().to_owned()).collect(),
        is_connected: true,
        is_isolated: false,
        addresses: vec!["10.0.0.5".parse().unwrap()],
    }
}

pub fn setting() -> Setting {
    Setting {
        endpoints: [endpoint("e1", "web-1"), endpoint("e2", "db-1")]
            .into_iter()
            .map(|endpoint| (endpoint.id.clone(), endpoint))
            .collect(),
        kept_addresses: vec!["203.0.113.250".parse().unwrap()],
        kept_names: vec!["quell.example".into()],
        ..Setting::default()
    }
}
