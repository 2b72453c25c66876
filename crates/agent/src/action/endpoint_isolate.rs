//! `endpoint.isolate` on this endpoint.

use quell_catalog::Secret;
use quell_catalog::endpoint::isolate::Params;

use super::Endpoint;
use crate::isolation::Failure;
use crate::runner::{Ending, Job};

pub(super) async fn carry(endpoint: &Endpoint, job: &Job) -> Ending {
    let params: Params = match job.params() {
        Ok(params) => params,
        Err(ending) => return ending,
    };
    let code = job.secret_now(Secret::ReleaseCode);
    if job.cancel.is_asked() {
        return match leave(endpoint, job).await {
            Some(ending) if job.is_resumed() => ending,
            _ => Ending::canceled("canceled before the cut"),
        };
    }
    match endpoint.isolation.isolate(&job.order_id, &params, code).await {
        Ok(outcome) => Ending::done(&outcome),
        Err(failure) => failed(failure),
    }
}

/// The recovery has tested or taken back, by now, what an earlier run of the agent began: what is there is said.
pub(super) async fn leave(endpoint: &Endpoint, job: &Job) -> Option<Ending> {
    Some(match endpoint.isolation.standing(&job.order_id).await {
        Ok(Some(outcome)) => Ending::done(&outcome),
        Err(failure) => failed(failure),
        Ok(None) if job.cancel.is_asked() => {
            Ending::canceled("canceled after the agent was restarted; nothing of the cut is left")
        }
        Ok(None) => Ending::failed(
            "interrupted",
            "the agent ended before the cut, and the order expired since; nothing of the cut is left",
        ),
    })
}

fn failed(failure: Failure) -> Ending {
    let ending = if failure.untried {
        Ending::refused(&failure.code, failure.message)
    } else {
        Ending::failed(&failure.code, failure.message)
    };
    match failure.outcome {
        Some(outcome) => ending.with(&*outcome),
        None => ending,
    }
}
