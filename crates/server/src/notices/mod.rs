//! Notices: what people and other systems are told, after it is sealed.
//!
//! Nobody who acts writes a notice. They write their audit record, and [`gather`] reads what was sealed: once for each
//! record, into rows that say what is to be told to whom. [`send`] carries the rows out. Both do with several servers on
//! one database: a batch is read by whoever moves the cursor, a delivery is sent by whoever claims it. A server that dies
//! between sending and writing so sends again, with the same `Message-ID` or `webhook-id`.

mod audience;
mod compose;
mod gather;
pub(crate) mod outbox;
mod send;
pub(crate) mod settings;
mod told;

use std::sync::Arc;

use quell_notify::{
    Reach, Verdict,
    mail::Mailer,
    reach::SystemNames,
    webhook::{Post, Poster},
};
use quell_store::Micros;
use tokio::sync::Notify;
use uuid::Uuid;

pub(crate) use compose::{post_body, sample_letter};
pub(crate) use gather::gather;
pub(crate) use send::{PURPOSE, secrets, send};

/// How long what was told is kept, microseconds.
const KEPT: Micros = 60 * 86_400_000_000;

/// What carries notices out.
pub(crate) struct Notices {
    /// Sends mail.
    pub mailer: Mailer,
    /// Posts to webhooks; `None` where the system's certificates could not be read.
    poster: Option<Poster>,
    /// Rings when something may be due.
    pub bell: Notify,
}

impl Notices {
    /// Nothing is connected yet. `reach` is where a tenant's webhooks may lead.
    pub fn new(reach: Reach) -> Self {
        let names = Arc::new(SystemNames);
        let mailer = Mailer::new(Arc::clone(&names) as Arc<_>);
        let poster = Poster::new(reach, names)
            .inspect_err(|error| tracing::error!(%error, "webhooks cannot be posted to"))
            .ok();
        Self { mailer, poster, bell: Notify::new() }
    }

    /// Posts once.
    pub async fn post(&self, post: &Post<'_>) -> Verdict {
        match &self.poster {
            Some(poster) => poster.post(post).await,
            None => Verdict::Retry { why: "the server has no client for webhooks".to_owned(), after: None },
        }
    }
}

/// Where a tenant's relay may be: private networks are where relays live, and whoever runs the server may use one beside it.
pub(crate) fn relay_reach(app: &crate::state::Inner, tenant: Uuid) -> Reach {
    if tenant == app.tenant { Reach::Anywhere } else { app.destinations.max(Reach::Private) }
}

/// Forgets what is older than sixty days.
pub(crate) async fn forget(app: &crate::state::Inner) -> Result<u64, quell_store::Error> {
    let before = app.now() - KEPT;
    app.store.write(move |tx| quell_store::notice::forget(tx, before)).await
}
