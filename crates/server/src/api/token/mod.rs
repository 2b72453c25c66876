//! Enrolment tokens, as the API shows them.

mod create;
mod list;
mod revoke;

use quell_store::enrolment;
use serde::Serialize;
use utoipa::ToSchema;

use super::export::Cells;
use super::route::Route;
use super::time;

/// The routes of enrolment tokens.
pub(crate) fn routes() -> Vec<Route> {
    vec![create::route(), list::route(), revoke::route()]
}

/// What lets machines become endpoints. Its text is shown once, when it is made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EnrolmentToken {
    /// Its id.
    #[schema(format = Uuid)]
    id: String,
    /// What people call it.
    name: String,
    /// Tags that its endpoints get.
    tags: Vec<String>,
    /// How many machines it may enrol.
    max_uses: i64,
    /// How many it has enrolled.
    uses: i64,
    /// Who made it.
    created_by: String,
    /// When.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it ends.
    #[schema(format = DateTime)]
    expires_at: String,
    /// When it was revoked.
    #[schema(format = DateTime)]
    revoked_at: Option<String>,
}

impl EnrolmentToken {
    fn of(row: enrolment::Token) -> Self {
        Self {
            id: row.id.to_string(),
            name: row.name,
            tags: serde_json::from_str(&row.tags).unwrap_or_default(),
            max_uses: row.max_uses,
            uses: row.uses,
            created_by: row.created_by,
            created_at: time::text(row.created_at),
            expires_at: time::text(row.expires_at),
            revoked_at: time::maybe(row.revoked_at),
        }
    }
}

impl Cells for EnrolmentToken {
    const COLUMNS: &'static [&'static str] =
        &["id", "name", "tags", "max_uses", "uses", "created_by", "created_at", "expires_at", "revoked_at"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            self.name.clone(),
            self.tags.join(" "),
            self.max_uses.to_string(),
            self.uses.to_string(),
            self.created_by.clone(),
            self.created_at.clone(),
            self.expires_at.clone(),
            self.revoked_at.clone().unwrap_or_default(),
        ]
    }
}
