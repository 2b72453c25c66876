//! The switch that joins the lab's machines, and what every machine on it has.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use quell_host::namespace::Network;

use crate::{Error, failed};

const IP: [&str; 3] = ["/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip"];

/// Addresses of one machine of the lab; the last byte is the same in all three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses(u8);

impl Addresses {
    pub(crate) const SERVER: Self = Self(1);
    pub(crate) const OUTSIDE: Self = Self(2);

    /// The address of the `n`-th endpoint, from zero.
    pub(crate) fn endpoint(n: u8) -> Self {
        Self(n.saturating_add(11))
    }

    /// In `10.86.0.0/24`.
    pub fn ip4(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 86, 0, self.0)
    }

    /// In `fd86::/64`.
    pub fn ip6(self) -> Ipv6Addr {
        Ipv6Addr::new(0xfd86, 0, 0, 0, 0, 0, 0, self.0.into())
    }

    /// The hardware address, locally administered.
    pub fn mac(self) -> [u8; 6] {
        [0x02, 0x51, 0x86, 0, 0, self.0]
    }
}

pub(crate) struct Switch {
    network: Network,
}

impl Switch {
    pub fn make() -> Result<Self, Error> {
        let network = Network::create().map_err(failed("make a network namespace"))?;
        ip(&network, "link set lo up\nlink add name br0 type bridge\nlink set br0 up\n")?;
        Ok(Self { network })
    }

    /// Where a guest is plugged in. Good while this value lives.
    pub fn socket(&self) -> crate::guest::Network {
        crate::guest::Network::Bridge { namespace: self.network.path(), bridge: "br0".into() }
    }

    /// Its network namespace, and the bridge's name in it.
    pub fn bridge(&self) -> (PathBuf, &'static str) {
        (self.network.path(), "br0")
    }

    /// Plugs a machine in; an older cable of the same machine is taken out first.
    pub fn plug(&self, network: &Network, addresses: Addresses) -> Result<(), Error> {
        let n = addresses.0;
        self.unplug(addresses);
        let mac = addresses.mac().map(|byte| format!("{byte:02x}")).join(":");
        let there = network.path();
        let there = there.display();
        ip(
            &self.network,
            &format!(
                "link add name port{n} type veth peer name eth0 \
                 address {mac} netns {there}\n\
                 link set port{n} master br0 up\n"
            ),
        )?;
        let (four, six) = (addresses.ip4(), addresses.ip6());
        let mut lines = format!(
            "link set lo up\naddr add {four}/24 dev eth0\naddr add {six}/64 dev eth0 nodad\nlink set eth0 up\n"
        );
        // Whatever is not on the switch is the outside's.
        let router = Addresses::OUTSIDE;
        if addresses != router {
            let (four, six) = (router.ip4(), router.ip6());
            let _ = writeln!(lines, "route add default via {four}\nroute add ::/0 via {six}");
        }
        ip(network, &lines)
    }

    /// Pulls a machine's cable; nothing happens where there is none.
    pub fn unplug(&self, addresses: Addresses) {
        let _ = ip(&self.network, &format!("link del port{}\n", addresses.0));
    }
}

/// Runs lines of `ip -batch` inside a namespace.
fn ip(network: &Network, lines: &str) -> Result<(), Error> {
    let program =
        IP.iter().find(|p| std::path::Path::new(p).exists()).ok_or(Error::Missing("ip", "iproute2"))?;
    let run = || {
        let mut child = Command::new(program)
            .args(["-batch", "-"])
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(lines.as_bytes())?;
        }
        child.wait_with_output()
    };
    let output = network.within(run).and_then(|o| o).map_err(failed("run ip"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::Link(
        String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or("no reason given").to_owned(),
    ))
}

/// A machine that is nothing but a network: its programs are threads of the lab's process, or hold sockets of it.
pub struct Host {
    pub(crate) network: Network,
    addresses: Addresses,
}

impl Host {
    pub(crate) fn make(switch: &Switch, addresses: Addresses) -> Result<Self, Error> {
        let network = Network::create().map_err(failed("make a network namespace"))?;
        switch.plug(&network, addresses)?;
        Ok(Self { network, addresses })
    }

    /// Its addresses.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Both addresses with a port.
    pub fn sockets(&self, port: u16) -> [SocketAddr; 2] {
        [(IpAddr::from(self.addresses.ip4()), port).into(), (IpAddr::from(self.addresses.ip6()), port).into()]
    }

    /// Listens on IPv4 and IPv6 at once (peers of IPv4 appear as mapped addresses). The socket works in whatever
    /// process it is handed to; see `quell_host::inherit::pass_sockets`. Port 0 takes a free one.
    pub fn listen(&self, port: u16) -> Result<TcpListener, Error> {
        let listen = || TcpListener::bind((Ipv6Addr::UNSPECIFIED, port));
        self.within(listen)?.map_err(failed("listen in the lab"))
    }

    /// Connects from here, with a time limit.
    pub fn connect(&self, to: SocketAddr, limit: Duration) -> Result<TcpStream, Error> {
        self.within(|| TcpStream::connect_timeout(&to, limit))?.map_err(failed("connect in the lab"))
    }

    /// Runs `work` on a thread inside this machine's network.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, Error> {
        self.network.within(work).map_err(failed("enter a network namespace"))
    }
}
