//! Files: what is offered, in which pieces, under which names.

use quell_store::{ArtifactStore, artifact};
use quell_wire::digest::sha256;
use reqwest::Method;
use uuid::Uuid;

use crate::world::{World, answer};

/// A file that the server holds, as an agent would have brought it.
pub async fn stored(
    world: &World,
    task: Uuid,
    command: Uuid,
    endpoint: Uuid,
    content: &'static [u8],
) -> Uuid {
    stored_as(world, (Uuid::now_v7(), "archive"), task, command, endpoint, content).await
}

/// The same with an id and of a kind.
pub async fn stored_as(
    world: &World,
    (id, kind): (Uuid, &str),
    task: Uuid,
    command: Uuid,
    endpoint: Uuid,
    content: &'static [u8],
) -> Uuid {
    let files = ArtifactStore::open(&world.directory.path().join("artifacts")).await.unwrap();
    let tenant = world.tenant;
    let row = artifact::Artifact {
        tenant_id: tenant,
        id,
        task_id: task,
        command_id: command,
        endpoint_id: endpoint,
        kind: kind.to_owned(),
        part: 0,
        name: "../../evil\"\r\nname.zip".to_owned(),
        media_type: "text/html".to_owned(),
        size: content.len() as i64,
        sha256: sha256(&[content]),
        sha1: None,
        state: "uploading".to_owned(),
        received: 0,
        object_key: None,
        created_at: 1,
        stored_at: None,
        expires_at: i64::MAX,
    };
    world.store.write(move |tx| artifact::insert(tx, &row)).await.unwrap();
    let piece = futures_util::stream::iter([Ok::<_, std::io::Error>(bytes::Bytes::from_static(content))]);
    files.append(tenant, id, 0, content.len() as u64, piece).await.unwrap();
    let key = files.finish(tenant, id, content.len() as u64, &sha256(&[content])).await.unwrap();
    world.store.write(move |tx| artifact::stored(tx, tenant, id, &key, 2)).await.unwrap();
    id
}

async fn one(world: &World) -> Uuid {
    let endpoint = world.endpoint("web-1").await;
    let task = world.isolate("web-1").await;
    let command = task["commands"]["items"][0]["id"].as_str().unwrap().parse().unwrap();
    stored(world, task["id"].as_str().unwrap().parse().unwrap(), command, endpoint, b"0123456789").await
}

#[tokio::test]
async fn a_file_comes_whole_or_in_pieces_and_each_time_is_recorded() {
    let world = World::new().await;
    let id = one(&world).await;
    let path = format!("/api/v1/artifacts/{id}/content");
    let whole = world.request(Method::GET, &path).send().await.unwrap();
    assert_eq!(whole.status(), 200);
    let headers = whole.headers().clone();
    assert_eq!(headers["content-type"], "application/octet-stream");
    assert_eq!(headers["content-disposition"], "attachment; filename=\"_.._evil___name.zip\"");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(headers["content-length"], "10");
    assert_eq!(whole.bytes().await.unwrap(), "0123456789");

    let rest =
        world.request(Method::GET, &path).header("range", "bytes=7-").header("if-range", &headers["etag"]);
    let rest = rest.send().await.unwrap();
    assert_eq!(rest.status(), 206);
    assert_eq!(rest.headers()["content-range"], "bytes 7-9/10");
    assert_eq!(rest.bytes().await.unwrap(), "789");

    let outside = world.request(Method::GET, &path).header("range", "bytes=10-").send().await.unwrap();
    assert_eq!(answer(outside).await.1["code"], "range_not_satisfiable");

    let (_, trail) = world.get("/api/v1/audit?verb=artifact.download").await;
    assert_eq!(trail["items"].as_array().unwrap().len(), 2);
    world.stop().await;
}

#[tokio::test]
async fn a_file_that_is_not_complete_or_no_longer_kept_says_so() {
    let world = World::new().await;
    let id = one(&world).await;
    let tenant = world.tenant;
    let path = format!("/api/v1/artifacts/{id}/content");
    world.store.write(move |tx| artifact::end(tx, tenant, id, "stored", "expired")).await.unwrap();
    let (status, problem) = world.get(&path).await;
    assert_eq!((status, problem["code"].as_str()), (410, Some("artifact_gone")));
    let (_, shown) = world.get(&format!("/api/v1/artifacts/{id}")).await;
    assert_eq!(shown["state"], "expired");
    let (_, list) = world.get("/api/v1/artifacts?state=stored").await;
    assert_eq!(list["items"], serde_json::json!([]));
    assert_eq!(world.get("/api/v1/artifacts/..%2f..%2fadmin.key").await.0, 404);
    world.stop().await;
}

/// How many files are below a directory.
fn files(directory: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { files(&path) } else { 1 }).sum()
}

#[tokio::test]
async fn a_file_whose_time_is_over_is_removed_and_that_is_recorded() {
    let world = World::new().await;
    let id = one(&world).await;
    let tenant = world.tenant;
    assert_eq!(files(&world.directory.path().join("artifacts")), 1);
    world.store.write(move |tx| artifact::keep_until(tx, tenant, id, 1)).await.unwrap();
    // The server looks at its start, and each minute.
    let world = World::at(world.stop().await).await;
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while files(&world.directory.path().join("artifacts")) > 0 {
        assert!(std::time::Instant::now() < deadline, "the bytes are still there");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(world.get(&format!("/api/v1/artifacts/{id}/content")).await.0, 410);
    let (_, trail) = world.get("/api/v1/audit?verb=artifact.expire").await;
    assert_eq!(trail["items"][0]["object_id"], id.to_string());
    world.stop().await;
}
