//! Who comes to remote shells; and what is left of these: their recordings, who looked at them, and an end that a crash kept
//! from being noted.

use std::time::Duration;

use futures_util::StreamExt as _;
use quell_store::{command, shell};
use quell_wire::path::artifact_id;
use reqwest::{Method, RequestBuilder, Upgraded};
use serde_json::json;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;
use uuid::Uuid;

use crate::artifacts::stored_as;
use crate::world::{World, answer};

const CAST: &[u8] = b"{\"version\":2}\n[1.0,\"o\",\"needle\"]\n";

/// A record of a journal.
fn record(letter: u8, data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).unwrap().to_le_bytes();
    [&[letter], 5i64.to_le_bytes().as_slice(), &length, data].concat()
}

/// A shell that began, and whose recording is stored while its end is noted nowhere: its id, and its recording's.
async fn left_behind(world: &World) -> (Uuid, Uuid) {
    let endpoint = world.endpoint("web-1").await;
    let body = json!({ "action": "endpoint.remote_shell", "params": {}, "targets": { "endpoints": ["web-1"] },
        "reason": "look" });
    let (status, task) = world.post("/api/v1/tasks", body).await;
    assert_eq!(status, 201, "{task}");
    let id = |value: &serde_json::Value| value["id"].as_str().unwrap().parse::<Uuid>().unwrap();
    let (task_id, command) = (id(&task), id(&task["commands"]["items"][0]));
    let row = shell::Shell {
        tenant_id: world.tenant,
        id: command,
        task_id,
        endpoint_id: endpoint,
        requester_name: "x".to_owned(),
        program: "/bin/sh".to_owned(),
        run_as: "root".to_owned(),
        began_at: 1,
        ended_at: None,
        reason: None,
        ended_by: None,
        exit_code: None,
        end_signal: None,
        bytes_in: 0,
        bytes_out: 0,
        artifact_id: None,
    };
    world.store.write(move |tx| shell::insert(tx, &row).map(drop)).await.unwrap();
    let recording: Uuid = artifact_id(&command.to_string(), "recording").parse().unwrap();
    stored_as(world, (recording, "recording"), task_id, command, endpoint, CAST).await;
    let file = stored_as(world, (Uuid::now_v7(), "file"), task_id, command, endpoint, b"0123456789").await;
    // What a shell brings in is an archive like others.
    let (_, problem) = world.get(&format!("/api/v1/artifacts/{file}/entries")).await;
    assert!(problem["detail"].as_str().unwrap().contains("too short"), "{problem}");
    (command, recording)
}

#[tokio::test]
async fn an_end_that_a_crash_kept_from_being_noted_is_noted_at_the_next_start() {
    let world = World::new().await;
    let (id, recording) = left_behind(&world).await;
    let journals = world.directory.path().join("artifacts/shells");
    std::fs::create_dir_all(&journals).unwrap();
    let journal = journals.join(format!("{}.{id}", world.tenant));
    let records =
        [record(b'b', b"{}"), record(b'o', b"needle"), record(b'i', b"x"), record(b'm', b"ended: idle")];
    let (_, before) = world.get(&format!("/api/v1/shells/{id}")).await;
    assert_eq!(before["state"], "lost", "{before}");
    let directory = world.stop().await;
    std::fs::write(&journal, records.concat()).unwrap();

    let world = World::at(directory).await;
    let began = std::time::Instant::now();
    let shown = loop {
        let (_, shown) = world.get(&format!("/api/v1/shells/{id}")).await;
        if shown["state"] == "ended" {
            break shown;
        }
        assert!(began.elapsed().as_secs() < 20, "{shown}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert_eq!(
        (&shown["reason"], &shown["bytes_in"], &shown["bytes_out"], &shown["recording"]["artifact_id"]),
        (&json!("idle"), &json!(1), &json!(6), &json!(recording))
    );
    world.recorded("shell.end").await;
    // Only once the end is noted: until then it is what the end would be noted from.
    while journal.exists() {
        assert!(began.elapsed().as_secs() < 20, "the recording has it all, and the journal is still there");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    world.stop().await;
}

#[tokio::test]
async fn who_looked_at_a_recording_stands_in_its_custody() {
    let world = World::new().await;
    let (id, recording) = left_behind(&world).await;
    let (status, found) = world.get(&format!("/api/v1/shells/{id}/search?text=NEEDLE")).await;
    assert_eq!((status, &found["matches"][0]["at"]), (200, &json!(1.0)), "{found}");
    assert_eq!(
        world.request(Method::GET, &format!("/api/v1/shells/{id}/recording")).send().await.unwrap().status(),
        200
    );
    let (_, custody) = world.get(&format!("/api/v1/artifacts/{recording}/custody")).await;
    let verbs: Vec<&str> =
        custody["accesses"].as_array().unwrap().iter().filter_map(|one| one["verb"].as_str()).collect();
    assert_eq!(verbs, ["shell.search", "shell.replay"]);

    let path = format!("/api/v1/shells/{id}/files");
    let large = vec![0; usize::try_from(quell_wire::shell::PUT).unwrap() + 1];
    let (status, problem) =
        answer(world.request(Method::POST, &path).body(large).send().await.unwrap()).await;
    assert_eq!((status, &problem["code"]), (413, &json!("body_too_large")), "{problem}");
    world.stop().await;
}

/// A shell that is asked for and waits for its endpoint: the endpoint, and the shell's id.
async fn asked_for(world: &World) -> (Uuid, Uuid) {
    let endpoint = world.endpoint("web-1").await;
    let body = json!({ "action": "endpoint.remote_shell", "params": {}, "targets": { "endpoints": ["web-1"] },
        "reason": "look" });
    let (status, task) = world.post("/api/v1/tasks", body).await;
    assert_eq!(status, 201, "{task}");
    (endpoint, task["commands"]["items"][0]["id"].as_str().unwrap().parse().unwrap())
}

/// Comes to a shell: the answer's status, and the WebSocket where it began.
async fn come(request: RequestBuilder) -> (u16, Option<WebSocketStream<Upgraded>>) {
    let response = request
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-protocol", "quell.shell.v1")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .send()
        .await
        .unwrap();
    let status = response.status().as_u16();
    if status != 101 {
        return (status, None);
    }
    let upgraded = response.upgrade().await.unwrap();
    (status, Some(WebSocketStream::from_raw_socket(upgraded, Role::Client, None).await))
}

/// Reads until the server closes; `false` where it does not within this time.
async fn is_closed(socket: &mut WebSocketStream<Upgraded>, within: Duration) -> bool {
    let reading = async { while let Some(Ok(_)) = socket.next().await {} };
    tokio::time::timeout(within, reading).await.is_ok()
}

#[tokio::test]
async fn who_loses_the_reach_of_an_endpoint_is_cut_off_from_its_shell() {
    let world = World::new().await;
    let (endpoint, id) = asked_for(&world).await;
    let ada = world.person("ada", &["administrator"]).await;
    let grants = json!({ "permissions": ["task.read", "artifact.download"], "tags": ["lab"] });
    let (_, role) =
        ada.post("/api/v1/roles", json!({ "name": "lab", "description": "", "grants": grants })).await;
    let nora = world.person("nora", &[role["id"].as_str().unwrap()]).await;
    let path = format!("/api/v1/shells/{id}/attach");
    let (status, nora_looks) = come(nora.request(Method::GET, &path)).await;
    assert_eq!(status, 101);
    let (_, admin_looks) = come(world.request(Method::GET, &path)).await;
    let (mut nora_looks, mut admin_looks) = (nora_looks.unwrap(), admin_looks.unwrap());
    let tags = world.request(Method::PUT, &format!("/api/v1/endpoints/{endpoint}/tags"));
    assert_eq!(tags.json(&json!({ "tags": ["other"] })).send().await.unwrap().status(), 200);
    assert!(is_closed(&mut nora_looks, Duration::from_secs(12)).await, "she goes on looking");
    assert_eq!(come(nora.request(Method::GET, &path)).await.0, 403);
    assert!(!is_closed(&mut admin_looks, Duration::from_millis(100)).await);
    world.stop().await;
}

#[tokio::test]
async fn who_may_not_come_keeps_no_shell_from_others() {
    let world = World::new().await;
    let (_, id) = asked_for(&world).await;
    let tenant = world.tenant;
    // As many shells that wait as the server would once hold in all.
    let others = world.store.write(move |tx| {
        let shell = command::get(tx, tenant, id)?.unwrap();
        let mut ids = Vec::new();
        for number in 1..=1001 {
            let copy = command::Command { id: Uuid::now_v7(), leaf_index: number, ..shell.clone() };
            command::insert(tx, &copy)?;
            ids.push(copy.id);
        }
        Ok::<_, quell_store::Error>(ids)
    });
    let others = others.await.unwrap();
    let key = world.key_of(tenant, "operations").await;
    for other in &others {
        let path = format!("/api/v1/shells/{other}/attach");
        assert_eq!(world.with_key(Method::GET, &path, &key).send().await.unwrap().status(), 403);
        // Nor does one who may look on, and begins no WebSocket.
        assert_eq!(world.request(Method::GET, &path).send().await.unwrap().status(), 400);
    }
    let (status, socket) = come(world.request(Method::GET, &format!("/api/v1/shells/{id}/attach"))).await;
    assert_eq!(status, 101);
    drop(socket);
    world.stop().await;
}
