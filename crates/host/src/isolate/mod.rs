//! Network isolation of this machine (of the caller's network namespace, to be exact), and the facts around it.
//!
//! Levers only: when to cut, whom to keep and when to give up is decided above. Every call is synchronous,
//! bounded in time, and touches only tables of our own: `inet quell_isolation` and `netdev quell_isolation`. Where another
//! process owns a table of that name, which the kernel then lets nobody else change, ours has random digits behind it.
//!
//! - [`apply`] installs the rules in one transaction and ends what they cut; it is also the repair. Hooks that stand
//!   as they should are left in place, and only their rules change.
//! - [`watch`] tells within milliseconds that rules or interfaces changed, [`inspect`] what differs.
//! - [`remove`] takes away exactly what was added.
//! - [`probe_all`], [`established_peers`], [`gateways`], [`resolvers`] give the evidence from this side.
//!
//! # What the cut is made of
//! The `inet` table drops what IP sends, receives or forwards. The `netdev` table has an egress chain on each
//! interface, which sees raw and packet senders too, and an ingress chain, which sees frames for bridges and other
//! namespaces. Kept: loopback; the agent's own TCP sockets to the servers (known by their mark, so that knowing
//! an address opens nothing); the plan's exceptions; ARP, IPv6 neighbour discovery and listener reports on the link; 802.1X and
//! link aggregation frames; DHCP by broadcast where an address is leased; "packet too big" about a server's connection.
//!
//! # What the kernel must have
//! nftables (`CONFIG_NF_TABLES_INET`, `NFT_REJECT_INET`, `NFT_LIMIT`), and for the full cut `NF_TABLES_NETDEV`,
//! `NETFILTER_INGRESS`, `NETFILTER_EGRESS` (Linux 5.16), `NFT_SOCKET`, `INET_DIAG_DESTROY`. What is missing is named
//! in [`Coverage`] and [`Severed`], never passed over.
//!
//! # What it does not stop
//! Local root can read the mark, move an interface to another network namespace or send through AF_XDP, which
//! bypasses every hook of the kernel's network stack. It can also put a traffic control filter in the way that
//! redirects frames past the egress hook; such filters are named in [`Coverage`] and by [`inspect`], and left where
//! they are, since container networks live on them. XDP programs that redirect are not looked for. ARP, neighbour discovery and 802.1X reach the same link only.
//! Connections of other network namespaces (containers) are cut, but their sockets are not ended.

mod apply;
mod detours;
mod facts;
mod neighbours;
pub(crate) mod netlink;
pub(crate) mod nft;
mod plan;
mod probe;
mod render;
mod ruleset;
mod sockets;
mod standing;
mod watch;

use std::io;

pub use apply::{Applied, Coverage, Removed, apply, remove, sever_again};
pub use facts::{Address, Gateway, Interface, addresses, gateways, interfaces, resolvers};
pub use plan::{Allow, Direction, MAX_ALLOW, MAX_SERVERS, Network, Plan, PlanError, Protocol};
pub use probe::{MAX_PROBES, Means, Probe, Reach, probe, probe_all, set_mark};
pub use ruleset::{Ruleset, State, inspect, present};
pub use sockets::{Connection, Severed, established_peers};
pub use watch::{Change, Watch, watch};

/// Why isolation could not be changed or looked at.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The plan itself cannot be carried out.
    #[error("the isolation plan is not valid")]
    Plan(#[from] PlanError),
    /// There is no `nft` program.
    #[error("nft was not found in /usr/sbin, /sbin or /usr/bin; install the package nftables")]
    NoNft,
    /// `nft` could not be started or read.
    #[error("nft could not be run")]
    Run(#[source] io::Error),
    /// The caller may not change rules.
    #[error("the kernel does not let this process change network rules; CAP_NET_ADMIN is needed")]
    Permission,
    /// Other processes own tables of our name, and take each new one too.
    #[error("other processes take every table of the isolation for themselves: {0}")]
    Seized(String),
    /// No name could be chosen that nobody foresees.
    #[error("the system gave no random bytes")]
    NoRandomness,
    /// `nft` or the kernel refused the rules, in their own words.
    #[error("the rules were refused: {0}")]
    Refused(String),
    /// `nft` answered something that is not its documented JSON.
    #[error("the answer of nft could not be read: {0}")]
    Answer(String),
    /// Interfaces kept changing.
    #[error("network interfaces kept changing while the rules were made")]
    Unsettled,
    /// A question to the kernel failed.
    #[error("could not {what}")]
    Netlink {
        /// What was tried.
        what: &'static str,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
}

fn netlink_error(what: &'static str, source: io::Error) -> Error {
    Error::Netlink { what, source }
}
