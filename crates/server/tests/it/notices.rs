//! Notices: what people are mailed and systems are posted, after it was sealed.

mod mail;
mod pair;
mod webhook;

use std::time::{Duration, Instant};

use quell_lab::MailSink;
use quell_server::{Config, Reach};
use quell_store::audit;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::World;

pub const LIMIT: Duration = Duration::from_secs(15);

/// A set-up that may reach this machine, and that does not wait long.
pub fn nearby(config: &mut Config) {
    config.destinations = Reach::Anywhere;
    config.limits.notice_pause = Duration::from_millis(200);
}

/// A mail server, or the end of the test where there is none to be had.
macro_rules! sink {
    () => {
        match quell_lab::MailSink::start() {
            Ok(sink) => sink,
            Err(error) => {
                eprintln!("skipped: {error}");
                return;
            }
        }
    };
}
use sink;

/// Has the world's tenant send mail over it.
pub async fn set_up(world: &World, sink: &MailSink, recipients: &[&str]) {
    let body = json!({
        "from": "quell@quell.example", "recipients": recipients,
        "smtp": { "host": "127.0.0.1", "port": sink.address().port(), "tls": "none" },
    });
    let (status, answer) = put(world, "/api/v1/mail", body).await;
    assert_eq!(status, 200, "{answer}");
}

pub async fn put(world: &World, path: &str, body: Value) -> (u16, Value) {
    crate::world::answer(world.request(reqwest::Method::PUT, path).json(&body).send().await.unwrap()).await
}

/// Something happened, as its audit record says.
pub async fn happened(
    world: &World,
    (verb, outcome): (&str, &str),
    object: (&str, &str),
    detail: Value,
) -> Uuid {
    let record = audit::Record {
        tenant_id: world.tenant,
        id: Uuid::now_v7(),
        at: 1_795_334_400_000_000,
        actor_kind: "system".to_owned(),
        actor_id: "engine".to_owned(),
        actor_name: "Quell".to_owned(),
        verb: verb.to_owned(),
        object_kind: object.0.to_owned(),
        object_id: object.1.to_owned(),
        outcome: outcome.to_owned(),
        detail: detail.to_string(),
        request_id: None,
        remote: None,
    };
    let id = record.id;
    world.store.write(move |tx| audit::append(tx, &record)).await.unwrap();
    id
}

/// A task that failed; every one is another task.
pub async fn failed(world: &World, action: &str) -> Uuid {
    let task = Uuid::now_v7().to_string();
    let detail = json!({ "action": action, "targets": 3, "succeeded": 1 });
    happened(world, ("task.end", "failed"), ("task", &task), detail).await
}

/// The notices, once they are as wished.
pub async fn notices(world: &World, query: &str, are: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let began = Instant::now();
    loop {
        let (status, list) = world.get(&format!("/api/v1/notices{query}")).await;
        assert_eq!(status, 200, "{list}");
        let items = list["items"].as_array().unwrap().clone();
        if are(&items) {
            return items;
        }
        assert!(began.elapsed() < LIMIT, "the notices do not become as they should be: {list}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
