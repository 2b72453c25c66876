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

#[tokio::test]
async fn lists_are_sorted_searched_counted_and_short() {
    let world = World::new().await;
    let mut ids = Vec::new();
    for name in ["beta", "Alpha", "gamma", "50%_off"] {
        ids.push(world.endpoint(name).await);
    }
    let names = async |query: &str| {
        let (mut names, mut path) = (Vec::new(), format!("/api/v1/endpoints?limit=2&{query}"));
        loop {
            let (status, page) = world.get(&path).await;
            assert_eq!(status, 200, "{query}: {page}");
            names.extend(
                page["items"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()),
            );
            match page["next"].as_str() {
                Some(next) => path = format!("/api/v1/endpoints?limit=2&{query}&cursor={next}"),
                None => return names.join(" "),
            }
        }
    };
    assert_eq!(names("sort=name").await, "50%_off Alpha beta gamma");
    assert_eq!(names("sort=-name&view=row").await, "gamma beta Alpha 50%_off");
    assert_eq!(names("sort=enrolled").await, "beta Alpha gamma 50%_off");
    assert_eq!(names("sort=-last_seen").await, "50%_off gamma Alpha beta");
    assert_eq!(names("text=%25_").await, "50%_off");
    assert_eq!(names("text=LPH&sort=name").await, "Alpha");
    assert_eq!(names("tag=lab,none").await, "");
    assert_eq!(names("connected=true").await, "");
    assert_eq!(names("connected=false&sort=name").await, "50%_off Alpha beta gamma");
    let (_, page) = world.get("/api/v1/endpoints?count=true&limit=1&view=row&connected=false").await;
    assert_eq!((&page["total"], page["items"].as_array().unwrap().len()), (&json!(4), 1));
    assert!(
        page["items"][0].get("capabilities").is_none() && page["items"][0]["tags"] == json!(["lab"]),
        "{page}"
    );
    let (_, by_name) = world.get("/api/v1/endpoints?limit=1&sort=name").await;
    let cursor = by_name["next"].as_str().unwrap();
    let other = format!("sort=-name&cursor={cursor}");
    for wrong in [
        other.as_str(),
        "sort=size",
        "limit=1001",
        "text=a%0ab",
        "tag=",
        "tag=a,b,c,d,e",
        "view=all",
        "cursor=AAAA",
        "connected=maybe",
    ] {
        let (status, problem) = world.get(&format!("/api/v1/endpoints?{wrong}")).await;
        assert_eq!((status, problem["code"].as_str()), (400, Some("invalid_query")), "{wrong}: {problem}");
    }
    let csv =
        world.request(reqwest::Method::GET, "/api/v1/endpoints?format=csv&view=row&sort=name&count=true");
    assert_eq!(csv.send().await.unwrap().text().await.unwrap().lines().count(), 5);
    world.stop().await;
}

#[tokio::test]
async fn tags_of_many_change_together_or_not_at_all() {
    let world = World::new().await;
    let (web, db) = (world.endpoint("web-1").await, world.endpoint("db-1").await);
    let other = world.other_tenant().await;
    let foreign = world.endpoint_of(other, "foreign").await;
    let change = async |ids: &[Uuid], add: &[&str], remove: &[&str]| {
        world.post("/api/v1/endpoints/tags", json!({ "endpoints": ids, "add": add, "remove": remove })).await
    };
    assert_eq!(change(&[web, db, web], &["dmz"], &["lab"]).await, (200, json!({ "changed": 2 })));
    assert_eq!(change(&[web, db], &["dmz"], &[]).await, (200, json!({ "changed": 0 })));
    let (_, row) = world.get(&format!("/api/v1/endpoints/{web}")).await;
    assert_eq!(row["tags"], json!(["dmz"]));
    assert_eq!(row["health"]["open_commands"], 0, "{row}");
    assert_eq!(
        (&row["health"]["version_differs"], &row["health"]["certificate"]),
        (&json!(false), &json!("valid"))
    );
    let (_, trail) = world.get("/api/v1/audit?verb=endpoint.tag").await;
    assert_eq!(trail["items"].as_array().unwrap().len(), 2, "one record each");
    let (status, problem) = change(&[web, foreign], &["x"], &[]).await;
    assert_eq!((status, problem["code"].as_str()), (404, Some("not_found")));
    let (_, row) = world.get(&format!("/api/v1/endpoints/{web}")).await;
    assert_eq!(row["tags"], json!(["dmz"]), "all or nothing");
    for (add, remove) in [(&[][..], &[][..]), (&["a"], &["a"]), (&[" "], &[])] {
        assert_eq!(change(&[web], add, remove).await.0, 400);
    }
    // A tag that protects is not taken away by a program.
    assert_eq!(change(&[web], &["protected"], &[]).await.0, 200);
    assert_eq!(change(&[web], &[], &["protected"]).await.0, 403);
    world.stop().await;
}
