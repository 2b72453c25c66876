//! Blocked addresses on a real kernel, in network namespaces of the test's own.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quell_host::blocknet::{self, Addresses, Log, Packet, Wanted, Way};
use quell_host::isolate::Network;

use crate::isolate::net::{FRIEND, OUTSIDE, SERVER, connect, net};

fn networks(texts: &[&str]) -> BTreeSet<Network> {
    let one = |text: &&str| {
        let (address, prefix) = text.split_once('/').unwrap();
        Network::new(address.parse().unwrap(), prefix.parse().unwrap()).unwrap()
    };
    texts.iter().map(one).collect()
}

fn listed(texts: &[&str]) -> Arc<Addresses> {
    Arc::new(networks(texts).into_iter().collect())
}

#[test]
fn what_is_listed_is_not_reached_and_what_is_kept_is() {
    let Some(net) = net() else { return };
    net.serve();
    let reaches = |ip: &str| net.at_endpoint(|| connect(ip, None).is_ok());
    let mut log = net.at_endpoint(|| Log::open().unwrap());
    let wanted = Wanted {
        block: listed(&["10.99.0.2/32", "10.99.0.4/32", "fd99::/126"]),
        keep: networks(&["10.99.0.3/32", "fd99::4/128", "10.99.0.0/30"]),
        group: Some(log.group()),
        ..Wanted::default()
    };
    let stands = net.at_endpoint(|| blocknet::apply(wanted.clone(), None).unwrap());
    // .2 is within 10.99.0.0/30, which is kept; ::2 and ::3 are listed, ::4 is not.
    assert_eq!([OUTSIDE, SERVER, FRIEND].map(|[four, _]| reaches(four)), [true, true, false]);
    assert_eq!([OUTSIDE, SERVER, FRIEND].map(|[_, six]| reaches(six)), [false, false, true]);
    let met = log.wait(Duration::from_secs(5)).unwrap();
    let Some(Packet::Met { way: Way::Out, blocked: true, target, port: Some(7000), uid: Some(0), .. }) =
        met.first()
    else {
        panic!("{met:?}");
    };
    assert_eq!(target.to_string(), FRIEND[0]);
    // A change in place; then somebody takes a rule away.
    let other = Wanted { block: listed(&["fd99::/126"]), ..wanted.clone() };
    let stands = net.at_endpoint(|| blocknet::apply(other, Some(&stands)).unwrap());
    assert!(reaches(FRIEND[0]) && !reaches(OUTSIDE[1]));
    assert!(net.at_endpoint(|| blocknet::is_intact(&stands)));
    net.endpoint_runs("/usr/sbin/nft", &["flush", "chain", "inet", "quell_block", "out"].join(" "));
    assert!(!net.at_endpoint(|| blocknet::is_intact(&stands)));
    let stands = net.at_endpoint(|| blocknet::apply(stands.wanted().clone(), None).unwrap());
    assert!(net.at_endpoint(|| blocknet::is_intact(&stands)) && !reaches(OUTSIDE[1]));
    // What a name led to, for its time.
    net.at_endpoint(|| blocknet::block_for(&[(FRIEND[0].parse().unwrap(), 2)]).unwrap());
    assert!(!reaches(FRIEND[0]));
    crate::until("the time to be over", || reaches(FRIEND[0]));
    net.at_endpoint(|| blocknet::remove().unwrap());
    assert!(reaches(OUTSIDE[1]));
    assert!(!net.endpoint_runs("/usr/sbin/nft", "list ruleset").contains("quell_block"));
}

#[test]
fn what_is_only_reported_passes_and_is_told() {
    let Some(net) = net() else { return };
    net.serve();
    let mut log = net.at_endpoint(|| Log::open().unwrap());
    let wanted = Wanted { report: listed(&["10.99.0.2/32"]), group: Some(log.group()), ..Wanted::default() };
    net.at_endpoint(|| blocknet::apply(wanted, None).unwrap());
    assert!(net.at_endpoint(|| connect(OUTSIDE[0], None).is_ok()));
    let met = log.wait(Duration::from_secs(5)).unwrap();
    assert!(matches!(met.first(), Some(Packet::Met { blocked: false, .. })), "{met:?}");
}

#[test]
fn a_hundred_thousand_addresses_are_a_matter_of_seconds() {
    let Some(net) = net() else { return };
    net.serve();
    let scattered =
        |number: u32| Ipv4Addr::from(number.wrapping_mul(0x9e37_79b1) % 0x5000_0000 + 0x1000_0000);
    let mut block: BTreeSet<Network> =
        (0..100_000).map(|number| Network::new(scattered(number).into(), 32).unwrap()).collect();
    block.extend(networks(&["10.99.0.2/32"]));
    let count = block.len();
    let wanted = Wanted { block: Arc::new(block.iter().copied().collect()), ..Wanted::default() };
    let began = Instant::now();
    let stands = net.at_endpoint(|| blocknet::apply(wanted.clone(), None).unwrap());
    let took = began.elapsed();
    block.remove(&Network::new("10.99.0.2".parse().unwrap(), 32).unwrap());
    let next = Wanted { block: Arc::new(block.into_iter().collect()), ..wanted };
    assert!(!net.at_endpoint(|| connect(OUTSIDE[0], None).is_ok()));
    let began = Instant::now();
    net.at_endpoint(|| blocknet::apply(next, Some(&stands)).unwrap());
    println!("{count} addresses stand after {took:?}, and one fewer after {:?}", began.elapsed());
    assert!(net.at_endpoint(|| connect(OUTSIDE[0], None).is_ok()));
    assert!(took < Duration::from_secs(15), "{took:?}");
}
