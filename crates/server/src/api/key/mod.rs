//! API keys, as the API shows them.

mod create;
mod list;
mod revoke;

use quell_store::api_key;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::export::Cells;
use super::route::Route;
use super::time;

/// The routes of API keys.
pub(crate) fn routes() -> Vec<Route> {
    vec![create::route(), list::route(), revoke::route()]
}

/// A key of a person or a program. Its text is shown once, when it is made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApiKey {
    /// Its id.
    #[schema(format = Uuid)]
    id: String,
    /// What people call it.
    name: String,
    /// The part of the key that is not secret.
    prefix: String,
    /// What it may do: a role's name, or the id of one of the tenant's own.
    role: String,
    /// What of the role it may use; all of it where absent.
    #[schema(value_type = Option<Object>)]
    scope: Option<Value>,
    /// The person whose program it is.
    #[schema(format = Uuid)]
    owner: Option<String>,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it ends by itself.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// When it was last used, within a minute.
    #[schema(format = DateTime)]
    last_used_at: Option<String>,
    /// When it was revoked.
    #[schema(format = DateTime)]
    revoked_at: Option<String>,
}

impl ApiKey {
    fn of(row: api_key::ApiKey) -> Self {
        Self {
            id: row.id.to_string(),
            name: row.name,
            prefix: row.prefix,
            role: row.role,
            scope: row.scope.and_then(|scope| serde_json::from_str(&scope).ok()),
            owner: row.owner.map(|id| id.to_string()),
            created_at: time::text(row.created_at),
            expires_at: time::maybe(row.expires_at),
            last_used_at: time::maybe(row.last_used_at),
            revoked_at: time::maybe(row.revoked_at),
        }
    }
}

impl Cells for ApiKey {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "name",
        "prefix",
        "role",
        "scope",
        "owner",
        "created_at",
        "expires_at",
        "last_used_at",
        "revoked_at",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            self.name.clone(),
            self.prefix.clone(),
            self.role.clone(),
            self.scope.as_ref().map(Value::to_string).unwrap_or_default(),
            self.owner.clone().unwrap_or_default(),
            self.created_at.clone(),
            self.expires_at.clone().unwrap_or_default(),
            self.last_used_at.clone().unwrap_or_default(),
            self.revoked_at.clone().unwrap_or_default(),
        ]
    }
}
