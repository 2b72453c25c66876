//! Artifacts' rows, and the library.

use quell_store::{Error, Page, artifact, library};
use uuid::Uuid;

use crate::backend::World;

crate::both!(artifacts_are_listed_by_time, an_artifact_grows_and_ends, items_have_versions);

async fn an_artifact_grows_and_ends(world: &World) {
    let (tenant, other, endpoint) = (world.tenant, world.other, world.endpoint("a").await);
    let (task, commands) = world.task(&[endpoint]).await;
    let row = artifact::Artifact {
        tenant_id: tenant,
        id: Uuid::now_v7(),
        task_id: task.id,
        command_id: commands[0].id,
        endpoint_id: endpoint,
        kind: "archive".to_owned(),
        part: 0,
        name: "collected.zip".to_owned(),
        media_type: "application/zip".to_owned(),
        size: 100,
        sha256: [5; 32],
        sha1: None,
        state: "uploading".to_owned(),
        received: 0,
        object_key: None,
        created_at: 1,
        stored_at: None,
        expires_at: 50,
    };
    let (id, written) = (row.id, row.clone());
    world.write(move |tx| artifact::insert(tx, &written)).await.unwrap();
    assert_eq!(world.read(move |tx| artifact::get(tx, tenant, id)).await, Some(row.clone()));
    assert_eq!(world.read(move |tx| artifact::get(tx, other, id)).await, None);
    world.write(move |tx| artifact::received(tx, tenant, id, 60)).await.unwrap();
    world.write(move |tx| artifact::received(tx, tenant, id, 59)).await.unwrap();
    assert!(matches!(
        world.write(move |tx| artifact::received(tx, tenant, id, 101)).await,
        Err(Error::Invalid(_))
    ));
    world.write(move |tx| artifact::stored(tx, tenant, id, "k/1", 7)).await.unwrap();
    assert!(world.write(move |tx| artifact::stored(tx, tenant, id, "k/2", 8)).await.is_err());
    let stored = world.read(move |tx| artifact::of_command(tx, tenant, row.command_id)).await;
    assert_eq!(
        (stored[0].state.as_str(), stored[0].received, stored[0].object_key.as_deref()),
        ("stored", 100, Some("k/1"))
    );
    assert_eq!(
        world
            .read(move |tx| artifact::list(tx, tenant, artifact::Of::Task(task.id), Page::default()))
            .await
            .rows,
        stored
    );
    assert_eq!(
        world.read(move |tx| artifact::list(tx, tenant, artifact::Of::Tenant, Page::default())).await.rows,
        stored
    );
    assert_eq!(world.read(|tx| artifact::due(tx, 50, 10)).await, stored);
    assert!(!world.write(move |tx| artifact::end(tx, tenant, id, "uploading", "failed")).await.unwrap());
    assert!(world.write(move |tx| artifact::end(tx, tenant, id, "stored", "expired")).await.unwrap());
    assert!(world.read(|tx| artifact::due(tx, 99, 10)).await.is_empty());
}

async fn artifacts_are_listed_by_time(world: &World) {
    let (tenant, endpoint, other) = (world.tenant, world.endpoint("a").await, world.endpoint("b").await);
    let (task, commands) = world.task(&[endpoint]).await;
    let mut made = Vec::new();
    // Two of the same time among them: the id then decides.
    for (created_at, from) in [(30, endpoint), (10, endpoint), (20, other), (20, endpoint)] {
        let row = artifact::Artifact {
            tenant_id: tenant,
            id: Uuid::now_v7(),
            task_id: task.id,
            command_id: commands[0].id,
            endpoint_id: from,
            kind: "archive".to_owned(),
            part: 0,
            name: "collected.zip".to_owned(),
            media_type: "application/zip".to_owned(),
            size: 1,
            sha256: [5; 32],
            sha1: None,
            state: "uploading".to_owned(),
            received: 0,
            object_key: None,
            created_at,
            stored_at: None,
            expires_at: 50,
        };
        made.push(row.id);
        world.write(move |tx| artifact::insert(tx, &row)).await.unwrap();
    }
    let list = async |of: artifact::Of| {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = Page { after, limit: 1 };
            let found = world.read(move |tx| artifact::list(tx, tenant, of, page)).await;
            seen.extend(found.rows.into_iter().map(|row| row.id));
            after = found.next;
            if after.is_none() {
                return seen;
            }
        }
    };
    let all = [made[0], made[3], made[2], made[1]];
    assert_eq!(list(artifact::Of::Tenant).await, all);
    assert_eq!(list(artifact::Of::Task(task.id)).await, all);
    assert_eq!(list(artifact::Of::Endpoint(endpoint)).await, [made[0], made[3], made[1]]);
    let unknown = Page { after: Some(Uuid::now_v7()), limit: 9 };
    assert!(
        world.read(move |tx| artifact::list(tx, tenant, artifact::Of::Tenant, unknown)).await.rows.is_empty()
    );
}

async fn items_have_versions(world: &World) {
    let tenant = world.tenant;
    let row = library::Item {
        tenant_id: tenant,
        id: Uuid::now_v7(),
        kind: "script".to_owned(),
        name: "triage".to_owned(),
        description: "What runs here".to_owned(),
        built_in: false,
        created_at: 1,
        archived_at: None,
        archived_by: None,
    };
    let (id, written) = (row.id, row.clone());
    world.write(move |tx| library::insert(tx, &written)).await.unwrap();
    let twin = library::Item { id: Uuid::now_v7(), ..row.clone() };
    assert!(matches!(world.write(move |tx| library::insert(tx, &twin)).await, Err(Error::Conflict(_))));
    let rules = library::Item { id: Uuid::now_v7(), kind: "yara".to_owned(), ..row.clone() };
    let rules_id = rules.id;
    world.write(move |tx| library::insert(tx, &rules)).await.unwrap();
    let version = |item_id: Uuid, kind: &str, digest: u8| library::Version {
        tenant_id: tenant,
        item_id,
        version: 0,
        kind: kind.to_owned(),
        facts: r#"{"interpreter":"bash"}"#.to_owned(),
        note: "a note".to_owned(),
        size: 0,
        sha256: [digest; 32],
        created_by: "Ann".to_owned(),
        created_at: 2,
    };
    let add = async |row: library::Version, body: &'static [u8]| {
        world.write(move |tx| library::add_version(tx, &row, body)).await
    };
    assert_eq!(add(version(id, "script", 1), b"id").await.unwrap(), 1);
    assert_eq!(add(version(id, "script", 2), b"uname").await.unwrap(), 2);
    assert!(matches!(add(version(id, "script", 1), b"id").await, Err(Error::Conflict(_))));
    assert_eq!(
        add(version(rules_id, "yara", 1), b"id").await.unwrap(),
        1,
        "of another kind it is another thing"
    );
    let found = world.read(move |tx| library::by_digest(tx, tenant, "script", &[2; 32])).await.unwrap();
    assert_eq!((found.version, found.size), (2, 5));
    assert_eq!(world.read(move |tx| library::body(tx, tenant, &[2; 32])).await.unwrap(), b"uname");
    assert_eq!(world.read(move |tx| library::latest(tx, tenant, id)).await, Some(found.clone()));
    assert_eq!(world.read(move |tx| library::version(tx, tenant, id, 2)).await, Some(found));
    let versions = world.read(move |tx| library::versions(tx, tenant, id)).await;
    assert_eq!(versions.iter().map(|version| version.version).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(world.read(move |tx| library::get(tx, tenant, id)).await, Some(row.clone()));
    assert_eq!(
        world.read(move |tx| library::by_name(tx, tenant, "script", "triage")).await,
        Some(row.clone())
    );
    let of = library::Of::Kind("script");
    assert_eq!(world.read(move |tx| library::list(tx, tenant, of, Page::default())).await.rows, [row]);
    let all = world.read(move |tx| library::list(tx, tenant, library::Of::Tenant, Page::default())).await;
    assert_eq!(all.rows.len(), 2);
    world.write(move |tx| library::archive(tx, tenant, id, Some((9, "Ann")))).await.unwrap();
    world.write(move |tx| library::describe(tx, tenant, id, "another")).await.unwrap();
    let archived = world.read(move |tx| library::get(tx, tenant, id)).await.unwrap();
    assert_eq!((archived.archived_at, archived.archived_by.as_deref()), (Some(9), Some("Ann")));
    assert_eq!(archived.description, "another");
}
