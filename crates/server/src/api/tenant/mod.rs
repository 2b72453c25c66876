//! Tenants: the organisations on this server.

mod create;
mod list;

use quell_store::tenant;
use serde::Serialize;
use utoipa::ToSchema;

use super::route::Route;
use super::time;

/// The routes of tenants.
pub(crate) fn routes() -> Vec<Route> {
    vec![list::route(), create::route()]
}

/// A tenant.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TenantView {
    /// Its id.
    #[schema(format = Uuid)]
    id: String,
    /// Its name.
    name: String,
    /// Whether requests are about it now.
    current: bool,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
}

impl TenantView {
    fn of(current: uuid::Uuid, row: tenant::Tenant) -> Self {
        Self {
            current: row.id == current,
            id: row.id.to_string(),
            name: row.name,
            created_at: time::text(row.created_at),
        }
    }
}
