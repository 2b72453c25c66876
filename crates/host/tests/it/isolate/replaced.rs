//! Rules that are applied again and again under a flood: whoever waits for the moment between two rule sets must
//! find none. And what the answer to that is: hooks stay.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::sys::socket::{MsgFlags, recv};

use super::net::{ENDPOINT, Net, OUTSIDE, Sender, address, frames_of_kind, ip, net};
use super::{endpoint_mac, isolate, plan};
use crate::until;
use quell_host::isolate::{Allow, Direction, Protocol, apply};

/// For experiments (IEEE 802): no protocol but the packet socket's own sends it.
const KIND: [u8; 2] = [0x88, 0xb5];
/// A network behind the endpoint, which forwards for it.
const BEHIND: [&str; 2] = ["10.98.0.2", "fd98::2"];
const TIMES: u32 = 200;
/// On a machine that is slow, fewer times will do.
const ENOUGH: Duration = Duration::from_secs(20);

#[test]
fn nothing_slips_between_two_rule_sets() {
    let Some(net) = net() else { return };
    let behind = Behind::make(&net);
    let own = endpoint_mac(&net);
    let raw = net.outside(|| frames_of_kind(u16::from_be_bytes(KIND)));
    let mut frame = vec![0xff; 6];
    frame.extend(own);
    frame.extend(KIND);
    frame.resize(64, 0);
    let over = AtomicBool::new(false);
    let flood = |to: &[&str]| {
        while !over.load(Ordering::Relaxed) {
            for ip in to {
                burst(ip);
            }
        }
    };
    // Of all senders the one that meets a single chain on its way, the egress chain of its interface.
    let frames = || {
        let sender = Sender::open(true);
        while !over.load(Ordering::Relaxed) {
            sender.send(&frame);
        }
    };
    let crossed = || {
        let mut buffer = [0; 64];
        let mut frames = 0;
        while recv(std::os::fd::AsRawFd::as_raw_fd(&raw), &mut buffer, MsgFlags::MSG_DONTWAIT).is_ok() {
            frames += 1;
        }
        let datagrams = [net.outside(datagrams), net.at_endpoint(datagrams), behind.within(datagrams)];
        (frames, datagrams)
    };
    std::thread::scope(|scope| {
        let _over = Over(&over);
        scope.spawn(|| net.at_endpoint(frames));
        scope.spawn(|| net.at_endpoint(|| flood(&OUTSIDE)));
        scope.spawn(|| net.outside(|| flood(&[ENDPOINT, BEHIND].concat())));
        scope.spawn(|| behind.within(|| flood(&OUTSIDE)));

        let before = crossed().1;
        until("every flood", || {
            let (frames, now) = crossed();
            frames > 0
                && now.iter().zip(&before).all(|(now, before)| now[0] > before[0] && now[1] > before[1])
        });
        net.at_endpoint(|| apply(&plan())).unwrap();
        // What was on its way then may still arrive.
        let mut last = crossed().1;
        until("silence", || {
            std::thread::sleep(Duration::from_millis(50));
            let (frames, now) = crossed();
            frames == 0 && std::mem::replace(&mut last, now) == now
        });
        let began = Instant::now();
        for time in 0..TIMES {
            net.at_endpoint(|| apply(&plan())).unwrap();
            assert_eq!(
                crossed(),
                (0, last),
                "frames, and datagrams outside, here, behind, after {time} times"
            );
            if time >= TIMES / 4 && began.elapsed() > ENOUGH {
                println!("replaced only {time} times: the machine is slow");
                break;
            }
        }
    });
}

/// Another chain makes long what is otherwise a moment: whoever is between two hooks when one of them goes must
/// still meet a rule that drops. With hooks that are replaced, about one time in twelve a frame crossed.
#[test]
fn a_frame_on_its_way_between_two_hooks_finds_no_gap() {
    let Some(net) = net() else { return };
    let raw = net.outside(|| frames_of_kind(u16::from_be_bytes(KIND)));
    let mut frame = vec![0xff; 6];
    frame.extend(endpoint_mac(&net));
    frame.extend(KIND);
    frame.resize(64, 0);
    net.at_endpoint(|| apply(&plan())).unwrap();
    // A tree of jumps, so that few rules take long.
    let mut slow = String::from("add table netdev slow; delete table netdev slow; add table netdev slow");
    for (chain, rule) in
        [("c3", "meta length 65001 drop"), ("c2", "jump c3"), ("c1", "jump c2"), ("c0", "jump c1")]
    {
        let base = "{ type filter hook egress device eth0 priority -350; policy accept; }";
        let _ = write!(slow, "; add chain netdev slow {chain} {}", if chain == "c0" { base } else { "" });
        slow += &format!("; add rule netdev slow {chain} {rule}").repeat(12);
    }
    let (over, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let _over = Over(&over);
        scope.spawn(|| {
            net.at_endpoint(|| {
                let sender = Sender::open(true);
                while !over.load(Ordering::Relaxed) {
                    sender.send(&frame);
                    sent.fetch_add(1, Ordering::Relaxed);
                }
            });
        });
        for time in 0..TIMES / 4 {
            // The youngest of equal priority comes first, and a hook of ours that is made anew before it.
            net.endpoint_runs("/usr/sbin/nft", &slow);
            let before = sent.load(Ordering::Relaxed);
            until("a frame", || sent.load(Ordering::Relaxed) > before);
            net.at_endpoint(|| apply(&plan())).unwrap();
            let came = recv(std::os::fd::AsRawFd::as_raw_fd(&raw), &mut [0; 64], MsgFlags::MSG_DONTWAIT);
            assert!(came.is_err(), "a frame crossed after {time} times");
        }
    });
}

/// The chains of the endpoint with their handles, which tell a chain from another of the same name.
fn chains(net: &Net) -> BTreeSet<String> {
    let text = net.endpoint_runs("/usr/sbin/nft", "-a list ruleset");
    text.lines().map(str::trim).filter(|line| line.starts_with("chain ")).map(str::to_owned).collect()
}

#[test]
fn hooks_stay_while_their_rules_change() {
    let Some(net) = net() else { return };
    let a = net.name('a');
    isolate(&net, &plan());
    let first = chains(&net);
    assert_eq!(first.len(), 7, "{first:?}");
    isolate(&net, &plan());
    assert_eq!(chains(&net), first);
    // A server that moved, an exception, and rules that somebody else took away or added.
    let mut other = plan();
    other.servers.push("10.99.0.77:443".parse().unwrap());
    other.allow.push(Allow {
        network: "10.99.0.4/32".parse().unwrap(),
        port: None,
        protocol: Protocol::Any,
        direction: Direction::Both,
    });
    isolate(&net, &other);
    assert_eq!(chains(&net), first);
    net.endpoint_runs("/usr/sbin/nft", "flush table inet quell_isolation");
    net.endpoint_runs("/usr/sbin/nft", "insert rule netdev quell_isolation egress_rules accept");
    isolate(&net, &plan());
    assert_eq!(chains(&net), first);
    // An interface gets chains of its own, loses them under another name, and leaves no others behind.
    ip(&format!("-n {a} link add extra type veth peer name extra2"));
    isolate(&net, &plan());
    let more = chains(&net);
    assert!(more.len() == 11 && more.is_superset(&first), "{more:?}");
    ip(&format!("-n {a} link set extra name other"));
    isolate(&net, &plan());
    assert!(chains(&net).is_superset(&first));
    assert!(net.endpoint_runs("/usr/sbin/nft", "list ruleset").contains("device \"other\""));
    ip(&format!("-n {a} link del other"));
    isolate(&net, &plan());
    assert_eq!(chains(&net), first);
    // One hook that is not as it should be costs the others nothing.
    net.endpoint_runs("/usr/sbin/nft", "chain inet quell_isolation output { policy accept; }");
    isolate(&net, &plan());
    let rest =
        |set: &BTreeSet<String>| set.iter().filter(|c| !c.contains("output")).cloned().collect::<Vec<_>>();
    assert_eq!(rest(&chains(&net)), rest(&first));
    assert_ne!(chains(&net), first);
}

/// Ends the floods, also when an assertion fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A machine that reaches the others through the endpoint only.
struct Behind(String);

impl Behind {
    fn make(net: &Net) -> Self {
        let (a, b, c) = (net.name('a'), net.name('b'), net.name('c'));
        ip(&format!("netns add {c}"));
        let made = Self(c.clone());
        ip(&format!("-n {a} link add name inner0 type veth peer name eth0 netns {c}"));
        for (name, device, four, six) in
            [(&a, "inner0", "10.98.0.1", "fd98::1"), (&c, "eth0", BEHIND[0], BEHIND[1])]
        {
            ip(&format!("-n {name} addr add {four}/24 dev {device}"));
            ip(&format!("-n {name} addr add {six}/64 dev {device} nodad"));
            ip(&format!("-n {name} link set {device} up"));
        }
        net.at_endpoint(|| {
            std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
            std::fs::write("/proc/sys/net/ipv6/conf/all/forwarding", "1").unwrap();
        });
        ip(&format!("-n {c} route add default via 10.98.0.1"));
        ip(&format!("-n {c} route add ::/0 via fd98::1"));
        ip(&format!("-n {b} route add 10.98.0.0/24 via {}", ENDPOINT[0]));
        ip(&format!("-n {b} route add fd98::/64 via {}", ENDPOINT[1]));
        made
    }

    fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        quell_host::namespace::within(format!("/run/netns/{}", self.0).as_ref(), work).unwrap()
    }
}

impl Drop for Behind {
    fn drop(&mut self) {
        let _ = std::process::Command::new("/usr/sbin/ip").args(["netns", "del", &self.0]).output();
    }
}

/// A few datagrams. A socket of its own each time, since the cut ends those that are open.
fn burst(ip: &str) {
    let target = address(ip);
    let Ok(socket) = UdpSocket::bind(if target.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }) else { return };
    for _ in 0..16 {
        let _ = socket.send_to(b"flood", target);
    }
}

/// Datagrams that reached this network namespace, IPv4 and IPv6, whether anybody listened or not.
fn datagrams() -> [u64; 2] {
    let text = |name: &str| std::fs::read_to_string(format!("/proc/thread-self/net/{name}")).unwrap();
    let (four, six) = (text("snmp"), text("snmp6"));
    let mut udp = four.lines().filter_map(|line| line.strip_prefix("Udp: "));
    let (names, numbers) = (udp.next().unwrap(), udp.next().unwrap());
    let four = names.split(' ').zip(numbers.split(' '));
    let six = six.lines().filter_map(|line| line.strip_prefix("Udp6")?.split_once(char::is_whitespace));
    let sum = |counters: &mut dyn Iterator<Item = (&str, &str)>| {
        let arrived = counters.filter(|(name, _)| ["InDatagrams", "NoPorts", "InErrors"].contains(name));
        arrived.map(|(_, number)| number.trim().parse::<u64>().unwrap()).sum()
    };
    [sum(&mut { four }), sum(&mut { six })]
}
