//! Where the signer is reached: a Unix socket for the server, another for the operator, and TCP with mutual TLS for a server
//! on another host. A thread for each conversation, since there are few; a peer that may not speak is not read from.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustls::{ServerConnection, StreamOwned};

use crate::serve::{converse, sorry};
use crate::service::Service;
use crate::tls;
use crate::{ADMIN_SOCKET, admin};

/// Conversations at a time.
const CONVERSATIONS: usize = 16;
/// A server that says nothing for this time has gone: it asks more often whether the signer is there.
const SILENCE: Duration = Duration::from_mins(1);
/// A TLS handshake is done within this time, and an answer taken.
const HASTE: Duration = Duration::from_secs(10);
/// How often the journal is brought to the disk.
const SETTLE: Duration = Duration::from_secs(1);
/// After a connection could not be accepted.
const PAUSE: Duration = Duration::from_millis(100);

/// Where a signer listens.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The socket for the server, if there is to be one.
    pub unix: Option<PathBuf>,
    /// Users who may speak on it, beside the signer's own and root.
    pub peers: Vec<u32>,
    /// TCP for a server on another host.
    pub tcp: Option<Tcp>,
}

/// TCP with mutual TLS.
#[derive(Clone, Debug)]
pub struct Tcp {
    /// Where.
    pub address: SocketAddr,
    /// Certificates.
    pub files: tls::Files,
}

/// The signer cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A socket cannot be made.
    #[error("the signer cannot listen on {place}")]
    Bind {
        /// Where.
        place: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// TLS.
    #[error(transparent)]
    Tls(#[from] tls::Error),
    /// A thread cannot be started.
    #[error("the signer cannot start a thread")]
    Thread(#[from] io::Error),
}

/// A signer that listens, for as long as the process lives.
#[derive(Clone, Copy, Debug)]
pub struct Listening {
    /// Where it is reached by TCP.
    pub tcp: Option<SocketAddr>,
}

/// Listens, in threads of its own.
pub fn listen(service: &Arc<Service>, directory: &Path, options: Options) -> Result<Listening, Error> {
    // Each way in has places of its own: who fills one shuts neither the operator nor a server out of another.
    let busy = || Arc::new(AtomicUsize::new(0));
    let admin_path = directory.join(ADMIN_SOCKET);
    let admin = bind(&admin_path, 0o600)?;
    let held = Arc::clone(service);
    // The keys are changed by the signer's own user alone, whoever may ask for signatures.
    accept_unix("admin", admin, Vec::new(), busy(), move |stream| admin::answer(stream, &held))?;
    if let Some(path) = &options.unix {
        let mode = if options.peers.is_empty() { 0o600 } else { 0o666 };
        let socket = bind(path, mode)?;
        let held = Arc::clone(service);
        accept_unix("server", socket, options.peers, busy(), move |stream| converse(stream, &held))?;
    }
    let tcp = options.tcp.map(|tcp| accept_tcp(&tcp, service, &busy())).transpose()?;
    let held = Arc::clone(service);
    thread("journal", move || {
        loop {
            std::thread::sleep(SETTLE);
            held.settle();
        }
    })?;
    Ok(Listening { tcp })
}

fn bind(path: &Path, mode: u32) -> Result<UnixListener, Error> {
    let failed = |source| Error::Bind { place: path.display().to_string(), source };
    // What a signer that was killed left. Its directory's lock says that no other signer lives.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let socket = UnixListener::bind(path).map_err(failed)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(failed)?;
    Ok(socket)
}

fn accept_unix(
    name: &'static str,
    socket: UnixListener,
    peers: Vec<u32>,
    busy: Arc<AtomicUsize>,
    talk: impl Fn(&mut UnixStream) -> io::Result<()> + Clone + Send + 'static,
) -> Result<(), Error> {
    thread(name, move || {
        loop {
            let mut stream = match socket.accept() {
                Ok((stream, _)) => stream,
                Err(error) => {
                    pause(&error);
                    continue;
                }
            };
            match peer(&stream) {
                Ok(uid) if may_speak(uid, &peers) => {}
                Ok(uid) => {
                    tracing::warn!(uid, socket = name, "a user who may not speak to the signer was refused");
                    continue;
                }
                Err(error) => {
                    tracing::warn!(%error, socket = name, "who connected could not be told");
                    continue;
                }
            }
            let timed = stream.set_read_timeout(Some(SILENCE)).and(stream.set_write_timeout(Some(HASTE)));
            let talk = talk.clone();
            begin(name, timed, &busy, move |is_full| {
                if is_full {
                    sorry(&mut stream, "busy", "the signer has no room for another")
                } else {
                    talk(&mut stream)
                }
            });
        }
    })?;
    Ok(())
}

fn accept_tcp(tcp: &Tcp, service: &Arc<Service>, busy: &Arc<AtomicUsize>) -> Result<SocketAddr, Error> {
    let config = tls::server(&tcp.files)?;
    let failed = |source| Error::Bind { place: tcp.address.to_string(), source };
    let socket = TcpListener::bind(tcp.address).map_err(failed)?;
    let address = socket.local_addr().map_err(failed)?;
    let (service, busy) = (Arc::clone(service), Arc::clone(busy));
    thread("tcp", move || {
        loop {
            let stream = match socket.accept() {
                Ok((stream, _)) => stream,
                Err(error) => {
                    pause(&error);
                    continue;
                }
            };
            // Nothing of the signer is said before the handshake is over, and so little time is given to it.
            let timed = stream
                .set_read_timeout(Some(HASTE))
                .and(stream.set_write_timeout(Some(HASTE)))
                .and(stream.set_nodelay(true));
            let (service, config) = (Arc::clone(&service), Arc::clone(&config));
            begin("tcp", timed, &busy, move |is_full| {
                if is_full {
                    return Ok(());
                }
                converse(&mut shake_hands(config, stream)?, &service)
            });
        }
    })?;
    Ok(address)
}

fn shake_hands(
    config: Arc<rustls::ServerConfig>,
    mut stream: TcpStream,
) -> io::Result<StreamOwned<ServerConnection, TcpStream>> {
    let mut connection = ServerConnection::new(config).map_err(io::Error::other)?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    stream.set_read_timeout(Some(SILENCE))?;
    Ok(StreamOwned::new(connection, stream))
}

/// A conversation in a thread of its own; told when there is no room for it.
fn begin(
    name: &'static str,
    timed: io::Result<()>,
    busy: &Arc<AtomicUsize>,
    talk: impl FnOnce(bool) -> io::Result<()> + Send + 'static,
) {
    if let Err(error) = timed {
        tracing::warn!(%error, socket = name, "a connection could not be set up");
        return;
    }
    let place = Place::take(busy);
    let started = thread(name, move || {
        let is_full = place.number > CONVERSATIONS;
        if let Err(error) = talk(is_full) {
            tracing::warn!(%error, socket = name, "a conversation ended badly");
        }
        drop(place);
    });
    if let Err(error) = started {
        tracing::error!(%error, "a conversation could not begin");
    }
}

/// A place among the conversations.
struct Place {
    busy: Arc<AtomicUsize>,
    number: usize,
}

impl Place {
    fn take(busy: &Arc<AtomicUsize>) -> Self {
        let number = busy.fetch_add(1, Ordering::Relaxed) + 1;
        Self { busy: Arc::clone(busy), number }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

fn thread(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run).map(|_| ())
}

fn pause(error: &io::Error) {
    tracing::warn!(%error, "a connection could not be accepted");
    std::thread::sleep(PAUSE);
}

/// Whether this user may speak on a socket.
fn may_speak(uid: u32, peers: &[u32]) -> bool {
    uid == 0 || uid == rustix::process::geteuid().as_raw() || peers.contains(&uid)
}

/// The user at the other end, by the kernel's word.
#[cfg(target_os = "linux")]
fn peer(stream: &UnixStream) -> io::Result<u32> {
    Ok(rustix::net::sockopt::socket_peercred(stream)?.uid.as_raw())
}

/// Elsewhere the socket's mode and its directory's are what keeps others out.
#[cfg(not(target_os = "linux"))]
fn peer(_: &UnixStream) -> io::Result<u32> {
    Ok(rustix::process::geteuid().as_raw())
}
