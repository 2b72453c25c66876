//! What was told to whom, and what could not be.

mod kinds;
mod list;
mod retry;

use quell_notify as notify;
use quell_store::notice::{self, delivery};
use serde::Serialize;
use utoipa::ToSchema;

use super::export::Cells;
use super::route::Route;
use super::time;

/// The routes of notices.
pub(crate) fn routes() -> Vec<Route> {
    vec![kinds::route(), list::route(), retry::route()]
}

/// Something of which people and systems are told.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Notice {
    /// Its id: that of the audit record that it tells of.
    #[schema(format = Uuid)]
    id: String,
    /// What kind of thing: `approval_requested`, `task_failed` …
    kind: String,
    /// What happened, in one line.
    headline: String,
    /// What it is about.
    object_id: String,
    /// When it was written.
    #[schema(format = DateTime)]
    created_at: String,
    /// Who is told; the first hundred.
    deliveries: Vec<Delivery>,
}

/// One receiver of a notice.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Delivery {
    /// Its id, which stands in the mail's `Message-ID` or in `webhook-id`.
    #[schema(format = Uuid)]
    id: String,
    /// `mail` or `webhook`.
    channel: String,
    /// The address, or the webhook's id.
    destination: String,
    /// `pending`, `sent`, `held` (not sent, on purpose) or `dead` (given up).
    state: String,
    /// How often it was tried.
    attempts: i64,
    /// How many more notices it stands for.
    folded: i64,
    /// When it is tried next, where it waits.
    #[schema(format = DateTime)]
    next_at: Option<String>,
    /// When it arrived.
    #[schema(format = DateTime)]
    sent_at: Option<String>,
    /// What the last try said, or why it is held.
    last_error: Option<String>,
}

impl Notice {
    fn of(row: notice::Notice, deliveries: Vec<delivery::Delivery>) -> Self {
        let told = serde_json::from_str::<notify::Notice>(&row.body);
        Self {
            id: row.id.to_string(),
            kind: row.kind,
            headline: told.map(|told| told.headline).unwrap_or_default(),
            object_id: row.object_id,
            created_at: time::text(row.created_at),
            deliveries: deliveries.into_iter().map(Delivery::of).collect(),
        }
    }
}

impl Delivery {
    fn of(row: delivery::Delivery) -> Self {
        Self {
            next_at: (row.state == "pending").then(|| time::text(row.next_at)),
            id: row.id.to_string(),
            channel: row.channel,
            destination: row.destination,
            state: row.state,
            attempts: row.attempts,
            folded: row.folded,
            sent_at: time::maybe(row.sent_at),
            last_error: row.last_error,
        }
    }
}

impl Cells for Notice {
    const COLUMNS: &'static [&'static str] =
        &["id", "created_at", "kind", "headline", "object_id", "deliveries"];

    fn cells(&self) -> Vec<String> {
        let deliveries: Vec<String> =
            self.deliveries.iter().map(|one| format!("{} {}", one.destination, one.state)).collect();
        vec![
            self.id.clone(),
            self.created_at.clone(),
            self.kind.clone(),
            self.headline.clone(),
            self.object_id.clone(),
            deliveries.join("; "),
        ]
    }
}
