//! Records of other products in numbers: placed on the endpoints that they name, in time, and no more than a key may hand in.

use std::time::{Duration, Instant};

use quell_store::endpoint::{self, Endpoint};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{World, answer};

const PATH: &str = "/api/v1/ingest/generic";
const ENDPOINTS: usize = 3_000;
const RECORDS: usize = 10_000;

/// As many endpoints, each with a host name and an address of its own, and one address that all have.
async fn crowd(world: &World) {
    let any = world.endpoint("any").await;
    let tenant = world.tenant;
    let lay = move |tx: &mut quell_store::Tx<'_>| {
        let like = endpoint::get(tx, tenant, any)?.ok_or(quell_store::Error::NotFound("endpoint"))?;
        for number in 0..ENDPOINTS {
            let id = Uuid::now_v7();
            let facts = json!({ "hostname": format!("Host-{number}"),
                "addresses": [format!("10.7.{}.{}", number / 250, number % 250), "172.17.0.1"] });
            let (name, cert_serial) = (format!("e-{number}"), id.simple().to_string());
            let fingerprint = cert_serial.clone();
            let row =
                Endpoint { id, name, cert_serial, fingerprint, facts: facts.to_string(), ..like.clone() };
            endpoint::insert(tx, &row)?;
        }
        Ok::<_, quell_store::Error>(())
    };
    world.store.write(lay).await.unwrap();
}

async fn hand_in(world: &World, key: &str, body: String) -> (u16, Option<u64>, Value) {
    let request = world.with_key(Method::POST, PATH, key).header("content-type", "text/plain");
    let response = request.body(body).send().await.unwrap();
    let wait = response.headers().get("retry-after").and_then(|wait| wait.to_str().ok()?.parse().ok());
    let (status, told) = answer(response).await;
    (status, wait, told)
}

#[tokio::test]
async fn ten_thousand_records_over_three_thousand_endpoints_are_placed_in_no_time() {
    let world = World::new().await;
    crowd(&world).await;
    let key = world.key_of(world.tenant, "security_officer").await;
    let record = |number: usize| {
        let of = number % ENDPOINTS;
        // By host name, by address, by name; every fourth names what nobody is called.
        let hint = match number % 4 {
            0 => json!({ "host": format!("HOST-{of}") }),
            1 => json!({ "addresses": [format!("10.7.{}.{}", of / 250, of % 250), "172.17.0.1"] }),
            2 => json!({ "host": format!("e-{of}") }),
            _ => json!({ "host": format!("nobody-{number}"), "addresses": ["172.17.0.1"] }),
        };
        json!({ "id": number.to_string(), "time": "2026-11-23T06:50:00Z", "title": "Seen", "endpoint": hint })
            .to_string()
    };
    let body = (0..RECORDS).map(record).collect::<Vec<_>>().join("\n");
    let began = Instant::now();
    let (status, _, told) = hand_in(&world, &key, body).await;
    let took = began.elapsed();
    assert_eq!((status, &told["taken"]), (200, &json!(RECORDS)), "{told}");
    eprintln!("{RECORDS} records over {ENDPOINTS} endpoints: {took:?}");
    let (mut after, mut placed) = (String::new(), [0, 0]);
    while placed.iter().sum::<usize>() < RECORDS {
        let (_, page) = world.get(&format!("/api/v1/detections?limit=1000{after}")).await;
        for row in page["items"].as_array().unwrap() {
            placed[usize::from(row["endpoint"].is_object())] += 1;
        }
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&cursor={next}");
    }
    assert_eq!(placed, [RECORDS / 4, RECORDS * 3 / 4]);
    assert!(took < Duration::from_secs(3), "{took:?}");
    world.stop().await;
}

#[tokio::test]
async fn a_key_hands_in_so_many_records_a_minute() {
    let world = World::new().await;
    let key = world.key_of(world.tenant, "security_officer").await;
    let other = world.key_of(world.tenant, "administrator").await;
    // None of them means anything: what is refused counts too.
    let body = vec!["{}"; RECORDS].join("\n");
    let mut statuses = Vec::new();
    for _ in 0..7 {
        let (status, wait, _) = hand_in(&world, &key, body.clone()).await;
        assert_eq!(status == 429, wait.is_some_and(|wait| wait > 0 && wait <= 60), "{status} {wait:?}");
        statuses.push(status);
    }
    assert_eq!((statuses[0], statuses[6]), (400, 429), "{statuses:?}");
    assert_eq!(hand_in(&world, &other, "[]".to_owned()).await.0, 200, "another key is not held up");
    world.stop().await;
}
