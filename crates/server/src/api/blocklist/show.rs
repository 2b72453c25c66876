//! `GET /blocklist`: which version there is, and how far the agents are.

use std::collections::BTreeMap;

use axum::extract::State;
use quell_store::blocklist as rows;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::kind;
use crate::api::body::Json;
use crate::api::route::{Route, permit};
use crate::api::time;
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

/// Versions that are told.
const VERSIONS: i64 = 20;

pub(super) fn route() -> Route {
    permit(Permission::BlocklistRead, routes!(show_block_list))
}

/// The block list as a whole.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BlockList {
    /// The newest version; 0 where nothing was ever listed.
    version: i64,
    /// The digest that binds all versions up to it, hex.
    digest: String,
    /// The newest version that is signed and handed out. Behind `version` while the signer is away.
    published: u64,
    /// When the newest version was made.
    #[schema(format = DateTime)]
    updated_at: Option<String>,
    /// How many objects are listed.
    objects: i64,
    /// The same by kind.
    by_kind: BTreeMap<&'static str, i64>,
    /// How many exceptions there are.
    exceptions: usize,
    /// The newest versions, newest first; at most 20.
    versions: Vec<BlockListVersion>,
}

/// A version.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BlockListVersion {
    /// Its number.
    version: i64,
    /// When it was made.
    #[schema(format = DateTime)]
    made_at: String,
    /// The task that made it, `expiry` or `exceptions`.
    cause: String,
    /// Objects that came or changed.
    added: i64,
    /// Objects that went.
    removed: i64,
    /// Whether it is signed.
    signed: bool,
}

/// The block list as a whole
#[utoipa::path(get, path = "/blocklist", tag = "block list", responses((status = 200, body = BlockList)))]
pub(super) async fn show_block_list(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<BlockList>, Problem> {
    let tenant = caller.tenant;
    let published = app.block_lists.newest(tenant).version;
    let view = app.store.read(move |tx| {
        let state = rows::state(tx, tenant)?;
        let mut by_kind = BTreeMap::new();
        for number in 1..=6 {
            let filter = rows::Filter { kind: Some(number), ..rows::Filter::default() };
            by_kind.insert(kind(number), rows::count(tx, tenant, &filter)?);
        }
        Ok::<_, Problem>(BlockList {
            version: state.version,
            digest: quell_wire::digest::hex(&state.digest),
            published,
            updated_at: (state.version > 0).then(|| time::text(state.updated_at)),
            objects: state.objects,
            by_kind,
            exceptions: rows::exceptions(tx, tenant)?.len(),
            versions: rows::versions(tx, tenant, i64::MAX, VERSIONS)?
                .into_iter()
                .map(BlockListVersion::of)
                .collect(),
        })
    });
    Ok(Json(view.await?))
}

impl BlockListVersion {
    fn of(row: rows::Delta) -> Self {
        Self {
            version: row.version,
            made_at: time::text(row.made_at),
            cause: row.cause,
            added: row.added,
            removed: row.removed,
            signed: row.signature.is_some(),
        }
    }
}
