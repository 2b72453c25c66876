//! `GET /passkeys`.

use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use quell_store::{passkey, person};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::Shown;
use crate::api::body::Json;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission, approver_key};
use crate::problem::Problem;
use crate::public::Public;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::SelfManage, routes!(list_passkeys))
}

/// All passkeys of a person: they are few.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Passkeys {
    /// Oldest first.
    items: Vec<ListedPasskey>,
}

/// A passkey, with its public key.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ListedPasskey {
    #[serde(flatten)]
    passkey: Shown,
    /// What `quell trust add --webauthn` takes; `null` where endpoints do not check keys of its kind, or the server knows no
    /// name of its own.
    approver_key: Option<ApproverPasskey>,
}

/// A passkey as a key of an approver.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ApproverPasskey {
    /// COSE, base64url.
    public_key: String,
    /// The relying party.
    rp_id: String,
    /// The pages that may ask for it.
    origins: Vec<String>,
}

impl ListedPasskey {
    fn of(row: passkey::Passkey, public: Option<&Public>) -> Self {
        let approver_key = approver_key::of(&row).zip(public).map(|(cose, public)| ApproverPasskey {
            public_key: URL_SAFE_NO_PAD.encode(cose),
            rp_id: public.host().to_owned(),
            origins: vec![public.origin()],
        });
        Self { passkey: Shown::of(row), approver_key }
    }
}

/// Your passkeys, oldest first
#[utoipa::path(get, path = "/passkeys", tag = "access", responses((status = 200, body = Passkeys)))]
pub(super) async fn list_passkeys(State(app): State<App>, caller: Caller) -> Result<Json<Passkeys>, Problem> {
    let (person, _) = caller.person()?;
    let rows = app
        .store
        .read(move |tx| {
            let person = person::get(tx, person)?.ok_or(quell_store::Error::NotFound("person"))?;
            passkey::of_person(tx, person.tenant_id, person.id)
        })
        .await?;
    Ok(Json(Passkeys {
        items: rows.into_iter().map(|row| ListedPasskey::of(row, app.public.as_ref())).collect(),
    }))
}
