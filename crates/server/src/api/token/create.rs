//! `POST /enrolment-tokens`.

use axum::extract::State;
use axum::response::Response;
use quell_store::{audit, enrolment};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use super::EnrolmentToken;
use crate::api::body::{Json, created};
use crate::api::route::{Route, permit};
use crate::api::{ROOT, text};
use crate::auth::{Caller, Permission};
use crate::install::{self, Installer};
use crate::pki;
use crate::problem::{Code, Problem};
use crate::state::App;

/// Seven days.
const LONGEST_S: u32 = 7 * 24 * 3600;
const MOST_USES: u32 = 1000;

pub(super) fn route() -> Route {
    permit(Permission::TokenManage, routes!(create_enrolment_token))
}

/// A token to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewEnrolmentToken {
    /// What people call it.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// How many machines it may enrol, 1 to 1000.
    #[serde(default = "one")]
    #[schema(minimum = 1, maximum = 1000, default = 1)]
    max_uses: u32,
    /// Seconds until it ends, 60 to 604800 (seven days).
    #[serde(default = "an_hour")]
    #[schema(minimum = 60, maximum = 604_800, default = 3600)]
    expires_in_seconds: u32,
    /// Tags that its endpoints get, at most 32.
    #[serde(default)]
    #[schema(max_items = 32)]
    tags: Vec<String>,
}

fn one() -> u32 {
    1
}

fn an_hour() -> u32 {
    3600
}

/// A token that was made, with its text.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MadeEnrolmentToken {
    #[serde(flatten)]
    token: EnrolmentToken,
    /// What the new endpoint is given. Shown this once.
    text: String,
    /// Commands for a shell of the new endpoint, which install the agent and enrol it with this token; `null` where the server
    /// has no agent to hand out, or does not know its own address.
    install: Option<Installer>,
}

/// Make an enrolment token
#[utoipa::path(post, path = "/enrolment-tokens", tag = "enrolment", request_body = NewEnrolmentToken,
    responses((status = 201, body = MadeEnrolmentToken)))]
pub(super) async fn create_enrolment_token(
    State(app): State<App>,
    caller: Caller,
    Json(wanted): Json<NewEnrolmentToken>,
) -> Result<Response, Problem> {
    let name = text::checked("name", &wanted.name, 100)?;
    if wanted.max_uses == 0 || wanted.max_uses > MOST_USES {
        return Err(Problem::bad_field("max_uses", format!("must be 1 to {MOST_USES}")));
    }
    if !(60..=LONGEST_S).contains(&wanted.expires_in_seconds) {
        return Err(Problem::bad_field("expires_in_seconds", format!("must be 60 to {LONGEST_S}")));
    }
    let tags = text::checked_tags(&wanted.tags)?;
    let minted = minted(&app, caller.tenant)?;
    let now = app.now();
    let row = enrolment::Token {
        tenant_id: caller.tenant,
        id: Uuid::now_v7(),
        name,
        hash: minted.secret_hash(),
        tags: serde_json::to_string(&tags).unwrap_or_default(),
        max_uses: i64::from(wanted.max_uses),
        uses: 0,
        created_by: caller.name().to_owned(),
        created_at: now,
        expires_at: now + i64::from(wanted.expires_in_seconds) * 1_000_000,
        revoked_at: None,
    };
    let detail = serde_json::json!({
        "name": row.name, "max_uses": row.max_uses, "expires_at": crate::api::time::text(row.expires_at), "tags": tags,
    });
    let record =
        caller.record(now, "enrolment_token.create", "enrolment_token", &row.id.to_string(), &detail);
    let row = app
        .store
        .write(move |tx| {
            enrolment::insert(tx, &row)?;
            audit::append(tx, &record)?;
            Ok::<_, quell_store::Error>(row.clone())
        })
        .await?;
    let location = format!("{ROOT}/enrolment-tokens/{}", row.id);
    let text = minted.to_text();
    let install = install::installer(&app, &text).await;
    Ok(created(&location, MadeEnrolmentToken { token: EnrolmentToken::of(row), text, install }))
}

fn minted(app: &App, tenant: Uuid) -> Result<quell_wire::enrol::Token, Problem> {
    let keys = app.engine.signer().key_set().keys;
    let current = keys.first().ok_or_else(|| Problem::new(Code::Unavailable, "there is no order key"))?;
    let trust = app.trusts.pin(tenant);
    pki::token::mint(&app.authority, current, trust).map_err(|error| Problem::internal(&error))
}
