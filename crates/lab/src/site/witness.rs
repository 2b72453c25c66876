//! What is seen of an endpoint's network from both ends: by connections that were open before, and by new ones.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use super::{Error, failed};
use crate::{DNS_PORT, ECHO_PORT, Lab, LabEndpoint, Outside};

/// A new connection gets so long.
const LIMIT: Duration = Duration::from_millis(800);
/// Where the endpoint itself listens.
const LOCAL_PORT: u16 = 4000;

/// One way to or from the endpoint, and whether it is open.
#[derive(Clone, Debug)]
pub struct Way {
    /// In words.
    pub name: String,
    /// It could be gone now.
    pub open: bool,
}

/// Connections that are open before anything happens, and a service on the endpoint.
pub struct Witness {
    outgoing: Vec<(SocketAddr, TcpStream)>,
    incoming: Vec<(SocketAddr, TcpStream, TcpStream)>,
    service: TcpListener,
}

impl Witness {
    /// Opens a connection from the endpoint and one to it, on IPv4 and on IPv6.
    pub fn take(lab: &Lab, endpoint: &LabEndpoint) -> Result<Self, Error> {
        let listen = || TcpListener::bind(("::", LOCAL_PORT));
        let service = endpoint.within_network(listen)?.map_err(failed("listen on an endpoint"))?;
        let mut outgoing = Vec::new();
        for to in lab.outside().sockets(ECHO_PORT) {
            let connect = || TcpStream::connect_timeout(&to, LIMIT);
            outgoing.push((to, endpoint.within_network(connect)?.map_err(failed("reach the outside"))?));
        }
        let mut incoming = Vec::new();
        for to in own(endpoint) {
            let there = lab.outside().connect(to, LIMIT)?;
            let (here, _) = service.accept().map_err(failed("accept on an endpoint"))?;
            incoming.push((to, here, there));
        }
        Ok(Self { outgoing, incoming, service })
    }

    /// Whether what was open before still carries bytes, in both directions.
    pub fn old_ways(&mut self) -> Vec<Way> {
        let mut ways = Vec::new();
        for (to, stream) in &mut self.outgoing {
            ways.push(Way { name: format!("connection to {to} that was open before"), open: echoes(stream) });
        }
        for (to, here, there) in &mut self.incoming {
            let open = carries(there, here) && carries(here, there);
            ways.push(Way { name: format!("connection from outside to {to} that was open before"), open });
        }
        ways
    }

    /// Whether new connections come about: from the endpoint by TCP, UDP and DNS, and from outside to it.
    pub fn new_ways(&self, lab: &Lab, endpoint: &LabEndpoint) -> Result<Vec<Way>, Error> {
        let outside = lab.outside();
        let mut ways = ways_out(endpoint, outside)?;
        self.service.set_nonblocking(true).map_err(failed("set up a socket"))?;
        for to in own(endpoint) {
            let open = outside.connect(to, LIMIT).is_ok();
            // Whoever got through is let go.
            while self.service.accept().is_ok() {}
            ways.push(Way { name: format!("new connection from outside to {to}"), open });
        }
        Ok(ways)
    }
}

/// Whether new connections from the endpoint come about: TCP, UDP and DNS, on IPv4 and IPv6.
pub fn ways_out(endpoint: &LabEndpoint, outside: &Outside) -> Result<Vec<Way>, Error> {
    Ok(endpoint.within_network(|| from_inside(outside))?)
}

fn own(endpoint: &LabEndpoint) -> [SocketAddr; 2] {
    [IpAddr::from(endpoint.ip4()), IpAddr::from(endpoint.ip6())].map(|ip| SocketAddr::new(ip, LOCAL_PORT))
}

fn from_inside(outside: &Outside) -> Vec<Way> {
    let mut ways = Vec::new();
    for to in outside.sockets(ECHO_PORT) {
        let mut stream = TcpStream::connect_timeout(&to, LIMIT).ok();
        ways.push(Way {
            name: format!("new TCP connection to {to}"),
            open: stream.as_mut().is_some_and(echoes),
        });
        ways.push(Way { name: format!("UDP to {to}"), open: asked(to, b"ping") });
    }
    for to in outside.sockets(DNS_PORT) {
        // One question for the address of `a.example` (RFC 1035).
        let question =
            b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x07example\x00\x00\x01\x00\x01";
        ways.push(Way { name: format!("DNS at {to}"), open: asked(to, question) });
    }
    ways
}

fn asked(to: SocketAddr, question: &[u8]) -> bool {
    let ask = || -> io::Result<bool> {
        let any: IpAddr = if to.is_ipv4() { [0, 0, 0, 0].into() } else { [0_u16; 8].into() };
        let socket = UdpSocket::bind((any, 0))?;
        socket.set_read_timeout(Some(LIMIT))?;
        socket.connect(to)?;
        socket.send(question)?;
        Ok(socket.recv(&mut [0; 512])? > 0)
    };
    ask().unwrap_or(false)
}

fn echoes(stream: &mut TcpStream) -> bool {
    let mut back = [0; 4];
    let mut ask = |stream: &mut TcpStream| -> io::Result<()> {
        stream.set_read_timeout(Some(LIMIT))?;
        stream.write_all(b"ping")?;
        stream.read_exact(&mut back)
    };
    ask(stream).is_ok() && &back == b"ping"
}

fn carries(from: &mut TcpStream, to: &mut TcpStream) -> bool {
    let mut got = [0; 4];
    let mut pass = || -> io::Result<()> {
        to.set_read_timeout(Some(LIMIT))?;
        from.write_all(b"pass")?;
        to.read_exact(&mut got)
    };
    pass().is_ok() && &got == b"pass"
}
