//! A machine becomes an endpoint: a token is redeemed, a certificate is issued, both in one transaction or neither.

use std::net::SocketAddr;
use std::sync::Arc;

use http::{Request, StatusCode};
use hyper::body::Incoming;
use quell_store::endpoint::Endpoint;
use quell_store::enrolment::Token;
use quell_store::{Tx, audit, endpoint, enrolment};
use quell_wire::digest::hex;
use quell_wire::enrol::{EnrolRequest, EnrolResponse, decode, secret_hash};
use quell_wire::limits;
use serde_json::json;
use uuid::Uuid;

use super::facts::{self, Facts};
use super::reply::{self, Refused, Reply};
use super::{Shared, body, trail};
use crate::pki::token::{Unusable, redeem};
use crate::pki::{IssueError, Issued, check_csr};

/// What was asked, after every check that needs no database.
struct Asked {
    request: EnrolRequest,
    facts: Facts,
    fingerprint: String,
    public_key: Vec<u8>,
}

/// Takes a machine in.
pub async fn answer(
    shared: &Arc<Shared>,
    remote: SocketAddr,
    request: Request<Incoming>,
) -> Result<Reply, Refused> {
    if let Some(wait) = shared.attempts.wait(remote.ip(), shared.now_us()) {
        return Err(Refused::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many",
            "too many failed attempts from this address",
        )
        .after(wait));
    }
    let body = body::read(request.into_body(), limits::ENROL).await?;
    let enrolled = match check(&body) {
        Ok(asked) => enrol(shared, remote, asked).await,
        Err(refused) => Err(refused),
    };
    if enrolled.as_ref().is_err_and(|refused| refused.status.is_client_error()) {
        shared.attempts.failed(remote.ip(), shared.now_us());
    }
    let (endpoint, issued) = enrolled?;
    tracing::info!(endpoint.id = %endpoint.id, endpoint.name = %endpoint.name, %remote, "enrolled");
    let response = EnrolResponse {
        tenant_id: endpoint.tenant_id.to_string(),
        endpoint_id: endpoint.id.to_string(),
        certificate: issued.certificate,
        ca: shared.authority.certificate().to_vec(),
        order_keys: shared.order_keys(),
        not_after_us: issued.not_after_us,
        addresses: shared.addresses.current().to_vec(),
        trust: shared.trusts.of(endpoint.tenant_id).iter().map(|(_, signed)| signed.clone()).collect(),
    };
    Ok(reply::message(StatusCode::OK, &response))
}

fn malformed(why: impl Into<String>) -> Refused {
    Refused::new(StatusCode::BAD_REQUEST, "malformed", why)
}

fn check(body: &[u8]) -> Result<Asked, Refused> {
    let request: EnrolRequest = decode(body).ok_or_else(|| malformed("not an enrolment request"))?;
    let requested = check_csr(&request.csr).map_err(|error| malformed(error.to_string()))?;
    if request.secret.len() != 32 || request.machine.len() != 32 || request.agent_version.len() > limits::CODE
    {
        return Err(malformed("a field of the enrolment request is of the wrong length"));
    }
    let facts = facts::read(&request.facts)
        .ok_or_else(|| malformed("the facts are no JSON object, or longer than 64 KiB"))?;
    let fingerprint = hex(&request.machine);
    Ok(Asked { request, facts, fingerprint, public_key: requested.public_key })
}

async fn enrol(
    shared: &Arc<Shared>,
    remote: SocketAddr,
    asked: Asked,
) -> Result<(Endpoint, Issued), Refused> {
    // Read before anything is written: a flood of bad tokens costs no commit and no signature.
    let (hash, now) = (secret_hash(&asked.request.secret), shared.now_us());
    let token =
        shared.store.read(move |tx| enrolment::by_hash(tx, &hash)).await?.ok_or_else(invalid_token)?;
    let shared = Arc::clone(shared);
    let store = shared.store.clone();
    let outcome = store.write(move |tx| take_in(tx, &shared, remote, &asked, token.tenant_id, now)).await?;
    match outcome {
        Taken::In(endpoint, issued) => Ok((*endpoint, issued)),
        Taken::Unusable => Err(invalid_token()),
        Taken::NotIssued(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a certificate was not issued");
            Err(Refused::busy("the certificate could not be issued now"))
        }
    }
}

/// One answer for every reason: who guesses learns nothing. The reason is in the audit.
fn invalid_token() -> Refused {
    Refused::new(
        StatusCode::FORBIDDEN,
        "token_invalid",
        "the enrolment token is unknown, expired, revoked or used up; ask for a new one",
    )
}

enum Taken {
    In(Box<Endpoint>, Issued),
    Unusable,
    NotIssued(IssueError),
}

fn take_in(
    tx: &mut Tx<'_>,
    shared: &Shared,
    remote: SocketAddr,
    asked: &Asked,
    tenant: Uuid,
    now: i64,
) -> Result<Taken, quell_store::Error> {
    let known = same_key(tx, tenant, asked)?;
    let id = known.as_ref().map_or_else(Uuid::now_v7, |endpoint| endpoint.id);
    let issued = match shared.authority.issue_agent(
        &asked.request.csr,
        tenant,
        id,
        now,
        shared.settings.certificate_life,
    ) {
        Ok(issued) => issued,
        Err(error) => return Ok(Taken::NotIssued(error)),
    };
    if let Some(endpoint) = known {
        return again(tx, asked, endpoint, issued, remote, now);
    }
    let token = match redeem(tx, &asked.request.secret, now)? {
        Ok(token) => token,
        Err((why, token)) => {
            if let Some(token) = token {
                note_refusal(tx, &token, why, asked, remote, now)?;
            }
            return Ok(Taken::Unusable);
        }
    };
    let mut endpoint = new_endpoint(&token, asked, id, &issued, now);
    // People act by name: an agent says which it would like, and gets none that leads to another endpoint.
    endpoint.name = endpoint::free_name(tx, tenant, &asked.facts.name)?;
    let twins = endpoint::by_fingerprint(tx, tenant, &asked.fingerprint)?;
    if let Some(twin) = twins.first() {
        endpoint.alarm = Some(format!("enrolled on the same machine as endpoint {twin}"));
    } else if endpoint.name != asked.facts.name {
        endpoint.alarm = Some(format!("enrolled under the name of another endpoint, {}", asked.facts.name));
    }
    endpoint::insert(tx, &endpoint)?;
    let tags: Vec<String> = serde_json::from_str(&token.tags).unwrap_or_default();
    endpoint::set_tags(tx, tenant, id, &tags, &token.tags)?;
    let mut record = trail::of_endpoint(&endpoint, "endpoint.enrol", remote, now);
    record.detail = json!({
        "token": token.id, "token_name": token.name, "serial": issued.serial, "fingerprint": asked.fingerprint,
        "same_machine_as": twins, "host_name": asked.facts.name,
    })
    .to_string();
    audit::append(tx, &record)?;
    Ok(Taken::In(Box::new(endpoint), issued))
}

/// The endpoint that this very key enrolled before: its answer was lost on the way, and a token for one machine
/// must not be wasted by that.
fn same_key(tx: &mut Tx<'_>, tenant: Uuid, asked: &Asked) -> Result<Option<Endpoint>, quell_store::Error> {
    for id in endpoint::by_fingerprint(tx, tenant, &asked.fingerprint)? {
        let known = endpoint::get(tx, tenant, id)?;
        if let Some(known) = known.filter(|known| known.public_key == asked.public_key) {
            return Ok(Some(known));
        }
    }
    Ok(None)
}

fn again(
    tx: &mut Tx<'_>,
    asked: &Asked,
    known: Endpoint,
    issued: Issued,
    remote: SocketAddr,
    now: i64,
) -> Result<Taken, quell_store::Error> {
    let hash = secret_hash(&asked.request.secret);
    let usable = enrolment::by_hash(tx, &hash)?
        .is_some_and(|token| token.revoked_at.is_none() && token.expires_at > now && token.uses > 0);
    if !usable {
        return Ok(Taken::Unusable);
    }
    endpoint::set_certificate(tx, known.tenant_id, known.id, &issued.serial, issued.not_after_us)?;
    let mut record = trail::of_endpoint(&known, "endpoint.enrol", remote, now);
    record.detail = json!({ "repeated": true, "serial": issued.serial }).to_string();
    audit::append(tx, &record)?;
    Ok(Taken::In(Box::new(known), issued))
}

fn note_refusal(
    tx: &mut Tx<'_>,
    token: &Token,
    why: Unusable,
    asked: &Asked,
    remote: SocketAddr,
    now: i64,
) -> Result<(), quell_store::Error> {
    let record = audit::Record {
        tenant_id: token.tenant_id,
        id: Uuid::now_v7(),
        at: now,
        actor_kind: "stranger".to_owned(),
        actor_id: asked.fingerprint.clone(),
        actor_name: asked.facts.name.clone(),
        verb: "endpoint.enrol".to_owned(),
        object_kind: "enrolment_token".to_owned(),
        object_id: token.id.to_string(),
        outcome: why.code().to_owned(),
        detail: "{}".to_owned(),
        request_id: None,
        remote: Some(remote.ip().to_string()),
    };
    audit::append(tx, &record)
}

fn new_endpoint(token: &Token, asked: &Asked, id: Uuid, issued: &Issued, now: i64) -> Endpoint {
    Endpoint {
        tenant_id: token.tenant_id,
        id,
        name: asked.facts.name.clone(),
        state: "active".to_owned(),
        public_key: asked.public_key.clone(),
        cert_serial: issued.serial.clone(),
        cert_not_after: issued.not_after_us,
        fingerprint: asked.fingerprint.clone(),
        os: asked.facts.os.clone(),
        arch: asked.facts.arch.clone(),
        agent_version: facts::clean(&asked.request.agent_version, limits::CODE).unwrap_or_default(),
        facts: asked.facts.json.clone(),
        capabilities: "[]".to_owned(),
        isolation: None,
        tags: token.tags.clone(),
        enrolled_at: now,
        last_seen_at: None,
        alarm: None,
    }
}
