//! Room for an endpoint's chains: beyond what is kept of one, the bodies of older chains are given up, never a detection.

use quell_engine::Change;
use quell_store::chain::{self, Held};
use quell_store::{Error, Micros, Store, Tx, audit, endpoint};
use serde_json::json;
use uuid::Uuid;

use super::take::From;
use super::{BYTES_OF_ENDPOINT, CHAINS_OF_ENDPOINT};

/// Chains that one transaction looks at, and for which there is room afterwards.
const CHAINS: i64 = 50;
/// Activity events that one transaction removes.
const ROWS: i64 = 2_000;
/// Transactions for one chain that begins. Where they are not enough, the next one goes on.
const TURNS: usize = 100;
/// What a person is told, on the endpoint.
const ALARM: &str =
    "more came of its chains than is kept of one endpoint: the activity of the oldest was given up";

/// Whether an endpoint has all that is kept of one.
pub(super) fn is_full(held: Held) -> bool {
    held.chains >= CHAINS_OF_ENDPOINT || held.bytes >= BYTES_OF_ENDPOINT
}

/// Gives up bodies until there is room again, in short transactions: others write between them. What is to be told.
pub(crate) async fn make(store: &Store, from: &From, now: Micros) -> Result<Option<Change>, Error> {
    let mut told = None;
    for _ in 0..TURNS {
        let whose = from.clone();
        let (is_done, is_news) = store.write(move |tx| turn(tx, &whose, now)).await?;
        if is_news {
            told = Some(Change::Endpoint { tenant: from.tenant, endpoint: from.endpoint });
        }
        if is_done {
            break;
        }
    }
    Ok(told)
}

/// One transaction: whether there is room, and whether that a person is told of it is news.
fn turn(tx: &mut Tx<'_>, from: &From, now: Micros) -> Result<(bool, bool), Error> {
    let mut held = chain::held(tx, from.tenant, from.endpoint)?;
    held.chains += CHAINS;
    if !is_full(held) {
        return Ok((true, false));
    }
    let mut rows = ROWS;
    for id in chain::oldest(tx, from.tenant, from.endpoint, CHAINS)? {
        let (gone, is_done) = chain::give_up_some(tx, from.tenant, id, rows)?;
        rows -= gone;
        if !is_done || rows == 0 {
            break;
        }
    }
    let is_news = endpoint::raise(tx, from.tenant, from.endpoint, ALARM)?;
    if is_news {
        audit::append(tx, &record(from, held, now))?;
    }
    Ok((false, is_news))
}

fn record(from: &From, held: Held, now: Micros) -> audit::Record {
    audit::Record {
        tenant_id: from.tenant,
        id: Uuid::now_v7(),
        at: now,
        actor_kind: "endpoint".to_owned(),
        actor_id: from.endpoint.to_string(),
        actor_name: from.name.clone(),
        verb: "endpoint.chains_given_up".to_owned(),
        object_kind: "endpoint".to_owned(),
        object_id: from.endpoint.to_string(),
        outcome: "ok".to_owned(),
        detail: json!({ "chains": held.chains - CHAINS, "bytes": held.bytes }).to_string(),
        request_id: None,
        remote: from.remote.clone(),
    }
}
