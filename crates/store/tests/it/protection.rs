//! Versions of what is protected, their bodies, and what recorders say.

use quell_store::protection::{self as rows, Head, Recorder, Version};
use quell_store::{Error, Tx, library};
use uuid::Uuid;

use crate::backend::World;

crate::both!(
    versions_wait_for_their_signature_and_go_in_their_order,
    bodies_go_with_the_last_version_that_names_them,
    the_library_takes_rules_of_behaviour,
    recorders_say_what_is_in_force
);

fn version(version: i64, behaviour: Option<[u8; 32]>) -> Version {
    Version {
        version,
        settings: "{}".to_owned(),
        rules: "[]".to_owned(),
        pack: "p".to_owned(),
        document: vec![0, 255, version as u8],
        behaviour,
        yara: None,
        signature: None,
        key_id: None,
        changed_by: "olga".to_owned(),
        changed_at: version,
    }
}

async fn add(world: &World, row: Version) {
    let tenant = world.tenant;
    world.write(move |tx| rows::insert(tx, tenant, &row)).await.unwrap();
}

async fn versions_wait_for_their_signature_and_go_in_their_order(world: &World) {
    let (tenant, other) = (world.tenant, world.other);
    assert_eq!(world.read(move |tx| rows::newest(tx, tenant)).await, None);
    for number in 1..=3 {
        add(world, version(number, None)).await;
    }
    let again = world.write(move |tx| rows::insert(tx, tenant, &version(3, None))).await;
    assert!(matches!(again, Err(Error::Conflict(_))), "{again:?}");
    assert_eq!(world.read(move |tx| rows::newest(tx, tenant)).await, Some(version(3, None)));
    assert_eq!(world.read(move |tx| rows::signed(tx, tenant)).await, None);
    world.write(move |tx| rows::sign(tx, tenant, 2, &[7; 64], "key")).await.unwrap();
    let signed = world.read(move |tx| rows::signed(tx, tenant)).await.unwrap();
    let expected =
        Version { signature: Some(vec![7; 64]), key_id: Some("key".to_owned()), ..version(2, None) };
    assert_eq!(signed, expected);
    let heads = world.read(rows::heads).await;
    let head = |of: Uuid| heads.iter().find(|head| head.tenant_id == of).copied().unwrap();
    assert_eq!(head(tenant), Head { tenant_id: tenant, newest: 3, signed: 2 });
    assert_eq!(head(other), Head { tenant_id: other, newest: 0, signed: 0 });
    // Whatever is said to be old: what agents may be given stays.
    assert_eq!(world.write(move |tx| rows::forget(tx, tenant, 99)).await.unwrap(), 1);
    let left = world.read(move |tx| rows::changes(tx, tenant, 9)).await;
    assert_eq!(
        left.iter().map(|change| (change.version, change.signed)).collect::<Vec<_>>(),
        [(3, false), (2, true)]
    );
}

async fn bodies_go_with_the_last_version_that_names_them(world: &World) {
    let tenant = world.tenant;
    let bodies = [[1; 32], [2; 32], [3; 32]];
    let put = move |tx: &mut Tx<'_>| {
        bodies.iter().try_for_each(|sha256| library::put_body(tx, tenant, sha256, &sha256[..1]))?;
        // Once more is no matter.
        library::put_body(tx, tenant, &bodies[0], &[1])
    };
    world.write(put).await.unwrap();
    for (number, body) in [(1, 0), (2, 1), (3, 2), (4, 1)] {
        add(world, version(number, Some(bodies[body]))).await;
    }
    let nameless = world.write(move |tx| rows::insert(tx, tenant, &version(5, Some([9; 32])))).await;
    assert!(nameless.is_err(), "a version names bodies that are there");
    world.write(move |tx| rows::sign(tx, tenant, 4, &[7; 64], "key")).await.unwrap();
    assert_eq!(world.write(move |tx| rows::forget(tx, tenant, 3)).await.unwrap(), 2);
    let there = world.read(move |tx| {
        bodies.iter().map(|sha256| library::body(tx, tenant, sha256)).collect::<Result<Vec<_>, _>>()
    });
    assert_eq!(there.await, [None, Some(vec![2]), Some(vec![3])]);
}

/// A migration made the table of items anew where the database is SQLite: versions still belong to them.
async fn the_library_takes_rules_of_behaviour(world: &World) {
    let (tenant, id) = (world.tenant, Uuid::now_v7());
    let item = |kind: &str| library::Item {
        tenant_id: tenant,
        id,
        kind: kind.to_owned(),
        name: "ours".to_owned(),
        description: String::new(),
        built_in: false,
        created_at: 1,
        archived_at: None,
        archived_by: None,
    };
    let (none, sigma) = (item("nothing"), item("sigma"));
    assert!(world.write(move |tx| library::insert(tx, &none)).await.is_err());
    world.write(move |tx| library::insert(tx, &sigma)).await.unwrap();
    let row = move |item_id: Uuid| library::Version {
        tenant_id: tenant,
        item_id,
        version: 0,
        kind: "sigma".to_owned(),
        facts: "{}".to_owned(),
        note: String::new(),
        size: 1,
        sha256: [4; 32],
        created_by: "olga".to_owned(),
        created_at: 1,
    };
    let nobody = world.write(move |tx| library::add_version(tx, &row(Uuid::now_v7()), b"x")).await;
    assert!(nobody.is_err(), "{nobody:?}");
    assert_eq!(world.write(move |tx| library::add_version(tx, &row(id), b"x")).await.unwrap(), 1);
}

async fn recorders_say_what_is_in_force(world: &World) {
    let tenant = world.tenant;
    let endpoint = world.endpoint("a").await;
    let said = |protection, detail: &str| Recorder {
        endpoint_id: endpoint,
        protection,
        told_at: 5,
        reported_at: 6,
        detail: detail.to_owned(),
    };
    assert_eq!(world.read(move |tx| rows::recorder(tx, tenant, endpoint)).await, None);
    let silent = world.read(move |tx| rows::recorders(tx, tenant, Uuid::nil(), 9)).await;
    assert!(silent.iter().any(|(id, _, said)| *id == endpoint && said.is_none()), "{silent:?}");
    for row in [said(1, "{}"), said(2, "{\"recording\":true}")] {
        world.write(move |tx| rows::report(tx, tenant, &row)).await.unwrap();
    }
    let newest = said(2, "{\"recording\":true}");
    assert_eq!(world.read(move |tx| rows::recorder(tx, tenant, endpoint)).await, Some(newest.clone()));
    let all = world.read(move |tx| rows::recorders(tx, tenant, Uuid::nil(), 9)).await;
    assert!(all.iter().any(|(id, _, said)| *id == endpoint && said.as_ref() == Some(&newest)));
    assert!(world.read(move |tx| rows::recorders(tx, tenant, Uuid::max(), 9)).await.is_empty());
}
