//! What people do with endpoints beside acting on them: look at alarms, end identities.

use quell_store::{Tx, endpoint};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::World;

async fn alarmed(world: &World, id: Uuid, alarm: &'static str) {
    let tenant = world.tenant;
    let set = move |tx: &mut Tx<'_>| endpoint::set_alarm(tx, tenant, id, Some(alarm));
    world.store.write(set).await.unwrap();
}

#[tokio::test]
async fn an_alarm_is_acknowledged_once_and_only_as_it_was_seen() {
    let world = World::new().await;
    let id = world.endpoint("web-1").await;
    alarmed(&world, id, "copied").await;
    let path = format!("/api/v1/endpoints/{id}/acknowledge");
    let (status, problem) = world.post(&path, json!({ "reason": " " })).await;
    assert_eq!((status, &problem["code"]), (400, &json!("invalid_field")));
    let (status, problem) = world.post(&path, json!({ "reason": "a twin", "alarm": "renamed" })).await;
    assert_eq!((status, &problem["code"]), (409, &json!("conflict")));
    assert!(problem["detail"].as_str().unwrap().ends_with("copied"), "{problem}");
    let (status, seen) = world.post(&path, json!({ "reason": "a twin", "alarm": "copied" })).await;
    assert_eq!((status, &seen["alarm"]), (200, &Value::Null));
    let (_, row) = world.get(&format!("/api/v1/endpoints/{id}")).await;
    assert_eq!(row["alarm"], Value::Null);
    let (status, problem) = world.post(&path, json!({ "reason": "a twin" })).await;
    assert_eq!((status, &problem["code"]), (409, &json!("conflict")));
    let (_, trail) = world.get("/api/v1/audit?verb=endpoint.acknowledge").await;
    assert_eq!(trail["items"].as_array().unwrap().len(), 1);
    assert_eq!(trail["items"][0]["detail"], json!({ "alarm": "copied", "reason": "a twin" }));
    world.stop().await;
}

#[tokio::test]
async fn who_revokes_an_isolated_endpoint_is_told_what_is_left_of_it() {
    let world = World::new().await;
    let (tenant, id) = (world.tenant, world.endpoint("web-1").await);
    let task = world.isolate("web-1").await;
    let command = task["commands"]["items"][0]["id"].as_str().unwrap().to_owned();
    let isolation = json!({ "task": task["id"], "command": command, "since": 1 }).to_string();
    let isolate = move |tx: &mut Tx<'_>| endpoint::set_isolation(tx, tenant, id, Some(&isolation));
    world.store.write(isolate).await.unwrap();
    let path = format!("/api/v1/endpoints/{id}/revoke");
    let (status, revoked) = world.post(&path, json!({ "reason": "stolen" })).await;
    assert_eq!((status, &revoked["voided"]), (200, &json!(1)));
    let left = &revoked["isolation"];
    assert_eq!((&left["task"], &left["command"]), (&task["id"], &json!(command)));
    assert!(left["warning"].as_str().unwrap().starts_with("web-1 stays isolated"), "{left}");
    let (status, code) = world.post(&format!("/api/v1/commands/{command}/release-code"), json!({})).await;
    assert_eq!((status, code["release_code"].as_str().map(str::len)), (200, Some(19)));

    let free = world.endpoint("web-2").await;
    let path = format!("/api/v1/endpoints/{free}/revoke");
    let (_, revoked) = world.post(&path, json!({ "reason": "stolen" })).await;
    assert_eq!(revoked, json!({ "voided": 0, "isolation": null }));
    world.stop().await;
}
