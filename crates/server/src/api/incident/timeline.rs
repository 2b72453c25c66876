//! `GET /incidents/{id}/activity`: what all chains of an incident tell, in one line of time.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use axum::extract::{Path, State};
use axum::response::Response;
use http::HeaderMap;
use quell_store::chain::{self as store, rows};
use quell_store::{Error, Micros, Tx, detection};
use quell_wire::activity as wire;
use quell_wire::limits;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;
use uuid::Uuid;

use super::chain::Chain;
use super::{Activity, named};
use crate::api::cursor::{self, List, Page, Turn};
use crate::api::detection::list::technique;
use crate::api::export::{self, Cells};
use crate::api::query::{Listing, bad, parse_id};
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::incident::{gather, word};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::IncidentRead, routes!(list_incident_activity))
}

/// Which activity events, and how they are sorted.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    /// Of this chain.
    chain: Option<String>,
    /// Of this process of that chain: process id, a colon, and its start.
    process: Option<String>,
    /// Of any of these kinds, with commas between.
    kind: Option<String>,
    /// For which a rule names this technique of ATT&CK, or a part of it.
    technique: Option<String>,
    /// Only those on which something was detected.
    key: Option<bool>,
    /// `at`, or `-at` for the latest first; `at` where absent.
    sort: Option<String>,
}

/// What was asked for, checked.
#[derive(Clone, Debug)]
struct Wanted {
    incident: String,
    chain: Option<Uuid>,
    filter: rows::Filter,
    upwards: bool,
}

/// The activity events of an incident, in order of time
#[utoipa::path(get, path = "/incidents/{id}/activity", tag = "incidents",
    params(("id" = String, Path, description = "Its id, or its number"), Turn, Filter),
    responses((status = 200, body = Page<Activity>)))]
pub(super) async fn list_incident_activity(
    State(app): State<App>,
    caller: Caller,
    Path(incident): Path<String>,
    headers: HeaderMap,
    Listing { turn, filter }: Listing<Filter>,
) -> Result<Response, Problem> {
    let wanted = Wanted::of(incident, filter)?;
    let tenant = caller.tenant;
    export::list(turn, &headers, "activity", move |turn| {
        let (app, wanted) = (app.clone(), wanted.clone());
        async move { page(&app, tenant, wanted, &turn).await }
    })
    .await
}

async fn page(app: &App, tenant: Uuid, wanted: Wanted, turn: &Turn) -> Result<Page<Activity>, Problem> {
    let mark = u8::from(wanted.upwards);
    let (after, limit) = turn.sorted(List::Activity, mark)?;
    let after = after.map(|(chain, key)| Place::of(chain, &key)).transpose()?;
    let read = app.store.read(move |tx| {
        let incident = named(tx, tenant, &wanted.incident)?;
        let mut chains = Chain::of_incident(tx, &incident)?;
        chains.retain(|(_, row)| wanted.chain.is_none_or(|only| row.id == only));
        if wanted.chain.is_some() && chains.is_empty() {
            return Err(Problem::not_found("chain"));
        }
        let (rows, next) = merged(tx, &chains, &wanted, after, limit as usize)?;
        Ok::<_, Problem>((views(tx, &chains, rows)?, next))
    });
    let (items, next) = read.await?;
    let next = next.map(|place| cursor::write_sorted(List::Activity, mark, place.chain, &place.key()));
    Ok(Page { items, next })
}

/// The last row of a page: where the next one goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    at: Micros,
    chain: Uuid,
    activity: i64,
}

impl Place {
    fn of(chain: Uuid, key: &[u8]) -> Result<Self, Problem> {
        let (at, activity) =
            key.split_at_checked(8).ok_or_else(|| bad("cursor", "not a cursor of this list"))?;
        Ok(Self { at: cursor::number(at)?, chain, activity: cursor::number(activity)? })
    }

    fn key(self) -> [u8; 16] {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&self.at.to_be_bytes());
        key[8..].copy_from_slice(&self.activity.to_be_bytes());
        key
    }

    fn of_row(row: &rows::Activity) -> Self {
        Self { at: row.at, chain: row.chain_id, activity: row.activity }
    }

    /// Where the list of one chain goes on after this row of any.
    fn within(self, chain: Uuid) -> (Micros, i64) {
        let (first, last) = (-1, i64::MAX);
        // Rows of the same time come chain by chain, upwards and downwards.
        let activity = match self.chain.cmp(&chain) {
            Ordering::Equal => self.activity,
            Ordering::Less => first,
            Ordering::Greater => last,
        };
        (self.at, activity)
    }
}

type Cut = (Vec<rows::Activity>, Option<Place>);

/// A page of several chains together: of each as many as a page holds, the nearest of all kept.
fn merged(
    tx: &mut Tx<'_>,
    chains: &[(Chain, store::Chain)],
    wanted: &Wanted,
    after: Option<Place>,
    limit: usize,
) -> Result<Cut, Error> {
    let edge = if wanted.upwards { (Micros::MIN, -1) } else { (Micros::MAX, i64::MAX) };
    let mut all = Vec::new();
    for (_, row) in chains {
        let from = after.map_or(edge, |place| place.within(row.id));
        let of = (row.tenant_id, row.id);
        all.extend(rows::page(tx, of, &wanted.filter, from, wanted.upwards, limit as i64 + 1)?);
    }
    all.sort_by_key(Place::of_row);
    if !wanted.upwards {
        all.reverse();
    }
    let next = if all.len() > limit { all.get(limit - 1).map(Place::of_row) } else { None };
    all.truncate(limit);
    Ok((all, next))
}

fn views(
    tx: &mut Tx<'_>,
    chains: &[(Chain, store::Chain)],
    rows: Vec<rows::Activity>,
) -> Result<Vec<Activity>, Error> {
    let mut processes: BTreeMap<(Uuid, i64, i64), Option<wire::Process>> = BTreeMap::new();
    let mut marks = BTreeMap::new();
    let mut items = Vec::with_capacity(rows.len());
    for row in rows {
        let Some((chain, stored)) = chains.iter().find(|(_, stored)| stored.id == row.chain_id) else {
            continue;
        };
        let key = (row.chain_id, row.pid, row.start);
        if let Entry::Vacant(place) = processes.entry(key) {
            let found = rows::process(tx, stored.tenant_id, row.chain_id, row.pid, row.start)?;
            place.insert(found.and_then(|found| gather::process(&found.body)));
        }
        if let Entry::Vacant(place) = marks.entry(row.chain_id) {
            let most = limits::CHAIN_DETECTIONS as i64;
            place.insert(detection::marks(tx, stored.tenant_id, stored.id, most)?);
        }
        let process = processes.get(&key).and_then(Option::as_ref);
        let own = marks.get(&row.chain_id).map_or(&[][..], Vec::as_slice);
        items.extend(Activity::of(&row, chain.endpoint().clone(), process, own));
    }
    Ok(items)
}

impl Wanted {
    fn of(incident: String, filter: Filter) -> Result<Self, Problem> {
        let chain = match filter.chain.as_deref() {
            Some(text) => Some(parse_id(text).ok_or_else(|| bad("chain", "not an id"))?),
            None => None,
        };
        let process = filter.process.as_deref().map(process).transpose()?;
        if process.is_some() && chain.is_none() {
            return Err(bad("process", "needs `chain`: the same process id may be in several"));
        }
        let upwards = match filter.sort.as_deref() {
            None | Some("at") => true,
            Some("-at") => false,
            Some(_) => return Err(bad("sort", "must be at or -at")),
        };
        let filter = rows::Filter {
            process,
            kinds: super::words("kind", filter.kind.as_deref(), &word::KINDS)?,
            is_key: filter.key.unwrap_or_default(),
            technique: technique(filter.technique)?,
        };
        Ok(Self { incident, chain, filter, upwards })
    }
}

fn process(text: &str) -> Result<(i64, i64), Problem> {
    let key = text.split_once(':').and_then(|(pid, start)| Some((pid.parse().ok()?, start.parse().ok()?)));
    key.ok_or_else(|| bad("process", "not a process id, a colon and a start"))
}

impl Cells for Activity {
    const COLUMNS: &'static [&'static str] =
        &["at", "endpoint", "kind", "summary", "key", "techniques", "pid", "start", "chain", "id"];

    fn cells(&self) -> Vec<String> {
        self.line()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_goes_on_where_the_one_before_ended() {
        let chain = Uuid::from_u128;
        let place = Place { at: 5, chain: chain(2), activity: 7 };
        assert_eq!(Place::of(chain(2), &place.key()).ok(), Some(place));
        // Rows of the same time: those of earlier chains were told already, those of later ones were not.
        assert_eq!(place.within(chain(1)), (5, i64::MAX));
        assert_eq!(place.within(chain(2)), (5, 7));
        assert_eq!(place.within(chain(3)), (5, -1));
    }
}
