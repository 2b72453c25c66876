//! Enrolment and renewal: who gets a certificate, and who does not.

use std::sync::Arc;
use std::time::Duration;

use http::{Request, StatusCode};
use http_body_util::Full;
use prost::Message;
use quell_server::pki::{Authority, PeerIdentity, token::redeem};
use quell_store::enrolment;
use quell_wire::enrol::{RenewRequest, RenewResponse, decode};
use quell_wire::path::{ENROL, PING, RENEW, SESSION};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};

use super::agent::{Agent, csr, request};
use super::rig::{Rig, now};

#[tokio::test]
async fn a_token_makes_an_endpoint() {
    let rig = Rig::start().await;
    let token = rig.token(1).await;
    let mut agent = Agent::new(&rig);
    assert_eq!(agent.enrol(&token).await.status, StatusCode::OK);
    let response = agent.response.clone().unwrap();
    assert_eq!(quell_wire::digest::sha256(&[&response.ca]), token.ca);
    let identity = PeerIdentity::from_certificate(&response.certificate).unwrap();
    assert_eq!((identity.tenant, identity.endpoint), (rig.tenant, agent.id()));
    let row = rig.endpoint(agent.id()).await;
    assert_eq!((row.name.as_str(), row.os.as_str(), row.tags.as_str()), ("web-1", "linux", r#"["lab"]"#));
    assert_eq!(row.public_key, agent.key().public());
    assert_eq!(rig.audited("endpoint.enrol", "ok").await, 1);
}

#[tokio::test]
async fn a_name_leads_to_the_one_that_had_it_first() {
    let rig = Rig::start().await;
    let (first, second) = (Agent::enrolled(&rig).await, Agent::enrolled(&rig).await);
    let (known, rogue) = (rig.endpoint(first.id()).await, rig.endpoint(second.id()).await);
    assert_eq!((known.name.as_str(), known.alarm), ("web-1", None));
    assert_eq!(rogue.name, "web-1-2");
    assert!(rogue.alarm.unwrap().contains("web-1"));
}

#[tokio::test]
async fn a_token_that_is_over_lets_nobody_in() {
    let rig = Rig::start().await;
    let (expired, _) = rig.token_until(5, now() - 1).await;
    let (revoked, id) = rig.token_until(5, now() + 60_000_000).await;
    let tenant = rig.tenant;
    rig.write(move |tx| enrolment::revoke(tx, tenant, id, now())).await;
    let once = rig.token(1).await;
    assert_eq!(Agent::new(&rig).enrol(&once).await.status, StatusCode::OK);
    let mut unknown = once.clone();
    unknown.secret = [9; 32];
    for (token, why) in
        [(expired, "token_expired"), (revoked, "token_revoked"), (once, "token_used_up"), (unknown, "")]
    {
        let answer = Agent::new(&rig).enrol(&token).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (StatusCode::FORBIDDEN, "token_invalid"),
            "{why}"
        );
        if !why.is_empty() {
            assert_eq!(rig.audited("endpoint.enrol", why).await, 1, "{why}");
        }
    }
    assert_eq!(rig.audited("endpoint.enrol", "ok").await, 1);
}

#[tokio::test]
async fn an_answer_that_was_lost_costs_no_second_use() {
    let rig = Rig::start().await;
    let token = rig.token(1).await;
    let mut agent = Agent::new(&rig);
    agent.enrol(&token).await;
    let first = agent.id();
    assert_eq!(agent.enrol(&token).await.status, StatusCode::OK);
    assert_eq!(agent.id(), first);
}

#[tokio::test]
async fn a_stolen_token_is_worth_its_uses_and_no_more() {
    let rig = Rig::start().await;
    let (token, _) = rig.token_until(5, now() + 60_000_000).await;
    let store = rig.store.clone();
    let tries = (0..10_000).map(|_| {
        let (store, secret) = (store.clone(), token.secret);
        tokio::spawn(async move {
            store.write(move |tx| redeem(tx, &secret, now())).await.is_ok_and(|redeemed| redeemed.is_ok())
        })
    });
    let mut granted = 0;
    for attempt in tries.collect::<Vec<_>>() {
        granted += usize::from(attempt.await.unwrap());
    }
    assert_eq!(granted, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn machines_that_enrol_at_once_share_a_token_fairly() {
    let rig = Arc::new(Rig::start().await);
    let token = rig.token(5).await;
    let attempts: Vec<_> = (0..20)
        .map(|_| {
            let (rig, token) = (Arc::clone(&rig), token.clone());
            tokio::spawn(async move { Agent::new(&rig).enrol(&token).await.status })
        })
        .collect();
    let mut granted = 0;
    for attempt in attempts {
        granted += usize::from(attempt.await.unwrap() == StatusCode::OK);
    }
    assert_eq!(granted, 5);
}

#[tokio::test]
async fn guessing_is_stopped() {
    let rig = Rig::start().await;
    let good = rig.token(1).await;
    let mut bad = good.clone();
    bad.secret = [1; 32];
    let mut tries = 0;
    loop {
        let status = Agent::new(&rig).enrol(&bad).await.status;
        if status == StatusCode::TOO_MANY_REQUESTS {
            break;
        }
        assert_eq!(status, StatusCode::FORBIDDEN);
        tries += 1;
        assert!(tries < 40, "guessed on and on");
    }
    assert!(tries >= 20);
    assert_eq!(
        Agent::new(&rig).enrol(&good).await.status,
        StatusCode::TOO_MANY_REQUESTS,
        "the address waits"
    );
}

#[tokio::test]
async fn requests_that_are_none_are_refused() {
    let rig = Rig::start().await;
    let token = rig.token(1).await;
    let agent = Agent::new(&rig);
    let ask = |csr: Vec<u8>| quell_wire::enrol::EnrolRequest {
        secret: token.secret.to_vec(),
        csr,
        machine: vec![1; 32],
        agent_version: "0.1.0".to_owned(),
        facts: b"{}".to_vec(),
    };
    let good = csr(&agent.key_der);
    let ecdsa = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let other_algorithm = CertificateParams::default().serialize_request(&ecdsa).unwrap().der().to_vec();
    let mut other_signature = good.clone();
    *other_signature.last_mut().unwrap() ^= 1;
    for (csr, what) in [
        (other_algorithm, "another algorithm"),
        (other_signature, "a signature of somebody else"),
        (vec![], "nothing"),
        (good[..good.len() - 1].to_vec(), "cut off"),
        ([good.as_slice(), b"x"].concat(), "more behind it"),
        (vec![0; 9000], "too long"),
    ] {
        let answer = agent.post(ENROL, ask(csr).encode_to_vec()).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (StatusCode::BAD_REQUEST, "malformed"),
            "{what}"
        );
    }
    let mut bad = ask(good.clone());
    bad.machine = vec![1; 31];
    assert_eq!(agent.post(ENROL, bad.encode_to_vec()).await.status, StatusCode::BAD_REQUEST);
    let mut bad = ask(good);
    bad.facts = b"[1]".to_vec();
    assert_eq!(agent.post(ENROL, bad.encode_to_vec()).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(agent.post(ENROL, vec![0xff; 100]).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(agent.post(ENROL, vec![0; 200_000]).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(rig.audited("endpoint.enrol", "ok").await, 0);
}

#[tokio::test]
async fn neither_end_speaks_to_another_authority() {
    let rig = Rig::start().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let other = Authority::open(elsewhere.path(), now()).unwrap();
    // Somebody in between, with a CA of his own: the agent refuses.
    let mut fooled = Agent::new(&rig);
    fooled.ca = other.certificate().to_vec();
    assert!(fooled.connect().await.is_err());
    // An agent of somebody else: the gateway refuses.
    let mut agent = Agent::enrolled(&rig).await;
    let forged = other
        .issue_agent(&csr(&agent.key_der), rig.tenant, agent.id(), now(), Duration::from_mins(1))
        .unwrap();
    let real = agent.certificate.replace(forged.certificate);
    let sent = agent.send(request("GET", PING, &[("quell-nonce", "n")]).body(Full::default()).unwrap()).await;
    assert!(sent.is_err(), "a certificate of another CA passed");
    // A certificate of ours, held by somebody without its key.
    agent.certificate = real;
    agent.key_der = quell_wire::SigningKey::generate().unwrap();
    let config = std::panic::catch_unwind(|| agent.tls());
    assert!(config.is_err(), "the TLS library itself refuses the pair");
}

#[tokio::test]
async fn an_agents_certificate_is_no_servers() {
    let rig = Rig::start().await;
    let agent = Agent::enrolled(&rig).await;
    let (_, parsed) = x509_parser::parse_x509_certificate(agent.certificate.as_ref().unwrap()).unwrap();
    let uses = parsed.extended_key_usage().unwrap().unwrap().value;
    assert!(uses.client_auth && !uses.server_auth);
    assert!(!parsed.is_ca());
}

#[tokio::test]
async fn a_certificate_is_renewed_for_the_same_key() {
    let rig = Rig::with(|settings| settings.certificate_life = Duration::from_secs(1)).await;
    let mut agent = Agent::enrolled(&rig).await;
    tokio::time::sleep(Duration::from_millis(2100)).await;
    // Over: good for nothing but the next one.
    let refused = agent.get(SESSION).await;
    assert_eq!((refused.status, refused.problem().as_str()), (StatusCode::FORBIDDEN, "certificate_expired"));
    let other = quell_wire::SigningKey::generate().unwrap();
    let answer = agent.post(RENEW, RenewRequest { csr: csr(&other) }.encode_to_vec()).await;
    assert_eq!(answer.problem(), "other_key");
    let answer = agent.post(RENEW, RenewRequest { csr: csr(&agent.key_der) }.encode_to_vec()).await;
    assert_eq!(answer.status, StatusCode::OK);
    let renewed: RenewResponse = decode(&answer.body).unwrap();
    assert!(renewed.not_after_us > now() - 1_000_000);
    agent.certificate = Some(renewed.certificate);
    let row = rig.endpoint(agent.id()).await;
    assert_eq!(row.cert_not_after, renewed.not_after_us);
    assert_eq!(rig.audited("endpoint.renew", "ok").await, 1);
}

#[tokio::test]
async fn strangers_may_enrol_and_ping_and_nothing_else() {
    let rig = Rig::start().await;
    let stranger = Agent::new(&rig);
    let pinged = stranger
        .send(request("GET", PING, &[("quell-nonce", "abc")]).body(Full::default()).unwrap())
        .await
        .unwrap();
    assert_eq!(
        (pinged.status, &pinged.headers["quell-nonce"]),
        (StatusCode::NO_CONTENT, &http::HeaderValue::from_static("abc"))
    );
    for (method, path) in [
        ("GET", SESSION),
        ("POST", RENEW),
        ("GET", "/agent/v1/library/00"),
        ("PUT", "/agent/v1/uploads/x/archive"),
        ("HEAD", "/agent/v1/uploads/x/archive"),
    ] {
        let answer = stranger.send(request(method, path, &[]).body(Full::default()).unwrap()).await.unwrap();
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path}");
    }
    for path in ["/", "/api/v1/tasks", "/agent/v1/../v1/session", "/agent/v1/enrol/"] {
        assert_eq!(stranger.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    let request: Request<Full<bytes::Bytes>> = request("GET", PING, &[]).body(Full::default()).unwrap();
    assert_eq!(stranger.send(request).await.unwrap().status, StatusCode::BAD_REQUEST);
}
