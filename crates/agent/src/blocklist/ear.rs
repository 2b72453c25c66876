//! What the kernel logs of listed addresses and of answers of name servers, told to the server, and for names blocked too.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use quell_catalog::blocklist::report::Hit;
use quell_catalog::blocklist::{Action, Kind};
use quell_host::blocknet::{self, Log, Packet, Way};

use super::content::listed_addresses;
use super::store::Store;
use super::view::{Shown, told};
use crate::clock::Clock;
use crate::outbox::Outbox;
use crate::runner::chain;

/// Between two waits for the kernel's log.
const WAIT: Duration = Duration::from_secs(5);
/// Meetings with the same address are told once in this time.
const TOGETHER: Duration = Duration::from_secs(5);
/// Addresses that are told in that time; others are counted with nobody.
const MET: usize = 64;
/// Between two changes of what names led to, each of which starts a program; and addresses that wait for the next one at most.
const CHANGE: Duration = Duration::from_millis(250);
const LED: usize = 4096;
/// For how long an address of a blocked name is blocked, seconds: at least, since programs keep it for longer than it holds.
const HOLDS: (u32, u32) = (60, 86_400);

/// A thread that listens, until this is dropped.
pub struct Ear {
    pub group: u16,
    is_over: Arc<AtomicBool>,
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

impl Ear {
    /// Listens in the calling thread's network namespace.
    pub fn open(view: Shown, store: Store, outbox: Outbox, clock: Clock) -> Result<Self, String> {
        let log = Log::open().map_err(|error| chain(&error))?;
        let ear = Self { group: log.group(), is_over: Arc::default() };
        let is_over = ear.is_over.clone();
        let work = move || {
            let (met, names, led) = Default::default();
            Listener { view, store, outbox, clock, met, names, led }.run(log, &is_over);
        };
        let thread = std::thread::Builder::new().name("blocklist".into()).stack_size(256 << 10);
        thread.spawn(work).map_err(|error| chain(&error))?;
        Ok(ear)
    }
}

type Met = BTreeMap<(Way, bool, IpAddr), (u32, Packet)>;

/// What listed names led to, until the kernel is told.
#[derive(Default)]
struct Led {
    /// For how many seconds.
    addresses: BTreeMap<IpAddr, u32>,
    /// What is told when they are blocked.
    hits: Vec<Hit>,
    /// When the kernel is told.
    due: Option<Instant>,
    /// When it was told last.
    last: Option<Instant>,
}

struct Listener {
    view: Shown,
    store: Store,
    outbox: Outbox,
    clock: Clock,
    met: Met,
    /// Listed names that were told of, and when.
    names: HashMap<String, Instant>,
    led: Led,
}

impl Listener {
    fn run(mut self, mut log: Log, is_over: &AtomicBool) {
        let mut next: Option<Instant> = None;
        while !is_over.load(Ordering::Relaxed) {
            let due = [next, self.led.due].into_iter().flatten().min();
            let wait = due.map_or(WAIT, |due| due.saturating_duration_since(Instant::now()));
            let packets = match log.wait(wait) {
                Ok(packets) => packets,
                Err(error) => {
                    tracing::error!(%error, "the kernel's log of blocked addresses cannot be read");
                    std::thread::sleep(WAIT);
                    continue;
                }
            };
            for packet in packets {
                match packet {
                    Packet::Name(message) => self.name(&message),
                    packet @ Packet::Met { .. } => self.meet(packet),
                }
            }
            if self.led.due.is_some_and(|due| Instant::now() >= due) {
                self.lead();
            }
            if !self.met.is_empty() {
                let due = *next.get_or_insert_with(|| Instant::now() + TOGETHER);
                if Instant::now() >= due {
                    next = None;
                    self.tell();
                }
            }
        }
    }

    fn meet(&mut self, packet: Packet) {
        let Packet::Met { way, blocked, source, target, .. } = packet else { return };
        let remote = if way == Way::In { source } else { target };
        let key = (way, blocked, remote);
        if self.met.len() < MET || self.met.contains_key(&key) {
            let (count, _) = self.met.entry(key).or_insert((0, packet));
            *count += 1;
        }
    }

    fn tell(&mut self) {
        let met = std::mem::take(&mut self.met);
        let kept = self.view.get().kept.clone();
        let listed =
            listed_addresses(&self.store, &kept, met.keys().map(|(.., remote)| *remote), self.clock.now_us());
        for ((way, blocked, remote), (count, packet)) in met {
            // One that a name led to is told with the name.
            let Some((value, action)) = listed.get(&remote).cloned() else { continue };
            let Packet::Met { protocol, port, uid, .. } = packet else { continue };
            let port = port.map(|port| format!(":{port}")).unwrap_or_default();
            let hit = Hit {
                kind: Kind::Ip,
                value: value.to_string(),
                action,
                blocked,
                way: if way == Way::In { "accept" } else { "connect" }.to_owned(),
                subject: format!("{} {remote}{port}", protocol_name(protocol)),
                version: kept.version,
                count,
                pid: None,
                program: None,
                user: uid.map(|uid| uid.to_string()),
            };
            told(&self.outbox, &hit);
        }
    }

    /// Whether this name was not told of a moment ago.
    fn is_new(&mut self, name: &str) -> bool {
        self.names.retain(|_, at| at.elapsed() < TOGETHER);
        if self.names.len() >= MET || self.names.contains_key(name) {
            return false;
        }
        self.names.insert(name.to_owned(), Instant::now());
        true
    }

    fn name(&mut self, message: &[u8]) {
        // What was refused already comes as an error.
        let Some(answer) = quell_host::dns::answer(message).filter(|answer| answer.code == 0) else { return };
        let view = self.view.get();
        let Some((value, action)) = view.listed(&answer.names, self.clock.now_us()) else { return };
        let mut addresses: Vec<(IpAddr, u32)> = answer
            .addresses
            .into_iter()
            .filter(|(address, _)| {
                !is_needed(*address) && !view.keep.iter().any(|keep| keep.contains(*address))
            })
            .map(|(address, ttl)| (address, ttl.clamp(HOLDS.0, HOLDS.1)))
            .collect();
        if action != Action::Block {
            addresses.clear();
        }
        let led = &mut self.led;
        let blocked = !addresses.is_empty();
        if blocked {
            let due = led.last.map_or_else(Instant::now, |last| last + CHANGE);
            led.due.get_or_insert(due);
        }
        // What finds no room is not blocked, and not said to be.
        let mut has_room = true;
        for (address, seconds) in addresses {
            if led.addresses.len() < LED || led.addresses.contains_key(&address) {
                let holds = led.addresses.entry(address).or_default();
                *holds = seconds.max(*holds);
            } else {
                has_room = false;
            }
        }
        let blocked = blocked && has_room;
        if !self.is_new(&value) {
            return;
        }
        let hit = Hit {
            kind: Kind::Domain,
            value,
            action,
            blocked,
            way: "dns".to_owned(),
            subject: answer.names.into_iter().next().unwrap_or_default(),
            version: view.kept.version,
            count: 1,
            pid: None,
            program: None,
            user: None,
        };
        if blocked { self.led.hits.push(hit) } else { told(&self.outbox, &hit) }
    }

    /// Tells the kernel what names led to, then the server.
    fn lead(&mut self) {
        let Led { addresses, hits, .. } = std::mem::take(&mut self.led);
        let addresses: Vec<(IpAddr, u32)> = addresses.into_iter().collect();
        let done = blocknet::block_for(&addresses).inspect_err(|error| {
            tracing::error!(error = chain(error), "addresses of blocked names are not blocked");
        });
        self.led.last = Some(Instant::now());
        for hit in hits {
            told(&self.outbox, &Hit { blocked: done.is_ok(), ..hit });
        }
    }
}

/// A listed name may lead anywhere, also to what everybody needs, and whoever owns it says where: never into the networks
/// of those who ask.
fn is_needed(address: IpAddr) -> bool {
    let is_private = match address.to_canonical() {
        IpAddr::V4(four) => four.is_private() || (four.octets()[0] == 100 && four.octets()[1] & 0xc0 == 64),
        IpAddr::V6(six) => six.is_unique_local(),
    };
    if is_private {
        return true;
    }
    let prefix = if address.is_ipv4() { 32 } else { 128 };
    let network = quell_catalog::blocklist::Network::new(address, prefix);
    network.is_ok_and(|network| quell_catalog::blocklist::Value::Ip(network).built_in_exception().is_some())
}

fn protocol_name(number: u8) -> String {
    match number {
        1 | 58 => "icmp".to_owned(),
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        other => format!("protocol {other}"),
    }
}
