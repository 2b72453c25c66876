//! Two machines on a bridge, made of network namespaces, and what they say to each other.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::libc;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, socket};
use quell_host::isolate::{self, Reach};
use quell_host::namespace::within;

/// The endpoint's addresses; the other machine has `.2` (outside), `.3` (server) and `.4` (exception).
pub const ENDPOINT: [&str; 2] = ["10.99.0.1", "fd99::1"];
pub const OUTSIDE: [&str; 2] = ["10.99.0.2", "fd99::2"];
pub const SERVER: [&str; 2] = ["10.99.0.3", "fd99::3"];
pub const FRIEND: [&str; 2] = ["10.99.0.4", "fd99::4"];
pub const PORT: u16 = 7000;

pub struct Net {
    id: String,
}

/// Says why a test cannot run here, or makes the network.
pub fn net() -> Option<Net> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let tools = ["/usr/sbin/nft", "/usr/sbin/ip"];
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: network namespaces need root");
        return None;
    }
    if let Some(tool) = tools.iter().find(|t| !std::path::Path::new(t).exists()) {
        println!("skipped: {tool} is not installed");
        return None;
    }
    let net = Net { id: format!("qt{}x{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)) };
    let (a, b, m) = (net.name('a'), net.name('b'), net.name('m'));
    for name in [&a, &b, &m] {
        ip(&format!("netns add {name}"));
        ip(&format!("-n {name} link set lo up"));
    }
    ip(&format!("-n {m} link add br0 type bridge"));
    for (name, port) in [(&a, "to-a"), (&b, "to-b")] {
        ip(&format!("-n {m} link add name {port} type veth peer name eth0 netns {name}"));
        ip(&format!("-n {m} link set {port} master br0 up"));
    }
    ip(&format!("-n {m} link set br0 up"));
    for (name, sets) in [(&a, vec![ENDPOINT]), (&b, vec![OUTSIDE, SERVER, FRIEND])] {
        for [four, six] in sets {
            ip(&format!("-n {name} addr add {four}/24 dev eth0"));
            ip(&format!("-n {name} addr add {six}/64 dev eth0 nodad"));
        }
        ip(&format!("-n {name} link set eth0 up"));
    }
    Some(net)
}

pub fn ip(arguments: &str) {
    let output = Command::new("/usr/sbin/ip").args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

impl Net {
    pub fn name(&self, which: char) -> String {
        format!("{}{which}", self.id)
    }

    fn path(&self, which: char) -> PathBuf {
        format!("/run/netns/{}", self.name(which)).into()
    }

    /// Runs something on the endpoint.
    pub fn at_endpoint<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        within(&self.path('a'), work).unwrap()
    }

    /// Runs something on the other machine.
    pub fn outside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        within(&self.path('b'), work).unwrap()
    }

    /// A program on the endpoint; it must succeed.
    pub fn endpoint_runs(&self, program: &str, arguments: &str) -> String {
        let output = self.at_endpoint(|| Command::new(program).args(arguments.split(' ')).output().unwrap());
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{program} {arguments}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// TCP and UDP echo on both families of the other machine.
    pub fn serve(&self) {
        self.outside(serve);
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for which in ['a', 'b', 'm'] {
            let _ = Command::new("/usr/sbin/ip").args(["netns", "del", &self.name(which)]).output();
        }
    }
}

/// Echo servers on every address; the threads end with the test process.
pub fn serve() {
    for any in ["0.0.0.0", "::"] {
        let any: IpAddr = any.parse().unwrap();
        let listener = listen(any);
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                std::thread::spawn(move || echo(stream));
            }
        });
        let socket = if any.is_ipv4() { UdpSocket::bind((any, PORT)).unwrap() } else { only_six_udp() };
        std::thread::spawn(move || {
            let mut buffer = [0; 2048];
            while let Ok((read, from)) = socket.recv_from(&mut buffer) {
                let _ = socket.send_to(&buffer[..read], from);
            }
        });
    }
}

fn echo(mut stream: TcpStream) {
    let mut buffer = [0; 2048];
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        if stream.write_all(&buffer[..read]).is_err() {
            return;
        }
    }
}

fn listen(any: IpAddr) -> TcpListener {
    if any.is_ipv4() {
        return TcpListener::bind((any, PORT)).unwrap();
    }
    let fd = only_six(SockType::Stream);
    nix::sys::socket::listen(&fd, nix::sys::socket::Backlog::MAXCONN).unwrap();
    TcpListener::from(fd)
}

fn only_six_udp() -> UdpSocket {
    UdpSocket::from(only_six(SockType::Datagram))
}

fn only_six(kind: SockType) -> OwnedFd {
    use nix::sys::socket::{SockaddrStorage, bind, setsockopt, sockopt};
    let fd = socket(AddressFamily::Inet6, kind, SockFlag::SOCK_CLOEXEC, None).unwrap();
    setsockopt(&fd, sockopt::Ipv6V6Only, &true).unwrap();
    let any: SocketAddr = format!("[::]:{PORT}").parse().unwrap();
    bind(fd.as_raw_fd(), &SockaddrStorage::from(any)).unwrap();
    fd
}

pub fn address(ip: &str) -> SocketAddr {
    SocketAddr::new(ip.parse().unwrap(), PORT)
}

/// A connection with an optional mark, or why there is none.
pub fn connect(ip: &str, mark: Option<u32>) -> Result<TcpStream, Reach> {
    let seen = isolate::probe(address(ip), Duration::from_millis(1500), mark);
    if seen != Reach::Connected {
        return Err(seen);
    }
    let target = address(ip);
    let family = if target.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let fd = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
    if let Some(mark) = mark {
        isolate::set_mark(&fd, mark).unwrap();
    }
    nix::sys::socket::connect(fd.as_raw_fd(), &nix::sys::socket::SockaddrStorage::from(target)).unwrap();
    let stream = TcpStream::from(fd);
    stream.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    Ok(stream)
}

/// Whether a word goes there and comes back.
pub fn talks(stream: &mut TcpStream) -> bool {
    let mut back = [0; 4];
    stream.write_all(b"ping").is_ok() && stream.read_exact(&mut back).is_ok() && &back == b"ping"
}

/// Whether a datagram is echoed.
pub fn datagram_echoed(ip: &str) -> bool {
    let target = address(ip);
    let socket = UdpSocket::bind(if target.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(400))).unwrap();
    socket.send_to(b"udp", target).is_ok() && socket.recv_from(&mut [0; 16]).is_ok()
}

/// Whether an ICMP echo is answered; sent by a raw socket.
pub fn pinged(ip: &str) -> bool {
    let target = SocketAddr::new(ip.parse().unwrap(), 0);
    let (family, protocol, message) = match target.ip() {
        IpAddr::V4(_) => (AddressFamily::Inet, SockProtocol::Icmp, [8, 0, 0xf7, 0xfd, 0, 1, 0, 1]),
        IpAddr::V6(_) => (AddressFamily::Inet6, SockProtocol::IcmpV6, [128, 0, 0, 0, 0, 1, 0, 1]),
    };
    let fd = socket(family, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol).unwrap();
    let limit = nix::sys::time::TimeVal::new(0, 400_000);
    nix::sys::socket::setsockopt(&fd, nix::sys::socket::sockopt::ReceiveTimeout, &limit).unwrap();
    let target = nix::sys::socket::SockaddrStorage::from(target);
    if nix::sys::socket::sendto(fd.as_raw_fd(), &message, &target, MsgFlags::empty()).is_err() {
        return false;
    }
    // Other ICMP may come by; an echo reply is type 0 (after an IPv4 header) or 129.
    let mut buffer = [0; 256];
    for _ in 0..8 {
        match recv(fd.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
            Ok(read) if read >= 28 && buffer[0] == 0x45 && buffer[20] == 0 => return true,
            Ok(_) if buffer[0] == 129 => return true,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
    false
}

/// Frames that arrive at the machine in which it was opened, as they are on the wire.
pub struct Capture {
    fd: OwnedFd,
}

impl Capture {
    pub fn open() -> Self {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        Self { fd: socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll).unwrap() }
    }

    /// Frames since the last call that come from the endpoint and are neither ARP nor neighbour discovery.
    pub fn frames_of(&self, mac: [u8; 6]) -> Vec<Vec<u8>> {
        let mut frames = self.all_of(mac);
        frames.retain(|frame| {
            let kind = frame.get(12..14).unwrap_or_default();
            let six = kind == [0x86, 0xdd];
            let discovery = six && (matches!(frame.get(54), Some(133..=137)) || frame.get(20) == Some(&0));
            kind != [8, 6] && !discovery
        });
        frames
    }

    /// Every frame since the last call that comes from the endpoint.
    pub fn all_of(&self, mac: [u8; 6]) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(read) = recv(self.fd.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
            let frame = &buffer[..read];
            if frame.get(6..12) == Some(&mac) {
                frames.push(frame.to_vec());
            }
        }
        frames
    }
}

/// A socket that gets arriving frames of one protocol, and none that leave.
#[expect(unsafe_code, reason = "the safe wrapper knows some protocols only")]
pub fn frames_of_kind(kind: u16) -> OwnedFd {
    // SAFETY: a plain system call; the descriptor that it returns is owned by nobody else.
    unsafe {
        let fd = libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, kind.to_be().into());
        assert!(fd >= 0);
        OwnedFd::from_raw_fd(fd)
    }
}

/// The six bytes of a hardware address.
pub fn mac(text: &str) -> [u8; 6] {
    let mut mac = [0; 6];
    for (byte, word) in mac.iter_mut().zip(text.trim().split(':')) {
        *byte = u8::from_str_radix(word, 16).unwrap();
    }
    mac
}

/// A packet socket that sends through `eth0`, past IP and its rules.
pub struct Sender {
    fd: OwnedFd,
    to: libc::sockaddr_ll,
}

impl Sender {
    /// `bypass` goes past the queueing discipline too.
    #[expect(unsafe_code, reason = "there is no safe wrapper for a link-level destination")]
    pub fn open(bypass: bool) -> Self {
        let index = isolate::interfaces().unwrap().into_iter().find(|i| i.name == "eth0").unwrap().index;
        // SAFETY: plain system calls on a descriptor that is owned here; an address of zeroes is valid.
        unsafe {
            let fd = libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0);
            assert!(fd >= 0);
            let fd = OwnedFd::from_raw_fd(fd);
            let on: libc::c_int = bypass.into();
            let size = size_of::<libc::c_int>() as u32;
            libc::setsockopt(fd.as_raw_fd(), libc::SOL_PACKET, 20, (&raw const on).cast(), size);
            let mut to: libc::sockaddr_ll = std::mem::zeroed();
            to.sll_family = libc::AF_PACKET as u16;
            to.sll_ifindex = index as i32;
            Self { fd, to }
        }
    }

    #[expect(unsafe_code, reason = "there is no safe wrapper for a link-level destination")]
    pub fn send(&self, frame: &[u8]) {
        let size = size_of::<libc::sockaddr_ll>() as u32;
        // SAFETY: a plain system call on a descriptor that is owned here; the address is fully initialised and
        // its size is given.
        unsafe {
            let to = (&raw const self.to).cast();
            libc::sendto(self.fd.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0, to, size);
        }
    }
}

/// Sends one frame.
pub fn send_frame(frame: &[u8], bypass: bool) {
    Sender::open(bypass).send(frame);
}
