//! `GET /blocklist/coverage`: who enforces which version.

use std::collections::BTreeMap;

use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::api::body::Json;
use crate::api::route::{Route, permit};
use crate::api::time;
use crate::auth::{Caller, Permission};
use crate::blocklist::coverage::Standing;
use crate::problem::Problem;
use crate::state::App;

/// Endpoints that are told one by one.
const NAMED: usize = 500;

pub(super) fn route() -> Route {
    permit(Permission::BlocklistRead, routes!(show_block_list_coverage))
}

/// Who enforces which version.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BlockListCoverage {
    /// The newest version that is handed out.
    version: u64,
    /// Active endpoints in all.
    endpoints: usize,
    /// Those that enforce the newest version.
    current: usize,
    /// Those that enforce an older one or none yet, and those that are away and have not said: they fetch it when they come.
    behind: usize,
    /// Those that are connected and whose agent takes no block lists.
    silent: usize,
    /// How many endpoints enforce which version, newest first; at most 50 versions.
    versions: Vec<VersionCount>,
    /// Endpoints that do not enforce the newest version, those that are connected first; at most 500.
    laggards: Vec<Laggard>,
    /// What the endpoints that take block lists say of each kind: how many enforce it, partly, or not.
    kinds: BTreeMap<String, KindCount>,
}

/// How many endpoints enforce a version.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VersionCount {
    /// Which.
    version: i64,
    /// How many.
    endpoints: usize,
}

/// An endpoint that is behind.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Laggard {
    /// Its id.
    #[schema(format = Uuid)]
    id: String,
    /// Its name.
    name: String,
    /// Whether it is connected.
    connected: bool,
    /// Whether it is connected and its agent takes no block lists.
    takes_none: bool,
    /// What it enforces; `null` where it never said, or takes none.
    version: Option<i64>,
    /// When it said so.
    #[schema(format = DateTime)]
    reported_at: Option<String>,
}

/// What endpoints say of a kind.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct KindCount {
    /// Where what is listed is blocked.
    enforced: usize,
    /// Where some of it is, or not in all ways.
    partly: usize,
    /// Where the endpoint does nothing about it.
    not_here: usize,
    /// One of the reasons given.
    why: Option<String>,
}

/// Who enforces which version of the block list
#[utoipa::path(get, path = "/blocklist/coverage", tag = "block list",
    responses((status = 200, body = BlockListCoverage)))]
pub(super) async fn show_block_list_coverage(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<BlockListCoverage>, Problem> {
    let version = app.block_lists.newest(caller.tenant).version;
    let standings = app.block_lists.standings(caller.tenant).await?;
    Ok(Json(BlockListCoverage::of(version, standings)))
}

impl BlockListCoverage {
    fn of(version: u64, standings: Vec<Standing>) -> Self {
        let newest = i64::try_from(version).unwrap_or(i64::MAX);
        // Whoever never said holds nothing.
        let is_current =
            |standing: &Standing| !standing.takes_none && standing.version.unwrap_or(0) >= newest;
        let mut versions: BTreeMap<i64, usize> = BTreeMap::new();
        let mut kinds: BTreeMap<String, KindCount> = BTreeMap::new();
        for standing in &standings {
            if let Some(held) = standing.version {
                *versions.entry(held).or_default() += 1;
            }
            count_kinds(&mut kinds, standing.kinds.as_deref());
        }
        let (current, silent) = (
            standings.iter().filter(|standing| is_current(standing)).count(),
            standings.iter().filter(|standing| standing.takes_none).count(),
        );
        let endpoints = standings.len();
        let mut laggards: Vec<Standing> =
            standings.into_iter().filter(|standing| !is_current(standing)).collect();
        laggards
            .sort_by_key(|standing| (!standing.is_connected, standing.version.is_none(), standing.version));
        Self {
            version,
            endpoints,
            current,
            behind: endpoints - current - silent,
            silent,
            versions: versions
                .into_iter()
                .rev()
                .take(50)
                .map(|(version, endpoints)| VersionCount { version, endpoints })
                .collect(),
            laggards: laggards.into_iter().take(NAMED).map(Laggard::of).collect(),
            kinds,
        }
    }
}

/// What an agent says is its own word: only what is known of it is counted.
fn count_kinds(kinds: &mut BTreeMap<String, KindCount>, said: Option<&str>) {
    let said: Vec<Value> = said.and_then(|said| serde_json::from_str(said).ok()).unwrap_or_default();
    for one in said.into_iter().take(16) {
        let Ok(one) = serde_json::from_value::<quell_catalog::blocklist::report::Enforced>(one) else {
            continue;
        };
        let count = kinds.entry(one.kind.as_str().to_owned()).or_default();
        match one.how {
            quell_catalog::blocklist::report::How::Enforced => count.enforced += 1,
            quell_catalog::blocklist::report::How::Partly => count.partly += 1,
            quell_catalog::blocklist::report::How::NotHere => count.not_here += 1,
        }
        if count.why.is_none() {
            count.why = one.why.map(|why| why.chars().filter(|c| !c.is_control()).take(200).collect());
        }
    }
}

impl Laggard {
    fn of(standing: Standing) -> Self {
        Self {
            id: standing.endpoint.to_string(),
            name: standing.name,
            connected: standing.is_connected,
            takes_none: standing.takes_none,
            version: standing.version,
            reported_at: time::maybe(standing.reported_at),
        }
    }
}
