//! From stored rows to the order that an agent gets: the same bytes at every delivery.

use quell_catalog::ActionKind;
use quell_store::{command::Command, task::Task};
use quell_wire::{Order, order::Secret};

use crate::{Error, Inner};

/// The order of a command. Everything in it is stored or derived; nothing is made now.
pub(crate) fn build(inner: &Inner, task: &Task, command: &Command) -> Result<Order, Error> {
    let kind = ActionKind::from_id(&task.action).ok_or(Error::Corrupt("action"))?;
    let secrets = kind.spec().secrets.iter().map(|secret| Secret {
        name: secret.as_str().to_owned(),
        value: inner.secrets.derive(*secret, task.id, command.id),
    });
    Ok(Order {
        tenant_id: command.tenant_id.to_string(),
        endpoint_id: command.endpoint_id.to_string(),
        order_id: command.id.to_string(),
        intent: task.intent.clone(),
        target: command.target.clone(),
        target_index: u64::try_from(command.leaf_index).map_err(|_| Error::Corrupt("leaf index"))?,
        proof: command.proof.chunks(32).map(<[u8]>::to_vec).collect(),
        not_before_us: command.not_before,
        not_after_us: command.not_after,
        nonce: command.nonce.clone(),
        intent_digest: task.intent_digest.to_vec(),
        secrets: secrets.collect(),
        approvals: Vec::new(),
    })
}
