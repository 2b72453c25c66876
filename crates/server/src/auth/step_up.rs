//! Confirmation by the person themselves at the moment of acting.
//!
//! A proof is good for one request: it is bound to the session and to the digest of method, path and body that follow, ends after a
//! minute, and is used up by the first request that shows it. A program with an API key cannot have one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use quell_store::person::{self, Person};
use quell_store::{Micros, Tx, audit, step_up};
use quell_wire::digest::{Digest, hex, sha256};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::json;
use uuid::Uuid;

use super::Caller;
use crate::problem::{Code, Problem};
use crate::state::App;

/// The header that carries a proof.
pub(crate) const HEADER: &str = "quell-step-up";
/// How long a proof is good, microseconds.
const LIFE: Micros = 60 * 1_000_000;

/// A proof. Prints nothing of itself.
pub(crate) struct Issued {
    /// For the header.
    pub proof: String,
    /// When it ends.
    pub expires_at: Micros,
}

/// That a person confirmed a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Confirmed {
    /// The confirmation.
    pub id: Uuid,
    /// How: `password`, `totp`, `passkey`.
    pub method: String,
}

/// Issues a proof for the request with a body of this digest, once the person showed who they are by `method`. `check` is
/// done in the same transaction: the use of a code, the counter of a passkey.
pub(crate) async fn issue<C>(
    app: &App,
    caller: &Caller,
    request: Digest,
    method: &str,
    check: C,
) -> Result<Issued, Problem>
where
    C: Fn(&mut Tx<'_>, &Person) -> Result<(), Problem> + Send + 'static,
{
    let (person, session_id) = caller.person()?;
    let mut random = [0; 32];
    SystemRandom::new()
        .fill(&mut random)
        .map_err(|_| Problem::new(Code::Unavailable, "the system gave no randomness").retry_after(1))?;
    let proof = URL_SAFE_NO_PAD.encode(random);
    let now = app.now();
    let row = step_up::StepUp {
        tenant_id: caller.tenant,
        id: Uuid::now_v7(),
        session_id,
        hash: sha256(&[proof.as_bytes()]),
        request,
        method: method.to_owned(),
        created_at: now,
        expires_at: now + LIFE,
        used_at: None,
    };
    let detail = json!({ "method": method, "request": hex(&request), "session": session_id });
    let record = caller.record(now, "step_up.create", "step_up", &row.id.to_string(), &detail);
    app.store
        .write(move |tx| {
            let person = person::get(tx, person)?.ok_or_else(|| Problem::not_found("person"))?;
            check(tx, &person)?;
            step_up::insert(tx, &row)?;
            audit::append(tx, &record)?;
            Ok::<_, Problem>(())
        })
        .await?;
    Ok(Issued { proof, expires_at: now + LIFE })
}

/// Demands that the person confirmed the request with this body, and uses the proof up.
pub(crate) async fn demand(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Confirmed, Problem> {
    let (_, session) = caller.person()?;
    let proof = headers.get(HEADER).and_then(|value| value.to_str().ok()).filter(|proof| proof.len() <= 128);
    let proof = proof.ok_or_else(|| needed("this needs the person's own confirmation"))?;
    let (hash, request, now, tenant) =
        (sha256(&[proof.as_bytes()]), request(&caller.route, body), app.now(), caller.tenant);
    let found = app
        .store
        .write(move |tx| {
            let Some(row) = step_up::by_hash(tx, tenant, session, &hash)? else { return Ok(None) };
            let is_good = row.request == request && row.expires_at > now && row.created_at <= now;
            if !is_good || !step_up::use_up(tx, tenant, row.id, now)? {
                return Ok(None);
            }
            Ok::<_, quell_store::Error>(Some(Confirmed { id: row.id, method: row.method }))
        })
        .await?;
    found.ok_or_else(|| {
        needed("the confirmation is not for this request, is older than a minute, or was used")
    })
}

/// What a confirmation is for: method and path, a newline, and the body as it is sent.
fn request(route: &str, body: &[u8]) -> Digest {
    sha256(&[route.as_bytes(), b"\n", body])
}

fn needed(detail: &str) -> Problem {
    Problem::new(Code::StepUpNeeded, detail)
        .hint("`POST /api/v1/step-up` with the SHA-256 of method, path and body, then send the body with the proof in `Quell-Step-Up`.")
}
