//! Agents that lie, and peers that are no agents.

use std::time::{Duration, Instant};

use quell_wire::Status;
use quell_wire::frame::{FromAgent, Started};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use uuid::Uuid;

use super::agent::Agent;
use super::rig::{Rig, until};

#[tokio::test]
async fn results_for_orders_of_others_change_nothing() {
    let rig = Rig::start().await;
    let (victim, liar) = (Agent::enrolled(&rig).await, Agent::enrolled(&rig).await);
    let mut theirs = victim.session().await;
    let command = rig.submit(victim.id(), "process.terminate", json!({ "pid": 4242, "start_time": 1 })).await;
    let order = theirs.order().await;
    let mut session = liar.session().await;
    // Another agent's order, in its own name, and in the other's with its own signature.
    let mut claimed: quell_wire::Order = prost::Message::decode(order.order.as_slice()).unwrap();
    claimed.endpoint_id = liar.id().to_string();
    let mine = quell_wire::SignedOrder { order: prost::Message::encode_to_vec(&claimed), ..order.clone() };
    session.say(FromAgent::Started(Started { order_id: command.id.to_string(), at_us: 1 })).await;
    session.say(FromAgent::Outcome(liar.outcome(&mine, Status::Done, b"{}".to_vec()))).await;
    session.say(FromAgent::Outcome(liar.outcome(&order, Status::Done, b"{}".to_vec()))).await;
    // One that was never made.
    claimed.order_id = Uuid::now_v7().to_string();
    let invented =
        quell_wire::SignedOrder { order: prost::Message::encode_to_vec(&claimed), ..order.clone() };
    session.say(FromAgent::Outcome(liar.outcome(&invented, Status::Done, b"{}".to_vec()))).await;
    // The victim's own words, brought by another.
    session.say(FromAgent::Outcome(victim.outcome(&order, Status::Done, b"{}".to_vec()))).await;
    session.say(FromAgent::Outcome(liar.outcome(&order, Status::Done, b"{}".to_vec()))).await;
    assert_eq!(session.goodbye().await, "limit");
    assert_eq!(rig.command(command.id).await.state, "dispatched");
    assert!(rig.audited("command.outcome", "other_endpoint").await >= 1);
    assert_eq!(rig.audited("command.outcome", "unknown_order").await, 1);
    assert!(rig.audited("command.outcome", "bad_signature").await >= 1);
    // It comes back and is not heard for a while.
    let mut session = liar.dial().await;
    session.say(FromAgent::Hello(liar.hello())).await;
    assert_eq!(session.goodbye().await, "limit");
}

#[tokio::test]
async fn frames_that_are_none_end_the_session() {
    let rig = Rig::start().await;
    let agent = Agent::enrolled(&rig).await;
    let cases: Vec<(&str, Message)> = vec![
        ("text", Message::text("hello")),
        ("garbage", Message::binary(vec![0xff; 64])),
        ("empty", Message::binary(Vec::new())),
        ("too large", Message::binary(vec![0; (1 << 20) + 1])),
    ];
    for (what, message) in cases {
        let mut session = agent.session().await;
        session.raw(message).await;
        let end = session.goodbye().await;
        assert!(end == "limit" || end == "closed without a word", "{what}: {end}");
        until(async || (!rig.gateway.sessions().is_connected(agent.id())).then_some(())).await;
    }
    let mut session = agent.dial().await;
    session.say(FromAgent::Started(Started { order_id: "x".to_owned(), at_us: 0 })).await;
    assert_eq!(session.goodbye().await, "limit", "a session begins with Hello");
}

/// Bytes that come until the other side closes.
async fn closed_after(stream: &mut (impl AsyncReadExt + Unpin)) -> Duration {
    let began = Instant::now();
    let mut buffer = [0; 1024];
    let read = async { while !matches!(stream.read(&mut buffer).await, Ok(0) | Err(_)) {} };
    tokio::time::timeout(Duration::from_secs(15), read).await.expect("the connection was held open");
    began.elapsed()
}

#[tokio::test]
async fn who_dawdles_is_cut_off() {
    let rig = Rig::with(|settings| settings.handshake = Duration::from_millis(500)).await;
    let mut silent = TcpStream::connect(rig.address).await.unwrap();
    assert!(closed_after(&mut silent).await < Duration::from_secs(3), "a handshake that never comes");
    let mut plain = TcpStream::connect(rig.address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert!(closed_after(&mut plain).await < Duration::from_secs(3), "no TLS");
    let agent = Agent::enrolled(&rig).await;
    let mut head = agent.connect().await.unwrap();
    head.write_all(b"GET /agent/v1/ping HTTP/1.1\r\nhost: x\r\n").await.unwrap();
    assert!(closed_after(&mut head).await < Duration::from_secs(3), "a head that never ends");
    let mut long = agent.connect().await.unwrap();
    let _ = long.write_all(&[b"GET / HTTP/1.1\r\nx: ".as_slice(), &vec![b'y'; 300_000]].concat()).await;
    assert!(closed_after(&mut long).await < Duration::from_secs(3), "a head that is too long");
}

#[tokio::test]
async fn one_address_does_not_take_all_room() {
    let rig = Rig::with(|settings| settings.strangers_per_address = 2).await;
    let agent = Agent::new(&rig);
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(TcpStream::connect(rig.address).await.unwrap());
    }
    // Those held are counted as soon as they are accepted, in the order in which they came.
    assert!(agent.connect().await.is_err(), "a third was let in");
    drop(held);
    until(async || agent.connect().await.ok()).await;
}

#[tokio::test]
async fn one_identity_does_not_take_all_room() {
    let rig = Rig::with(|settings| settings.connections_per_endpoint = 2).await;
    let agent = Agent::enrolled(&rig).await;
    let _session = agent.session().await;
    // Answered, so it counts on the other side too.
    let _second = agent.dial().await;
    let third = agent.connect().await;
    let closed = match third {
        Ok(mut stream) => closed_after(&mut stream).await < Duration::from_secs(3),
        Err(_) => true,
    };
    assert!(closed);
}
