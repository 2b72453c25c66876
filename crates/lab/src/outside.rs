//! The host beyond the endpoints: it answers, it calls, and it counts what reaches it.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::ops::Deref;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use nix::sys::socket;
use nix::unistd::{pipe2, write};

use crate::capture::{Capture, Frame, Mark, Traffic};
use crate::switch::{Addresses, Host, Switch};
use crate::{Error, failed};

/// TCP and UDP: what comes in goes back.
pub const ECHO_PORT: u16 = 7;
/// TCP: lines are counted and dropped.
pub const SINK_PORT: u16 = 9;
/// UDP: every name is this host.
pub const DNS_PORT: u16 = 53;
/// Connections served at once; more are closed.
const MAX_CONNECTIONS: usize = 512;

/// The outside host, with its services on IPv4 and IPv6. All its threads end when it is dropped.
pub struct Outside {
    host: Host,
    capture: Capture,
    shared: Arc<Shared>,
    /// Closing the far end of it stops the capture.
    stop: Option<OwnedFd>,
    tcp: Vec<TcpListener>,
    udp: Vec<UdpSocket>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    ending: AtomicBool,
    lines: AtomicU64,
    next: AtomicU64,
    open: Mutex<HashMap<u64, TcpStream>>,
}

impl Outside {
    pub(crate) fn make(switch: &Switch) -> Result<Self, Error> {
        let host = Host::make(switch, Addresses::OUTSIDE)?;
        let capture = host.within(Capture::open)?.map_err(failed("capture frames"))?;
        let (stopped, stop) = pipe2(nix::fcntl::OFlag::O_CLOEXEC).map_err(failed("make a pipe"))?;
        let any = Ipv6Addr::UNSPECIFIED;
        let bind = |port| host.within(|| UdpSocket::bind((any, port)))?.map_err(failed("open a UDP socket"));
        let tcp = vec![host.listen(ECHO_PORT)?, host.listen(SINK_PORT)?];
        let udp = vec![bind(ECHO_PORT)?, bind(DNS_PORT)?];
        let shared = Arc::new(Shared::default());
        let mut outside = Self { host, capture, shared, stop: Some(stop), tcp, udp, threads: Vec::new() };
        outside.serve(stopped)?;
        Ok(outside)
    }

    fn serve(&mut self, stopped: OwnedFd) -> Result<(), Error> {
        let capture = self.capture.clone();
        self.threads.push(std::thread::spawn(move || capture.follow(&stopped)));
        for (listener, serve) in self.tcp.iter().zip([echo as Service, sink]) {
            let (listener, shared) =
                (listener.try_clone().map_err(failed("copy a socket"))?, Arc::clone(&self.shared));
            self.threads.push(std::thread::spawn(move || accept(&listener, &shared, serve)));
        }
        for (socket, reply) in self.udp.iter().zip([same as Reply, resolve]) {
            let (socket, shared) =
                (socket.try_clone().map_err(failed("copy a socket"))?, Arc::clone(&self.shared));
            self.threads.push(std::thread::spawn(move || answer(&socket, &shared, reply)));
        }
        Ok(())
    }

    /// A moment to count from.
    pub fn mark(&self) -> Mark {
        self.capture.mark()
    }

    /// What arrived here from `sender` since `mark`, seen on the wire.
    pub fn received_since(&self, mark: &Mark, sender: Addresses) -> Traffic {
        self.capture.since(mark, sender.mac())
    }

    /// The same for a machine that is no endpoint of this lab, by its hardware address.
    pub fn received_from(&self, mark: &Mark, mac: [u8; 6]) -> Traffic {
        self.capture.since(mark, mac)
    }

    /// The first 32 of the frames that [`Self::received_from`] counts, for a person who wonders what they were.
    pub fn first_frames(&self, mark: &Mark, mac: [u8; 6]) -> Vec<Frame> {
        self.capture.first(mark, mac)
    }

    /// Lines that arrived at the sink.
    pub fn lines(&self) -> u64 {
        self.shared.lines.load(Ordering::SeqCst)
    }
}

impl Deref for Outside {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.host
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        self.shared.ending.store(true, Ordering::SeqCst);
        if let Some(stop) = self.stop.take() {
            let _ = write(&stop, b"x");
        }
        // A shut-down socket wakes whoever waits in it.
        let fds = self.tcp.iter().map(AsRawFd::as_raw_fd).chain(self.udp.iter().map(AsRawFd::as_raw_fd));
        for fd in fds {
            let _ = socket::shutdown(fd, socket::Shutdown::Both);
        }
        for stream in self.shared.open.lock().unwrap_or_else(PoisonError::into_inner).values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

type Service = fn(&mut TcpStream, &Shared);

fn accept(listener: &TcpListener, shared: &Arc<Shared>, serve: Service) {
    while let Ok((mut stream, _)) = listener.accept() {
        let id = shared.next.fetch_add(1, Ordering::Relaxed);
        let Ok(copy) = stream.try_clone() else { continue };
        {
            let mut open = shared.open.lock().unwrap_or_else(PoisonError::into_inner);
            if shared.ending.load(Ordering::SeqCst) || open.len() >= MAX_CONNECTIONS {
                continue;
            }
            open.insert(id, copy);
        }
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            serve(&mut stream, &shared);
            shared.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        });
    }
}

fn echo(stream: &mut TcpStream, _: &Shared) {
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        if stream.write_all(&buffer[..read]).is_err() {
            return;
        }
    }
}

fn sink(stream: &mut TcpStream, shared: &Shared) {
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        let lines: u64 = buffer[..read].iter().map(|byte| u64::from(*byte == b'\n')).sum();
        shared.lines.fetch_add(lines, Ordering::SeqCst);
    }
}

/// The answer to a datagram, if it deserves one.
type Reply = fn(&[u8]) -> Option<Vec<u8>>;

fn answer(socket: &UdpSocket, shared: &Shared, reply: Reply) {
    let mut buffer = [0; 2048];
    while !shared.ending.load(Ordering::SeqCst) {
        let Ok((read, from)) = socket.recv_from(&mut buffer) else { continue };
        if let Some(reply) = reply(&buffer[..read]) {
            let _ = socket.send_to(&reply, from as SocketAddr);
        }
    }
}

fn same(datagram: &[u8]) -> Option<Vec<u8>> {
    (!datagram.is_empty()).then(|| datagram.to_vec())
}

/// Answers one question (RFC 1035): A and AAAA with this host, anything else with nothing.
fn resolve(query: &[u8]) -> Option<Vec<u8>> {
    let mut end = 12;
    // The name is a row of length-prefixed labels, ended by an empty one.
    loop {
        let length = usize::from(*query.get(end)?);
        end += length + 1;
        match length {
            0 => break,
            1..=63 => {}
            _ => return None,
        }
    }
    let question = query.get(12..end + 4)?;
    let address: IpAddr = match question.last_chunk::<4>()? {
        [0, 1, 0, 1] => Addresses::OUTSIDE.ip4().into(),
        [0, 28, 0, 1] => Addresses::OUTSIDE.ip6().into(),
        _ => Ipv6Addr::UNSPECIFIED.into(),
    };
    let data = match address {
        _ if address.is_unspecified() => Vec::new(),
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let mut reply = query.get(..2)?.to_vec();
    reply.extend([0x81, 0x80, 0, 1, 0, u8::from(!data.is_empty()), 0, 0, 0, 0]);
    reply.extend(question);
    if !data.is_empty() {
        // A pointer to the name in the question, type and class from there, a minute to live.
        reply.extend([0xc0, 12]);
        reply.extend(question.last_chunk::<4>()?);
        reply.extend([0, 0, 0, 60, 0, data.len() as u8]);
        reply.extend(data);
    }
    Some(reply)
}
