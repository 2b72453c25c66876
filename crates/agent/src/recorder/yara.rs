//! Rules about content, applied to programs that begin and to files that were written: by a confined worker that is handed
//! descriptors, on a thread of its own. What finds no room in the queue is not looked at, and counted.

use std::collections::HashMap;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quell_wire::activity::{Severity, Source};
use quell_wire::digest::sha256;
use quell_wire::limits;
use quell_wire::protection::Mode;
use quell_yara::{MetaValue, RuleMatch, ScanLimits};

use super::facts::{Content, Key};
use super::item::Item;
use super::judge::Hit;
use super::settings::Current;
use crate::runner::chain;
use crate::worker::Kind;
use crate::worker::yara::{Look, Scanner};

/// Files that wait.
const WAITING: usize = 64;
/// Looked at of a file. Bytes.
const MOST: u64 = 32 << 20;
/// Spent on one file.
const TIME: Duration = Duration::from_secs(5);
/// Processor time of one worker, before it is begun anew.
const CPU: Duration = Duration::from_hours(1);
/// Contents whose verdict is remembered; beyond that all are forgotten.
const KNOWN: usize = 16_384;
/// Rules told of one file.
const MATCHES: usize = 8;
const STACK: usize = 384 << 10;

/// Takes what matched.
pub type Tell = Arc<dyn Fn(Arc<Item>, Vec<Hit>) + Send + Sync>;

#[derive(Default)]
struct Shared {
    /// Rules, and how often they were replaced.
    rules: Mutex<(u64, Option<Arc<[u8]>>)>,
    is_on: AtomicBool,
    unscanned: AtomicU64,
    count: AtomicU64,
    problem: Mutex<Option<String>>,
}

/// What files are handed to. Cheap to clone.
#[derive(Clone)]
pub struct Yara {
    queue: SyncSender<Content>,
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Yara {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Yara({} rules)", self.count())
    }
}

impl Yara {
    /// Begins the thread; its worker begins with the first file.
    pub fn start(tell: Tell) -> std::io::Result<Self> {
        let (queue, received) = sync_channel(WAITING);
        let shared = Arc::new(Shared::default());
        let known = shared.clone();
        let thread = std::thread::Builder::new().name("flight-yara".into()).stack_size(STACK);
        // A worker belongs to the thread that began it.
        thread.spawn(move || {
            let work = Work { shared: known, tell, scanner: None, version: 0, known: HashMap::new() };
            work.run(&received);
        })?;
        Ok(Self { queue, shared })
    }

    /// Other rules from now on.
    pub fn rules(&self, current: &Current) {
        let is_on = current.document.mode(Source::Yara) != Mode::Off;
        let body = current.yara.clone().filter(|body| is_on && !body.is_empty());
        self.shared.is_on.store(body.is_some(), Ordering::Relaxed);
        let mut rules = self.shared.rules.lock().unwrap_or_else(PoisonError::into_inner);
        if rules.1 != body {
            rules.0 += 1;
            rules.1 = body;
            self.shared.count.store(0, Ordering::Relaxed);
            *self.shared.problem.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    pub fn is_on(&self) -> bool {
        self.shared.is_on.load(Ordering::Relaxed)
    }

    pub fn scan(&self, content: Content) {
        if self.is_on() && self.queue.try_send(content).is_err() {
            self.shared.unscanned.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Rules in force, once a file was looked at.
    pub fn count(&self) -> u64 {
        self.shared.count.load(Ordering::Relaxed)
    }

    /// Files that were not looked at.
    pub fn unscanned(&self) -> u64 {
        self.shared.unscanned.load(Ordering::Relaxed)
    }

    /// Why none are in force.
    pub fn problem(&self) -> Option<String> {
        self.shared.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Work {
    shared: Arc<Shared>,
    tell: Tell,
    scanner: Option<Scanner>,
    version: u64,
    known: HashMap<Key, Vec<Hit>>,
}

impl Work {
    fn run(mut self, queue: &Receiver<Content>) {
        while let Ok(content) = queue.recv() {
            self.renew();
            let hits = match self.known.get(&content.key) {
                Some(hits) => hits.clone(),
                None => self.look(&content),
            };
            if !hits.is_empty() {
                (self.tell)(content.item, hits);
            }
        }
    }

    fn renew(&mut self) {
        let (version, rules) = self.shared.rules.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if version == self.version {
            return;
        }
        self.version = version;
        self.known.clear();
        self.scanner = None;
        let Some(rules) = rules else { return };
        let sets = vec![("default".to_owned(), rules.to_vec())];
        match Scanner::start(Kind::Yara.launcher(), sets, MOST, CPU, &|| false) {
            Ok(scanner) => {
                self.shared.count.store(scanner.compiled().rules, Ordering::Relaxed);
                self.scanner = Some(scanner);
            }
            Err(error) => {
                let problem = chain(&error);
                tracing::warn!(problem, "no YARA rules are in force");
                *self.shared.problem.lock().unwrap_or_else(PoisonError::into_inner) = Some(problem);
            }
        }
    }

    fn look(&mut self, content: &Content) -> Vec<Hit> {
        let Some(scanner) = &mut self.scanner else { return Vec::new() };
        let path = String::from_utf8_lossy(&content.path);
        let limits = ScanLimits { time: TIME, strings: false, ..ScanLimits::default() };
        let scan = match scanner.file(content.file.as_fd(), &path, MOST, limits, &|| false) {
            Ok(Look::Found(scan)) if scan.stopped.is_none() => scan,
            Ok(Look::Found(scan)) => {
                self.shared.unscanned.fetch_add(1, Ordering::Relaxed);
                scan
            }
            Ok(Look::Unreadable) => return Vec::new(),
            Err(error) => {
                self.shared.unscanned.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(error = chain(&error), "a file was not looked at");
                return Vec::new();
            }
        };
        let digest = (!scan.matches.is_empty()).then(|| digest(content)).flatten();
        let hits: Vec<Hit> =
            scan.matches.iter().take(MATCHES).map(|found| hit(found, &content.path, digest)).collect();
        if content.key.is_settled() {
            if self.known.len() >= KNOWN {
                self.known.clear();
            }
            self.known.insert(content.key, hits.clone());
        }
        hits
    }
}

/// Of what was looked at.
fn digest(content: &Content) -> Option<[u8; 32]> {
    use std::os::unix::fs::FileExt;
    if let Some(known) = content.item.late().and_then(|late| late.get()).and_then(|facts| facts.sha256) {
        let is_script = matches!(&content.item.what, super::item::What::Start(program) if program.image.path != content.path);
        if !is_script {
            return Some(known);
        }
    }
    let size = content.file.metadata().ok()?.len().min(MOST);
    let mut bytes = vec![0; size as usize];
    content.file.read_exact_at(&mut bytes, 0).ok()?;
    (size < MOST).then(|| sha256(&[&bytes]))
}

fn hit(found: &RuleMatch, path: &[u8], sha256: Option<[u8; 32]>) -> Hit {
    let text = |name: &str| {
        found.meta.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| match value {
            MetaValue::Text(text) => text.clone(),
            MetaValue::Integer(number) => number.to_string(),
            MetaValue::Boolean(yes) => yes.to_string(),
        })
    };
    let severity =
        match text("severity").or_else(|| text("level")).unwrap_or_default().to_ascii_lowercase().as_str() {
            "informational" => Severity::Informational,
            "low" => Severity::Low,
            "medium" => Severity::Medium,
            "critical" => Severity::Critical,
            _ => Severity::High,
        };
    let words =
        text("mitre_attack").or_else(|| text("attack")).or_else(|| text("technique")).unwrap_or_default();
    let words = words.split([',', ' ', ';']).map(str::trim).map(str::to_owned);
    let techniques: Vec<String> =
        words.chain(found.tags.iter().cloned()).map(|word| word.replace('_', ".")).collect();
    let techniques = techniques.into_iter().filter(|word| quell_wire::activity::is_technique(word));
    Hit {
        source: Source::Yara,
        rule: super::raw::short(&found.rule),
        title: super::raw::short(
            &text("title").or_else(|| text("description")).unwrap_or_else(|| found.rule.clone()),
        ),
        severity,
        techniques: techniques.take(limits::TECHNIQUES).collect(),
        note: format!("The YARA rule {} matches its content.", found.rule),
        path: path.to_vec(),
        sha256,
        done: None,
    }
}
