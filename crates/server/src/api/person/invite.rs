//! `POST /people`.

use axum::extract::State;
use axum::response::Response;
use quell_access::email;
use quell_store::person::{self, Person};
use quell_store::{audit, ticket};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use super::{PersonView, address, choose, replace};
use crate::api::body::{Json, created};
use crate::api::route::{Route, permit};
use crate::api::{ROOT, text};
use crate::auth::ticket::{self as tickets, ShownTicket};
use crate::auth::{Caller, Permission};
use crate::problem::{Code, Problem};
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::PersonManage, routes!(invite_person))
}

/// Somebody to invite.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPerson {
    /// Their name.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// Their e-mail address, with which they sign in.
    #[schema(max_length = 254)]
    email: String,
    /// What they are here: names of roles that come with Quell, names or ids of the tenant's own.
    #[serde(default)]
    roles: Vec<String>,
}

/// Somebody with a link to hand on.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Invited {
    #[serde(flatten)]
    person: PersonView,
    /// Shown this once.
    ticket: ShownTicket,
}

impl Invited {
    pub(super) fn of(person: PersonView, ticket: ShownTicket) -> Self {
        Self { person, ticket }
    }
}

/// A new account that waits for its person.
pub(crate) fn invited(tenant: Uuid, human: Option<Uuid>, name: String, email: String, now: i64) -> Person {
    let id = Uuid::now_v7();
    let key = email::fold(&email);
    Person {
        tenant_id: tenant,
        id,
        human: human.unwrap_or(id),
        name,
        email,
        email_key: key.clone(),
        local_key: Some(key),
        password: None,
        password_changed_at: None,
        totp: None,
        totp_step: None,
        recovery: None,
        state: "invited".to_owned(),
        created_at: now,
        last_login_at: None,
    }
}

/// What is told where the address has an account already.
pub(crate) fn taken(error: quell_store::Error) -> Problem {
    match error {
        quell_store::Error::Conflict(_) => Problem::new(
            Code::Conflict,
            "an account signs in with this address already",
        )
        .hint("Where the person is at home elsewhere on this server, `POST /members` gives them roles here."),
        other => other.into(),
    }
}

/// Invite a person
///
/// The account is at home in the caller's tenant. The answer shows, once, the link with which they set their password; it
/// is good for three days.
#[utoipa::path(post, path = "/people", tag = "access", request_body = NewPerson,
    responses((status = 201, body = Invited)))]
pub(super) async fn invite_person(
    State(app): State<App>,
    caller: Caller,
    Json(wanted): Json<NewPerson>,
) -> Result<Response, Problem> {
    let name = text::checked("name", &wanted.name, 100)?;
    let email = address("email", &wanted.email)?;
    let (now, tenant) = (app.now(), caller.tenant);
    let row = invited(tenant, None, name, email, now);
    let made = tickets::make(tenant, row.id, ticket::INVITATION, now)?;
    let (stored, location) = (made.row.clone(), format!("{ROOT}/people/{}", row.id));
    let view = app
        .store
        .write(move |tx| {
            let chosen = choose(tx, &caller, &wanted.roles)?;
            let human = person::human_by_email(tx, &row.email_key)?.unwrap_or(row.id);
            let row = Person { human, ..row.clone() };
            person::insert(tx, &row).map_err(taken)?;
            ticket::insert(tx, &stored)?;
            replace(tx, &caller, row.id, &chosen, now)?;
            let roles: Vec<&str> = chosen.iter().map(|chosen| chosen.role.as_str()).collect();
            let detail = json!({ "name": row.name, "email": row.email, "roles": roles, "expires_at": stored.expires_at });
            audit::append(tx, &caller.record(now, "person.invite", "person", &row.id.to_string(), &detail))?;
            Ok::<_, Problem>(PersonView::read(tx, tenant, row)?)
        })
        .await?;
    Ok(created(&location, Invited::of(view, ShownTicket::of(&app, made))))
}
