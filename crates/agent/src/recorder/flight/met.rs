//! What the execution guard and the block list met gets its chain here.

use std::net::IpAddr;
use std::sync::Arc;

use quell_catalog::blocklist::report::Hit as Listed;
use quell_catalog::blocklist::{Action, Kind};
use quell_host::guard::{self, Attempt};
use quell_host::isolate::Network;
use quell_wire::activity::{Connection, Deed, Dns, Image, Severity, Source, address};
use quell_wire::digest::unhex;
use quell_wire::protection::Mode;

use super::Flight;
use crate::recorder::item::{Facts, Item, Program, What};
use crate::recorder::judge::Hit;
use crate::recorder::met::Met;
use crate::recorder::times::since_boot;

impl Flight {
    pub(super) fn met(&mut self, met: Met) {
        if self.judge.document().mode(Source::BlockList) == Mode::Off {
            return;
        }
        match met {
            Met::Kept(tried) => {
                let title = format!("Blocked program {}", guard_title(&tried));
                self.tried(&tried, tried.rule.clone(), title, None);
            }
            Met::Listed(listed, Some(tried)) => {
                let title = format!("Listed program {}", guard_title(&tried));
                self.tried(&tried, listed.value.clone(), title, Some(listed.action));
            }
            Met::Listed(listed, None) => self.listed(&listed),
        }
    }

    /// Content that was kept from running, or was not.
    fn tried(&mut self, tried: &guard::Hit, rule: String, title: String, action: Option<Action>) {
        let Some(key) = self.tree.at(tried.pid, since_boot(), 0) else { return };
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
                self.recent(|deed| match deed {
                    Deed::Connect(Connection { remote, .. }) => {
                        address(remote).is_some_and(|remote| network.contains(remote))
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
                self.recent(|deed| match deed {
                    Deed::Dns(Dns { name, .. }) => {
                        is_listed(name) || name.eq_ignore_ascii_case(&listed.subject)
                    }
                    _ => false,
                })
            }
            Kind::Sha1 | Kind::Sha256 | Kind::Url | Kind::Sender => None,
        };
        // Nobody is known who did it: the server is told of the hit by itself.
        let Some(item) = found else { return };
        let hit = Hit {
            source: Source::BlockList,
            rule: listed.value.clone(),
            title: format!("Listed {}", if listed.kind == Kind::Ip { "address" } else { "name" }),
            severity: Severity::High,
            techniques: Vec::new(),
            note: format!("{} ({})", listed.subject, listed.way),
            path: Vec::new(),
            sha256: None,
            done: (listed.action == Action::Block).then_some(listed.blocked),
        };
        self.hit_listed(&item, hit);
    }

    fn hit_listed(&mut self, item: &Arc<Item>, hit: Hit) {
        if self.tree.get(item.key).is_some_and(|entry| entry.own) {
            return;
        }
        self.hit(item, hit);
    }

    /// The newest connection or question that fits.
    fn recent(&self, fits: impl Fn(&Deed) -> bool) -> Option<Arc<Item>> {
        let mut newest = self.state.recent.iter().rev();
        newest.find(|item| matches!(&item.what, What::Other(deed) if fits(deed))).cloned()
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
