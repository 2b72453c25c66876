//! Holds the order key in a process of its own, and checks again what it signs.
//!
//! An agent acts on what the order key signed, so whoever holds that key holds every endpoint. Here it lives apart from the
//! server: no route, no database, no file of people comes near it. The server hands over the bytes of orders; [`Service`]
//! decodes them, checks each against its own clock, the catalogue and its own [`Policy`], writes it into its own [`Journal`],
//! and only then signs. It believes nothing that the server says beside those bytes.
//!
//! [`listen`] is the process's side, [`Client`] the server's. They speak [`protocol`] over a Unix socket, over TCP with
//! mutual TLS, or, where a server is embedded in another program, over a pair of sockets within it. What changes the keys
//! goes over a second socket ([`admin`]) that the server does not use, so that a signer under a user of its own can keep the
//! server from it.
//!
//! What is absent: the engine, the store, the server, HTTP. A fault of theirs is no fault of the signer.

pub mod admin;
mod blocklist;
mod bundles;
mod check;
mod client;
mod clock;
mod confine;
mod file;
pub mod journal;
mod key;
mod last;
mod listen;
mod place;
mod policy;
mod protection;
pub mod protocol;
mod rate;
mod serve;
mod service;
mod tls;

pub use bundles::{Bundles, Error as BundlesError};
pub use check::Refusal;
pub use client::{Client, Error, Keys, Signature, Stats};
pub use clock::{Clock, system_clock};
pub use confine::{confine, outlive_nobody};
pub use file::Error as FileError;
pub use journal::Journal;
pub use key::{Error as KeyFileError, KeyFile};
pub use listen::{Error as ListenError, Listening, Options, Tcp, listen};
pub use place::{Place, PlaceError};
pub use policy::{Error as PolicyError, Policy, Protecting};
pub use service::{Answer, OpenError, Service};
pub use tls::{Error as TlsError, Files as TlsFiles};

/// Where the server finds the signer in its directory.
pub const SIGN_SOCKET: &str = "sign.sock";
/// Where the operator's commands find it.
pub const ADMIN_SOCKET: &str = "admin.sock";
/// The order key, in the signer's directory.
pub const KEY_FILE: &str = "order.key";
/// The signer's own policy, in its directory.
pub const POLICY_FILE: &str = "signer.json";
