//! Observables of a chain: what STIX calls cyber-observable objects.

use std::collections::BTreeMap;
use std::net::IpAddr;

use quell_wire::activity::{Connection, Deed, Detection, Image, Login, Process, ProcessKey, address};
use serde_json::{Value, json};

use super::{moment, uuid};
use crate::chain::{Entry, Object, View};
use crate::text::{base_name, command_line, cut, hex, shown};

/// Characters of a command line.
const COMMAND: usize = 8192;
/// Characters of a path or name.
const NAME: usize = 4096;

/// The observables of one chain, by id.
pub(super) struct Observables<'v, 'a> {
    view: &'v View<'a>,
    pub objects: BTreeMap<String, Value>,
}

impl<'v, 'a> Observables<'v, 'a> {
    /// All of a chain's.
    pub(super) fn of(view: &'v View<'a>) -> Self {
        let mut all = Self { view, objects: BTreeMap::new() };
        for node in &view.nodes {
            match node.process {
                Some(process) => all.process(process),
                None => all.unknown_process(node.key),
            }
        }
        for entry in &view.entries {
            all.entry(entry);
        }
        all
    }

    /// Ids of what a detection is about: the process of its event, and its object.
    pub(super) fn of_detection(&mut self, entry: Option<&Entry<'a>>, hit: &'a Detection) -> Vec<String> {
        let mut ids = Vec::new();
        if let Some(entry) = entry {
            let process = self.process_id(entry.activity.process);
            ids.extend(self.objects.contains_key(&process).then_some(process));
            ids.extend(self.entry(entry));
        }
        if let Some(object) = Object::of_detection(hit, entry).filter(Object::is_file) {
            let size = object.file.map_or(0, |file| file.size);
            ids.extend(self.file(object.path, object.sha256, size));
        }
        ids.sort();
        ids.dedup();
        ids
    }

    fn put(&mut self, id: String, mut object: Value) -> String {
        object["type"] = Value::from(id.split_once("--").map_or("", |(kind, _)| kind));
        object["spec_version"] = Value::from("2.1");
        object["id"] = Value::from(id.clone());
        // What was told of it before stays where this one says nothing: a size, addresses of a name.
        match (self.objects.get_mut(&id), object) {
            (Some(Value::Object(known)), Value::Object(object)) => known.extend(object),
            (_, object) => {
                self.objects.insert(id.clone(), object);
            }
        }
        id
    }

    /// Adds an object whose id is made of these of its properties.
    fn put_by(&mut self, kind: &str, contributing: &BTreeMap<&'static str, Value>, further: Value) -> String {
        // Sorted keys and no blanks: canonical for the keys and values that occur here (RFC 8785).
        let name: Vec<_> = contributing.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
        let id = format!("{kind}--{}", uuid::of_observable(&format!("{{{}}}", name.join(","))));
        let mut object = further;
        for (key, value) in contributing {
            object[*key] = value.clone();
        }
        self.put(id, object)
    }

    fn process_id(&self, key: ProcessKey) -> String {
        let chain = self.view.chain;
        let parts =
            ["process", &chain.endpoint, &chain.boot_id, &key.pid.to_string(), &key.start.to_string()];
        format!("process--{}", uuid::of_nameless(&parts))
    }

    fn unknown_process(&mut self, key: ProcessKey) {
        let id = self.process_id(key);
        self.put(id, json!({ "pid": key.pid }));
    }

    fn process(&mut self, process: &Process) {
        let image = &process.image;
        let mut object = json!({ "pid": process.key.pid });
        if process.started_at_us > 0 {
            object["created_time"] = Value::from(moment(process.started_at_us));
        }
        let line = cut(&command_line(&image.arguments, image.arguments_cut), COMMAND);
        if !line.is_empty() {
            object["command_line"] = Value::from(line);
        }
        if !image.directory.is_empty() {
            object["cwd"] = Value::from(shown(&image.directory, NAME));
        }
        if let Some(id) = self.image(image) {
            object["image_ref"] = Value::from(id);
        }
        object["creator_user_ref"] = Value::from(self.user(&process.user, Some(process.uid)));
        if let Some(parent) = process.parent.filter(|parent| self.view.node(*parent).is_some()) {
            object["parent_ref"] = Value::from(self.process_id(parent));
        }
        let id = self.process_id(process.key);
        self.put(id, object);
    }

    fn image(&mut self, image: &Image) -> Option<String> {
        self.file(&image.path, &image.sha256, image.size)
    }

    /// A file, with its directory; `None` where neither name nor hash is known.
    fn file(&mut self, path: &[u8], sha256: &[u8], size: u64) -> Option<String> {
        let name = base_name(path);
        let mut contributing = BTreeMap::new();
        if !name.is_empty() {
            contributing.insert("name", Value::from(shown(name, NAME)));
        }
        if sha256.len() == 32 {
            contributing.insert("hashes", json!({ "SHA-256": hex(sha256) }));
        }
        if contributing.is_empty() {
            return None;
        }
        let directory = &path[..path.len() - name.len()];
        if !directory.is_empty() {
            let path = if directory == b"/" { directory } else { &directory[..directory.len() - 1] };
            let by = BTreeMap::from([("path", Value::from(shown(path, NAME)))]);
            contributing
                .insert("parent_directory_ref", Value::from(self.put_by("directory", &by, json!({}))));
        }
        // The size is told where it is known, and never taken back.
        let further =
            if size > 0 { json!({ "size": i64::try_from(size).unwrap_or(i64::MAX) }) } else { json!({}) };
        Some(self.put_by("file", &contributing, further))
    }

    fn user(&mut self, name: &str, uid: Option<u32>) -> String {
        let mut by = BTreeMap::from([("account_type", Value::from("unix"))]);
        if let Some(uid) = uid {
            by.insert("user_id", Value::from(uid.to_string()));
        }
        if !name.is_empty() {
            by.insert("account_login", Value::from(shown(name.as_bytes(), NAME)));
        }
        self.put_by("user-account", &by, json!({}))
    }

    /// Adds what an activity event is about; ids of it.
    fn entry(&mut self, entry: &Entry<'_>) -> Vec<String> {
        match &entry.activity.deed {
            Some(Deed::Start(image)) => {
                let script = image.script.as_ref();
                let script = script.and_then(|script| self.file(&script.path, &script.sha256, 0));
                self.image(image).into_iter().chain(script).collect()
            }
            Some(Deed::FileCreate(file) | Deed::FileWrite(file) | Deed::FileRename(file)) => {
                self.file(&file.path, &file.sha256, file.size).into_iter().collect()
            }
            Some(Deed::Connect(connection)) => {
                self.traffic(connection, entry.activity.at_us).into_iter().collect()
            }
            Some(Deed::Listen(_)) | None => Vec::new(),
            Some(Deed::Dns(dns)) => self.name(&dns.name, &dns.answers).into_iter().collect(),
            Some(Deed::Login(login)) => self.login(login),
        }
    }

    fn address(&mut self, ip: IpAddr) -> String {
        let kind = if ip.is_ipv4() { "ipv4-addr" } else { "ipv6-addr" };
        let by = BTreeMap::from([("value", Value::from(ip.to_string()))]);
        self.put_by(kind, &by, json!({}))
    }

    fn traffic(&mut self, connection: &Connection, at_us: i64) -> Option<String> {
        let near = address(&connection.local).map(|ip| ip.to_canonical());
        let far = address(&connection.remote)?.to_canonical();
        let layer = if far.is_ipv4() { "ipv4" } else { "ipv6" };
        let transport = match connection.protocol {
            6 => "tcp",
            17 => "udp",
            _ => layer,
        };
        let mut protocols = vec![layer, transport];
        protocols.dedup();
        let far = (Some(self.address(far)), connection.remote_port);
        let near = (near.map(|ip| self.address(ip)), connection.local_port);
        let (from, to) = if connection.inbound { (far, near) } else { (near, far) };
        let mut by = BTreeMap::from([
            ("protocols", json!(protocols)),
            ("src_port", Value::from(from.1)),
            ("dst_port", Value::from(to.1)),
            ("start", Value::from(moment(at_us))),
        ]);
        by.extend(from.0.map(|id| ("src_ref", Value::from(id))));
        by.extend(to.0.map(|id| ("dst_ref", Value::from(id))));
        Some(self.put_by("network-traffic", &by, json!({})))
    }

    /// A name, and the addresses that were answered; `None` where it is no name that another product could take.
    fn name(&mut self, name: &str, answers: &[Vec<u8>]) -> Option<String> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        };
        if name.len() > 253 || !name.split('.').all(is_label) {
            return None;
        }
        let answers: Vec<_> = answers.iter().filter_map(|answer| address(answer)).collect();
        let ids: Vec<_> = answers.into_iter().map(|ip| self.address(ip.to_canonical())).collect();
        let by = BTreeMap::from([("value", Value::from(name))]);
        let further = if ids.is_empty() { json!({}) } else { json!({ "resolves_to_refs": ids }) };
        Some(self.put_by("domain-name", &by, further))
    }

    fn login(&mut self, login: &Login) -> Vec<String> {
        let mut ids = Vec::new();
        if !login.user.is_empty() {
            ids.push(self.user(&login.user, None));
        }
        if let Ok(ip) = login.from.parse::<IpAddr>() {
            ids.push(self.address(ip.to_canonical()));
        }
        ids
    }
}
