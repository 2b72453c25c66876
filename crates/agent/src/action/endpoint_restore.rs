//! `endpoint.restore` on this endpoint.

use quell_catalog::endpoint::restore::{Outcome, Params};

use super::Endpoint;
use crate::runner::{Ending, Job, chain};

pub(super) async fn carry(endpoint: &Endpoint, job: &Job) -> Ending {
    let params: Params = match job.params() {
        Ok(params) => params,
        Err(ending) => return ending,
    };
    match endpoint.isolation.restore(&job.order_id, &params.canaries).await {
        Err(error) => Ending::failed("restore_failed", chain(&error)),
        Ok(lifted) => {
            let outcome = Outcome {
                was_isolated: lifted.isolation.is_some(),
                isolation: lifted.isolation,
                rules_gone: lifted.rules_gone,
                probes: lifted.probes,
            };
            if outcome.rules_gone {
                Ending::done(&outcome)
            } else {
                Ending::failed("rules_left", "rules of the isolation are still in the kernel").with(&outcome)
            }
        }
    }
}
