//! What was asked, written once: the bytes that approvals and orders bind.

use prost::Message;

use crate::digest::{Digest, sha256};
use crate::{limits, merkle};

const DOMAIN: &[u8] = b"quell/intent/v1\0";

/// One request of one action. Encoded once, stored, and never encoded again.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Intent {
    /// Whose things are acted on.
    #[prost(string, tag = "1")]
    pub tenant_id: String,
    /// The task that this is.
    #[prost(string, tag = "2")]
    pub task_id: String,
    /// Action id of the catalogue.
    #[prost(string, tag = "3")]
    pub action: String,
    /// Its revision.
    #[prost(uint32, tag = "4")]
    pub revision: u32,
    /// Its parameters, JSON, as the catalogue wrote them.
    #[prost(bytes = "vec", tag = "5")]
    pub params: Vec<u8>,
    /// Who asked.
    #[prost(message, optional, tag = "6")]
    pub requester: Option<Requester>,
    /// When it was asked, microseconds since 1970.
    #[prost(int64, tag = "7")]
    pub created_at_us: i64,
    /// After this nothing of it may start, microseconds since 1970.
    #[prost(int64, tag = "8")]
    pub expires_at_us: i64,
    /// Root of the Merkle tree over the encoded [`Target`]s.
    #[prost(bytes = "vec", tag = "9")]
    pub targets_root: Vec<u8>,
    /// How many targets.
    #[prost(uint64, tag = "10")]
    pub target_count: u64,
    /// How long after its effect it is undone by itself, microseconds; 0 where it is not.
    #[prost(int64, tag = "12")]
    pub revert_after_us: i64,
    /// Random, so that two equal requests have different digests.
    #[prost(bytes = "vec", tag = "11")]
    pub nonce: Vec<u8>,
}

/// Who asked.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Requester {
    /// `user`, `api_key`, `automation` or `system`.
    #[prost(string, tag = "1")]
    pub kind: String,
    /// Its id.
    #[prost(string, tag = "2")]
    pub id: String,
    /// The name shown to people at that time.
    #[prost(string, tag = "3")]
    pub name: String,
}

/// One target: a leaf of the tree. Encoded once.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Target {
    /// `endpoint` or `service`.
    #[prost(string, tag = "1")]
    pub kind: String,
    /// Whose it is.
    #[prost(string, tag = "2")]
    pub tenant_id: String,
    /// The endpoint's id, which is also its agent's; or [`service_id`].
    #[prost(string, tag = "3")]
    pub endpoint_id: String,
}

impl Target {
    /// An endpoint.
    pub fn endpoint(tenant_id: &str, endpoint_id: &str) -> Self {
        Self {
            kind: "endpoint".to_owned(),
            tenant_id: tenant_id.to_owned(),
            endpoint_id: endpoint_id.to_owned(),
        }
    }

    /// A service, or an endpoint, by what names it.
    pub fn of(tenant_id: &str, id: &str) -> Self {
        let kind = if id == service_id(AGENTS) { "service" } else { "endpoint" };
        Self { kind: kind.to_owned(), ..Self::endpoint(tenant_id, id) }
    }
}

/// The service that all agents of a tenant are together.
pub const AGENTS: &str = "agents";

/// What names a service where an endpoint's id would stand: a UUID of version 8 (RFC 9562) derived from its name.
pub fn service_id(name: &str) -> String {
    let digest = sha256(&[b"quell/service/v1\0", name.as_bytes()]);
    let mut id = [0; 16];
    id.copy_from_slice(&digest[..16]);
    id[6] = id[6] & 0x0f | 0x80;
    id[8] = id[8] & 0x3f | 0x80;
    [&id[..4], &id[4..6], &id[6..8], &id[8..10], &id[10..]].map(crate::digest::hex).join("-")
}

/// Whether these endpoints, in this order, are the very targets that the intent binds.
pub fn binds(intent: &Intent, endpoints: &[String]) -> bool {
    let leaves: Vec<Vec<u8>> =
        endpoints.iter().map(|id| Target::of(&intent.tenant_id, id).encode_to_vec()).collect();
    let root = merkle::Tree::new(&leaves).map(|tree| tree.root());
    intent.target_count == endpoints.len() as u64
        && root.is_some_and(|root| root.as_slice() == intent.targets_root.as_slice())
}

/// The digest of an encoded intent.
pub fn digest(intent: &[u8]) -> Digest {
    sha256(&[DOMAIN, intent])
}

impl Intent {
    /// Reads encoded bytes, if every field is within its limit.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        Self::decode(bytes).ok().filter(Self::is_bounded)
    }

    /// Whether every field is within its limit.
    pub fn is_bounded(&self) -> bool {
        let requester = self.requester.as_ref();
        self.tenant_id.len() <= limits::ID
            && self.task_id.len() <= limits::ID
            && self.action.len() <= limits::CODE
            && self.params.len() <= limits::PARAMS
            && self.targets_root.len() == 32
            && self.target_count <= limits::TARGETS as u64
            && self.nonce.len() == 16
            && requester.is_none_or(|r| {
                r.kind.len() <= limits::CODE && r.id.len() <= limits::ID && r.name.len() <= limits::MESSAGE
            })
    }
}
