//! What is checked of an order before it is signed. Pure: the same order, policy and time give the same verdict.

use std::collections::BTreeSet;
use std::time::Duration;

use prost::Message as _;
use quell_catalog::ActionKind;
use quell_wire::{Intent, Order, limits};
use serde_json::Value;

use crate::bundles::Bundles;
use crate::policy::Policy;

/// Why an order was not signed. Says nothing of its parameters, and nothing that its sender could write into a log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// A stable code.
    pub code: &'static str,
    /// For people.
    pub message: String,
    /// Where the same order may be signed later: when to ask again.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_after: None }
    }
}

impl From<quell_wire::Refusal> for Refusal {
    fn from(refusal: quell_wire::Refusal) -> Self {
        Self::new(refusal.code(), refusal.to_string())
    }
}

/// An order that may be signed.
#[derive(Debug)]
pub(crate) struct Examined {
    pub(crate) order: Order,
    pub(crate) intent: Intent,
}

/// Checks an order.
pub(crate) fn examine(
    bytes: &[u8],
    policy: &Policy,
    bundles: &Bundles,
    now_us: i64,
) -> Result<Examined, Refusal> {
    let malformed = || Refusal::from(quell_wire::Refusal::Malformed);
    if bytes.len() > limits::FRAME {
        return Err(malformed());
    }
    let order = Order::decode(bytes).map_err(|_| malformed())?;
    let intent = quell_wire::order::examine(&order, now_us)?;
    // A field that this program does not know may mean something to an agent that does: nothing is signed unread.
    if order.encode_to_vec() != bytes || intent.encode_to_vec() != order.intent {
        return Err(Refusal::new(
            "order_unknown_field",
            "the order has a field that this signer does not know",
        ));
    }
    if intent.created_at_us > now_us.saturating_add(limits::CLOCK_SKEW_US)
        || intent.created_at_us > intent.expires_at_us
    {
        return Err(Refusal::new("intent_window", "the intent was made after now, or after its own end"));
    }
    let requester = intent.requester.as_ref();
    if requester.is_none_or(|requester| requester.kind.is_empty() || requester.id.is_empty()) {
        return Err(Refusal::new("no_requester", "the intent does not say who asked"));
    }
    let kind = check_action(&intent)?;
    check_policy(policy, kind, &intent)?;
    check_approvals(policy, bundles, kind, &order, &intent, now_us)?;
    Ok(Examined { order, intent })
}

fn check_action(intent: &Intent) -> Result<ActionKind, Refusal> {
    let unknown = || Refusal::new("unknown_action", "the catalogue of this signer has no such action");
    let kind = ActionKind::from_id(&intent.action).ok_or_else(unknown)?;
    if kind.spec().revision != intent.revision {
        return Err(Refusal::new(
            "action_revision",
            "the action has another revision in the catalogue of this signer",
        ));
    }
    // What exactly does not fit could repeat a parameter: it is not said.
    let unfit = || Refusal::new("action_params", "the parameters do not fit the action");
    let params: Value = serde_json::from_slice(&intent.params).map_err(|_| unfit())?;
    (kind.declared().check_params)(&params).map_err(|_| unfit())?;
    Ok(kind)
}

fn check_policy(policy: &Policy, kind: ActionKind, intent: &Intent) -> Result<(), Refusal> {
    if !policy.allows_tenant(&intent.tenant_id) {
        return Err(Refusal::new("tenant_not_allowed", "the signer's policy does not name this tenant"));
    }
    if !policy.allows_action(kind) {
        return Err(Refusal::new("action_not_allowed", "the signer's policy does not allow this action"));
    }
    if policy.max_targets.is_some_and(|most| intent.target_count > most) {
        let most = policy.max_targets.unwrap_or_default();
        return Err(Refusal::new(
            "too_many_targets",
            format!("the intent has {} targets, and the signer's policy allows {most}", intent.target_count),
        ));
    }
    Ok(())
}

/// The people who approved: each once, none of them the requester, all of them in time.
fn approvers<'a>(order: &'a Order, intent: &Intent, now_us: i64) -> Result<BTreeSet<&'a str>, Refusal> {
    let requester = intent.requester.as_ref().map_or("", |requester| requester.id.as_str());
    let latest = intent.expires_at_us.min(now_us.saturating_add(limits::CLOCK_SKEW_US));
    let mut people = BTreeSet::new();
    for approval in &order.approvals {
        if approval.person_id == requester {
            return Err(Refusal::new("approval_by_requester", "the requester is among those who approved"));
        }
        if !(intent.created_at_us..=latest).contains(&approval.decided_at_us) {
            return Err(Refusal::new(
                "approval_time",
                "an approval was given before the intent was made, after its end, or in the future",
            ));
        }
        if !people.insert(approval.person_id.as_str()) {
            return Err(Refusal::new(
                "approval_duplicate",
                "the same person is named twice among those who approved",
            ));
        }
    }
    Ok(people)
}

fn check_approvals(
    policy: &Policy,
    bundles: &Bundles,
    kind: ActionKind,
    order: &Order,
    intent: &Intent,
    now_us: i64,
) -> Result<(), Refusal> {
    let (needed, given) = (policy.approvals_for(kind), approvers(order, intent, now_us)?.len());
    if given < needed {
        let message = format!(
            "the signer's policy asks for {needed} approvals of this action, and the order carries {given}"
        );
        return Err(Refusal::new("approval_missing", message));
    }
    let lacks = |who: &str, needed: u64, valid: u64| {
        let message = format!("{who} asks for {needed} approvers' own signatures, and {valid} are valid");
        Refusal::new("approval_signature", message)
    };
    if policy.signatures && needed > 0 {
        let valid = bundles.signed(intent, order);
        if valid < needed {
            return Err(lacks("the signer's policy", needed as u64, valid as u64));
        }
    }
    bundles.check(intent, order).map_err(|lacking| {
        lacks("the tenant's trust bundle", u64::from(lacking.needed), u64::from(lacking.valid))
    })
}
