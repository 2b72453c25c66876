//! `POST /session/passkey/begin` and `POST /session/passkey/finish`.

use axum::extract::State;
use axum::response::Response;
use quell_access::email;
use quell_store::{audit, passkey, person};
use quell_wire::digest::sha256;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;
use webauthn_rs::prelude::PublicKeyCredential;

use super::PasskeyAsked;
use crate::api::body::{Json, JsonUpTo};
use crate::api::route::{Route, open};
use crate::auth::login::{Deliver, SessionBegun, Wanted, sign_in_with};
use crate::auth::origin::Origin;
use crate::auth::passkey::{Ceremony, Refused, refused};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn begin_route() -> Route {
    open(routes!(begin_passkey_session))
}

pub(super) fn finish_route() -> Route {
    open(routes!(finish_passkey_session))
}

/// Who wants to sign in, where the authenticator does not know it itself.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WhoSignsIn {
    /// The e-mail address of the account.
    #[schema(max_length = 254)]
    email: Option<String>,
}

/// Ask for a passkey to sign in with
///
/// Without an address any passkey of this server will do that the authenticator keeps itself. With one, the answer is of
/// the same form whether there is such an account or not.
#[utoipa::path(post, path = "/session/passkey/begin", tag = "access", request_body = WhoSignsIn,
    responses((status = 200, body = PasskeyAsked)))]
pub(super) async fn begin_passkey_session(
    State(app): State<App>,
    origin: Origin,
    JsonUpTo(who): JsonUpTo<WhoSignsIn, { 4 << 10 }>,
) -> Result<Json<PasskeyAsked>, Problem> {
    let ids = match who.email {
        None => Vec::new(),
        Some(address) if address.len() > 4 * email::MOST => {
            return Err(Problem::bad_field("email", "too long"));
        }
        Some(address) => ids(&app, email::fold(&address)).await?,
    };
    Ok(Json(PasskeyAsked::of(app.passkeys.sign_in(&ids, origin.remote, app.now())?)))
}

/// The ids of the account's passkeys; where there are none, one that nobody has, the same at each question.
async fn ids(app: &App, account: String) -> Result<Vec<Vec<u8>>, Problem> {
    let decoy = sha256(&[&app.secrets.key("passkey.decoy"), account.as_bytes()]).to_vec();
    let rows = app
        .store
        .read(move |tx| match person::by_local(tx, &account)? {
            Some(person) => passkey::of_person(tx, person.tenant_id, person.id),
            None => Ok(Vec::new()),
        })
        .await?;
    let ids: Vec<Vec<u8>> = rows.into_iter().map(|row| row.credential_id).collect();
    Ok(if ids.is_empty() { vec![decoy] } else { ids })
}

/// An authenticator's answer.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PasskeySession {
    /// Of the question.
    #[schema(max_length = 64)]
    ceremony: String,
    /// The `PublicKeyCredential`, as its `toJSON()` writes it.
    #[schema(value_type = Object)]
    credential: PublicKeyCredential,
    /// How the token travels.
    #[serde(default)]
    deliver: Deliver,
    /// In which tenant; at home where absent.
    tenant: Option<Uuid>,
}

/// Sign in with a passkey
///
/// The authenticator must have verified its user. Accounts that have no way in of their own here (single sign-on alone)
/// have none by a passkey either. A cookie is set for pages of the same origin alone.
#[utoipa::path(post, path = "/session/passkey/finish", tag = "access", request_body = PasskeySession,
    responses((status = 200, body = SessionBegun)))]
pub(super) async fn finish_passkey_session(
    State(app): State<App>,
    origin: Origin,
    JsonUpTo(answer): JsonUpTo<PasskeySession, { 64 << 10 }>,
) -> Result<Response, Problem> {
    if answer.deliver == Deliver::Cookie {
        origin.own()?;
    }
    let now = app.now();
    let Ceremony::SignIn { state } = app.passkeys.take(&answer.ceremony, now)? else {
        return Err(refused());
    };
    let id = answer.credential.get_credential_id().to_vec();
    let row = app.store.read(move |tx| passkey::by_credential(tx, &id)).await?;
    let row = row.ok_or_else(refused)?;
    let used = match app.passkeys.signed_in(&answer.credential, *state, &row) {
        Ok(used) => used,
        Err(why) => return Err(recorded(&app, &origin, &row, why).await),
    };
    let wanted = Wanted {
        person: used.person(),
        method: "passkey".to_owned(),
        tenant: answer.tenant,
        deliver: answer.deliver,
    };
    let signed = sign_in_with(&app, &origin, wanted, move |tx, person| {
        // Whoever comes by single sign-on is let in by the provider, each time.
        if person.local_key.is_none() {
            return Err(refused());
        }
        used.write(tx, now)
    });
    Ok(signed.await?.into_response(&app))
}

/// A copy of an authenticator is worth a record; anything else that is wrong is not, since everybody may send it.
async fn recorded(app: &App, origin: &Origin, row: &passkey::Passkey, why: Refused) -> Problem {
    if why == Refused::Copied {
        let detail = json!({ "method": "passkey", "passkey": row.id, "why": why.as_str() });
        let actor = (row.tenant_id, row.person_id, "");
        let id = row.person_id.to_string();
        let mut record = origin.record(actor, app.now(), "session.refused", ("person", &id), &detail);
        "forbidden".clone_into(&mut record.outcome);
        let written = app.store.write(move |tx| audit::append(tx, &record)).await;
        if let Err(error) = written {
            tracing::error!(%error, "a copied authenticator could not be recorded");
        }
    }
    refused()
}
