//! Tickets: links that let a person set a password, shown once to whoever hands them on.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use quell_store::{Micros, ticket};
use quell_wire::digest::{Digest, sha256};
use ring::rand::{SecureRandom, SystemRandom};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::time;
use crate::problem::{Code, Problem};
use crate::state::App;

const MARK: &str = "qt_";
const HOUR: Micros = 3600 * 1_000_000;

/// How long a ticket is good, microseconds.
fn life(kind: &str) -> Micros {
    if kind == ticket::INVITATION { 72 * HOUR } else { 24 * HOUR }
}

/// A ticket that is about to be stored. Prints nothing of its text.
pub(crate) struct NewTicket {
    /// Its text. Shown once.
    pub text: String,
    /// The row.
    pub row: ticket::Ticket,
}

/// Makes a ticket for a person at home in this tenant.
pub(crate) fn make(tenant: Uuid, person: Uuid, kind: &str, now: Micros) -> Result<NewTicket, Problem> {
    let mut random = [0; 32];
    SystemRandom::new()
        .fill(&mut random)
        .map_err(|_| Problem::new(Code::Unavailable, "the system gave no randomness").retry_after(1))?;
    let text = format!("{MARK}{}", URL_SAFE_NO_PAD.encode(random));
    let row = ticket::Ticket {
        tenant_id: tenant,
        id: Uuid::now_v7(),
        person_id: person,
        kind: kind.to_owned(),
        hash: digest(&text),
        created_at: now,
        expires_at: now + life(kind),
        used_at: None,
    };
    Ok(NewTicket { text, row })
}

/// What is stored of a ticket's text.
pub(crate) fn digest(text: &str) -> Digest {
    sha256(&[text.as_bytes()])
}

/// A ticket as it is shown, once.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShownTicket {
    /// The text, for `quell people redeem`.
    token: String,
    /// The same as a link, where it is known where people find the server. What stands behind `#` is sent to nobody.
    link: Option<String>,
    /// When it ends.
    #[schema(format = DateTime)]
    expires_at: String,
}

impl ShownTicket {
    /// As it is shown.
    pub fn of(app: &App, made: NewTicket) -> Self {
        Self {
            link: app.public.as_ref().map(|public| public.link(&format!("/welcome#{}", made.text))),
            token: made.text,
            expires_at: time::text(made.row.expires_at),
        }
    }
}
