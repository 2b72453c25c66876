//! `endpoint.isolate` on this endpoint.

use quell_catalog::Secret;
use quell_catalog::endpoint::isolate::Params;

use super::Endpoint;
use crate::runner::{Ending, Job};

pub(super) async fn carry(endpoint: &Endpoint, job: &Job) -> Ending {
    let params: Params = match job.params() {
        Ok(params) => params,
        Err(ending) => return ending,
    };
    let code = job.secret_now(Secret::ReleaseCode);
    if job.cancel.is_asked() {
        return Ending::canceled("canceled before the cut");
    }
    match endpoint.isolation.isolate(&job.order_id, &params, code).await {
        Ok(outcome) => Ending::done(&outcome),
        Err(failure) => {
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
    }
}
