//! Links in mails: one request, one person, one decision.
//!
//! The link leads to a page that any program may fetch as often as it likes: its token stands behind the number sign and
//! stays with the browser, and the page does nothing by itself. Only with the token *and* the person's own password (or a
//! session that their passkey just began) is anything decided: a mailbox alone approves nothing.

mod decide;
mod show;
pub(crate) mod signing;

use quell_access::Permission;
use quell_store::person::{self, Person};
use quell_store::{Micros, Tx, approval_link::Link};
use quell_wire::digest::sha256;

use super::route::Route;
use super::secret::Secret;
use crate::auth::origin::Origin;
use crate::problem::{Code, Problem};
use crate::state::App;

/// The routes of links.
pub(crate) fn routes() -> Vec<Route> {
    vec![show::route(), decide::route()]
}

/// The link that a token stands for, and the person whom it asks. A token that is unknown, used or over is answered alike.
async fn find(app: &App, origin: &Origin, token: &Secret) -> Result<(Link, Person), Problem> {
    let now = app.now();
    if !app.guesses.allows(origin.remote, now) {
        return Err(Problem::new(Code::TooManyRequests, "too many failed tries came from this address")
            .retry_after(5));
    }
    let hash = sha256(&[token.reveal().unwrap_or_default().as_bytes()]);
    let found = app.store.read(move |tx| of_hash(tx, &hash, now)).await?;
    found.ok_or_else(|| {
        app.guesses.take(origin.remote, now);
        Problem::new(Code::LinkGone, "the link is not known, was used, or is over")
            .hint("Sign in and look at `GET /api/v1/approvals`; a newer mail may hold another link.")
    })
}

fn of_hash(
    tx: &mut Tx<'_>,
    hash: &[u8; 32],
    now: Micros,
) -> Result<Option<(Link, Person)>, quell_store::Error> {
    let link = quell_store::approval_link::by_hash(tx, hash)?;
    let Some(link) = link.filter(|link| link.used_at.is_none() && link.expires_at > now) else {
        return Ok(None);
    };
    // Who may not decide there any more is not shown either what is asked.
    let access = quell_engine::access::access_of(tx, link.tenant_id, link.person_id)?;
    if !access.allows(Permission::ApprovalDecide) {
        return Ok(None);
    }
    let person = person::get(tx, link.person_id)?.filter(|person| person.state == "active");
    Ok(person.map(|person| (link, person)))
}
