//! Tells the service manager that the start is over (`sd_notify(3)`): it brings the network up after that, so what
//! was isolated before a reboot must be cut by then.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Where the service manager listens, if it wants to know.
const SOCKET: &str = "NOTIFY_SOCKET";
/// What it is told.
const READY: &[u8] = b"READY=1";

/// Says it. Saying it twice does no harm, and not being heard is no reason to stop.
pub(crate) fn tell() {
    let Some(name) = std::env::var_os(SOCKET) else { return };
    let address = match name.as_bytes() {
        [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest),
        path => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(path)),
    };
    let sent = address.and_then(|address| UnixDatagram::unbound()?.send_to_addr(READY, &address));
    if let Err(error) = sent {
        tracing::warn!(%error, "the service manager could not be told of the start");
    }
}
