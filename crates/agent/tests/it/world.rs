//! Two machines on a bridge, made of network namespaces: the endpoint, and all the rest (the server, a canary).

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use quell_host::namespace::within;

use crate::gateway::Gateway;
use crate::process::Endpoint;

const ENDPOINT: [&str; 2] = ["10.98.0.1/24", "fd98::1/64"];
const OTHERS: [&str; 6] =
    ["10.98.0.2/24", "fd98::2/64", "10.98.0.3/24", "fd98::3/64", "10.98.0.4/24", "fd98::4/64"];
/// Listens before, and must not be reached after.
pub const CANARIES: [&str; 2] = ["10.98.0.2:7000", "[fd98::2]:7000"];
/// The server's first address, and one that is told later.
pub const SERVER: &str = "10.98.0.3:7443";
pub const SERVER_LATER: &str = "10.98.0.4:7443";

pub struct World {
    id: String,
    pub gateway: Gateway,
}

/// Says why a test cannot run here, or makes the machines.
pub fn world() -> Option<World> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    if !rustix::process::geteuid().is_root() {
        println!("skipped: network namespaces need root");
        return None;
    }
    for tool in ["/usr/sbin/nft", "/usr/sbin/ip"] {
        if !std::path::Path::new(tool).exists() {
            println!("skipped: {tool} is not installed");
            return None;
        }
    }
    let id = format!("qa{}x{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let names = Names(id.clone());
    let (a, b, m) = (names.of('a'), names.of('b'), names.of('m'));
    for name in [&a, &b, &m] {
        ip(&format!("netns add {name}"));
        ip(&format!("-n {name} link set lo up"));
    }
    ip(&format!("-n {m} link add br0 type bridge"));
    for (name, port, addresses) in [(&a, "to-a", &ENDPOINT[..]), (&b, "to-b", &OTHERS[..])] {
        ip(&format!("-n {m} link add name {port} type veth peer name eth0 netns {name}"));
        ip(&format!("-n {m} link set {port} master br0 up"));
        for address in addresses {
            let nodad = if address.contains(':') { " nodad" } else { "" };
            ip(&format!("-n {name} addr add {address} dev eth0{nodad}"));
        }
        ip(&format!("-n {name} link set eth0 up"));
    }
    ip(&format!("-n {m} link set br0 up"));
    let (listeners, canaries) = within(&names.path('b'), || {
        let bind = |address: &str| TcpListener::bind(address).unwrap();
        ([SERVER, SERVER_LATER].map(bind), CANARIES.map(bind))
    })
    .unwrap();
    for canary in canaries {
        std::thread::spawn(move || echo(&canary));
    }
    // From here on dropping the world cleans up.
    std::mem::forget(names);
    Some(World { id, gateway: Gateway::on(listeners.into()) })
}

fn echo(listener: &TcpListener) {
    while let Ok((mut stream, _)) = listener.accept() {
        std::thread::spawn(move || {
            let mut bytes = [0; 64];
            while let Ok(count) = stream.read(&mut bytes) {
                if count == 0 || stream.write_all(&bytes[..count]).is_err() {
                    break;
                }
            }
        });
    }
}

/// Removes the namespaces.
struct Names(String);

impl Names {
    fn of(&self, which: char) -> String {
        format!("{}{which}", self.0)
    }

    fn path(&self, which: char) -> PathBuf {
        format!("/run/netns/{}", self.of(which)).into()
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        for which in ['a', 'b', 'm'] {
            let _ = Command::new("/usr/sbin/ip").args(["netns", "del", &self.of(which)]).output();
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        drop(Names(self.id.clone()));
    }
}

fn ip(arguments: &str) {
    let output = Command::new("/usr/sbin/ip").args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

impl World {
    /// An endpoint that is not enrolled yet.
    pub fn stranger(&self) -> Endpoint {
        Endpoint::new(Some(format!("{}a", self.id)))
    }

    /// An enrolled endpoint with a running, connected agent.
    pub fn endpoint(&self) -> Endpoint {
        let mut endpoint = self.stranger();
        endpoint.enrol(&self.gateway);
        endpoint.connect(&self.gateway);
        endpoint
    }

    /// Runs something on the endpoint.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        within(&PathBuf::from(format!("/run/netns/{}a", self.id)), work).unwrap()
    }

    /// Runs something on the other machine.
    pub fn outside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        within(&PathBuf::from(format!("/run/netns/{}b", self.id)), work).unwrap()
    }

    /// A TCP connection from the endpoint that talks.
    pub fn connect(&self, address: &str) -> Option<TcpStream> {
        let address: SocketAddr = address.parse().unwrap();
        self.inside(|| TcpStream::connect_timeout(&address, Duration::from_millis(500)).ok())
    }

    /// Whether ordinary programs on the endpoint reach each canary.
    pub fn reaches(&self) -> [bool; 2] {
        CANARIES.map(|address| self.connect(address).is_some())
    }

    /// `nft` on the endpoint.
    pub fn nft(&self, arguments: &str) -> String {
        let output =
            self.inside(|| Command::new("/usr/sbin/nft").args(arguments.split(' ')).output().unwrap());
        assert!(output.status.success(), "nft {arguments}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Whether a connection that stands still talks.
pub fn talks(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    stream.write_all(b"x").is_ok() && matches!(stream.read(&mut [0; 1]), Ok(1))
}
