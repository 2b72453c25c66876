//! Webhooks, as the API shows them: everything but their secrets.

mod change;
mod create;
mod list;
mod remove;
mod rotate;
mod test;

use quell_notify::webhook::{Secret, check_url};
use quell_store::webhook;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::export::Cells;
use super::route::Route;
use super::{mail, text, time};
use crate::notices::PURPOSE;
use crate::problem::{Code, Problem};
use crate::seal;
use crate::state::App;

/// The routes of webhooks.
pub(crate) fn routes() -> Vec<Route> {
    vec![list::route(), create::route(), change::route(), remove::route(), test::route(), rotate::route()]
}

/// Where a system of the tenant's own is told of notices.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Webhook {
    /// Its id.
    #[schema(format = Uuid)]
    id: String,
    /// What people call it.
    name: String,
    /// Where posts go.
    url: String,
    /// The kinds of notices that it wants; all where empty.
    kinds: Vec<String>,
    /// `active`, or `disabled`: by a person, or since its receiver answered 410.
    state: String,
    /// Until when the secret before the last one signs too.
    #[schema(format = DateTime)]
    former_secret_until: Option<String>,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was last changed.
    #[schema(format = DateTime)]
    updated_at: String,
}

/// A webhook with its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebhookWithSecret {
    #[serde(flatten)]
    webhook: Webhook,
    /// What its receiver verifies posts with. Shown this once.
    secret: String,
}

/// A webhook as it is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewWebhook {
    /// What people call it.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// Where posts go, https.
    #[schema(max_length = 2000)]
    url: String,
    /// The kinds of notices that it wants; all where empty.
    #[serde(default)]
    kinds: Vec<String>,
    /// Whether it is told of anything; true where absent.
    active: Option<bool>,
}

impl Webhook {
    fn of(row: webhook::Webhook) -> Self {
        Self {
            id: row.id.to_string(),
            name: row.name,
            url: row.url,
            kinds: serde_json::from_str(&row.kinds).unwrap_or_default(),
            state: row.state,
            former_secret_until: time::maybe(row.former_until),
            created_at: time::text(row.created_at),
            updated_at: time::text(row.updated_at),
        }
    }
}

impl Cells for Webhook {
    const COLUMNS: &'static [&'static str] =
        &["id", "name", "url", "kinds", "state", "created_at", "updated_at"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            self.name.clone(),
            self.url.clone(),
            self.kinds.join(" "),
            self.state.clone(),
            self.created_at.clone(),
            self.updated_at.clone(),
        ]
    }
}

/// What was checked of a webhook as it is to be.
struct Checked {
    name: String,
    url: String,
    /// For the audit trail: a path may hold what is as good as a password.
    host: String,
    kinds: String,
    state: &'static str,
}

fn checked(app: &App, wanted: &NewWebhook) -> Result<Checked, Problem> {
    let name = text::checked("name", &wanted.name, 100)?;
    let url =
        check_url(&wanted.url, app.destinations).map_err(|bad| Problem::bad_field("url", bad.to_string()))?;
    let kinds: Vec<&str> = mail::kinds(&wanted.kinds)?.into_iter().map(quell_notify::Kind::as_str).collect();
    Ok(Checked {
        name,
        host: url.host_str().unwrap_or_default().to_owned(),
        url: url.into(),
        kinds: json!(kinds).to_string(),
        state: if wanted.active.unwrap_or(true) { "active" } else { "disabled" },
    })
}

/// A new secret: as its receiver is told it, and sealed.
fn secret(app: &App) -> Result<(String, Vec<u8>), Problem> {
    let made = Secret::generate().and_then(|secret| {
        Some((secret.text().to_string(), seal::seal(&app.secrets, PURPOSE, secret.bytes())?))
    });
    made.ok_or_else(|| Problem::new(Code::Unavailable, "the system gave no randomness"))
}
