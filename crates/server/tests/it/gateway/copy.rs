//! One identity in two places.

use std::time::Duration;

use quell_wire::frame::{FromAgent, Hello};

use super::agent::Agent;
use super::rig::{Rig, until};

#[tokio::test]
async fn an_identity_on_another_machine_is_refused() {
    let rig = Rig::start().await;
    let agent = Agent::enrolled(&rig).await;
    let mut copy = agent.dial().await;
    copy.say(FromAgent::Hello(Hello { machine: vec![0xee; 32], ..agent.hello() })).await;
    assert_eq!(copy.goodbye().await, "identity_copied");
    let row = rig.endpoint(agent.id()).await;
    assert!(row.alarm.is_some_and(|alarm| alarm.contains("another machine")));
    for _ in 0..3 {
        let mut copy = agent.dial().await;
        copy.say(FromAgent::Hello(Hello { machine: vec![0xee; 32], ..agent.hello() })).await;
        assert_eq!(copy.goodbye().await, "identity_copied");
    }
    assert_eq!(rig.audited("endpoint.identity_copied", "identity_copied").await, 1, "said once");
}

#[tokio::test]
async fn a_second_agent_with_the_same_identity_is_refused_while_the_first_lives() {
    let rig = Rig::start().await;
    let agent = Agent::enrolled(&rig).await;
    let mut first = agent.session().await;
    let living = tokio::spawn(async move {
        assert!(first.is_quiet(Duration::from_secs(1)).await || first.is_quiet(Duration::from_secs(2)).await);
        first
    });
    let mut second = agent.dial().await;
    second.say(FromAgent::Hello(agent.hello())).await;
    assert_eq!(second.goodbye().await, "identity_copied");
    assert!(rig.gateway.sessions().is_connected(agent.id()));
    assert!(rig.endpoint(agent.id()).await.alarm.is_some());
    drop(living.await.unwrap());
}

#[tokio::test]
async fn an_agent_that_comes_back_takes_the_place_of_its_dead_connection() {
    let rig = Rig::start().await;
    let agent = Agent::enrolled(&rig).await;
    // Never read from again: as after a cable was pulled.
    let _dead = agent.session().await;
    let mut alive = agent.session().await;
    let command =
        rig.submit(agent.id(), "file.collect", serde_json::json!({ "path": "/etc/hostname" })).await;
    let order = alive.order().await;
    assert!(!order.order.is_empty());
    until(async || (rig.command(command.id).await.state == "dispatched").then_some(())).await;
    assert!(rig.endpoint(agent.id()).await.alarm.is_none());
}

#[tokio::test]
async fn machines_that_are_one_are_told_of() {
    let rig = Rig::start().await;
    let first = Agent::enrolled(&rig).await;
    let mut second = Agent::new(&rig);
    second.machine = first.machine;
    second.enrol(&rig.token(1).await).await;
    assert_ne!(first.id(), second.id());
    assert!(rig.endpoint(second.id()).await.alarm.is_some_and(|alarm| alarm.contains("same machine")));
}
