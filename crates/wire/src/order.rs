//! One order to one agent: opaque bytes with a signature, and the checks that an agent makes before it acts.

use prost::Message;

use crate::approval::Approval;
use crate::intent::{self, Intent, Target};
use crate::keys::{Domain, SigningKey, Trust, key_id, verify};
use crate::trust::{Lacking, Pinned};
use crate::{limits, merkle};

/// What an agent is told to do.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Order {
    /// Whose endpoint.
    #[prost(string, tag = "1")]
    pub tenant_id: String,
    /// For this agent alone.
    #[prost(string, tag = "2")]
    pub endpoint_id: String,
    /// One use: the command's id.
    #[prost(string, tag = "3")]
    pub order_id: String,
    /// The encoded [`Intent`], as it was stored: action, revision and parameters are read from here.
    #[prost(bytes = "vec", tag = "4")]
    pub intent: Vec<u8>,
    /// The encoded [`Target`], as it was stored.
    #[prost(bytes = "vec", tag = "5")]
    pub target: Vec<u8>,
    /// Where the target stands in the tree.
    #[prost(uint64, tag = "6")]
    pub target_index: u64,
    /// The hashes that lead from the target to the intent's root.
    #[prost(bytes = "vec", repeated, tag = "7")]
    pub proof: Vec<Vec<u8>>,
    /// May not start before, microseconds since 1970.
    #[prost(int64, tag = "8")]
    pub not_before_us: i64,
    /// May not start after, microseconds since 1970.
    #[prost(int64, tag = "9")]
    pub not_after_us: i64,
    /// Random, 16 bytes, the same at each delivery of this order.
    #[prost(bytes = "vec", tag = "10")]
    pub nonce: Vec<u8>,
    /// SHA-256 of the intent (with its domain): what approvals bind.
    #[prost(bytes = "vec", tag = "11")]
    pub intent_digest: Vec<u8>,
    /// Secrets that the action needs; never stored by either end.
    #[prost(message, repeated, tag = "12")]
    pub secrets: Vec<Secret>,
    /// Who approved the intent; empty where no approval was needed.
    #[prost(message, repeated, tag = "13")]
    pub approvals: Vec<Approval>,
}

/// A named secret.
#[derive(Clone, PartialEq, Eq, Message)]
#[prost(skip_debug)]
pub struct Secret {
    /// Which one.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its value.
    #[prost(string, tag = "2")]
    pub value: String,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Secret({}: ***)", self.name)
    }
}

/// An order on its way.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct SignedOrder {
    /// An encoded [`Order`].
    #[prost(bytes = "vec", tag = "1")]
    pub order: Vec<u8>,
    /// Signature in [`Domain::Order`].
    #[prost(bytes = "vec", tag = "2")]
    pub signature: Vec<u8>,
    /// Which key signed.
    #[prost(string, tag = "3")]
    pub key_id: String,
}

impl SignedOrder {
    /// Signs.
    pub fn sign(key: &SigningKey, order: &Order) -> Self {
        let order = order.encode_to_vec();
        let signature = key.sign(Domain::Order, &order);
        Self { order, signature, key_id: key_id(&key.public()) }
    }
}

/// Who an agent is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its tenant.
    pub tenant_id: String,
    /// Itself.
    pub endpoint_id: String,
}

/// Why an agent does not carry an order out. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Signed by no key that this agent trusts.
    #[error("the order is signed with a key that this agent does not trust")]
    UnknownKey,
    /// The signature does not fit the bytes.
    #[error("the order's signature does not fit its bytes")]
    BadSignature,
    /// The bytes are no order, or a field is beyond its limit.
    #[error("the order is malformed")]
    Malformed,
    /// For another tenant.
    #[error("the order is for another tenant")]
    OtherTenant,
    /// For another agent.
    #[error("the order is for another endpoint")]
    OtherEndpoint,
    /// Too early.
    #[error("the order is not valid yet; check this endpoint's clock")]
    NotYet,
    /// Too late.
    #[error("the order has expired")]
    Expired,
    /// A window longer than the protocol allows, or upside down.
    #[error("the order's window is longer than 30 days, or ends before it begins")]
    Window,
    /// The intent is not the one whose digest the order names, or belongs to something else.
    #[error("the order does not fit the intent that it names")]
    Intent,
    /// This endpoint is not among the targets of the intent.
    #[error("this endpoint is not among the targets of the intent")]
    NotATarget,
    /// The tenant's root demands signatures of approvers that the order does not bring.
    #[error("the deed needs the signatures of {needed} approvers whom this endpoint trusts, and has {valid}")]
    NotApproved {
        /// Humans who must have signed.
        needed: u32,
        /// Humans whose signature counts.
        valid: u32,
    },
}

impl Refusal {
    /// The stable reason code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::UnknownKey => "order_unknown_key",
            Self::BadSignature => "order_bad_signature",
            Self::Malformed => "order_malformed",
            Self::OtherTenant => "order_other_tenant",
            Self::OtherEndpoint => "order_other_endpoint",
            Self::NotYet => "order_not_yet_valid",
            Self::Expired => "order_expired",
            Self::Window => "order_window",
            Self::Intent => "order_intent_mismatch",
            Self::NotATarget => "order_not_a_target",
            Self::NotApproved { .. } => "order_not_approved",
        }
    }
}

/// An order that passed every check. Only [`check`] makes one.
#[derive(Clone, Debug)]
pub struct VerifiedOrder {
    order: Order,
    intent: Intent,
    is_signed_for: bool,
}

impl VerifiedOrder {
    /// The order.
    pub fn order(&self) -> &Order {
        &self.order
    }

    /// Its intent.
    pub fn intent(&self) -> &Intent {
        &self.intent
    }

    /// Whether approvers signed for it themselves, since the tenant's root demands it.
    pub fn is_signed_for(&self) -> bool {
        self.is_signed_for
    }

    /// A secret of this name.
    pub fn secret(&self, name: &str) -> Option<&str> {
        self.order.secrets.iter().find(|secret| secret.name == name).map(|secret| secret.value.as_str())
    }
}

/// Everything that can be checked without having seen other orders. `now_us` is the agent's clock; `approvers` is the
/// tenant's trust bundle, where this endpoint has one.
pub fn check(
    signed: &SignedOrder,
    trust: &Trust,
    approvers: Option<&Pinned>,
    me: &Identity,
    now_us: i64,
) -> Result<VerifiedOrder, Refusal> {
    if signed.order.len() > limits::FRAME {
        return Err(Refusal::Malformed);
    }
    let key = trust.key(&signed.key_id).ok_or(Refusal::UnknownKey)?;
    if !verify(key, Domain::Order, &signed.order, &signed.signature) {
        return Err(Refusal::BadSignature);
    }
    let order = Order::decode(signed.order.as_slice()).map_err(|_| Refusal::Malformed)?;
    if !is_bounded(&order) {
        return Err(Refusal::Malformed);
    }
    if order.tenant_id != me.tenant_id {
        return Err(Refusal::OtherTenant);
    }
    if order.endpoint_id != me.endpoint_id {
        return Err(Refusal::OtherEndpoint);
    }
    check_window(&order, now_us)?;
    let intent = check_intent(&order)?;
    let is_signed_for = match approvers {
        Some(approvers) => check_approvals(approvers, &order, &intent)?,
        None => false,
    };
    Ok(VerifiedOrder { order, intent, is_signed_for })
}

/// The order key's holder may be anybody: what the root demands, they cannot give.
fn check_approvals(approvers: &Pinned, order: &Order, intent: &Intent) -> Result<bool, Refusal> {
    let lacking = |Lacking { needed, valid }| Refusal::NotApproved { needed, valid };
    approvers.check(intent, &intent::digest(&order.intent), &order.approvals).map_err(lacking)
}

/// What can be checked of an order before it is signed, by whoever signs: bounds, window, intent, and that its endpoint is
/// among the targets. Answers its intent.
pub fn examine(order: &Order, now_us: i64) -> Result<Intent, Refusal> {
    if !is_bounded(order) {
        return Err(Refusal::Malformed);
    }
    check_window(order, now_us)?;
    check_intent(order)
}

/// Whether the order may start at this time. Asked again right before it starts.
pub fn check_window(order: &Order, now_us: i64) -> Result<(), Refusal> {
    let window = order.not_after_us.checked_sub(order.not_before_us).ok_or(Refusal::Window)?;
    if !(0..=limits::ORDER_WINDOW_US).contains(&window) {
        return Err(Refusal::Window);
    }
    if now_us.saturating_add(limits::CLOCK_SKEW_US) < order.not_before_us {
        return Err(Refusal::NotYet);
    }
    if now_us > order.not_after_us {
        return Err(Refusal::Expired);
    }
    Ok(())
}

fn check_intent(order: &Order) -> Result<Intent, Refusal> {
    if intent::digest(&order.intent).as_slice() != order.intent_digest.as_slice() {
        return Err(Refusal::Intent);
    }
    let intent = Intent::decode(order.intent.as_slice()).map_err(|_| Refusal::Malformed)?;
    if !intent.is_bounded() {
        return Err(Refusal::Malformed);
    }
    if intent.tenant_id != order.tenant_id || order.not_after_us > intent.expires_at_us {
        return Err(Refusal::Intent);
    }
    let target = Target::decode(order.target.as_slice()).map_err(|_| Refusal::Malformed)?;
    if target != Target::of(&order.tenant_id, &order.endpoint_id) {
        return Err(Refusal::NotATarget);
    }
    let root = intent.targets_root.as_slice().try_into().map_err(|_| Refusal::Malformed)?;
    let proof = order
        .proof
        .iter()
        .map(|hash| hash.as_slice().try_into())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| Refusal::Malformed)?;
    if !merkle::includes(&root, &order.target, order.target_index, intent.target_count, &proof) {
        return Err(Refusal::NotATarget);
    }
    Ok(intent)
}

fn is_bounded(order: &Order) -> bool {
    let is_id = |id: &str| {
        !id.is_empty() && id.len() <= limits::ID && id.bytes().all(|b| b.is_ascii_graphic() && b != b'/')
    };
    is_id(&order.tenant_id)
        && is_id(&order.endpoint_id)
        && is_id(&order.order_id)
        && order.nonce.len() == 16
        && order.intent_digest.len() == 32
        && order.proof.len() <= limits::PROOF
        && order.secrets.len() <= limits::SECRETS
        && order.secrets.iter().all(|s| s.name.len() <= limits::CODE && s.value.len() <= limits::SECRET)
        && order.approvals.len() <= limits::APPROVALS
        && order.approvals.iter().all(Approval::is_bounded)
}
