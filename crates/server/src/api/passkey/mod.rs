//! A person's passkeys: adding, seeing, renaming, removing; signing in and confirming with one.

mod add;
mod list;
mod remove;
mod rename;
mod sign_in;
mod step_up;

use quell_store::passkey;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::route::Route;
use super::time;
use crate::auth::passkey::Begun;

/// The routes of passkeys.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        list::route(),
        add::begin_route(),
        add::finish_route(),
        rename::route(),
        remove::route(),
        sign_in::begin_route(),
        sign_in::finish_route(),
        step_up::begin_route(),
        step_up::finish_route(),
    ]
}

/// A passkey, without its key.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Passkey)]
pub(crate) struct Shown {
    /// Its id.
    #[schema(format = Uuid)]
    id: String,
    /// What its person calls it.
    name: String,
    /// When it was added.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was last used.
    #[schema(format = DateTime)]
    last_used_at: Option<String>,
}

impl Shown {
    fn of(row: passkey::Passkey) -> Self {
        Self {
            id: row.id.to_string(),
            name: row.name,
            created_at: time::text(row.created_at),
            last_used_at: time::maybe(row.last_used_at),
        }
    }
}

/// What to ask of an authenticator.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PasskeyAsked {
    /// Goes back with the answer. Good for one answer, for five minutes.
    ceremony: String,
    /// For `navigator.credentials.create` or `.get`; binary fields are base64url, as `parseCreationOptionsFromJSON` and
    /// `parseRequestOptionsFromJSON` read them.
    #[schema(value_type = Object)]
    options: Value,
}

impl PasskeyAsked {
    fn of(begun: Begun) -> Self {
        Self { ceremony: begun.ceremony, options: begun.options }
    }
}
