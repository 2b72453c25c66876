//! Carries `blocklist.add` and `blocklist.remove` out: takes their orders as an agent would, changes the list, has it
//! published, waits for the agents, and says what came of it.
//!
//! An order may be carried out twice, after a crash or by two nodes: every word in the list is a task's, and a task says it
//! once.

mod add;
mod library;
mod refusals;
mod remove;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use prost::Message as _;
use quell_catalog::blocklist::MAX_LISTED;
use quell_catalog::{AGENTS, ActionKind};
use quell_engine::{service, signer};
use quell_wire::blocklist::Held;
use quell_wire::{Intent, Order, Outcome, SignedOrder, Status};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::change::Changed;
use super::{Error, lock};
use crate::state::App;

/// Orders that are taken at a time, of one tenant, and carried out at a time, of all.
const TAKEN: usize = 16;
const AT_ONCE: usize = 4;
/// When nothing rings, and after something failed.
const PAUSE: Duration = Duration::from_secs(5);
/// Words of one task that are looked at.
const MOST: i64 = (MAX_LISTED + 1000) as i64;

/// Why an order was not carried out.
enum Failed {
    /// It may be tried again.
    Later(Error),
    /// It will not do.
    Never(&'static str, String),
}

impl From<quell_store::Error> for Failed {
    fn from(error: quell_store::Error) -> Self {
        Self::Later(error.into())
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        match error {
            // It stands in the database, and no agent will hear of it: asking again changes nothing.
            Error::Signer(signer::Error::Refused { code, message }) => Self::Never(
                "signer_refused",
                format!("the list was changed, but the signer does not sign the version ({code}): {message}"),
            ),
            error => Self::Later(error),
        }
    }
}

/// Serves until aborted.
pub(crate) async fn serve(app: App) {
    let id = service::id(AGENTS);
    let bell = app.engine.listen_service(id);
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    // Orders that this process carries out now: those alone are not asked for again.
    let under_way: Arc<Mutex<HashSet<Uuid>>> = Arc::default();
    loop {
        if let Err(error) = round(&app, id, &turns, &under_way).await {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the block list's orders could not be taken"
            );
        }
        let _ = tokio::time::timeout(PAUSE, bell.rung()).await;
    }
}

async fn round(
    app: &App,
    id: Uuid,
    turns: &Arc<Semaphore>,
    under_way: &Arc<Mutex<HashSet<Uuid>>>,
) -> Result<(), quell_engine::Error> {
    for tenant in app.engine.service_tenants(id).await? {
        let held: Vec<Uuid> = lock(under_way).iter().copied().collect();
        let resumed = app.engine.resume(tenant, id, &held).await?;
        let work = app.engine.lease(tenant, id, TAKEN).await?;
        for signed in resumed.orders.into_iter().chain(work.orders) {
            begin(app, signed, turns, under_way);
        }
    }
    Ok(())
}

fn begin(app: &App, signed: SignedOrder, turns: &Arc<Semaphore>, under_way: &Arc<Mutex<HashSet<Uuid>>>) {
    let Ok(order) = Order::decode(signed.order.as_slice()) else { return };
    let Ok(command) = order.order_id.parse::<Uuid>() else { return };
    if !lock(under_way).insert(command) {
        return;
    }
    let (app, turns, under_way) = (app.clone(), Arc::clone(turns), Arc::clone(under_way));
    tokio::spawn(async move {
        let _turn = turns.acquire().await;
        carry(&app, &order).await;
        lock(&under_way).remove(&command);
    });
}

/// Carries an order out and says what came of it. What may be tried again is said nothing of: it is asked for again.
async fn carry(app: &App, order: &Order) {
    let (Ok(tenant), Some(intent)) = (order.tenant_id.parse::<Uuid>(), Intent::read(&order.intent)) else {
        return;
    };
    let started_at_us = app.now();
    let (status, code, message, result) = match deed(app, tenant, &intent).await {
        Ok(result) => (Status::Done, "", String::new(), result),
        Err(Failed::Never(code, message)) => (Status::Failed, code, message, Vec::new()),
        Err(Failed::Later(error)) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error, tenant.id = %tenant, task.id = intent.task_id,
                "the block list was not changed or not published; it is tried again"
            );
            return;
        }
    };
    let outcome = Outcome {
        tenant_id: order.tenant_id.clone(),
        endpoint_id: order.endpoint_id.clone(),
        order_id: order.order_id.clone(),
        intent_digest: order.intent_digest.clone(),
        status: status.into(),
        reason_code: code.to_owned(),
        message,
        result,
        started_at_us,
        ended_at_us: app.now(),
    };
    if let Err(error) = app.engine.service_outcome(tenant, service::id(AGENTS), outcome).await {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "an outcome of the block list was not stored"
        );
    }
}

async fn deed(app: &App, tenant: Uuid, intent: &Intent) -> Result<Vec<u8>, Failed> {
    match ActionKind::from_id(&intent.action) {
        Some(ActionKind::BlocklistAdd) => write(&add::add(app, tenant, intent).await?),
        Some(ActionKind::BlocklistRemove) => write(&remove::remove(app, tenant, intent).await?),
        _ => Err(Failed::Never("unknown_action", "the block list has no such action".to_owned())),
    }
}

fn write(outcome: &impl Serialize) -> Result<Vec<u8>, Failed> {
    serde_json::to_vec(outcome).map_err(|error| Failed::Never("outcome", error.to_string()))
}

fn read<T: DeserializeOwned>(intent: &Intent) -> Result<(T, Uuid), Failed> {
    let params = serde_json::from_slice(&intent.params)
        .map_err(|error| Failed::Never("params_invalid", error.to_string()))?;
    let task = intent.task_id.parse().map_err(|_| Failed::Never("params_invalid", "no task".to_owned()))?;
    Ok((params, task))
}

/// The task that a request names.
fn task_id(text: &str) -> Result<Uuid, Failed> {
    text.parse().map_err(|_| Failed::Never("params_invalid", "no such task".to_owned()))
}

/// The version that holds what was done. A history that began anew may have passed by the one that was written.
fn out(held: &Held, done: &Changed) -> u64 {
    held.version.max(done.state.version.unsigned_abs())
}
