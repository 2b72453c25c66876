//! Sessions: orders out, outcomes in, and how they end.

use std::time::{Duration, Instant};

use http::StatusCode;
use quell_engine::Actor;
use quell_wire::frame::{Event, FromAgent, FromServer, OrderRef, Progress, Rejected, Started};
use quell_wire::order::{Identity, check};
use quell_wire::path::SESSION;
use quell_wire::{Status, Trust};
use serde_json::json;

use super::agent::Agent;
use super::rig::{Rig, now, until};

const COLLECT: &str = "file.collect";

#[tokio::test]
async fn an_order_goes_out_and_its_outcome_comes_back() {
    let rig = Rig::start().await;
    let agent = Agent::enrolled(&rig).await;
    let mut session = agent.session().await;
    assert!(rig.gateway.sessions().is_connected(agent.id()));
    let command = rig.submit(agent.id(), "process.terminate", json!({ "pid": 4242, "start_time": 1 })).await;
    let order = session.order().await;
    let trust = Trust::pinned(rig.engine.signer().key_set()).unwrap();
    let me = Identity { tenant_id: rig.tenant.to_string(), endpoint_id: agent.id().to_string() };
    let verified = check(&order, &trust, None, &me, now()).unwrap();
    assert_eq!(verified.order().order_id, command.id.to_string());
    session.say(FromAgent::Started(Started { order_id: command.id.to_string(), at_us: 1 })).await;
    rig.until_command(command.id, |command| command.state == "running").await;
    let progress =
        Progress { order_id: command.id.to_string(), done: 3, total: 9, note: "x\u{1b}[0m".to_owned() };
    session.say(FromAgent::Progress(progress)).await;
    let seen = until(async || rig.engine.progress(rig.tenant, command.id)).await;
    assert_eq!((seen.done, seen.total, seen.note.as_str()), (3, 9, "x[0m"));
    let outcome = agent.outcome(&order, Status::Failed, Vec::new());
    for _ in 0..2 {
        session.say(FromAgent::Outcome(outcome.clone())).await;
        let stored = FromServer::OutcomeStored(OrderRef { order_id: command.id.to_string() });
        assert_eq!(session.hear().await, Some(stored), "also a repeat is acknowledged");
    }
    assert_eq!(rig.command(command.id).await.state, "failed");
}

#[tokio::test]
async fn what_waited_is_delivered_at_connect_and_again_until_it_is_held() {
    let rig = Rig::start().await;
    let agent = Agent::enrolled(&rig).await;
    drop(agent.session().await);
    until(async || (!rig.gateway.sessions().is_connected(agent.id())).then_some(())).await;
    let command = rig.submit(agent.id(), COLLECT, json!({ "path": "/etc/hostname" })).await;
    let mut session = agent.session().await;
    let first = session.order().await;
    drop(session);
    until(async || (!rig.gateway.sessions().is_connected(agent.id())).then_some(())).await;
    let mut session = agent.session().await;
    assert_eq!(session.order().await, first, "the very same bytes");
    drop(session);
    until(async || (!rig.gateway.sessions().is_connected(agent.id())).then_some(())).await;
    let mut session = agent.dial().await;
    let held = vec![OrderRef { order_id: command.id.to_string() }];
    session.say(FromAgent::Hello(quell_wire::frame::Hello { held, ..agent.hello() })).await;
    session.welcome().await;
    assert_eq!(session.order().await, first, "its secret is not on the agent's disk, so it is given again");
    assert!(session.is_quiet(Duration::from_millis(300)).await, "and once a session");
}

#[tokio::test]
async fn a_cancel_reaches_the_agent() {
    let rig = Rig::start().await;
    let agent = Agent::enrolled(&rig).await;
    let mut session = agent.session().await;
    let command = rig.submit(agent.id(), COLLECT, json!({ "path": "/etc/hostname" })).await;
    session.order().await;
    rig.engine.cancel(&Actor::system(), rig.tenant, command.task_id).await.unwrap();
    let cancel = FromServer::Cancel(OrderRef { order_id: command.id.to_string() });
    assert_eq!(session.hear().await, Some(cancel));
}

#[tokio::test]
async fn a_revoked_endpoint_is_cut_off_at_once() {
    let rig = Rig::start().await;
    let agent = Agent::enrolled(&rig).await;
    let mut session = agent.session().await;
    rig.engine.revoke(&Actor::system(), rig.tenant, agent.id(), "stolen").await.unwrap();
    let began = Instant::now();
    rig.gateway.sessions().revoked(agent.id());
    assert_eq!(session.goodbye().await, "revoked");
    assert!(session.hear().await.is_none());
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    let answer = agent.get(SESSION).await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::FORBIDDEN, "revoked"));
    assert_eq!(agent.get("/agent/v1/library/00").await.problem(), "revoked");
}

#[tokio::test]
async fn a_session_that_does_not_read_is_cut_off_too() {
    let rig = Rig::start().await;
    let agent = Agent::enrolled(&rig).await;
    let session = agent.session().await;
    rig.gateway.sessions().revoked(agent.id());
    until(async || (!rig.gateway.sessions().is_connected(agent.id())).then_some(())).await;
    drop(session);
}

#[tokio::test]
async fn versions_are_agreed_on() {
    let rig = Rig::start().await;
    let agent = Agent::enrolled(&rig).await;
    let mut session = agent.dial().await;
    let hello = quell_wire::frame::Hello { oldest_protocol: 7, newest_protocol: 9, ..agent.hello() };
    session.say(FromAgent::Hello(hello)).await;
    assert_eq!(session.goodbye().await, "protocol");
    let mut session = agent.dial().await;
    let hello = quell_wire::frame::Hello { newest_protocol: 9, ..agent.hello() };
    session.say(FromAgent::Hello(hello)).await;
    assert_eq!(session.welcome().await.protocol, 1);
}

#[tokio::test]
async fn events_are_kept_and_isolation_ends_with_them() {
    let rig = Rig::start().await;
    let agent = Agent::enrolled(&rig).await;
    let (tenant, id) = (rig.tenant, agent.id());
    let mut session = agent.session().await;
    rig.write(move |tx| quell_store::endpoint::set_isolation(tx, tenant, id, Some("{}"))).await;
    let event = |kind: &str, detail: &[u8]| {
        FromAgent::Event(Event { kind: kind.to_owned(), detail: detail.to_vec(), at_us: 5 })
    };
    session.say(event("isolation_repaired", br#"{"what":"table flushed"}"#)).await;
    until(async || (rig.audited("endpoint.isolation_repaired", "ok").await == 1).then_some(())).await;
    assert!(rig.endpoint(id).await.isolation.is_some());
    let alarm_is = async |expected: Option<&str>| {
        until(async || (rig.endpoint(id).await.alarm.as_deref() == expected).then_some(())).await;
    };
    let broken = "its isolation is broken and could not be repaired";
    session.say(event("isolation_broken", b"")).await;
    alarm_is(Some(broken)).await;
    session.say(event("isolation_repaired", b"")).await;
    alarm_is(None).await;
    // An agent takes back what it said, and nothing else that is said of it.
    rig.write(move |tx| quell_store::endpoint::set_alarm(tx, tenant, id, Some("copied"))).await;
    session.say(event("isolation_broken", b"")).await;
    session.say(event("isolation_broken", b"")).await;
    alarm_is(Some(&format!("copied; {broken}"))).await;
    session.say(event("isolation_repaired", b"")).await;
    alarm_is(Some("copied")).await;
    session.say(event("isolation_broken", b"")).await;
    alarm_is(Some(&format!("copied; {broken}"))).await;
    session.say(event("isolation_released_locally", b"")).await;
    alarm_is(Some("copied")).await;
    until(async || rig.endpoint(id).await.isolation.is_none().then_some(())).await;
    session
        .say(FromAgent::Rejected(Rejected {
            order_sha256: vec![1; 32],
            reason_code: "order_unknown_key".to_owned(),
            message: "m".to_owned(),
        }))
        .await;
    until(async || (rig.audited("endpoint.stray_order", "order_unknown_key").await == 1).then_some(())).await;
    // A flood fills no audit.
    for _ in 0..200 {
        session.say(event("isolation_repaired", b"{}")).await;
    }
    until(async || (rig.audited("endpoint.isolation_repaired", "ok").await >= 50).then_some(())).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(rig.audited("endpoint.isolation_repaired", "ok").await < 70);
}

#[tokio::test]
async fn facts_are_kept_when_they_change() {
    let rig = Rig::start().await;
    let agent = Agent::enrolled(&rig).await;
    drop(agent.session().await);
    until(async || (rig.endpoint(agent.id()).await.capabilities.len() > 2).then_some(())).await;
    until(async || (!rig.gateway.sessions().is_connected(agent.id())).then_some(())).await;
    let mut session = agent.dial().await;
    let hello = quell_wire::frame::Hello {
        facts: br#"{"hostname":"web-2\u0007","isolation":null}"#.to_vec(),
        ..agent.hello()
    };
    session.say(FromAgent::Hello(hello)).await;
    session.welcome().await;
    let row = rig.endpoint(agent.id()).await;
    assert_eq!(row.name, "web-1", "an agent does not choose by which name it is acted on");
    assert!(row.facts.contains("web-2"), "{}", row.facts);
    assert_eq!(row.alarm.as_deref(), Some("its host name was web-1 and is now web-2"));
    assert_eq!(rig.audited("endpoint.host_name", "ok").await, 1);
}

#[tokio::test]
async fn an_isolation_that_ended_without_an_outcome_is_on_record_once_its_agent_tells_of_it() {
    let rig = Rig::start().await;
    let agent = Agent::enrolled(&rig).await;
    let mut session = agent.session().await;
    let command = rig.submit(agent.id(), "endpoint.isolate", json!({})).await;
    let order = session.order().await;
    session.say(FromAgent::Outcome(agent.outcome(&order, Status::Indeterminate, Vec::new()))).await;
    rig.until_command(command.id, |command| command.state == "indeterminate").await;
    drop(session);
    let tell = async |order: String, state: &str| {
        until(async || (!rig.gateway.sessions().is_connected(agent.id())).then_some(())).await;
        let facts = json!({ "hostname": "web-1", "isolation": { "state": state, "order_id": order } });
        let hello = quell_wire::frame::Hello { facts: facts.to_string().into_bytes(), ..agent.hello() };
        let mut session = agent.dial().await;
        session.say(FromAgent::Hello(hello)).await;
        session.welcome().await;
        rig.endpoint(agent.id()).await.isolation
    };
    assert_eq!(tell(command.id.to_string(), "testing").await, None, "not known to hold");
    assert_eq!(tell(uuid::Uuid::now_v7().to_string(), "isolated").await, None, "nobody ordered it");
    let isolation = tell(command.id.to_string(), "isolated").await.unwrap();
    assert!(isolation.contains(&command.task_id.to_string()), "{isolation}");
    assert_eq!(rig.audited("endpoint.isolation_found", "ok").await, 1);
}

#[tokio::test]
async fn a_shutdown_says_goodbye_and_writes_down_who_was_seen() {
    let mut rig = Rig::start().await;
    let agent = Agent::enrolled(&rig).await;
    let mut session = agent.session().await;
    let welcomed = rig.gateway.sessions().heard_us(agent.id()).unwrap();
    session.raw(tokio_tungstenite::tungstenite::Message::Ping(bytes::Bytes::new())).await;
    until(async || rig.gateway.sessions().heard_us(agent.id()).filter(|heard| *heard > welcomed)).await;
    let closing = tokio::spawn(async move { session.goodbye().await });
    rig.stop().await;
    assert_eq!(closing.await.unwrap(), "shutdown");
    assert!(rig.endpoint(agent.id()).await.last_seen_at.is_some());
}

#[tokio::test]
async fn an_agent_that_falls_silent_is_let_go() {
    let rig = Rig::with(|settings| {
        settings.keep_alive_s = 1;
        settings.sweep = Duration::from_millis(200);
    })
    .await;
    let agent = Agent::enrolled(&rig).await;
    let mut dialled = agent.dial().await;
    dialled.say(FromAgent::Hello(agent.hello())).await;
    assert_eq!(dialled.welcome().await.keep_alive_s, 1);
    tokio::time::sleep(Duration::from_secs(2)).await;
    dialled.raw(tokio_tungstenite::tungstenite::Message::Ping(bytes::Bytes::new())).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(rig.gateway.sessions().is_connected(agent.id()), "its keep-alive counts");
    assert!(dialled.hear().await.is_none());
    assert!(!rig.gateway.sessions().is_connected(agent.id()));
}

#[tokio::test]
async fn a_certificate_that_is_not_renewed_ends_the_session() {
    let rig = Rig::with(|settings| {
        settings.certificate_life = Duration::from_secs(2);
        settings.certificate_grace = Duration::ZERO;
        settings.sweep = Duration::from_millis(200);
    })
    .await;
    let agent = Agent::enrolled(&rig).await;
    let (mut lazy, began) = (agent.session().await, Instant::now());
    assert_eq!(lazy.goodbye().await, "certificate_expired");
    assert!(began.elapsed() > Duration::from_millis(500));
    // One that renews meanwhile, over another connection, goes on.
    let agent = Agent::enrolled(&rig).await;
    let _diligent = agent.session().await;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let renewal = quell_wire::enrol::RenewRequest { csr: super::agent::csr(&agent.key_der) };
    let answer = agent.post(quell_wire::path::RENEW, prost::Message::encode_to_vec(&renewal)).await;
    assert_eq!(answer.status, StatusCode::OK);
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert!(rig.gateway.sessions().is_connected(agent.id()));
}

#[tokio::test]
async fn a_new_order_key_is_handed_on() {
    use quell_wire::keys::KeySet;
    let rig = Rig::start().await;
    let agent = Agent::enrolled(&rig).await;
    let pinned: KeySet =
        prost::Message::decode(agent.response.as_ref().unwrap().order_keys.as_slice()).unwrap();
    let trust = Trust::pinned(pinned).unwrap();
    let mut session = agent.session().await;
    rig.signer.rotate().unwrap();
    rig.gateway.sessions().keys_changed();
    let Some(FromServer::Keys(set)) = session.hear().await else { panic!("no keys") };
    let trust = trust.rotate(&set).unwrap();
    assert_eq!(trust.set().keys.len(), 2);
    drop(session);
    until(async || (!rig.gateway.sessions().is_connected(agent.id())).then_some(())).await;
    let mut session = agent.session().await;
    assert_eq!(session.hear().await, Some(FromServer::Keys(set)), "also to whom it missed");
    rig.submit(agent.id(), COLLECT, json!({ "path": "/etc/hostname" })).await;
    let me = Identity { tenant_id: rig.tenant.to_string(), endpoint_id: agent.id().to_string() };
    check(&session.order().await, &trust, None, &me, now()).unwrap();
}
