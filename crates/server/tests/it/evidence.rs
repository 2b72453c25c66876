//! Archives that no honest agent wrote: looked into, they are refused in words, and nothing else happens.

use serde_json::json;
use uuid::Uuid;

use crate::artifacts::stored;
use crate::world::World;

/// An end record that announces this directory.
fn end(count: u16, size: u32, offset: u32) -> Vec<u8> {
    let mut bytes = vec![0x50, 0x4b, 5, 6, 0, 0, 0, 0];
    bytes.extend(count.to_le_bytes());
    bytes.extend(count.to_le_bytes());
    bytes.extend(size.to_le_bytes());
    bytes.extend(offset.to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}

async fn put(world: &World, task: &serde_json::Value, endpoint: Uuid, content: Vec<u8>) -> Uuid {
    let id = |value: &serde_json::Value| value["id"].as_str().unwrap().parse().unwrap();
    let command = id(&task["commands"]["items"][0]);
    stored(world, id(task), command, endpoint, Vec::leak(content)).await
}

#[tokio::test]
async fn what_no_agent_wrote_is_refused_in_words() {
    let world = World::new().await;
    let endpoint = world.endpoint("web-1").await;
    let task = world.isolate("web-1").await;
    let mut directory = b"PK\x01\x02".to_vec();
    directory.resize(46, 0);
    let mut lying = directory.clone();
    lying.extend(end(1, 46, 0));
    for (content, words) in [
        (b"0123456789".to_vec(), "too short"),
        (vec![b'a'; 100_000], "no end record"),
        (end(60_000, 0, 0), "more entries than it has"),
        (end(1, 46, 4_000_000), "beyond its end"),
        (end(0xffff, u32::MAX, u32::MAX), "more than"),
    ] {
        let id = put(&world, &task, endpoint, content).await;
        let (status, problem) = world.get(&format!("/api/v1/artifacts/{id}/entries")).await;
        assert_eq!((status, problem["code"].as_str()), (422, Some("archive_unreadable")), "{problem}");
        assert!(problem["detail"].as_str().unwrap_or_default().contains(words), "{words}: {problem}");
    }
    // An entry of another kind is listed, and not read.
    let id = put(&world, &task, endpoint, lying).await;
    let (status, page) = world.get(&format!("/api/v1/artifacts/{id}/entries")).await;
    assert_eq!((status, &page["items"][0]["readable"]), (200, &json!(false)), "{page}");
    for (path, status) in
        [("entries/0", 422), ("entries/0/preview", 422), ("entries/1", 404), ("entries/-1", 404)]
    {
        assert_eq!(world.get(&format!("/api/v1/artifacts/{id}/{path}")).await.0, status, "{path}");
    }
    for query in ["offset=67108865", "length=0", "length=65537", "offset=-1", "no=1"] {
        let (status, problem) = world.get(&format!("/api/v1/artifacts/{id}/entries/0/preview?{query}")).await;
        assert_eq!((status, problem["code"].as_str()), (400, Some("invalid_query")), "{query}: {problem}");
    }
    world.recorded("artifact.browse").await;
    let (_, custody) = world.get(&format!("/api/v1/artifacts/{id}/custody")).await;
    assert!(custody["seal"].is_null() && custody["accesses"][0]["verb"] == "artifact.browse", "{custody}");
    world.stop().await;
}

#[tokio::test]
async fn definitions_are_checked_where_they_are_added() {
    let world = World::new().await;
    let add = |name: &str, body: &str| {
        world.post("/api/v1/library/evidence", json!({ "name": name, "body": body }))
    };
    let good = "name: A\nsources: [{type: FILE, attributes: {paths: [/etc/a]}}]\nodd: 1\n";
    let (status, added) = add("good", good).await;
    assert_eq!((status, &added["facts"]["definitions"]), (201, &json!(1)), "{added}");
    assert!(added["facts"]["warnings"][0].as_str().unwrap_or_default().contains("line 3"), "{added}");
    let (status, problem) = add("bomb", "a: &a [x]\nb: [*a, *a]\n").await;
    assert_eq!(status, 400, "{problem}");
    assert!(problem["detail"].as_str().unwrap_or_default().contains("line 1"), "{problem}");
    world.stop().await;
}

#[tokio::test]
async fn who_may_read_passwords_alone_reads_no_files() {
    let world = World::new().await;
    let endpoint = world.endpoint("web-1").await;
    let task = world.isolate("web-1").await;
    let mut directory = b"PK\x01\x02".to_vec();
    directory.resize(46, 0);
    directory.extend(end(1, 46, 0));
    let id = put(&world, &task, endpoint, directory).await;
    let ada = world.person("ada", &["administrator"]).await;
    let role = async |name: &str, permissions: &[&str], tags: &[&str]| {
        let body = json!({ "name": name, "description": "",
            "grants": { "permissions": permissions, "tags": tags } });
        let (status, role) = ada.post("/api/v1/roles", body).await;
        assert_eq!(status, 201, "{role}");
        role["id"].as_str().unwrap().to_owned()
    };
    let codes = role("codes", &["artifact.read", "secret.read"], &["lab"]).await;
    let files = role("files", &["artifact.read", "artifact.download"], &["lab"]).await;
    let elsewhere = role("elsewhere", &["artifact.read", "artifact.download"], &["other"]).await;
    let both = world.person("bo", &[codes.as_str(), files.as_str()]).await;
    for (name, roles) in
        [("nora", vec![codes.as_str()]), ("fay", vec![&files]), ("eli", vec![&codes, &elsewhere])]
    {
        let who = world.person(name, &roles).await;
        for path in ["entries", "entries/0", "entries/0/preview"] {
            let (status, problem) = who.get(&format!("/api/v1/artifacts/{id}/{path}")).await;
            assert_eq!((status, &problem["code"]), (403, &json!("forbidden")), "{name} {path}: {problem}");
        }
    }
    assert_eq!(both.get(&format!("/api/v1/artifacts/{id}/entries")).await.0, 200);
    world.stop().await;
}
