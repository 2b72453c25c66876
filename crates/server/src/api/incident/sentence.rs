//! What an activity event says, in a line.

use std::net::IpAddr;

use quell_incident::text::{LINE, command_line, shown};
use quell_wire::activity::{self as wire, Deed};
use quell_wire::limits;

/// Characters of a name within a sentence.
pub(super) const NAME: usize = 80;

/// What happened, after the name of who did it.
pub(super) fn sentence(deed: &Deed) -> String {
    let name = |bytes: &[u8]| shown(bytes, limits::PATH);
    let place = |address: &[u8], port: u32| match wire::address(address) {
        Some(IpAddr::V6(address)) => format!("[{address}]:{port}"),
        Some(address) => format!("{address}:{port}"),
        None => format!("port {port}"),
    };
    match deed {
        Deed::Start(image) => {
            let line = command_line(&image.arguments, image.arguments_cut);
            format!("was started: {}", shown(line.as_bytes(), LINE))
        }
        Deed::FileCreate(file) => format!("created {}", name(&file.path)),
        Deed::FileWrite(file) => format!("wrote {}", name(&file.path)),
        Deed::FileRename(file) => format!("renamed {} to {}", name(&file.from), name(&file.path)),
        Deed::Connect(connection) if connection.inbound => {
            format!("was reached from {}", place(&connection.remote, connection.remote_port))
        }
        Deed::Connect(connection) => {
            format!("connected to {}", place(&connection.remote, connection.remote_port))
        }
        Deed::Listen(connection) => format!("listens on {}", place(&connection.local, connection.local_port)),
        Deed::Dns(dns) => format!("asked for {}", shown(dns.name.as_bytes(), limits::DNS_NAME)),
        Deed::Login(login) => {
            let verb = if login.failed { "refused a login of" } else { "let in" };
            let from = shown(login.from.as_bytes(), NAME);
            let from = if from.is_empty() { from } else { format!(" from {from}") };
            format!("{verb} {}{from}", shown(login.user.as_bytes(), NAME))
        }
    }
}
