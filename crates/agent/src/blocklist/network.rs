//! Addresses and names of the list: the kernel's sets, what it logs, and what name servers answer.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use quell_catalog::blocklist::report::How;
use quell_host::blocknet::{self, Stands, Wanted};
use quell_host::isolate::{self, Network as HostNetwork};

use super::blocking;
use super::content::Content;
use super::ear::Ear;
use super::refusal::{REFUSED, Refusal};
use super::store::{Kept, Store};
use super::view::{Shown, View};
use crate::clock::Clock;
use crate::outbox::Outbox;
use crate::runner::chain;

/// What is said of names that are only watched.
const NAMES: &str = "answers of name servers over UDP are watched, and the addresses that they give are blocked while they \
                         hold; the first packet may pass; encrypted DNS is not seen";
/// Where the server is: never blocked.
pub struct Servers {
    pub addresses: Vec<IpAddr>,
    /// Lower case.
    pub names: Vec<String>,
}

/// How something is enforced, and what is missing.
pub type Standing = (How, Option<String>);

/// The network's side of the list.
pub struct Network {
    outbox: Outbox,
    clock: Clock,
    stands: Option<Stands>,
    wanted: Option<(BTreeSet<HostNetwork>, Wanted)>,
    view: Option<Shown>,
    ear: Option<Ear>,
    refusal: Refusal,
}

impl Network {
    pub fn new(outbox: Outbox, clock: Clock) -> Self {
        Self { outbox, clock, stands: None, wanted: None, view: None, ear: None, refusal: Refusal::default() }
    }

    /// Puts a list in force; how addresses stand, and names.
    pub async fn enforce(
        &mut self,
        content: Content,
        store: &Store,
        kept: &Kept,
        servers: Servers,
    ) -> [Standing; 2] {
        if !content.has_network() {
            return [self.end().await, (How::Enforced, None)];
        }
        let Content { block, report, keep: excepted, names, .. } = content;
        let has_names = !names.is_empty();
        let keep = needed(&excepted, servers.addresses);
        let view = self.show(View {
            names: Arc::new(names),
            kept: kept.clone(),
            keep: keep.clone(),
            needed: servers.names,
        });
        let heard = if self.ear.is_some() { Ok(()) } else { self.listen(&view, store) };
        let group = self.ear.as_ref().map(|ear| ear.group);
        let names = has_names && group.is_some();
        self.wanted =
            Some((excepted, Wanted { block: Arc::new(block), report: Arc::new(report), keep, group, names }));
        let addresses = match (self.apply().await, heard) {
            (Err(why), _) => (How::NotHere, Some(why)),
            (Ok(()), Err(why)) => (How::Partly, Some(format!("blocked, but nothing is reported: {why}"))),
            (Ok(()), Ok(())) => (How::Enforced, None),
        };
        if !has_names {
            self.refusal.end().await;
            return [addresses, (How::Enforced, None)];
        }
        let names = match self.refusal.enforce(&view, &self.outbox, &self.clock).await {
            Ok(()) => (How::Enforced, Some(REFUSED.to_owned())),
            Err(_) if addresses.0 == How::NotHere => addresses.clone(),
            Err(why) => (How::Partly, Some(format!("{NAMES} ({why})"))),
        };
        [addresses, names]
    }

    /// Nothing of the network is listed any more.
    async fn end(&mut self) -> Standing {
        self.refusal.end().await;
        if self.stands.take().is_some() || self.wanted.take().is_some() {
            (self.ear, self.view) = (None, None);
            if let Ok(Err(error)) = blocking(blocknet::remove).await {
                let why = format!("what was blocked before could not be removed: {}", chain(&error));
                return (How::Partly, Some(why));
            }
        }
        (How::Enforced, None)
    }

    /// Lets the threads look things up in this view.
    fn show(&mut self, view: View) -> Shown {
        match &self.view {
            Some(shown) => {
                shown.set(view);
                shown.clone()
            }
            None => self.view.insert(Shown::new(view)).clone(),
        }
    }

    /// What must not be blocked may have changed, and somebody may have changed the rules.
    pub async fn look(&mut self, servers: Servers) -> bool {
        let Some((excepted, wanted)) = &mut self.wanted else { return false };
        let keep = needed(excepted, servers.addresses);
        let is_other = keep != wanted.keep;
        if is_other {
            if let Some(view) = &self.view {
                view.set(View { keep: keep.clone(), ..(*view.get()).clone() });
            }
            wanted.keep = keep;
        }
        if self.refusal.is_damaged().await
            && let Some(view) = self.view.clone()
        {
            self.repaired("the rules about names had been changed");
            if let Err(why) = self.refusal.enforce(&view, &self.outbox, &self.clock).await {
                tracing::error!(why, "listed names are not refused");
            }
        }
        let is_intact = match self.stands.clone() {
            Some(stands) => blocking(move || blocknet::is_intact(&stands)).await.unwrap_or(false),
            None => false,
        };
        if is_intact && !is_other {
            return false;
        }
        if !is_intact {
            let was_there = self.stands.take().is_some();
            if was_there {
                self.repaired("the rules had been changed");
            }
        }
        self.apply().await.is_ok()
    }

    fn listen(&mut self, view: &Shown, store: &Store) -> Result<(), String> {
        let (outbox, clock) = (self.outbox.clone(), self.clock.clone());
        self.ear = Some(Ear::open(view.clone(), store.clone(), outbox, clock)?);
        Ok(())
    }

    fn repaired(&self, what: &str) {
        self.outbox.event("blocklist_repaired", &serde_json::json!({ "what": what }));
    }

    async fn apply(&mut self) -> Result<(), String> {
        let Some((_, wanted)) = self.wanted.clone() else { return Ok(()) };
        let before = self.stands.take();
        let done = blocking(move || {
            let before = before.filter(blocknet::is_intact);
            blocknet::apply(wanted, before.as_ref())
        });
        match done.await {
            Ok(Ok(stands)) => {
                self.stands = Some(stands);
                Ok(())
            }
            Ok(Err(error)) => Err(chain(&error)),
            Err(error) => Err(chain(&error)),
        }
    }
}

/// Exceptions, and what this endpoint cannot do without: the server, its name servers, its routers, itself.
fn needed(excepted: &BTreeSet<HostNetwork>, servers: Vec<IpAddr>) -> BTreeSet<HostNetwork> {
    let gateways = isolate::gateways().unwrap_or_default();
    let own = isolate::addresses().unwrap_or_default();
    let addresses = servers
        .into_iter()
        .chain(isolate::resolvers())
        .chain(gateways.iter().map(|gateway| gateway.ip))
        .chain(own.iter().map(|address| address.ip));
    let one = |address: IpAddr| HostNetwork::new(address, if address.is_ipv4() { 32 } else { 128 }).ok();
    excepted.iter().copied().chain(addresses.filter_map(one)).collect()
}
