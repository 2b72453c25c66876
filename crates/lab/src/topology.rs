//! The lab as a whole.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::disk::Share;
use crate::endpoint::LabEndpoint;
use crate::outside::Outside;
use crate::switch::{Addresses, Host, Switch};
use crate::{Error, guest, privilege};

/// Endpoints in one lab.
const MAX_ENDPOINTS: u8 = 200;

/// How a lab is made.
#[derive(Debug, Clone)]
pub struct LabOptions {
    /// What every endpoint sees of the machine besides its programs, read-only: the agent's binary, for instance.
    pub shares: Vec<Share>,
    /// Largest size of an endpoint's disk in megabytes; memory is taken only as it fills.
    pub disk_megabytes: u64,
}

impl Default for LabOptions {
    fn default() -> Self {
        Self { shares: Vec::new(), disk_megabytes: 2048 }
    }
}

/// A switch with a server's address, an outside host, and endpoints. Endpoints may outlive this value; what is
/// left of the network ends with the last of them.
pub struct Lab {
    options: LabOptions,
    switch: Arc<Switch>,
    server: Host,
    outside: Outside,
    next: AtomicU8,
}

impl Lab {
    /// Makes an empty lab. Needs root, or a call to [`crate::become_root`] first thing in `main`.
    pub fn start(options: LabOptions) -> Result<Self, Error> {
        privilege::check()?;
        let switch = Arc::new(Switch::make()?);
        let server = Host::make(&switch, Addresses::SERVER)?;
        let outside = Outside::make(&switch)?;
        Ok(Self { options, switch, server, outside, next: AtomicU8::new(0) })
    }

    /// The machine whose addresses the server has (`10.86.0.1`, `fd86::1`).
    pub fn server(&self) -> &Host {
        &self.server
    }

    /// A socket that listens at the server's addresses, IPv4 and IPv6, whichever process holds it.
    pub fn listen_in_server_ns(&self, port: u16) -> Result<TcpListener, Error> {
        self.server.listen(port)
    }

    /// How a [`crate::guest::Guest`] is connected to this lab. Its addresses are its options' own affair: those above
    /// `10.86.0.220` and `fd86::dc` are never given to an endpoint.
    pub fn guest_network(&self) -> crate::guest::Network {
        self.switch.socket()
    }

    /// The host beyond (`10.86.0.2`, `fd86::2`): the endpoints' router and name server, and the witness of a cut.
    pub fn outside(&self) -> &Outside {
        &self.outside
    }

    /// Makes an endpoint and starts it.
    pub fn endpoint(&self, name: &str) -> Result<LabEndpoint, Error> {
        let letters = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !letters || name.is_empty() || name.len() > 63 || name.starts_with('-') {
            return Err(Error::Name(name.chars().take(80).collect()));
        }
        let (addresses, switch) = (self.reserve()?, Arc::clone(&self.switch));
        LabEndpoint::make(switch, name, addresses, &self.options.shares, self.options.disk_megabytes)
    }

    /// What makes a whole machine in QEMU one more on this lab's switch. It must end before the lab does.
    pub fn guest(&self, name: &str) -> Result<guest::Options, Error> {
        let (addresses, (namespace, bridge)) = (self.reserve()?, self.switch.bridge());
        Ok(guest::Options {
            network: guest::Network::Bridge { namespace, bridge: bridge.to_owned() },
            addresses: vec![format!("{}/24", addresses.ip4()), format!("{}/64", addresses.ip6())],
            gateways: vec![Addresses::OUTSIDE.ip4().to_string()],
            ..guest::Options::new(name)
        })
    }

    /// Addresses that no other machine has.
    fn reserve(&self) -> Result<Addresses, Error> {
        let take = |n: u8| (n < MAX_ENDPOINTS).then_some(n + 1);
        let n = self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        Ok(Addresses::endpoint(n.map_err(|_| Error::Full)?))
    }
}
