//! The first set-up: the first administrator. Whoever has the code that the server wrote into its data directory may do
//! it, once; nothing opens it again.

use axum::extract::State;
use axum::response::Response;
use quell_access::{Role, email};
use quell_store::{api_key, audit, membership, person, setup, tenant};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use super::body::{Json, JsonUpTo, created};
use super::route::{Route, open};
use super::secret::Secret;
use super::{ROOT, text};
use crate::auth::login::{Where, Who};
use crate::auth::origin::Origin;
use crate::auth::password;
use crate::problem::{Code, Problem};
use crate::state::App;

/// The routes of the first set-up.
pub(crate) fn routes() -> Vec<Route> {
    vec![open(routes!(show_setup, set_up))]
}

/// Whether the first set-up is to be done.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Setup {
    /// Whether it is open.
    open: bool,
}

/// Whether the first set-up is to be done
#[utoipa::path(get, path = "/setup", tag = "access", responses((status = 200, body = Setup)))]
pub(super) async fn show_setup(State(app): State<App>) -> Json<Setup> {
    Json(Setup { open: app.setup.is_open() })
}

/// The first administrator.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSetup {
    /// The code in `setup.code` in the server's data directory.
    #[schema(value_type = String)]
    code: Secret,
    /// What the first tenant is called.
    #[schema(max_length = 100)]
    organisation: Option<String>,
    /// The administrator's name.
    #[schema(max_length = 100)]
    name: String,
    /// Their e-mail address, with which they sign in.
    #[schema(max_length = 254)]
    email: String,
    /// Their password: 12 to 128 characters, and none that is guessed first.
    #[schema(value_type = String, format = Password)]
    password: Secret,
}

/// What was set up.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SetUp {
    person: Who,
    tenant: Where,
}

fn closed() -> Problem {
    Problem::new(Code::SetupClosed, "the first set-up of this server was done")
        .hint("Sign in: `quell login --email …`.")
}

/// Do the first set-up
///
/// Makes the first administrator of the first tenant and gives them the keys that are nobody's. Closes itself for good.
#[utoipa::path(post, path = "/setup", tag = "access", request_body = NewSetup, responses((status = 201, body = SetUp)))]
pub(super) async fn set_up(
    State(app): State<App>,
    origin: Origin,
    JsonUpTo(asked): JsonUpTo<NewSetup, { 16 << 10 }>,
) -> Result<Response, Problem> {
    if !app.setup.is_open() {
        return Err(closed());
    }
    if !app.guesses.allows(origin.remote, app.now()) {
        return Err(Problem::new(Code::TooManyRequests, "too many failed tries came from this address")
            .retry_after(5));
    }
    if !asked.code.reveal().is_some_and(|code| app.setup.fits(code)) {
        app.guesses.take(origin.remote, app.now());
        return Err(Problem::new(Code::Forbidden, "that is not the set-up code of this server")
            .hint("It stands in setup.code in the server's data directory."));
    }
    let name = text::checked("name", &asked.name, 100)?;
    let organisation =
        asked.organisation.as_deref().map(|text| text::checked("organisation", text, 100)).transpose()?;
    let row = person(&app, &name, &asked).await?;
    let now = app.now();
    let home = app.tenant;
    let made = row.clone();
    let tenant = app
        .store
        .write(move |tx| {
            // First of all: of two at once, one finds it closed and changes nothing.
            if !setup::close(tx, now, &row.email)? {
                return Err(closed());
            }
            if let Some(organisation) = &organisation {
                tenant::rename(tx, home, organisation)?;
            }
            person::insert(tx, &row)?;
            membership::insert(tx, &administrator(home, &row, now))?;
            let keys = api_key::give(tx, home, row.id)?;
            let detail = json!({ "name": row.name, "email": row.email, "organisation": organisation, "keys_given": keys });
            let actor = (home, row.id, row.name.as_str());
            audit::append(tx, &origin.record(actor, now, "setup.close", ("person", &row.id.to_string()), &detail))?;
            tenant::get(tx, home)?.ok_or_else(|| Problem::not_found("tenant"))
        })
        .await?;
    app.setup.close();
    app.access_changed();
    let location = format!("{ROOT}/people/{}", made.id);
    let person = Who { id: made.id.to_string(), name: made.name, email: made.email };
    Ok(created(&location, SetUp { person, tenant: Where::of(&tenant) }))
}

async fn person(app: &App, name: &str, asked: &NewSetup) -> Result<person::Person, Problem> {
    let address = super::person::address("email", &asked.email)?;
    let text = password::check_new("password", &asked.password, &address, name)?;
    let (id, now) = (Uuid::now_v7(), app.now());
    let key = email::fold(&address);
    Ok(person::Person {
        tenant_id: app.tenant,
        id,
        human: id,
        name: name.to_owned(),
        email: address,
        email_key: key.clone(),
        local_key: Some(key),
        password: Some(app.hasher.hash(text).await?),
        password_changed_at: Some(now),
        totp: None,
        totp_step: None,
        recovery: None,
        state: "active".to_owned(),
        created_at: now,
        last_login_at: None,
    })
}

fn administrator(tenant: Uuid, person: &person::Person, now: i64) -> membership::Membership {
    membership::Membership {
        tenant_id: tenant,
        person_id: person.id,
        role: Role::Administrator.as_str().to_owned(),
        source: membership::MANUAL.to_owned(),
        granted_at: now,
        granted_by: "set-up".to_owned(),
    }
}
