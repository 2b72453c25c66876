//! Break-glass: a person acts without the approval that is asked for, for a time, loudly, and is reviewed afterwards.
//!
//! It passes over the people whom the server's policy would ask, never over what an agent's trust policy demands.

mod begin;
mod end;
mod list;
mod review;

use quell_engine::Change;
use quell_store::break_glass;
use serde::Serialize;
use utoipa::ToSchema;

use super::export::Cells;
use super::route::Route;
use super::time;
use crate::state::App;

/// The routes of break-glass.
pub(crate) fn routes() -> Vec<Route> {
    vec![begin::route(), list::route(), end::route(), review::route()]
}

/// Tells those who watch.
fn tell(app: &App, row: &break_glass::BreakGlass, state: &'static str) {
    app.engine.changes().tell(Change::BreakGlass { tenant: row.tenant_id, id: row.id, state });
}

/// A time in which a person acts without approval.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BreakGlass {
    /// Its id.
    #[schema(format = Uuid)]
    id: String,
    /// Who.
    #[schema(format = Uuid)]
    person: String,
    /// Their name.
    name: String,
    /// Why.
    reason: String,
    /// Since when.
    #[schema(format = DateTime)]
    begun_at: String,
    /// Until when at most.
    #[schema(format = DateTime)]
    until_at: String,
    /// When they ended it themselves.
    #[schema(format = DateTime)]
    ended_at: Option<String>,
    /// Whether it goes on.
    is_open: bool,
    /// Who looked at what was done.
    reviewed_by: Option<String>,
    /// When.
    #[schema(format = DateTime)]
    reviewed_at: Option<String>,
    /// What they found.
    note: Option<String>,
}

impl BreakGlass {
    fn of(row: break_glass::BreakGlass, now: quell_store::Micros) -> Self {
        Self {
            is_open: row.ended_at.is_none() && row.until_at > now,
            id: row.id.to_string(),
            person: row.person_id.to_string(),
            name: row.name,
            reason: row.reason,
            begun_at: time::text(row.begun_at),
            until_at: time::text(row.until_at),
            ended_at: time::maybe(row.ended_at),
            reviewed_by: row.reviewed_by,
            reviewed_at: time::maybe(row.reviewed_at),
            note: row.note,
        }
    }
}

impl Cells for BreakGlass {
    const COLUMNS: &'static [&'static str] =
        &["id", "name", "reason", "begun_at", "until_at", "ended_at", "reviewed_by", "reviewed_at", "note"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            self.name.clone(),
            self.reason.clone(),
            self.begun_at.clone(),
            self.until_at.clone(),
            self.ended_at.clone().unwrap_or_default(),
            self.reviewed_by.clone().unwrap_or_default(),
            self.reviewed_at.clone().unwrap_or_default(),
            self.note.clone().unwrap_or_default(),
        ]
    }
}
