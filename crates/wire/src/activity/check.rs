//! What each field of a chain may hold: an endpoint that was taken over fills them in as it likes.

use super::{
    Activity, ChainUpdate, Deed, Detection, Image, Process, ProcessKey, Severity, Source, Verdict, address,
};
use crate::limits;

impl ChainUpdate {
    /// Whether every field is within its limit and means something; else the name of one that is not.
    pub fn check(&self) -> Result<(), &'static str> {
        let holds = |holds: bool, field| if holds { Ok(()) } else { Err(field) };
        holds(is_id(&self.chain_id), "chain_id")?;
        holds((1..=i64::MAX.unsigned_abs()).contains(&self.serial), "serial")?;
        holds(is_id(&self.boot_id), "boot_id")?;
        holds(self.root.is_sound(), "root")?;
        holds(self.processes.len() <= limits::UPDATE_PROCESSES, "processes")?;
        holds(self.activities.len() <= limits::UPDATE_ACTIVITIES, "activities")?;
        holds(self.detections.len() <= limits::UPDATE_DETECTIONS, "detections")?;
        self.processes.iter().try_for_each(Process::check)?;
        self.activities.iter().try_for_each(Activity::check)?;
        self.detections.iter().try_for_each(Detection::check)
    }
}

impl ProcessKey {
    /// Whether a database can hold it and a process can have it.
    pub fn is_sound(self) -> bool {
        self.pid > 0 && i32::try_from(self.pid).is_ok() && i64::try_from(self.start).is_ok()
    }
}

impl Process {
    /// Whether every field is within its limit; else the name of one that is not.
    pub fn check(&self) -> Result<(), &'static str> {
        let holds = |holds: bool, field| if holds { Ok(()) } else { Err(field) };
        holds(self.key.is_sound(), "process")?;
        holds(self.parent.is_none_or(ProcessKey::is_sound), "parent")?;
        holds(is_short(&self.user), "user")?;
        holds(is_short(&self.container), "container")?;
        holds(self.started_at_us >= 0 && self.ended_at_us >= 0, "started_at_us")?;
        holds(i64::try_from(self.pid_namespace).is_ok(), "pid_namespace")?;
        self.image.check()
    }
}

impl Image {
    /// Whether every field is within its limit; else the name of one that is not.
    pub fn check(&self) -> Result<(), &'static str> {
        let holds = |holds: bool, field| if holds { Ok(()) } else { Err(field) };
        holds(is_path(&self.path) && is_path(&self.directory), "image")?;
        holds(self.arguments.len() <= limits::ARGUMENTS, "arguments")?;
        let length: usize = self.arguments.iter().map(|argument| argument.len() + 1).sum();
        holds(length <= limits::COMMAND_LINE, "arguments")?;
        holds(is_digest(&self.sha256), "sha256")?;
        holds(is_short(&self.package) && is_short(&self.copy_of) && is_short(&self.terminal), "package")?;
        holds(i64::try_from(self.size).is_ok(), "size")?;
        let script = self.script.as_ref();
        holds(script.is_none_or(|script| is_path(&script.path) && is_digest(&script.sha256)), "script")
    }
}

impl Activity {
    /// Whether every field is within its limit and means something; else the name of one that is not.
    pub fn check(&self) -> Result<(), &'static str> {
        let holds = |holds: bool, field| if holds { Ok(()) } else { Err(field) };
        holds((1..=i64::MAX.unsigned_abs()).contains(&self.id), "activity")?;
        holds(self.at_us >= 0 && self.process.is_sound(), "activity")?;
        match self.deed.as_ref().ok_or("deed")? {
            Deed::Start(image) => image.check(),
            Deed::FileCreate(file) | Deed::FileWrite(file) | Deed::FileRename(file) => {
                holds(is_path(&file.path) && is_path(&file.from) && is_digest(&file.sha256), "file")?;
                holds(is_short(&file.copy_of), "copy_of")?;
                holds(i64::try_from(file.size).is_ok(), "size")
            }
            Deed::Connect(connection) | Deed::Listen(connection) => {
                let ports = [connection.local_port, connection.remote_port];
                holds(ports.iter().all(|port| u16::try_from(*port).is_ok()), "port")?;
                holds(connection.protocol <= 255, "protocol")?;
                holds(is_address(&connection.local) && is_address(&connection.remote), "address")
            }
            Deed::Dns(dns) => {
                holds(dns.name.len() <= limits::DNS_NAME && dns.answers.len() <= limits::DNS_ANSWERS, "dns")?;
                holds(u16::try_from(dns.kind).is_ok() && is_address(&dns.server), "dns")?;
                holds(dns.answers.iter().all(|answer| is_address(answer)), "dns")
            }
            Deed::Login(login) => holds(
                [&login.user, &login.from, &login.terminal].into_iter().all(|text| is_short(text)),
                "login",
            ),
        }
    }
}

impl Detection {
    fn check(&self) -> Result<(), &'static str> {
        let holds = |holds: bool, field| if holds { Ok(()) } else { Err(field) };
        holds(is_id(&self.id), "detection")?;
        holds(self.at_us >= 0, "detection")?;
        holds((1..=i64::MAX.unsigned_abs()).contains(&self.activity), "activity")?;
        let known = |field, known: bool| holds(known, field);
        known("source", Source::try_from(self.source).is_ok_and(|source| source != Source::Unspecified))?;
        known(
            "severity",
            Severity::try_from(self.severity).is_ok_and(|severity| severity != Severity::Unspecified),
        )?;
        known(
            "verdict",
            Verdict::try_from(self.verdict).is_ok_and(|verdict| verdict != Verdict::Unspecified),
        )?;
        holds(is_short(&self.rule) && is_short(&self.title), "rule")?;
        holds(self.techniques.len() <= limits::TECHNIQUES, "techniques")?;
        holds(self.techniques.iter().all(|technique| is_technique(technique)), "techniques")?;
        holds(self.note.len() <= limits::MESSAGE, "note")?;
        holds(is_path(&self.path) && is_digest(&self.sha256), "path")?;
        holds(i64::try_from(self.protection).is_ok(), "protection")
    }
}

/// Whether text names a technique of ATT&CK, or a part of one: `T1059`, `T1059.004`.
pub fn is_technique(text: &str) -> bool {
    let digits =
        |part: &str, count: usize| part.len() == count && part.bytes().all(|byte| byte.is_ascii_digit());
    let Some(rest) = text.strip_prefix('T') else { return false };
    match rest.split_once('.') {
        None => digits(rest, 4),
        Some((whole, part)) => digits(whole, 4) && digits(part, 3),
    }
}

fn is_id(text: &str) -> bool {
    (1..=limits::ID).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_short(text: &str) -> bool {
    text.len() <= limits::NAME
}

fn is_path(path: &[u8]) -> bool {
    path.len() <= limits::PATH
}

fn is_digest(bytes: &[u8]) -> bool {
    bytes.is_empty() || bytes.len() == 32
}

fn is_address(bytes: &[u8]) -> bool {
    bytes.is_empty() || address(bytes).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::Connection;

    fn update() -> ChainUpdate {
        let key = ProcessKey { pid: 7, start: 9 };
        let image = Image { path: b"/bin/sh".to_vec(), arguments: vec![b"sh".to_vec()], ..Image::default() };
        let process = Process { key, image: image.clone(), ..Process::default() };
        let activity = Activity { id: 1, at_us: 1, process: key, deed: Some(Deed::Start(image)) };
        let detection = Detection {
            id: "d".into(),
            activity: 1,
            source: Source::Behaviour.into(),
            severity: Severity::High.into(),
            verdict: Verdict::Detected.into(),
            techniques: vec!["T1059.004".into()],
            ..Detection::default()
        };
        ChainUpdate {
            chain_id: "c".into(),
            serial: 1,
            boot_id: "b".into(),
            root: key,
            processes: vec![process],
            activities: vec![activity],
            detections: vec![detection],
            ..ChainUpdate::default()
        }
    }

    #[test]
    fn a_chain_within_its_limits_is_taken_and_any_field_beyond_is_named() {
        assert_eq!(update().check(), Ok(()));
        let spoil = |spoil: fn(&mut ChainUpdate)| {
            let mut update = update();
            spoil(&mut update);
            update.check()
        };
        assert_eq!(spoil(|update| update.chain_id.clear()), Err("chain_id"));
        assert_eq!(spoil(|update| update.serial = 0), Err("serial"));
        assert_eq!(spoil(|update| update.root.pid = 0), Err("root"));
        assert_eq!(spoil(|update| update.processes[0].key.start = u64::MAX), Err("process"));
        assert_eq!(
            spoil(|update| update.processes[0].image.path = vec![b'a'; limits::PATH + 1]),
            Err("image")
        );
        let long = |update: &mut ChainUpdate| {
            update.processes[0].image.arguments = vec![vec![b'a'; limits::COMMAND_LINE]];
        };
        assert_eq!(spoil(long), Err("arguments"));
        assert_eq!(spoil(|update| update.activities[0].deed = None), Err("deed"));
        let port = |update: &mut ChainUpdate| {
            let connection = Connection { remote_port: 65_536, ..Connection::default() };
            update.activities[0].deed = Some(Deed::Connect(connection));
        };
        assert_eq!(spoil(port), Err("port"));
        let address = |update: &mut ChainUpdate| {
            let connection = Connection { remote: vec![1; 5], ..Connection::default() };
            update.activities[0].deed = Some(Deed::Connect(connection));
        };
        assert_eq!(spoil(address), Err("address"));
        assert_eq!(spoil(|update| update.detections[0].severity = 99), Err("severity"));
        assert_eq!(spoil(|update| update.detections[0].techniques = vec!["T1".into()]), Err("techniques"));
        assert_eq!(spoil(|update| update.detections[0].sha256 = vec![0; 31]), Err("path"));
        let many = |update: &mut ChainUpdate| {
            update.activities = vec![update.activities[0].clone(); limits::UPDATE_ACTIVITIES + 1];
        };
        assert_eq!(spoil(many), Err("activities"));
    }

    #[test]
    fn techniques_are_named_as_attack_names_them() {
        for name in ["T1059", "T1059.004"] {
            assert!(is_technique(name), "{name}");
        }
        for name in ["", "1059", "T1059.", "T1059.04", "T10590", "t1059", "TA0001", "T1059.004.1"] {
            assert!(!is_technique(name), "{name}");
        }
    }
}
