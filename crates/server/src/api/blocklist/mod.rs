//! The block list, as the API shows it. It is changed by tasks (`blocklist.add`, `blocklist.remove`); here it is looked at,
//! and its exceptions are kept.

mod check;
mod coverage;
mod exceptions;
mod list;
mod show;
mod stix;

use quell_catalog::blocklist::{Action, Kind, RiskLevel};
use quell_store::blocklist as rows;
use serde::Serialize;
use utoipa::ToSchema;

use super::export::Cells;
use super::route::Route;
use super::time;

/// The routes of the block list.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        list::route(),
        show::route(),
        stix::route(),
        coverage::route(),
        exceptions::show(),
        exceptions::set(),
        check::route(),
    ]
}

/// An object that is listed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BlockedObject {
    /// Its id.
    #[schema(format = Uuid)]
    id: String,
    /// `sha1`, `sha256`, `ip`, `domain`, `url` or `sender`.
    kind: &'static str,
    /// What is listed.
    value: String,
    /// `block`, or `log` where it is only reported.
    action: &'static str,
    /// `low`, `medium` or `high`.
    risk: &'static str,
    /// When it counts no more; `null`: never.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// What is known of it.
    note: Option<String>,
    /// The task that listed it last.
    #[schema(format = Uuid)]
    task_id: String,
    /// Who asked for that.
    added_by: String,
    /// When it was listed first.
    #[schema(format = DateTime)]
    added_at: String,
    /// The version in which it came, or was changed last.
    version: i64,
}

impl BlockedObject {
    fn of(row: rows::Object) -> Self {
        Self {
            id: row.id.to_string(),
            kind: kind(row.kind),
            value: row.shown,
            action: i32::try_from(row.action)
                .ok()
                .and_then(Action::of_number)
                .map_or("unknown", Action::as_str),
            risk: i32::try_from(row.risk)
                .ok()
                .and_then(RiskLevel::of_number)
                .map_or("unknown", RiskLevel::as_str),
            expires_at: time::maybe(row.expires_at),
            note: row.note,
            task_id: row.task_id.to_string(),
            added_by: row.added_by,
            added_at: time::text(row.added_at),
            version: row.version,
        }
    }
}

fn kind(number: i64) -> &'static str {
    i32::try_from(number).ok().and_then(Kind::of_number).map_or("unknown", Kind::as_str)
}

impl Cells for BlockedObject {
    const COLUMNS: &'static [&'static str] = &[
        "value",
        "kind",
        "action",
        "risk",
        "expires_at",
        "note",
        "task_id",
        "added_by",
        "added_at",
        "version",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.value.clone(),
            self.kind.to_owned(),
            self.action.to_owned(),
            self.risk.to_owned(),
            self.expires_at.clone().unwrap_or_default(),
            self.note.clone().unwrap_or_default(),
            self.task_id.clone(),
            self.added_by.clone(),
            self.added_at.clone(),
            self.version.to_string(),
        ]
    }
}
