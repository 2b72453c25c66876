//! The links that a chain leaves, and those that it asks for.

use std::collections::HashMap;

use quell_wire::activity::{Activity, Deed, FileDeed, Format, Process, ProcessKey, Source};
use sha2::{Digest as _, Sha256};

use super::{Link, LinkKind, Links};
use crate::chain::{Object, ObjectKind, Place, View};
use crate::setting::Setting;
use crate::system;
use crate::text::{NAME, hex, shown};

/// Links that one chain leaves at most, of each kind.
const LINKS: usize = 256;
/// Links that one chain asks for at most, of each kind.
const ASKED: usize = 64;
/// SHA-256 of nothing.
const EMPTY: [u8; 32] = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27,
    0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

/// The links of a chain as it stands; of a part of it, those of that part. What was detected on events that the part has not
/// is to be left out of it: without its event, a detection's file may be anything.
pub fn links(view: &View<'_>, setting: &Setting) -> Links {
    let mut gathered =
        Gathered { view, setting, endpoint: setting.name_of(&view.chain.endpoint), links: Links::default() };
    gathered.chain_and_tree();
    let hits: Vec<_> = view.detections().collect();
    for (entry, hit) in &hits {
        let at_us = entry.map_or(hit.at_us, |entry| entry.activity.at_us);
        // Where the content itself was recognized, it says something wherever it lies.
        let is_content = matches!(hit.source(), Source::BlockList | Source::Yara);
        let object = Object::of_detection(hit, *entry);
        gathered.object(object.filter(|object| is_telling(*object, is_content)), at_us, true);
        gathered.user(entry.map(|entry| entry.activity.process), at_us);
    }
    gathered.activity();
    gathered.links.finish()
}

/// Whether an activity event leaves links by itself: it ran, or made, something that is not everybody's.
pub fn leaves(activity: &Activity) -> bool {
    match &activity.deed {
        Some(Deed::Start(image)) => is_telling(Object::of_image(image), false),
        Some(Deed::FileCreate(file) | Deed::FileWrite(file) | Deed::FileRename(file)) => can_run(file),
        Some(Deed::Connect(_) | Deed::Listen(_) | Deed::Dns(_) | Deed::Login(_)) | None => false,
    }
}

/// The link of a content, by its SHA-256.
pub fn of_content(sha256: &[u8], label: &str, at_us: i64) -> Link {
    let value = hex(sha256);
    let shown = format!("{label} (SHA-256 {}…)", value.get(..12).unwrap_or_default());
    Link { kind: LinkKind::Hash, value, shown, at_us }
}

/// The link of a file on an endpoint, which is given by its id and its name.
pub fn of_file((endpoint, name): (&str, &str), path: &[u8], at_us: i64) -> Link {
    let value = digest(LinkKind::File, &[endpoint.as_bytes(), path]);
    Link { kind: LinkKind::File, value, shown: format!("{} on {name}", shown(path, NAME)), at_us }
}

struct Gathered<'v, 'a> {
    view: &'v View<'a>,
    setting: &'v Setting,
    endpoint: String,
    links: Links,
}

impl Gathered<'_, '_> {
    fn push(&mut self, kind: LinkKind, value: String, shown: String, at_us: i64, is_asked: bool) {
        self.add(Link { kind, value, shown, at_us }, is_asked);
    }

    fn add(&mut self, link: Link, is_asked: bool) {
        if is_asked {
            self.links.asked.push(link.clone());
        }
        self.links.kept.push(link);
    }

    fn last_at(&self) -> i64 {
        self.view
            .detections()
            .map(|(entry, hit)| entry.map_or(hit.at_us, |entry| entry.activity.at_us))
            .max()
            .unwrap_or_default()
    }

    fn chain_and_tree(&mut self) {
        if self.view.chain.detections.is_empty() {
            return;
        }
        let (chain, at_us) = (self.view.chain, self.last_at());
        let value = digest(LinkKind::Chain, &[chain.endpoint.as_bytes(), chain.id.as_bytes()]);
        self.push(LinkKind::Chain, value, shown(chain.id.as_bytes(), NAME), at_us, true);
        let root = self.view.node(chain.root).filter(|node| node.place == Place::Root);
        let Some(root) = root.filter(|node| is_telling_root(node.key, node.process)) else { return };
        let key = [root.key.pid.to_be_bytes().as_slice(), &root.key.start.to_be_bytes()].concat();
        let value = digest(LinkKind::Tree, &[chain.endpoint.as_bytes(), chain.boot_id.as_bytes(), &key]);
        let name = format!("{} ({}) on {}", root.name(), root.key.pid, self.endpoint);
        self.push(LinkKind::Tree, value, name, at_us, true);
    }

    /// A content, by its hash and by where it lies.
    fn object(&mut self, object: Option<Object<'_>>, at_us: i64, is_asked: bool) {
        let Some(object) = object.filter(Object::is_file) else { return };
        let is_everybodys = object.sha256 == EMPTY || self.setting.is_packaged(self.view, object.sha256);
        if object.sha256.len() == EMPTY.len() && !is_everybodys {
            self.add(of_content(object.sha256, &object.label(), at_us), is_asked);
        }
        if !object.path.is_empty() {
            let place = (self.view.chain.endpoint.as_str(), self.endpoint.as_str());
            self.add(of_file(place, object.path, at_us), is_asked);
        }
    }

    fn user(&mut self, key: Option<ProcessKey>, at_us: i64) {
        let process = key.and_then(|key| self.view.node(key)).and_then(|node| node.process);
        let Some(process) = process else { return };
        // Whoever logged in stays the same under sudo; nobody did where the kernel says so with its highest number.
        let login = process.login_uid.filter(|uid| *uid != u32::MAX);
        let uid = login.unwrap_or(process.uid);
        if matches!(uid, 0 | 65_534) {
            return;
        }
        let value = digest(LinkKind::User, &[self.view.chain.endpoint.as_bytes(), &uid.to_be_bytes()]);
        let is_named = uid == process.uid && !process.user.is_empty();
        let name = if is_named { shown(process.user.as_bytes(), NAME) } else { format!("uid {uid}") };
        self.push(LinkKind::User, value, format!("{name} on {}", self.endpoint), at_us, true);
    }

    /// What the chain made and what it ran.
    fn activity(&mut self) {
        for entry in self.view.entries.iter().filter(|entry| leaves(entry.activity)) {
            let is_start = matches!(entry.activity.deed, Some(Deed::Start(_)));
            self.object(Object::of(entry.activity), entry.activity.at_us, is_start);
        }
    }
}

impl Links {
    /// Each value once, with its latest time; detected things first, so that a limit cuts the rest.
    fn finish(self) -> Self {
        Self { kept: once(self.kept, LINKS), asked: once(self.asked, ASKED) }
    }
}

fn once(links: Vec<Link>, most: usize) -> Vec<Link> {
    let mut kept: Vec<Link> = Vec::new();
    let mut places = HashMap::new();
    let mut counts = HashMap::new();
    for link in links {
        if let Some(place) = places.get(&(link.kind, link.value.clone())) {
            let own: &mut Link = &mut kept[*place];
            own.at_us = own.at_us.max(link.at_us);
            continue;
        }
        let count = counts.entry(link.kind).or_insert(0_usize);
        if *count < most {
            *count += 1;
            places.insert((link.kind, link.value.clone()), kept.len());
            kept.push(link);
        }
    }
    kept
}

/// Whether a file may be run: by its format, or by its permissions.
fn can_run(file: &FileDeed) -> bool {
    file.format() != Format::Unspecified || file.mode & 0o111 != 0 && file.mode & 0o170_000 != 0o040_000
}

/// Whether a content says something about who ran it: what a package brought, everybody runs. Content that was recognized
/// as bad says something in the system's places too.
fn is_telling(object: Object<'_>, is_recognized: bool) -> bool {
    let is_program = object.kind == ObjectKind::Program;
    let is_everybodys = is_program && (!object.package().is_empty() || system::is_interpreter(object.path));
    !is_everybodys
        && (is_recognized || object.kind == ObjectKind::File || !system::is_system_path(object.path))
}

/// Whether a tree is one intrusion's, and not all that a machine does.
fn is_telling_root(key: ProcessKey, process: Option<&Process>) -> bool {
    key.pid > 2 && process.is_some_and(|process| !system::is_daemon(&process.image))
}

/// Digest of the parts, each with its length before it.
fn digest(kind: LinkKind, parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in [kind.as_str().as_bytes()].into_iter().chain(parts.iter().copied()) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex(&hash.finalize())
}
