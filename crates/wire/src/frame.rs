//! The frames of a session, and the one place where what was received is checked against the limits.

use prost::{Message, Oneof};

use crate::activity::{ChainStored, ChainUpdate};
use crate::blocklist::Held;
use crate::keys::SignedKeySet;
use crate::limits;
use crate::order::SignedOrder;
use crate::outcome::SignedOutcome;
use crate::protection::SignedProtection;
use crate::trust::SignedTrustBundle;

/// From agent to gateway.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct AgentFrame {
    /// One of these.
    #[prost(oneof = "FromAgent", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9")]
    pub body: Option<FromAgent>,
}

/// What an agent says.
#[derive(Clone, PartialEq, Eq, Oneof)]
pub enum FromAgent {
    /// First frame of a session.
    #[prost(message, tag = "1")]
    Hello(Hello),
    /// An order is in the journal and its work begins.
    #[prost(message, tag = "2")]
    Started(Started),
    /// How far a running order is.
    #[prost(message, tag = "3")]
    Progress(Progress),
    /// An order ended. Sent again until it is acknowledged.
    #[prost(message, tag = "4")]
    Outcome(SignedOutcome),
    /// Something happened that no order asked for.
    #[prost(message, tag = "5")]
    Event(Event),
    /// An order that the journal does not know was refused before it had an id that could be trusted.
    #[prost(message, tag = "6")]
    Rejected(Rejected),
    /// Which block list is enforced, and how. Only to a gateway that said [`FromServer::BlockList`] in this session.
    #[prost(message, tag = "7")]
    BlockListState(BlockListState),
    /// A threat development chain, or what is new of it. Sent again until it is acknowledged.
    #[prost(message, tag = "8")]
    Chain(ChainUpdate),
    /// How the flight recorder does and which protection document is in force. Only to a gateway that takes it, and only
    /// when it changed.
    #[prost(message, tag = "9")]
    RecorderState(RecorderState),
}

/// From gateway to agent.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ServerFrame {
    /// One of these.
    #[prost(oneof = "FromServer", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11")]
    pub body: Option<FromServer>,
}

/// What a gateway says.
#[derive(Clone, PartialEq, Eq, Oneof)]
pub enum FromServer {
    /// Answer to `Hello`.
    #[prost(message, tag = "1")]
    Welcome(Welcome),
    /// Work.
    #[prost(message, tag = "2")]
    Order(SignedOrder),
    /// The outcome is stored; the agent may forget it once its order cannot come again.
    #[prost(message, tag = "3")]
    OutcomeStored(OrderRef),
    /// Stop this order if it can still be stopped.
    #[prost(message, tag = "4")]
    Cancel(OrderRef),
    /// Where the gateway can be reached from now on.
    #[prost(message, tag = "5")]
    Addresses(Addresses),
    /// New order keys.
    #[prost(message, tag = "6")]
    Keys(SignedKeySet),
    /// The session ends.
    #[prost(message, tag = "7")]
    Goodbye(Goodbye),
    /// What the tenant's root says of approvals. Only to agents that say that they hold an older one.
    #[prost(message, tag = "8")]
    Trust(SignedTrustBundle),
    /// The newest block list. Only to agents whose `Hello` says that they take one.
    #[prost(message, tag = "9")]
    BlockList(Held),
    /// Updates of a chain are stored, and may be forgotten.
    #[prost(message, tag = "10")]
    ChainStored(ChainStored),
    /// What is to be recorded, detected and prevented. Only to agents whose `Hello` says that they take it.
    #[prost(message, tag = "11")]
    Protection(SignedProtection),
}

/// Who connects and what it can do. Who it *is* stands in its certificate, not here.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Hello {
    /// Oldest protocol version spoken.
    #[prost(uint32, tag = "1")]
    pub oldest_protocol: u32,
    /// Newest protocol version spoken.
    #[prost(uint32, tag = "2")]
    pub newest_protocol: u32,
    /// Version of the agent.
    #[prost(string, tag = "3")]
    pub agent_version: String,
    /// Fingerprint of the machine; differs from the enrolled one on a copy.
    #[prost(bytes = "vec", tag = "4")]
    pub machine: Vec<u8>,
    /// This boot.
    #[prost(string, tag = "5")]
    pub boot_id: String,
    /// Random per start of the agent, to tell a reconnect from a second agent.
    #[prost(bytes = "vec", tag = "6")]
    pub instance: Vec<u8>,
    /// Actions that it carries out.
    #[prost(message, repeated, tag = "7")]
    pub capabilities: Vec<Capability>,
    /// Facts, JSON: host name, system, addresses, isolation.
    #[prost(bytes = "vec", tag = "8")]
    pub facts: Vec<u8>,
    /// Orders in its journal that are not acknowledged.
    #[prost(message, repeated, tag = "9")]
    pub held: Vec<OrderRef>,
    /// Serial of the trust bundle that it holds; 0 where it has none, and then takes none.
    #[prost(uint64, tag = "10")]
    pub trust_serial: u64,
    /// The block list that it enforces, version 0 where none; absent where it knows of no block lists.
    #[prost(message, optional, tag = "11")]
    pub block_list: Option<Held>,
    /// Version of the protection document that it holds, 0 where none; absent where it knows of none.
    #[prost(uint64, optional, tag = "12")]
    pub protection: Option<u64>,
}

/// One action at one revision.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Capability {
    /// Action id.
    #[prost(string, tag = "1")]
    pub action: String,
    /// Revision.
    #[prost(uint32, tag = "2")]
    pub revision: u32,
}

/// Names an order.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct OrderRef {
    /// Its id.
    #[prost(string, tag = "1")]
    pub order_id: String,
}

/// Work on an order begins.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Started {
    /// Its id.
    #[prost(string, tag = "1")]
    pub order_id: String,
    /// The agent's clock, microseconds since 1970.
    #[prost(int64, tag = "2")]
    pub at_us: i64,
}

/// How far an order is.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Progress {
    /// Its id.
    #[prost(string, tag = "1")]
    pub order_id: String,
    /// Units done (bytes, files, processes).
    #[prost(uint64, tag = "2")]
    pub done: u64,
    /// Units in all; 0 where unknown.
    #[prost(uint64, tag = "3")]
    pub total: u64,
    /// What is being done, for a person.
    #[prost(string, tag = "4")]
    pub note: String,
}

/// Something that no order asked for: rules repaired, isolation lifted by its own timer, local release.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Event {
    /// Stable code.
    #[prost(string, tag = "1")]
    pub kind: String,
    /// Details, JSON.
    #[prost(bytes = "vec", tag = "2")]
    pub detail: Vec<u8>,
    /// The agent's clock, microseconds since 1970.
    #[prost(int64, tag = "3")]
    pub at_us: i64,
}

/// Which block list an agent enforces.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct BlockListState {
    /// Version and digest.
    #[prost(message, optional, tag = "1")]
    pub held: Option<Held>,
    /// When it was in force, the agent's clock, microseconds since 1970.
    #[prost(int64, tag = "2")]
    pub applied_at_us: i64,
    /// For each kind, whether it is enforced, how many objects, and why not: JSON, see `catalog::blocklist::Enforced`.
    #[prost(bytes = "vec", tag = "3")]
    pub kinds: Vec<u8>,
}

/// How an agent's flight recorder does.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct RecorderState {
    /// Version of the protection document that is in force, its bodies of rules too; 0 where none is.
    #[prost(uint64, tag = "1")]
    pub protection: u64,
    /// The agent's clock, microseconds since 1970.
    #[prost(int64, tag = "2")]
    pub at_us: i64,
    /// What it records and how, what it lost, which rules it refused: JSON, see `catalog::protection::Recorder`.
    #[prost(bytes = "vec", tag = "3")]
    pub detail: Vec<u8>,
}

/// An order that was refused for its envelope.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Rejected {
    /// SHA-256 of the order's bytes, which names it even when its content cannot be trusted.
    #[prost(bytes = "vec", tag = "1")]
    pub order_sha256: Vec<u8>,
    /// A [`crate::order::Refusal`] code.
    #[prost(string, tag = "2")]
    pub reason_code: String,
    /// A sentence for a person.
    #[prost(string, tag = "3")]
    pub message: String,
}

/// The session begins.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Welcome {
    /// The version spoken from now on.
    #[prost(uint32, tag = "1")]
    pub protocol: u32,
    /// The server's clock, microseconds since 1970. For diagnosis: orders are checked by the agent's own clock.
    #[prost(int64, tag = "2")]
    pub server_time_us: i64,
    /// Seconds between the agent's keep-alives.
    #[prost(uint32, tag = "3")]
    pub keep_alive_s: u32,
    /// Where the gateway can be reached, `address:port`.
    #[prost(string, repeated, tag = "4")]
    pub addresses: Vec<String>,
    /// It takes [`FromAgent::Chain`]; an older gateway would end the session.
    #[prost(bool, tag = "5")]
    pub takes_chains: bool,
    /// It takes [`FromAgent::RecorderState`]; an older gateway would end the session.
    #[prost(bool, tag = "6")]
    pub takes_recorder_state: bool,
}

/// Where the gateway can be reached.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Addresses {
    /// `address:port`.
    #[prost(string, repeated, tag = "1")]
    pub addresses: Vec<String>,
}

/// The session ends.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Goodbye {
    /// Stable code: `revoked`, `identity_copied`, `protocol`, `shutdown`, `busy`, `limit`.
    #[prost(string, tag = "1")]
    pub code: String,
    /// A sentence for a person.
    #[prost(string, tag = "2")]
    pub message: String,
    /// Seconds to wait before the next try; 0 for the agent's own back-off.
    #[prost(uint32, tag = "3")]
    pub retry_after_s: u32,
}

/// A frame that is not accepted. The session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Larger than [`limits::FRAME`].
    #[error("the frame is larger than 1 MiB")]
    TooLarge,
    /// Not a frame of this protocol.
    #[error("the frame is not of this protocol")]
    Malformed,
    /// A field is beyond its limit.
    #[error("a field of the frame is beyond its limit: {0}")]
    Limit(&'static str),
}

/// Reads a frame of an agent.
pub fn decode_from_agent(bytes: &[u8]) -> Result<FromAgent, FrameError> {
    let frame: AgentFrame = decode(bytes)?;
    let body = frame.body.ok_or(FrameError::Malformed)?;
    match &body {
        FromAgent::Hello(hello) => check_hello(hello)?,
        FromAgent::Started(started) => check_id(&started.order_id)?,
        FromAgent::Progress(progress) => {
            check_id(&progress.order_id)?;
            check_text(&progress.note, limits::MESSAGE, "note")?;
        }
        FromAgent::Outcome(signed) => {
            if signed.signature.len() != 64 {
                return Err(FrameError::Limit("signature"));
            }
        }
        FromAgent::Event(event) => {
            check_text(&event.kind, limits::CODE, "kind")?;
            check_len(event.detail.len(), limits::EVENT, "detail")?;
        }
        FromAgent::Rejected(rejected) => {
            check_len(rejected.order_sha256.len(), 32, "order_sha256")?;
            check_text(&rejected.reason_code, limits::CODE, "reason_code")?;
            check_text(&rejected.message, limits::MESSAGE, "message")?;
        }
        FromAgent::BlockListState(state) => {
            check_held(state.held.as_ref())?;
            check_len(state.kinds.len(), limits::BLOCK_LIST_KINDS, "kinds")?;
        }
        FromAgent::Chain(update) => update.check().map_err(FrameError::Limit)?,
        FromAgent::RecorderState(state) => {
            check_len(state.detail.len(), limits::RECORDER_STATE, "detail")?;
        }
    }
    Ok(body)
}

/// Reads a frame of a gateway.
pub fn decode_from_server(bytes: &[u8]) -> Result<FromServer, FrameError> {
    let frame: ServerFrame = decode(bytes)?;
    let body = frame.body.ok_or(FrameError::Malformed)?;
    match &body {
        FromServer::Welcome(welcome) => check_addresses(&welcome.addresses)?,
        FromServer::Order(signed) => check_text(&signed.key_id, limits::CODE, "key_id")?,
        FromServer::OutcomeStored(order) | FromServer::Cancel(order) => check_id(&order.order_id)?,
        FromServer::Addresses(list) => check_addresses(&list.addresses)?,
        FromServer::Keys(set) => check_len(set.set.len(), limits::CERTIFICATE, "set")?,
        FromServer::Trust(signed) => {
            check_len(signed.bundle.len(), limits::TRUST, "bundle")?;
            check_text(&signed.key_id, limits::CODE, "key_id")?;
        }
        FromServer::BlockList(held) => check_held(Some(held))?,
        FromServer::ChainStored(stored) => check_id(&stored.chain_id)?,
        FromServer::Protection(signed) => {
            check_len(signed.protection.len(), limits::PROTECTION, "protection")?;
            check_text(&signed.key_id, limits::CODE, "key_id")?;
        }
        FromServer::Goodbye(goodbye) => {
            check_text(&goodbye.code, limits::CODE, "code")?;
            check_text(&goodbye.message, limits::MESSAGE, "message")?;
        }
    }
    Ok(body)
}

/// Writes a frame of an agent.
pub fn encode_from_agent(body: FromAgent) -> Vec<u8> {
    AgentFrame { body: Some(body) }.encode_to_vec()
}

/// Writes a frame of a gateway.
pub fn encode_from_server(body: FromServer) -> Vec<u8> {
    ServerFrame { body: Some(body) }.encode_to_vec()
}

fn decode<T: Message + Default>(bytes: &[u8]) -> Result<T, FrameError> {
    if bytes.len() > limits::FRAME {
        return Err(FrameError::TooLarge);
    }
    T::decode(bytes).map_err(|_| FrameError::Malformed)
}

fn check_hello(hello: &Hello) -> Result<(), FrameError> {
    check_text(&hello.agent_version, limits::CODE, "agent_version")?;
    check_text(&hello.boot_id, limits::ID, "boot_id")?;
    check_len(hello.machine.len(), 32, "machine")?;
    check_len(hello.instance.len(), 16, "instance")?;
    check_len(hello.facts.len(), limits::FACTS, "facts")?;
    check_len(hello.capabilities.len(), limits::CAPABILITIES, "capabilities")?;
    for capability in &hello.capabilities {
        check_text(&capability.action, limits::CODE, "capability")?;
    }
    check_held(hello.block_list.as_ref())?;
    check_len(hello.held.len(), limits::HELD, "held")?;
    hello.held.iter().try_for_each(|order| check_id(&order.order_id))
}

fn check_held(held: Option<&Held>) -> Result<(), FrameError> {
    held.is_none_or(Held::is_sound).then_some(()).ok_or(FrameError::Limit("block_list"))
}

fn check_addresses(addresses: &[String]) -> Result<(), FrameError> {
    check_len(addresses.len(), limits::ADDRESSES, "addresses")?;
    addresses.iter().try_for_each(|address| check_text(address, limits::ID, "address"))
}

fn check_id(id: &str) -> Result<(), FrameError> {
    let fits = !id.is_empty() && id.len() <= limits::ID && id.bytes().all(|b| b.is_ascii_graphic());
    fits.then_some(()).ok_or(FrameError::Limit("id"))
}

fn check_text(text: &str, most: usize, field: &'static str) -> Result<(), FrameError> {
    check_len(text.len(), most, field)
}

fn check_len(len: usize, most: usize, field: &'static str) -> Result<(), FrameError> {
    (len <= most).then_some(()).ok_or(FrameError::Limit(field))
}
