//! What could carry data past the rules: neighbour discovery to strangers, and traffic control.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::libc;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, sendto, setsockopt, socket,
    sockopt,
};
use quell_host::isolate::{Change, State, apply, inspect, interfaces, watch};

use super::net::{Capture, Net, OUTSIDE, SERVER, connect, ip, mac, net, send_frame, talks};
use super::{MARK, endpoint_mac, isolate, plan};

const IP: &str = "/usr/sbin/ip";
const TC: &str = "/usr/sbin/tc";
/// No network of the link: a router is on the way.
const FAR: &str = "fd55::1";

/// A neighbour solicitation for `to` with `more` bytes behind it, as a frame to the other machine.
fn solicitation(net: &Net, to: &str, more: usize) -> Vec<u8> {
    let outside =
        net.outside(|| std::process::Command::new(IP).args(["-o", "link", "show", "eth0"]).output());
    let outside = String::from_utf8(outside.unwrap().stdout).unwrap();
    let outside = outside.split_whitespace().skip_while(|w| *w != "link/ether").nth(1).unwrap();
    let to: std::net::Ipv6Addr = to.parse().unwrap();
    let from: std::net::Ipv6Addr = "fd99::1".parse().unwrap();
    let mut frame = Vec::new();
    frame.extend(mac(outside));
    frame.extend(endpoint_mac(net));
    frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
    frame.extend(u16::try_from(24 + more).unwrap().to_be_bytes());
    frame.extend([58, 255]);
    frame.extend(from.octets());
    frame.extend(to.octets());
    frame.extend([135, 0, 0, 0, 0, 0, 0, 0]);
    frame.extend(to.octets());
    frame.extend(vec![b'x'; more]);
    frame
}

/// How many of the frames that came were for this address.
fn arrived(net: &Net, capture: &Capture, to: &str) -> usize {
    let to = to.parse::<std::net::Ipv6Addr>().unwrap().octets();
    let frames = capture.all_of(endpoint_mac(net));
    frames.iter().filter(|f| f.get(38..54) == Some(&to) && f.get(54) == Some(&135)).count()
}

/// Sends from the endpoint by a raw socket, so that IP and its rules see it, through a router.
fn solicit_by_ip(net: &Net, to: &str, more: usize) {
    let message = solicitation(net, to, more)[54..].to_vec();
    let to = std::net::SocketAddr::new(to.parse().unwrap(), 0);
    net.at_endpoint(|| {
        let flags = SockFlag::SOCK_CLOEXEC;
        let fd = socket(AddressFamily::Inet6, SockType::Raw, flags, SockProtocol::IcmpV6).unwrap();
        setsockopt(&fd, sockopt::Ipv6Ttl, &255).unwrap();
        let _ = sendto(fd.as_raw_fd(), &message, &SockaddrStorage::from(to), MsgFlags::empty());
    });
}

#[test]
fn neighbour_discovery_stays_on_the_link_and_short() {
    let Some(net) = net() else { return };
    net.serve();
    ip(&format!("-n {} -6 route add default via {} dev eth0", net.name('a'), OUTSIDE[1]));
    let capture = net.outside(Capture::open);
    // Destination, bytes behind the message, and whether neighbours need it.
    let asked = [
        (FAR, 0, false),
        (FAR, 1200, false),
        (OUTSIDE[1], 1200, false),
        ("ff02::1:ff00:2", 1200, false),
        ("ff05::1:ff00:2", 0, false),
        (OUTSIDE[1], 8, true),
        ("fe80::2", 8, true),
        ("ff02::1:ff00:2", 8, true),
    ];
    let send = |to: &str, more| {
        let frame = solicitation(&net, to, more);
        net.at_endpoint(|| send_frame(&frame, false));
    };
    let comes = |to: &str, more| {
        send(to, more);
        let end = Instant::now() + Duration::from_secs(5);
        while arrived(&net, &capture, to) == 0 {
            if Instant::now() > end {
                return false;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        true
    };
    // Everything passes before, or the rest proves nothing.
    for (to, more, _) in asked {
        assert!(comes(to, more), "{to} {more}");
    }
    solicit_by_ip(&net, FAR, 1200);
    super::super::until("the packet for afar", || arrived(&net, &capture, FAR) > 0);

    let ruleset = isolate(&net, &plan());
    for (to, more, needed) in asked {
        if needed {
            assert!(comes(to, more), "{to} {more}");
        } else {
            send(to, more);
        }
    }
    // What was sent first would have come first; the last that is needed has come.
    solicit_by_ip(&net, FAR, 0);
    solicit_by_ip(&net, FAR, 1200);
    send(OUTSIDE[1], 1200);
    for (to, more, _) in asked.iter().filter(|(.., needed)| !needed) {
        send(to, *more);
        assert!(comes("fe80::3", 0), "the sign that all came");
        assert_eq!(arrived(&net, &capture, to), 0, "{to} {more}");
    }
    // Neighbours still find each other, and the server is one.
    for which in ['a', 'b'] {
        ip(&format!("-n {} -6 neigh flush all", net.name(which)));
    }
    assert!(net.at_endpoint(|| connect(SERVER[1], Some(MARK)).is_ok_and(|mut s| talks(&mut s))));
    // However many are sent, few leave.
    let frame = solicitation(&net, "fe80::4", 8);
    let began = Instant::now();
    net.at_endpoint(|| (0..1000).for_each(|_| send_frame(&frame, false)));
    let most = 100 + 60 * usize::try_from(began.elapsed().as_secs() + 1).unwrap();
    let came = arrived(&net, &capture, "fe80::4");
    assert!(came > 0 && came < most, "{came} in {:?}", began.elapsed());

    // A new network on a link is noticed, and covered by the repair.
    ip(&format!("-n {} addr add fd77::1/64 dev eth0 nodad", net.name('a')));
    let state = net.at_endpoint(|| inspect(&ruleset)).unwrap();
    assert!(
        matches!(&state, State::Drifted(d) if d == &["not covered: neighbours in fd77::/64"]),
        "{state:?}"
    );
    isolate(&net, &plan());
    assert!(comes("fd77::2", 8));
}

/// What must be told of the drift, and that the repair comes to an end.
fn told_once(net: &Net, words: &[&str], change: impl FnOnce()) {
    let before = isolate(net, &plan());
    let mut watch = net.at_endpoint(watch).unwrap();
    change();
    // Programs make no sound; the regular look finds them.
    let heard = watch.wait(Duration::from_millis(500)).unwrap();
    assert!(words.contains(&"BPF program") || heard == Change::Links, "{words:?}: {heard:?}");
    let State::Drifted(found) = net.at_endpoint(|| inspect(&before)).unwrap() else {
        panic!("{words:?} was not noticed")
    };
    let fits = |text: &str| words.iter().all(|word| text.contains(word));
    assert!(found.iter().any(|d| d.contains("traffic control") && fits(d)), "{words:?}: {found:?}");
    for _ in 0..2 {
        let applied = net.at_endpoint(|| apply(&plan())).unwrap();
        assert!(applied.coverage.detours.iter().any(|d| fits(d)), "{words:?}: {:?}", applied.coverage);
        assert_eq!(net.at_endpoint(|| inspect(&applied.ruleset)).unwrap(), State::Intact, "{words:?}");
    }
}

#[test]
fn filters_that_lead_past_the_rules_are_told() {
    let Some(net) = net() else { return };
    if !std::path::Path::new(TC).exists() {
        println!("skipped: {TC} is not installed");
        return;
    }
    let tries = [
        "qdisc add dev eth0 clsact",
        "filter add dev eth0 egress u32 match u32 0 0 action mirred egress mirror dev lo",
    ];
    let run =
        |command: &&str| std::process::Command::new(TC).args(command.split(' ')).status().unwrap().success();
    if !net.at_endpoint(|| tries.iter().all(run)) {
        println!("skipped: this kernel has no u32 filters, or no mirred action");
        return;
    }
    net.endpoint_runs(TC, "qdisc del dev eth0 clsact");
    let applied = net.at_endpoint(|| apply(&plan())).unwrap();
    assert_eq!(applied.coverage.detours, [""; 0]);
    let any = "u32 match u32 0 0";
    let ways: [(&[&str], &[&str]); 3] = [
        (
            &[
                "qdisc add dev lo clsact",
                &format!("filter add dev lo egress {any} action mirred egress redirect dev eth0"),
            ],
            &["u32 filter", "\"lo\"", "egress", "redirects"],
        ),
        (
            &[
                "qdisc add dev eth0 ingress",
                &format!("filter add dev eth0 ingress {any} action mirred egress redirect dev eth0"),
            ],
            &["u32 filter", "\"eth0\"", "ingress"],
        ),
        (
            &[
                "qdisc add dev eth0 root handle 7: htb",
                "class add dev eth0 parent 7: classid 7:1 htb rate 1gbit",
                &format!("filter add dev eth0 parent 7:1 {any} action mirred egress redirect dev eth0"),
            ],
            &["u32 filter", "\"eth0\"", "egress at 7:1"],
        ),
    ];
    for (commands, words) in ways {
        told_once(&net, words, || {
            for command in commands {
                net.endpoint_runs(TC, command);
            }
        });
    }
    // What goes is no drift.
    let ruleset = isolate(&net, &plan());
    net.endpoint_runs(TC, "qdisc del dev lo clsact");
    assert_eq!(net.at_endpoint(|| inspect(&ruleset)).unwrap(), State::Intact);
}

#[test]
fn programs_that_lead_past_the_rules_are_told() {
    let Some(net) = net() else { return };
    let index = net.at_endpoint(|| interfaces().unwrap().into_iter().find(|i| i.loopback).unwrap().index);
    let Some(program) = program() else {
        println!("skipped: this kernel loads no BPF program here");
        return;
    };
    let attach = || net.at_endpoint(|| bpf(8, &[index, program.as_raw_fd().cast_unsigned(), 47, 0]));
    if attach().is_err() {
        println!("skipped: this kernel attaches no program to traffic control (Linux 6.6)");
        return;
    }
    assert!(net.at_endpoint(|| bpf(9, &[index, program.as_raw_fd().cast_unsigned(), 47, 0])).is_ok());
    told_once(&net, &["BPF program", "\"lo\"", "egress"], || {
        attach().unwrap();
    });
}

/// A program that lets everything pass.
fn program() -> Option<OwnedFd> {
    let instructions: [u64; 2] = [0xb7_u64.to_le(), 0x95_u64.to_le()];
    let licence = c"Apache-2.0";
    let halves = |address: u64| [address as u32, (address >> 32) as u32];
    let [low, high] = halves(instructions.as_ptr() as u64);
    let [licence_low, licence_high] = halves(licence.as_ptr() as u64);
    let fd = bpf(5, &[3, 2, low, high, licence_low, licence_high]).ok()?;
    // SAFETY: the kernel has just returned this descriptor; nobody else owns it.
    #[expect(unsafe_code, reason = "a descriptor from a bare system call")]
    Some(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The bpf system call with the first numbers of its attributes; the rest is zero.
#[expect(unsafe_code, reason = "there is no safe wrapper at hand")]
fn bpf(command: i32, words: &[u32]) -> std::io::Result<i32> {
    let mut attributes = [0_u32; 32];
    attributes[..words.len()].copy_from_slice(words);
    // SAFETY: the kernel reads the attributes, whose size is given, and what they point to, which the caller keeps.
    let answer =
        unsafe { libc::syscall(libc::SYS_bpf, command, attributes.as_mut_ptr(), size_of_val(&attributes)) };
    if answer < 0 { Err(std::io::Error::last_os_error()) } else { Ok(answer as i32) }
}
