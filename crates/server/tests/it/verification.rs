//! The server verifies its own trail: what it says of a good one, of a changed one, and to several at once.

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::World;

async fn verified(world: &World) -> Value {
    let (status, found) = world.get("/api/v1/audit/verification").await;
    assert_eq!(status, 200, "{found}");
    found
}

/// Waits until every record stands under a checkpoint.
async fn sealed(world: &World) {
    let tenant = world.tenant;
    let all = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            let waiting =
                world.store.read(move |tx| quell_store::audit::oldest_unsealed(tx, tenant)).await.unwrap();
            if waiting.0 == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    all.await.unwrap();
}

#[tokio::test]
async fn a_good_trail_is_intact_and_a_changed_one_says_where() {
    let world = World::new().await;
    world.endpoint("web-1").await;
    world.isolate("web-1").await;
    sealed(&world).await;
    let found = verified(&world).await;
    assert_eq!(
        (&found["state"], &found["wrong"], &found["waiting"]),
        (&json!("intact"), &json!(0), &json!(0)),
        "{found}"
    );
    assert!(
        found["records"].as_u64().unwrap() >= 1 && found["checkpoints"].as_u64().unwrap() >= 1,
        "{found}"
    );
    let (_, checkpoints) = world.get("/api/v1/audit/checkpoints").await;
    let last = checkpoints["items"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(found["sealed_through"], last["number"]);
    assert_eq!(found["sealed_at"], last["sealed_at"]);
    assert_eq!((&found["key_id"], &found["public_key"]), (&last["key_id"], &last["public_key"]));
    let kept = format!("{}:{}", last["number"], last["sha256"].as_str().unwrap());
    assert_eq!(found["last_checkpoint"], kept.as_str());

    let tenant = world.tenant;
    world
        .store
        .write(move |tx| {
            let sql = "UPDATE audit SET actor_name = 'nobody' WHERE tenant_id = $1 AND verb = 'task.submit'";
            tx.execute(sql, &[&tenant]).map(drop)
        })
        .await
        .unwrap();
    // Told again for some seconds; a server that was started anew looks at once.
    let world = World::at(world.stop().await).await;
    let broken = verified(&world).await;
    assert_eq!(broken["state"], "broken", "{broken}");
    let problem = &broken["problems"][0];
    assert!(
        problem["checkpoint"].is_u64() && problem["problem"].as_str().unwrap().contains("was changed"),
        "{broken}"
    );
    world.stop().await;
}

#[tokio::test]
async fn those_who_ask_at_once_are_told_of_one_run() {
    let world = World::new().await;
    let (ana, ute) = (world.person("ana", &["auditor"]).await, world.person("ute", &["auditor"]).await);
    let path = "/api/v1/audit/verification";
    let (one, two, three) = tokio::join!(ana.get(path), ute.get(path), world.get(path));
    assert_eq!((one.0, two.0, three.0), (200, 200, 200));
    assert_eq!(one.1["verified_at"], two.1["verified_at"]);
    assert_eq!(one.1, three.1);
    assert_eq!(one.1, ana.get(path).await.1, "told again");
    // Another tenant's is its own.
    let other = world.other_tenant().await;
    let foreign = world.person_of(other, "foreign", &["auditor"]).await;
    let (_, theirs) = foreign.get(path).await;
    assert!(theirs["records"].as_u64().unwrap() <= 1, "{theirs}");
    world.stop().await;
}
