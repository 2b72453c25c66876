//! What the execution guard and the block list met gets its chain here.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quell_catalog::blocklist::report::Hit as Listed;
use quell_catalog::blocklist::{Action, Kind};
use quell_host::guard::{self, Attempt};
use quell_host::isolate::Network;
use quell_wire::activity::{Connection, Deed, Dns, Image, ProcessKey, Severity, Source, address};
use quell_wire::digest::unhex;
use quell_wire::protection::Mode;

use super::Flight;
use crate::recorder::item::{Facts, Item, Program, What};
use crate::recorder::judge::Hit;
use crate::recorder::met::Met;
use crate::recorder::times::since_boot;

/// What is met is told of within some seconds. Microseconds.
const LATELY_US: i64 = 15_000_000;
/// The guard tells of a process before the kernel's own word of it has come through: for so long it is waited for.
const EARLY: Duration = Duration::from_secs(3);
/// Hits that wait so.
const EARLY_MOST: usize = 256;
/// Who ended longer ago is not whom the guard has just met: the pid is another's by now. Nanoseconds.
const JUST_ENDED: u64 = 5_000_000_000;
/// Trees that get a detection by one hit.
const TREES: usize = 4;
/// They ask for names that others want to know.
const RESOLVERS: [&str; 7] = ["systemd-resolved", "dnsmasq", "unbound", "named", "kresd", "coredns", "nscd"];

impl Flight {
    pub(super) fn met(&mut self, met: Met) {
        if self.judge.document().mode(Source::BlockList) == Mode::Off || self.meet(&met) {
            return;
        }
        if self.state.early.len() < EARLY_MOST {
            self.state.early.push_back((Instant::now() + EARLY, met));
        } else {
            self.untold(1);
        }
    }

    /// What waits for its process, which may be known by now.
    pub(super) fn met_early(&mut self) {
        let now = Instant::now();
        for (until, met) in std::mem::take(&mut self.state.early) {
            if self.meet(&met) {
                continue;
            }
            if now < until {
                self.state.early.push_back((until, met));
            } else {
                // The server is told of it without its process, as of every hit.
                self.untold(1);
            }
        }
    }

    /// Whether it is done with; else its process is not known yet.
    fn meet(&mut self, met: &Met) -> bool {
        let (tried, rule, title, action) = match met {
            Met::Kept(tried) => {
                (tried, tried.rule.clone(), format!("Blocked program {}", guard_title(tried)), None)
            }
            Met::Listed(listed, Some(tried)) => {
                let title = format!("Listed program {}", guard_title(tried));
                (tried, listed.value.clone(), title, Some(listed.action))
            }
            Met::Listed(listed, None) => {
                self.listed(listed);
                return true;
            }
        };
        let now = since_boot();
        let Some(key) = self.tree.at(tried.pid, now, 0) else { return false };
        let ended = self.tree.get(key).and_then(|entry| entry.ended);
        if ended.is_some_and(|(ended, _)| ended.saturating_add(JUST_ENDED) < now) {
            return false;
        }
        self.tried(key, tried, rule, title, action);
        true
    }

    /// Content that was kept from running, or was not.
    fn tried(
        &mut self,
        key: ProcessKey,
        tried: &guard::Hit,
        rule: String,
        title: String,
        action: Option<Action>,
    ) {
        let sha256 = unhex(&tried.sha256);
        let path = tried.path.clone().into_bytes();
        let known = self.tree.get(key).map(|entry| (entry.start_id, entry.program.clone()));
        let runs_it = known.as_ref().is_some_and(|(_, program)| program.image.path == path);
        let item = match (&known, tried.attempt) {
            (Some((id, program)), _) if *id > 0 && (runs_it || tried.attempt == Attempt::Open) => {
                let what = What::Start(program.clone());
                let at_us = self.tree.get(key).map_or(0, |entry| self.times.wall_us(entry.program_at));
                Arc::new(Item { id: *id, at_us, key, what })
            }
            // It began to run it, as far as it came.
            _ => {
                let image = Image { path: path.clone(), ..Image::default() };
                let program = Program { image, ..Program::default() };
                let _ = program.late.set(Facts { sha256, ..Facts::default() });
                let item = self.item(key, self.times.now_us(), What::Start(Arc::new(program)));
                self.put(&item, true);
                item
            }
        };
        let note = match (tried.denied, tried.let_pass.as_deref()) {
            (true, _) => "The execution guard denied it.".to_owned(),
            (false, Some(why)) => format!("It was let pass: {why}."),
            (false, None) => String::new(),
        };
        let is_wanted = action != Some(Action::Log);
        let hit = Hit {
            source: Source::BlockList,
            rule,
            title,
            severity: Severity::High,
            techniques: Vec::new(),
            note,
            path,
            sha256,
            done: is_wanted.then_some(tried.denied),
        };
        self.hit_listed(&item, hit);
    }

    /// An address or a name.
    fn listed(&mut self, listed: &Listed) {
        let found = match listed.kind {
            Kind::Ip => {
                let Some(network) = network(&listed.value) else { return };
                self.recent(listed, |deed| match deed {
                    Deed::Connect(Connection { remote, inbound, .. }) => {
                        let is_way = *inbound == (listed.way == "accept");
                        is_way && address(remote).is_some_and(|remote| network.contains(remote))
                    }
                    _ => false,
                })
            }
            Kind::Domain => {
                let value = listed.value.trim_start_matches("*.");
                let is_listed = |name: &str| {
                    let name = name.trim_end_matches('.').to_ascii_lowercase();
                    name == value || name.strip_suffix(value).is_some_and(|rest| rest.ends_with('.'))
                };
                self.recent(listed, |deed| match deed {
                    Deed::Dns(Dns { name, .. }) => {
                        is_listed(name) || name.eq_ignore_ascii_case(&listed.subject)
                    }
                    _ => false,
                })
            }
            Kind::Sha1 | Kind::Sha256 | Kind::Url | Kind::Sender => return,
        };
        // Where nobody is known who did it, the server is told of the hit by itself.
        let is_one = found.processes == 1;
        let several =
            format!(". {} processes did so lately; which of them was met is not known.", found.processes);
        let several = if is_one { "" } else { several.as_str() };
        let note = format!("{} ({}){several}", listed.subject, listed.way);
        for item in found.newest.iter().take(TREES) {
            let hit = Hit {
                source: Source::BlockList,
                rule: listed.value.clone(),
                title: format!("Listed {}", if listed.kind == Kind::Ip { "address" } else { "name" }),
                severity: Severity::High,
                techniques: Vec::new(),
                note: note.clone(),
                path: Vec::new(),
                sha256: None,
                done: (is_one && listed.action == Action::Block).then_some(listed.blocked),
            };
            self.hit_listed(item, hit);
        }
    }

    fn hit_listed(&mut self, item: &Arc<Item>, hit: Hit) {
        if self.tree.get(item.key).is_some_and(|entry| entry.own) {
            return;
        }
        self.hit(item, hit);
    }

    /// Connections or questions that fit, the newest of each tree. What is met is told without its process: each of these did it,
    /// and none is taken for the one that was met where there are others.
    fn recent(&self, listed: &Listed, fits: impl Fn(&Deed) -> bool) -> Found {
        let uid = listed.user.as_ref().and_then(|uid| uid.parse::<u32>().ok());
        let is_known = |item: &&Arc<Item>| {
            let entry = self.tree.get(item.key);
            let is_user = uid.is_none_or(|uid| entry.is_none_or(|entry| entry.who.uid == uid));
            let is_pid = listed.pid.is_none_or(|pid| item.key.pid == pid);
            is_user && is_pid && !entry.is_some_and(|entry| entry.own)
        };
        let newest = self.state.recent.iter().rev();
        let mut all: Vec<&Arc<Item>> = newest
            .filter(|item| matches!(&item.what, What::Other(deed) if fits(deed)))
            .filter(is_known)
            .collect();
        let since = self.times.now_us() - LATELY_US;
        // What is met of a connection that stands for long is told long after it began.
        only(&mut all, |item| item.at_us >= since);
        only(&mut all, |item| is_subject(item, &listed.subject));
        // One that asks for others is not whom they ask for.
        only(&mut all, |item| !self.is_resolver(item));
        let processes = all.iter().map(|item| item.key).collect::<BTreeSet<_>>().len();
        let mut trees = BTreeSet::new();
        all.retain(|item| trees.insert(self.tree.root(item.key)));
        Found { newest: all.into_iter().cloned().collect(), processes }
    }

    fn is_resolver(&self, item: &Item) -> bool {
        let Some(entry) = self.tree.get(item.key) else { return false };
        let path = entry.program.image.path.as_slice();
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        path.starts_with(b"/usr/") && RESOLVERS.iter().any(|known| known.as_bytes() == name)
    }
}

/// Who may have been met.
struct Found {
    newest: Vec<Arc<Item>>,
    /// How many did it.
    processes: usize,
}

/// Leaves those of which something holds, where there are such.
fn only(all: &mut Vec<&Arc<Item>>, holds: impl Fn(&Item) -> bool) {
    if all.iter().any(|item| holds(item)) {
        all.retain(|item| holds(item));
    }
}

/// Whether it was this very name or address, as the list says it: `tcp 192.0.2.7:443`.
fn is_subject(item: &Item, subject: &str) -> bool {
    match &item.what {
        What::Other(Deed::Dns(Dns { name, .. })) => {
            name.trim_end_matches('.').eq_ignore_ascii_case(subject.trim_end_matches('.'))
        }
        What::Other(Deed::Connect(Connection { remote, .. })) => {
            let Some(remote) = address(remote).map(|remote| remote.to_string()) else { return false };
            let word = subject.rsplit(' ').next().unwrap_or_default();
            word.strip_prefix(&remote).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
        }
        What::Other(_) | What::Start(_) | What::File(..) => false,
    }
}

fn network(text: &str) -> Option<Network> {
    let (address, prefix) =
        text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    Network::new(address, prefix.map_or(Some(most), |prefix| prefix.parse().ok())?).ok()
}

fn guard_title(tried: &guard::Hit) -> &'static str {
    match tried.attempt {
        Attempt::Exec => "was started",
        Attempt::Open => "was opened",
        Attempt::Running => "was found running",
    }
}
