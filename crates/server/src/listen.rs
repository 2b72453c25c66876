//! Listening sockets: bound here, or inherited from whoever started the process (systemd's socket activation,
//! sd_listen_fds(3)), which may have made them in another network namespace or on a port below 1024.

use std::net::{SocketAddr, TcpListener};

/// Sockets that were made by somebody else. What is absent is bound as the configuration says.
#[derive(Debug, Default)]
pub struct Listeners {
    /// For people and programs.
    pub api: Option<TcpListener>,
    /// For agents.
    pub gateway: Option<TcpListener>,
}

/// Inherited sockets that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A socket has a name that means nothing here.
    #[error(
        "the inherited socket {index} is named {name:?}; LISTEN_FDNAMES must say api or gateway for each"
    )]
    Name {
        /// Its place, from 0.
        index: usize,
        /// Its name.
        name: String,
    },
    /// A socket is not a listening TCP socket.
    #[error("the inherited socket {name} is no TCP listener")]
    Kind {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// An address is in use or not ours.
    #[error("cannot listen on {address}")]
    Bind {
        /// Which.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl Listeners {
    /// The sockets that this process inherited: `LISTEN_FDS` many from descriptor 3 on, named by `LISTEN_FDNAMES`.
    pub fn inherited() -> Result<Self, Error> {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut inherited = listenfd::ListenFd::from_env();
        let mut listeners = Self::default();
        let mut names = names.split(':');
        for index in 0..inherited.len() {
            let name = names.next().unwrap_or_default().to_owned();
            let place = match name.as_str() {
                "api" => &mut listeners.api,
                "gateway" => &mut listeners.gateway,
                _ => return Err(Error::Name { index, name }),
            };
            *place = inherited.take_tcp_listener(index).map_err(|source| Error::Kind { name, source })?;
        }
        Ok(listeners)
    }
}

/// The socket that was given, or a new one on this address; ready for the runtime.
pub(crate) fn ready(
    given: Option<TcpListener>,
    address: SocketAddr,
) -> Result<tokio::net::TcpListener, Error> {
    let failed = |source| Error::Bind { address, source };
    let listener = match given {
        Some(listener) => listener,
        None => TcpListener::bind(address).map_err(failed)?,
    };
    listener.set_nonblocking(true).map_err(failed)?;
    tokio::net::TcpListener::from_std(listener).map_err(failed)
}
