//! Calling a whole plan off.

use quell_store::{audit, response_plan as rows};
use serde_json::json;
use uuid::Uuid;

use super::{Stand, stand};
use crate::{
    Actor, Engine, Error,
    actor::Deed,
    cancel::{Canceled, call_off},
};

impl Engine {
    /// Calls off every step that has not ended.
    ///
    /// # Errors
    /// [`Error::State`] when none is left.
    pub async fn cancel_plan(&self, actor: &Actor, tenant: Uuid, plan: Uuid) -> Result<Canceled, Error> {
        let (inner, actor) = (self.inner.clone(), actor.clone());
        let (canceled, moved) = self
            .write(move |tx| {
                tx.serialise(tenant, plan)?;
                rows::get(tx, tenant, plan)?.ok_or(Error::NotFound("response plan"))?;
                let steps = stand(tx, tenant, plan)?;
                if steps.iter().all(Stand::is_over) {
                    return Err(Error::State("over".to_owned()));
                }
                let mut moved = Vec::new();
                for step in steps.iter().filter(|step| !step.is_over()) {
                    moved.extend(call_off(tx, &inner, &actor, &step.task)?);
                }
                let ended = moved.iter().filter(|moved| moved.state.is_end()).count();
                let canceled = Canceled { ended, asked: moved.len() - ended };
                let detail = json!({ "ended": canceled.ended, "asked": canceled.asked });
                let deed =
                    Deed { verb: "plan.cancel", kind: "response_plan", object: plan, outcome: "ok", detail };
                audit::append(tx, &actor.record(&inner.ids, tenant, inner.clock.now(), deed))?;
                Ok((canceled, moved))
            })
            .await?;
        self.announce_canceled(moved);
        Ok(canceled)
    }
}
