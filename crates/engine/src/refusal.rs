//! Having orders signed that were taken from the queue, and ending those that the signer refuses.
//!
//! A signer that cannot be reached ends nothing: the command stays `dispatched` and was never sent, which is what a crash
//! between the two leaves as well, and [`Engine::resume`] hands it over when the agent comes back. A signer that refuses
//! does so for good: the command ends `refused`, with reason `signer_refused` and the signer's own word.

use std::collections::HashMap;

use quell_store::{
    Micros, Tx, audit,
    command::{self, Command},
    task::Task,
};
use quell_wire::{Approval, SignedOrder};
use serde_json::json;
use uuid::Uuid;

use crate::{
    Actor, CommandState, Engine, Error, Inner,
    actor::Deed,
    approval,
    lease::Orders,
    order,
    settle::{self, Moved, Step},
    signer,
    state::Event,
};

/// The reason code of a command whose order the signer refused.
pub(crate) const REFUSED: &str = "signer_refused";

/// A command whose order the signer refused: its code, and its words.
type Refused = (Task, Command, String, String);

impl Engine {
    /// Signs the orders of commands. Those that the signer refuses end, where `may_end` says of a command's id that no agent
    /// can have it.
    ///
    /// # Errors
    /// When the signer does not sign now; what it refused has ended all the same.
    pub(crate) async fn sign_all(
        &self,
        taken: Orders,
        may_end: impl Fn(Uuid) -> bool,
    ) -> Result<Vec<SignedOrder>, Error> {
        if taken.is_empty() {
            return Ok(Vec::new());
        }
        let approvals = self.approvals(&taken).await?;
        let mut orders = Vec::with_capacity(taken.len());
        for (task, command) in &taken {
            self.inner.progress.open(command);
            let mut order = order::build(&self.inner, task, command)?;
            order.approvals = approvals.get(&task.id).cloned().unwrap_or_default();
            orders.push(order);
        }
        let answers = self.inner.signer.sign_all(&orders).await;
        let (mut signed, mut refused, mut later) = (Vec::with_capacity(orders.len()), Vec::new(), None);
        for (answer, (task, command)) in answers.into_iter().zip(taken) {
            match answer {
                Ok(order) => signed.push(order),
                Err(signer::Error::Refused { code, message }) => {
                    tracing::warn!(
                        tenant.id = %command.tenant_id, task.id = %task.id, command.id = %command.id,
                        action.id = task.action, code, message, "the signer refused an order"
                    );
                    if may_end(command.id) {
                        refused.push((task, command, code, message));
                    }
                }
                Err(error) => later = Some(error),
            }
        }
        if !refused.is_empty() {
            let inner = self.inner.clone();
            let moved = self.write(move |tx| end(tx, &inner, &refused, inner.clock.now())).await?;
            self.announce(moved);
        }
        later.map_or(Ok(signed), |error| Err(error.into()))
    }

    /// Who approved, of the tasks that people decided on.
    async fn approvals(&self, taken: &Orders) -> Result<HashMap<Uuid, Vec<Approval>>, Error> {
        let decided = taken.iter().filter(|(task, _)| task.approval == "people");
        let decided: HashMap<Uuid, Task> = decided.map(|(task, _)| (task.id, task.clone())).collect();
        if decided.is_empty() {
            return Ok(HashMap::new());
        }
        self.read(move |tx| {
            decided.values().map(|task| Ok((task.id, approval::of_order(tx, task)?))).collect()
        })
        .await
    }
}

fn end(tx: &mut Tx<'_>, inner: &Inner, refused: &[Refused], now: Micros) -> Result<Vec<Moved>, Error> {
    let mut ended = Vec::new();
    for (task, command, code, message) in refused {
        let tenant = command.tenant_id;
        let Some(row) = command::get(tx, tenant, command.id)? else { continue };
        // Somebody ended it meanwhile, or an agent has it after all.
        if settle::state_of(&row)? != CommandState::Dispatched {
            continue;
        }
        let step = Step::because(Event::ReportedRefused, REFUSED, &format!("{message} ({code})"));
        let Some(moved) = settle::apply(tx, task, &row, &step, now)? else { continue };
        let detail = json!({
            "task": task.id, "action": task.action, "reason_code": REFUSED, "code": code, "message": message,
        });
        let deed =
            Deed { verb: "command.refuse", kind: "command", object: row.id, outcome: "refused", detail };
        audit::append(tx, &signer_itself().record(&inner.ids, tenant, now, deed))?;
        ended.push(moved);
    }
    Ok(ended)
}

/// The signer, as the audit trail names it.
fn signer_itself() -> Actor {
    Actor {
        id: "signer".to_owned(),
        name: "Quell signer".to_owned(),
        from: "signer".to_owned(),
        ..Actor::system()
    }
}
