//! Tenants, keys, tokens, settings, audit.

use quell_store::{Error, Page, api_key, audit, checkpoint, enrolment, server_key, setting, tenant};
use uuid::Uuid;

use crate::backend::World;

crate::both!(
    tenants,
    api_keys,
    a_token_is_spent_as_often_as_it_says,
    settings,
    server_keys,
    audit_trail,
    audit_places
);

async fn tenants(world: &World) {
    let (id, name) = (world.tenant, world.tenant.to_string());
    let found = world.read(move |tx| tenant::by_name(tx, &name)).await.unwrap();
    assert_eq!(Some(&found), world.read(move |tx| tenant::get(tx, id)).await.as_ref());
    assert_eq!(world.read(tenant::list).await.len(), 2);
    let twin = tenant::Tenant { id: Uuid::now_v7(), ..found };
    assert!(
        matches!(world.write(move |tx| tenant::insert(tx, &twin)).await, Err(Error::Conflict(t)) if t == "tenant")
    );
}

async fn api_keys(world: &World) {
    let key = api_key::ApiKey {
        tenant_id: world.tenant,
        id: Uuid::now_v7(),
        name: "ci".to_owned(),
        prefix: "qk_abc".to_owned(),
        hash: [1; 32],
        role: "administrator".to_owned(),
        created_at: world.now(),
        expires_at: Some(99),
        last_used_at: None,
        revoked_at: None,
        owner: None,
        scope: None,
    };
    let (row, tenant, other, id) = (key.clone(), world.tenant, world.other, key.id);
    world.write(move |tx| api_key::insert(tx, &row)).await.unwrap();
    assert_eq!(world.read(|tx| api_key::by_prefix(tx, "qk_abc")).await, Some(key.clone()));
    assert_eq!(world.read(|tx| api_key::by_prefix(tx, "qk_")).await, None);
    let twin = api_key::ApiKey { id: Uuid::now_v7(), tenant_id: world.other, ..key };
    assert!(matches!(world.write(move |tx| api_key::insert(tx, &twin)).await, Err(Error::Conflict(_))));
    world.write(move |tx| api_key::touch(tx, tenant, id, 50)).await.unwrap();
    assert!(matches!(
        world.write(move |tx| api_key::revoke(tx, other, id, 60)).await,
        Err(Error::NotFound(_))
    ));
    world.write(move |tx| api_key::revoke(tx, tenant, id, 60)).await.unwrap();
    assert!(matches!(
        world.write(move |tx| api_key::revoke(tx, tenant, id, 70)).await,
        Err(Error::NotFound(_))
    ));
    let listed = world.read(move |tx| api_key::list(tx, tenant, Page::default())).await;
    assert_eq!((listed.rows[0].last_used_at, listed.rows[0].revoked_at), (Some(50), Some(60)));
    assert!(world.read(move |tx| api_key::list(tx, other, Page::default())).await.rows.is_empty());
}

async fn a_token_is_spent_as_often_as_it_says(world: &World) {
    let token = enrolment::Token {
        tenant_id: world.tenant,
        id: Uuid::now_v7(),
        name: "office".to_owned(),
        hash: [2; 32],
        tags: "[\"office\"]".to_owned(),
        max_uses: 5,
        uses: 0,
        created_by: "Ann".to_owned(),
        created_at: 1,
        expires_at: 100,
        revoked_at: None,
    };
    let (row, tenant, id) = (token.clone(), world.tenant, token.id);
    world.write(move |tx| enrolment::insert(tx, &row)).await.unwrap();
    assert_eq!(world.write(|tx| enrolment::spend(tx, &[2; 32], 100)).await.unwrap(), None, "expired");
    assert_eq!(world.write(|tx| enrolment::spend(tx, &[3; 32], 50)).await.unwrap(), None, "unknown");
    let mut attempts = Vec::new();
    for _ in 0..20 {
        let store = world.store.clone();
        attempts.push(tokio::spawn(async move {
            store.write::<_, _, Error>(|tx| enrolment::spend(tx, &[2; 32], 50)).await.unwrap().is_some()
        }));
    }
    let mut spent = 0;
    for attempt in attempts {
        spent += i32::from(attempt.await.unwrap());
    }
    assert_eq!(spent, 5);
    world.write(move |tx| enrolment::revoke(tx, tenant, id, 60)).await.unwrap();
    let found = world.read(|tx| enrolment::by_hash(tx, &[2; 32])).await.unwrap();
    assert_eq!((found.uses, found.revoked_at), (5, Some(60)));
    assert_eq!(world.read(move |tx| enrolment::list(tx, tenant, Page::default())).await.rows, [found]);
}

async fn settings(world: &World) {
    let (tenant, other) = (world.tenant, world.other);
    for value in ["1", "{\"a\":2}"] {
        world.write(move |tx| setting::set(tx, tenant, "limits", value, 3)).await.unwrap();
    }
    assert_eq!(world.read(move |tx| setting::get(tx, tenant, "limits")).await.as_deref(), Some("{\"a\":2}"));
    assert_eq!(world.read(move |tx| setting::get(tx, other, "limits")).await, None);
}

async fn server_keys(world: &World) {
    let (first, second) = (Uuid::now_v7(), Uuid::now_v7());
    world.write(move |tx| server_key::rotate(tx, first, "order", &[1; 32], 1)).await.unwrap();
    world.write(move |tx| server_key::rotate(tx, second, "order", &[2; 32], 2)).await.unwrap();
    let states = async || -> Vec<(Uuid, String)> {
        let keys = world.read(|tx| server_key::list(tx, "order")).await;
        keys.into_iter().map(|key| (key.id, key.state)).collect()
    };
    assert_eq!(states().await, [(second, "current".to_owned()), (first, "previous".to_owned())]);
    world.write(move |tx| server_key::retire(tx, first, 3)).await.unwrap();
    assert_eq!(states().await[1].1, "retired");
    assert!(world.write(move |tx| server_key::retire(tx, second, 3)).await.is_err(), "the current one stays");
}

async fn audit_trail(world: &World) {
    let (tenant, other) = (world.tenant, world.other);
    let record = |number: i64, verb: &str, object: &str| audit::Record {
        tenant_id: tenant,
        id: Uuid::now_v7(),
        at: number,
        actor_kind: "api_key".to_owned(),
        actor_id: "k1".to_owned(),
        actor_name: "Ann".to_owned(),
        verb: verb.to_owned(),
        object_kind: "task".to_owned(),
        object_id: object.to_owned(),
        outcome: "ok".to_owned(),
        detail: "{}".to_owned(),
        request_id: None,
        remote: Some("192.0.2.1".to_owned()),
    };
    let rows: Vec<audit::Record> = (0..7)
        .map(|number| {
            record(
                number,
                if number % 2 == 0 { "task.submit" } else { "task.cancel" },
                &(number / 4).to_string(),
            )
        })
        .collect();
    let written = rows.clone();
    world.write(move |tx| written.iter().try_for_each(|row| audit::append(tx, row))).await.unwrap();
    let mut expected = rows.clone();
    expected.reverse();
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = Page { after, limit: 3 };
        let found = world.read(move |tx| audit::list(tx, tenant, &audit::Filter::default(), page)).await;
        assert!(found.rows.len() <= 3);
        seen.extend(found.rows);
        after = found.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, expected);
    let of_object = audit::Filter { object_id: Some("0".to_owned()), ..audit::Filter::default() };
    let narrowed = audit::Filter { verb: Some("task.cancel".to_owned()), ..of_object.clone() };
    assert_eq!(
        world.read(move |tx| audit::list(tx, tenant, &of_object, Page::default())).await.rows.len(),
        4
    );
    assert_eq!(world.read(move |tx| audit::list(tx, tenant, &narrowed, Page::default())).await.rows.len(), 2);
    assert!(
        world
            .read(move |tx| audit::list(tx, other, &audit::Filter::default(), Page::default()))
            .await
            .rows
            .is_empty()
    );
}

async fn audit_places(world: &World) {
    let tenant = world.tenant;
    let record = move |number: i64| audit::Record {
        tenant_id: tenant,
        id: Uuid::now_v7(),
        at: number,
        actor_kind: "system".to_owned(),
        actor_id: "test".to_owned(),
        actor_name: "test".to_owned(),
        verb: "task.submit".to_owned(),
        object_kind: "task".to_owned(),
        object_id: number.to_string(),
        outcome: "ok".to_owned(),
        detail: "{}".to_owned(),
        request_id: None,
        remote: None,
    };
    let rows: Vec<audit::Record> = (10..14).map(record).collect();
    let written = rows.clone();
    world.write(move |tx| written.iter().try_for_each(|row| audit::append(tx, row))).await.unwrap();
    let unsealed = world.read(move |tx| audit::unsealed(tx, tenant, 3)).await;
    assert_eq!(unsealed, rows[..3], "oldest first");
    assert_eq!(world.read(|tx| audit::tenants_unsealed(tx, 10)).await, [tenant]);
    assert_eq!(world.read(move |tx| audit::oldest_unsealed(tx, tenant)).await, (4, Some(10)));
    let (first, last) = (unsealed[0].id, unsealed[2].id);
    let placed = unsealed.clone();
    let sealed = world.write(move |tx| {
        let mut sealed = Vec::new();
        for (leaf, row) in placed.iter().enumerate() {
            sealed.push(audit::seal(tx, tenant, row.id, 0, leaf as i64)?);
        }
        sealed.push(audit::seal(tx, tenant, placed[0].id, 1, 0)?);
        Ok(sealed)
    });
    assert_eq!(sealed.await.unwrap(), [true, true, true, false], "a place is given once");
    let found = world.read(move |tx| audit::of_batch(tx, tenant, (first, last), 0)).await;
    assert_eq!(found, (0..3).zip(unsealed).collect::<Vec<_>>());
    assert_eq!(world.read(move |tx| audit::sealed(tx, tenant)).await, 3);
    assert_eq!(world.read(move |tx| audit::oldest_unsealed(tx, tenant)).await, (1, Some(13)));
    let row = move |batch: i64| checkpoint::Checkpoint {
        tenant_id: tenant,
        batch,
        body: vec![1, 2],
        signature: vec![3],
        key_id: "k".to_owned(),
    };
    for batch in 0..2 {
        world.write(move |tx| checkpoint::append(tx, &row(batch))).await.unwrap();
    }
    let taken = world.write(move |tx| checkpoint::append(tx, &row(1))).await;
    assert!(matches!(taken, Err(Error::Conflict(_))), "{taken:?}");
    assert_eq!(world.read(move |tx| checkpoint::last(tx, tenant)).await, Some(row(1)));
    assert_eq!(world.read(move |tx| checkpoint::list(tx, tenant, -1, 10)).await, [row(0), row(1)]);
    assert_eq!(world.read(move |tx| checkpoint::list(tx, tenant, 0, 10)).await, [row(1)]);
}
