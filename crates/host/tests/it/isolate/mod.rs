//! Isolation on a real kernel, seen from the endpoint and from the machine beside it.

pub mod net;
mod past;
mod replaced;
mod seized;

use std::io::Read;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use net::{
    Capture, ENDPOINT, FRIEND, Net, OUTSIDE, PORT, SERVER, address, connect, datagram_echoed, ip, mac, net,
    pinged, send_frame, talks,
};
use quell_host::isolate::{
    Allow, Change, Direction, Plan, Protocol, Reach, Ruleset, State, apply, established_peers, inspect,
    present, remove, watch,
};

const MARK: u32 = 0x51ee_7a11;

fn plan() -> Plan {
    Plan { mark: MARK, servers: SERVER.iter().map(|ip| address(ip)).collect(), allow: Vec::new() }
}

fn isolate(net: &Net, plan: &Plan) -> Ruleset {
    let applied = net.at_endpoint(|| apply(plan)).unwrap();
    assert!(applied.coverage.own_socket_only, "{:?}", applied.coverage);
    assert!(applied.coverage.raw_senders && applied.coverage.ingress, "{:?}", applied.coverage);
    assert_eq!(applied.severed.left, 0, "{:?}", applied.severed);
    assert_eq!(net.at_endpoint(|| inspect(&applied.ruleset)).unwrap(), State::Intact);
    applied.ruleset
}

#[test]
fn nothing_crosses_in_either_direction() {
    let Some(net) = net() else { return };
    net.serve();
    net.at_endpoint(net::serve);

    // Everything works before, or the rest proves nothing.
    let mut open: Vec<TcpStream> =
        OUTSIDE.iter().map(|ip| net.at_endpoint(|| connect(ip, None)).unwrap()).collect();
    let mut inward: Vec<TcpStream> =
        ENDPOINT.iter().map(|ip| net.outside(|| connect(ip, None)).unwrap()).collect();
    assert!(open.iter_mut().chain(&mut inward).all(talks));
    let udp = net.at_endpoint(|| UdpSocket::bind("0.0.0.0:0").unwrap());
    udp.connect(address(OUTSIDE[0])).unwrap();
    for (from, to) in [(true, OUTSIDE), (false, ENDPOINT)] {
        for ip in to {
            let both = || (datagram_echoed(ip), pinged(ip));
            assert_eq!(if from { net.at_endpoint(both) } else { net.outside(both) }, (true, true), "{ip}");
        }
    }
    let peers = net.at_endpoint(established_peers).unwrap();
    assert!(OUTSIDE.iter().all(|ip| peers.iter().any(|p| p.remote == address(ip))), "{peers:?}");

    let applied = net.at_endpoint(|| apply(&plan())).unwrap();
    assert!(applied.severed.tcp >= 4 && applied.severed.udp == 1, "{:?}", applied.severed);

    let capture = net.outside(Capture::open);
    // What was open is dead on this side at once ...
    for stream in &mut open {
        assert!(matches!(stream.read(&mut [0; 8]), Ok(0) | Err(_)));
        assert!(!talks(stream));
    }
    assert!(udp.send(b"x").is_err());
    // ... and silent on the other.
    for stream in &mut inward {
        stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        assert!(!talks(stream));
    }
    for ip in OUTSIDE.into_iter().chain(FRIEND).chain(SERVER) {
        let seen = net.at_endpoint(|| connect(ip, None)).err().unwrap();
        assert!(matches!(seen, Reach::Unreachable(_)), "{ip}: {seen:?}");
        assert!(!net.at_endpoint(|| datagram_echoed(ip) || pinged(ip)), "{ip}");
    }
    for ip in ENDPOINT {
        assert_eq!(net.outside(|| connect(ip, None)).err(), Some(Reach::TimedOut));
        assert!(!net.outside(|| datagram_echoed(ip) || pinged(ip)), "{ip}");
    }
    let frames = capture.frames_of(endpoint_mac(&net));
    assert!(frames.is_empty(), "{frames:x?}");
    // Loopback and the machine's own addresses go on.
    for ip in ["127.0.0.1", "::1", ENDPOINT[0], ENDPOINT[1]] {
        assert!(net.at_endpoint(|| connect(ip, None).is_ok_and(|mut s| talks(&mut s))), "{ip}");
    }

    net.at_endpoint(remove).unwrap();
    for ip in OUTSIDE {
        assert!(net.at_endpoint(|| connect(ip, None).is_ok_and(|mut s| talks(&mut s))), "{ip}");
        assert!(net.at_endpoint(|| datagram_echoed(ip) && pinged(ip)), "{ip}");
    }
}

/// `/sys` shows the namespace of whoever mounted it, so the address is asked by `ip`.
fn endpoint_mac(net: &Net) -> [u8; 6] {
    let shown = net.endpoint_runs("/usr/sbin/ip", "-o link show dev eth0");
    let mut words = shown.split_whitespace().skip_while(|w| *w != "link/ether").skip(1);
    mac(words.next().unwrap_or_default())
}

#[test]
fn the_way_to_the_server_is_for_marked_sockets_only() {
    let Some(net) = net() else { return };
    net.serve();
    let mut before: Vec<TcpStream> =
        SERVER.iter().map(|ip| net.at_endpoint(|| connect(ip, Some(MARK))).unwrap()).collect();
    let mut late = net.at_endpoint(|| connect(SERVER[0], None)).unwrap();
    quell_host::isolate::set_mark(&late, MARK).unwrap();
    isolate(&net, &plan());
    assert!(before.iter_mut().all(talks), "the agent's open channel must live");
    assert!(talks(&mut late), "a live socket may be marked just before the cut");
    for ip in SERVER {
        assert!(net.at_endpoint(|| connect(ip, Some(MARK)).is_ok_and(|mut s| talks(&mut s))), "{ip}");
        for mark in [None, Some(MARK + 1)] {
            let seen = net.at_endpoint(|| connect(ip, mark)).err().unwrap();
            assert!(matches!(seen, Reach::Unreachable(_)), "{ip} {mark:?}: {seen:?}");
        }
    }
    for ip in OUTSIDE {
        assert!(net.at_endpoint(|| connect(ip, Some(MARK))).is_err(), "the mark opens the server only");
    }
    // The server's own port reaches the agent's sockets only, not others.
    let mut wider = plan();
    wider.servers.push("10.99.0.3:7002".parse().unwrap());
    let other = net.at_endpoint(|| TcpListener::bind("0.0.0.0:7001").unwrap());
    let from_server = || net.outside(|| from_port("10.99.0.3:7002", "10.99.0.1:7001"));
    net.at_endpoint(remove).unwrap();
    assert!(from_server());
    isolate(&net, &wider);
    assert!(!from_server(), "the server's port reached a socket that is not the agent's");
    drop(other);
}

/// Whether a connection from one chosen address and port succeeds within half a second.
fn from_port(from: &str, to: &str) -> bool {
    use nix::sys::socket::{
        AddressFamily, SockFlag, SockType, SockaddrStorage, bind, connect, setsockopt, socket, sockopt,
    };
    use std::os::fd::{AsFd, AsRawFd};
    let at = |text: &str| SockaddrStorage::from(text.parse::<std::net::SocketAddr>().unwrap());
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(AddressFamily::Inet, SockType::Stream, flags, None).unwrap();
    setsockopt(&fd, sockopt::ReuseAddr, &true).unwrap();
    bind(fd.as_raw_fd(), &at(from)).unwrap();
    // Closed by a reset, so that the port is free again at once.
    setsockopt(&fd, sockopt::Linger, &nix::libc::linger { l_onoff: 1, l_linger: 0 }).unwrap();
    let _ = connect(fd.as_raw_fd(), &at(to));
    let mut fds = [nix::poll::PollFd::new(fd.as_fd(), nix::poll::PollFlags::POLLOUT)];
    nix::poll::poll(&mut fds, 500_u16).unwrap() == 1
        && nix::sys::socket::getsockopt(&fd, sockopt::SocketError) == Ok(0)
}

#[test]
fn raw_and_packet_senders_are_cut() {
    let Some(net) = net() else { return };
    net.serve();
    let own = endpoint_mac(&net);
    let frame = |kind: [u8; 2]| {
        let mut frame = vec![0xff; 6];
        frame.extend(own);
        frame.extend(kind);
        frame.extend([0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0x66, 0x09, 10, 99, 0, 1, 10, 99, 0, 2]);
        frame.extend([0x1b, 0x58, 0x1b, 0x58, 0, 8, 0, 0]);
        frame.resize(64, 0);
        frame
    };
    let capture = net.outside(Capture::open);
    let send = || {
        net.at_endpoint(|| {
            for bypass in [false, true] {
                for kind in [[8, 0], [0x88, 0xb5]] {
                    send_frame(&frame(kind), bypass);
                }
            }
            let _ = pinged(OUTSIDE[0]);
        });
    };
    send();
    let arrived = capture.frames_of(own);
    assert!(arrived.len() >= 5, "frames arrive before the cut: {arrived:x?}");
    isolate(&net, &plan());
    send();
    let frames = capture.frames_of(own);
    assert!(frames.is_empty(), "{frames:x?}");

    // A namespace on top of the interface leaves through it too.
    let a = net.name('a');
    net.at_endpoint(remove).unwrap();
    let inner = format!("{a}v");
    ip(&format!("netns add {inner}"));
    let made = std::panic::catch_unwind(|| {
        ip(&format!("-n {a} link add mv0 link eth0 type macvlan mode bridge"));
        ip(&format!("-n {a} link set mv0 netns {inner}"));
        ip(&format!("-n {inner} addr add 10.99.0.9/24 dev mv0"));
        ip(&format!("-n {inner} link set mv0 up"));
    });
    let reach = || {
        let path = format!("/run/netns/{inner}");
        quell_host::namespace::within(path.as_ref(), || connect(OUTSIDE[0], None).err()).unwrap()
    };
    let before = made.as_ref().ok().map(|()| reach());
    net.at_endpoint(|| apply(&plan())).unwrap();
    let after = made.as_ref().ok().map(|()| reach());
    ip(&format!("netns del {inner}"));
    assert_eq!(before, Some(None));
    assert_eq!(after, Some(Some(Reach::TimedOut)));
}

#[test]
fn exceptions_open_what_they_say() {
    let Some(net) = net() else { return };
    net.serve();
    net.at_endpoint(net::serve);
    let allow = |network: &str, protocol, direction, port| Allow {
        network: network.parse().unwrap(),
        port,
        protocol,
        direction,
    };
    let mut plan = plan();
    plan.allow = vec![
        allow("10.99.0.4/32", Protocol::Tcp, Direction::Outbound, Some(PORT)),
        allow("fd99::4/128", Protocol::Any, Direction::Both, None),
    ];
    let mut kept: Vec<TcpStream> =
        FRIEND.iter().map(|ip| net.at_endpoint(|| connect(ip, None)).unwrap()).collect();
    isolate(&net, &plan);
    assert!(kept.iter_mut().all(talks), "open connections to exceptions live");
    for ip in FRIEND {
        assert!(net.at_endpoint(|| connect(ip, None).is_ok_and(|mut s| talks(&mut s))), "{ip}");
    }
    let others = |ip: &str| net.at_endpoint(|| (datagram_echoed(ip), pinged(ip)));
    assert_eq!(others(FRIEND[0]), (false, false));
    assert_eq!(others(FRIEND[1]), (true, true));
    for ip in OUTSIDE {
        assert!(net.at_endpoint(|| connect(ip, None)).is_err(), "{ip}");
    }
}

#[test]
fn tampering_is_noticed_and_repaired() {
    let Some(net) = net() else { return };
    net.serve();
    let a = net.name('a');
    let tamper: [(&str, &str, &str); 13] = [
        ("/usr/sbin/nft", "flush ruleset", ""),
        ("/usr/sbin/nft", "delete table netdev quell_isolation", "missing"),
        ("/usr/sbin/nft", "flush chain inet quell_isolation input", "missing"),
        ("/usr/sbin/nft", "insert rule inet quell_isolation output accept", "not ours"),
        ("/usr/sbin/nft", "add table inet quell_isolation { flags dormant; }", "dormant"),
        ("/usr/sbin/nft", "add table netdev quell_isolation { flags dormant; }", "dormant"),
        ("/usr/sbin/nft", "chain inet quell_isolation output { policy accept; }", "missing"),
        (
            "/usr/sbin/nft",
            "flush chain inet quell_isolation forward; delete chain inet quell_isolation forward; \
             add chain inet quell_isolation forward { type filter hook forward priority 10; policy drop; }",
            "missing: hook",
        ),
        (
            "/usr/sbin/nft",
            "add chain inet quell_isolation early { type filter hook output priority -400; policy accept; }; \
             add rule inet quell_isolation early accept",
            "not ours",
        ),
        (
            "/usr/sbin/nft",
            "add chain netdev quell_isolation egress_7 \
             { type filter hook egress device eth0 priority -400; policy accept; }",
            "not ours",
        ),
        (
            "/usr/sbin/nft",
            "add chain inet quell_isolation more; add rule inet quell_isolation more accept; \
             insert rule inet quell_isolation output jump more",
            "not ours",
        ),
        ("/usr/sbin/nft", "add set inet quell_isolation more { type ipv4_addr; }", "not ours"),
        ("/usr/sbin/ip", "link add extra type veth peer name extra2", "not covered"),
    ];
    let rules = || {
        let text = net.endpoint_runs("/usr/sbin/nft", "-s list ruleset");
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    isolate(&net, &plan());
    let pristine = rules();
    for (program, arguments, expected) in tamper {
        let ruleset = isolate(&net, &plan());
        assert_eq!(rules(), pristine, "before {arguments}");
        let mut watch = net.at_endpoint(watch).unwrap();
        net.endpoint_runs(program, arguments);
        let change = watch.wait(Duration::from_secs(5)).unwrap();
        assert!(matches!(change, Change::Rules | Change::Links), "{arguments}: {change:?}");
        match net.at_endpoint(|| inspect(&ruleset)).unwrap() {
            State::Drifted(found) => {
                assert!(found.iter().any(|d| d.contains(expected)), "{arguments}: {found:?}");
            }
            State::Absent => assert_eq!(expected, "", "{arguments}"),
            State::Intact => panic!("{arguments} was not noticed"),
        }
        isolate(&net, &plan());
        assert!(net.at_endpoint(|| connect(OUTSIDE[0], None)).is_err(), "{arguments}");
    }
    // A changed name must not slip out of its chain, and a vanished interface is no drift.
    ip(&format!("-n {a} link set extra name other"));
    let repaired = isolate(&net, &plan());
    ip(&format!("-n {a} link del other"));
    assert_eq!(net.at_endpoint(|| inspect(&repaired)).unwrap(), State::Intact);
    // A name that would change the meaning of the rules is told, not obeyed.
    ip(&format!("-n {a} link add \"x* type veth peer name plain"));
    let applied = net.at_endpoint(|| apply(&plan())).unwrap();
    assert_eq!(applied.coverage.uncovered, ["\"x*"]);
    let mut quiet = net.at_endpoint(watch).unwrap();
    assert_eq!(quiet.wait(Duration::from_millis(20)).unwrap(), Change::Quiet);
}

#[test]
fn removal_leaves_the_rules_as_they_were() {
    let Some(net) = net() else { return };
    let foreign = "add table inet firewall { chain input { type filter hook input priority 0; policy accept; \
                   tcp dport 22 counter accept; }; }";
    net.endpoint_runs("/usr/sbin/nft", foreign);
    // Some releases of nft cannot write such a table down as JSON.
    net.endpoint_runs("/usr/sbin/nft", "add table inet asleep { flags dormant; }");
    let before = net.endpoint_runs("/usr/sbin/nft", "-a list ruleset");
    assert!(!net.at_endpoint(present).unwrap());
    for _ in 0..3 {
        isolate(&net, &plan());
        assert!(net.endpoint_runs("/usr/sbin/nft", "-a list ruleset").starts_with(&before));
    }
    assert!(net.at_endpoint(present).unwrap());
    assert_eq!(net.at_endpoint(remove).unwrap().tables, ["netdev", "inet"]);
    assert_eq!(net.endpoint_runs("/usr/sbin/nft", "-a list ruleset"), before);
    assert_eq!(net.at_endpoint(remove).unwrap().tables, [""; 0]);
    let mut plan = plan();
    plan.mark = 0;
    assert!(net.at_endpoint(|| apply(&plan)).is_err());
    assert!(!net.at_endpoint(present).unwrap());
}
