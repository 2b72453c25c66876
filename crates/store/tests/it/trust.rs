//! Trust bundles: added, never changed, and found again on the way from an old root to the newest.

use quell_store::{Error, trust};

use crate::backend::World;

crate::both!(bundles_in_use_are_the_rotations_and_the_newest);

async fn bundles_in_use_are_the_rotations_and_the_newest(world: &World) {
    let (tenant, other) = (world.tenant, world.other);
    let bundle = |tenant_id, serial, rotates| trust::Bundle {
        tenant_id,
        serial,
        bundle: vec![1, 2],
        signature: vec![3],
        key_id: "k".to_owned(),
        rotates,
        published_by: "Ann".to_owned(),
        published_at: 7,
    };
    assert_eq!(world.read(move |tx| trust::newest(tx, tenant)).await, None);
    for (serial, rotates) in [(1, false), (3, true), (4, false), (9, false)] {
        let row = bundle(tenant, serial, rotates);
        world.write(move |tx| trust::add(tx, &row)).await.unwrap();
    }
    let row = bundle(other, 2, false);
    world.write(move |tx| trust::add(tx, &row)).await.unwrap();
    let again = bundle(tenant, 9, false);
    assert!(matches!(world.write(move |tx| trust::add(tx, &again)).await, Err(Error::Conflict(_))));
    let newest = world.read(move |tx| trust::newest(tx, tenant)).await;
    assert_eq!(newest, Some(bundle(tenant, 9, false)));
    let in_use = world.read(trust::in_use).await;
    let of =
        |whose| in_use.iter().filter(|row| row.tenant_id == whose).map(|row| row.serial).collect::<Vec<_>>();
    assert_eq!((of(tenant), of(other)), (vec![3, 9], vec![2]));
    world.write(move |tx| trust::clear(tx, tenant)).await.unwrap();
    assert_eq!(world.read(trust::in_use).await, vec![bundle(other, 2, false)]);
}
