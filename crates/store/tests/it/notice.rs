//! Notices, what is on its way, and webhooks.

use quell_store::{
    Error, Page,
    notice::{self, Notice, delivery},
    setting, webhook,
};
use uuid::Uuid;

use crate::backend::World;

crate::both!(
    the_trail_is_read_once,
    a_delivery_is_claimed_once,
    deliveries_of_a_key_fold,
    a_slow_receiver_stands_before_nobody,
    webhooks_change_and_go
);

fn notice_of(world: &World, kind: &str) -> Notice {
    Notice {
        tenant_id: world.tenant,
        id: Uuid::now_v7(),
        kind: kind.to_owned(),
        object_id: "x".to_owned(),
        body: "{}".to_owned(),
        created_at: 10,
    }
}

fn delivery_of(notice: &Notice, destination: &str, next_at: i64) -> delivery::Delivery {
    delivery::Delivery {
        tenant_id: notice.tenant_id,
        id: Uuid::now_v7(),
        notice_id: notice.id,
        channel: "mail".to_owned(),
        destination: destination.to_owned(),
        person_id: None,
        kind: notice.kind.clone(),
        state: "pending".to_owned(),
        attempts: 0,
        created_at: notice.created_at,
        next_at,
        claim: None,
        last_error: None,
        sent_at: None,
        fold_key: None,
        folded: 0,
    }
}

async fn written(world: &World, destination: &str, next_at: i64, key: Option<&str>) -> delivery::Delivery {
    let notice = notice_of(world, "task_failed");
    let row =
        delivery::Delivery { fold_key: key.map(str::to_owned), ..delivery_of(&notice, destination, next_at) };
    let kept = row.clone();
    world
        .write(move |tx| {
            notice::insert(tx, &notice)?;
            delivery::insert(tx, &row)
        })
        .await
        .unwrap();
    kept
}

async fn the_trail_is_read_once(world: &World) {
    let tenant = world.tenant;
    assert!(world.read(|tx| notice::behind(tx, 10)).await.is_empty());
    let row = quell_store::checkpoint::Checkpoint {
        tenant_id: tenant,
        batch: 0,
        body: vec![1],
        signature: vec![2],
        key_id: "k".to_owned(),
    };
    world.write(move |tx| quell_store::checkpoint::append(tx, &row)).await.unwrap();
    let behind = world.read(|tx| notice::behind(tx, 10)).await;
    assert_eq!((behind.len(), behind[0].tenant_id, behind[0].batch), (1, tenant, None));
    assert!(world.write(move |tx| notice::begin(tx, tenant, -1)).await.unwrap());
    assert!(!world.write(move |tx| notice::begin(tx, tenant, -1)).await.unwrap());
    assert_eq!(world.read(|tx| notice::behind(tx, 10)).await[0].batch, Some(-1));
    assert!(world.write(move |tx| notice::advance(tx, tenant, -1, 0)).await.unwrap());
    assert!(!world.write(move |tx| notice::advance(tx, tenant, -1, 0)).await.unwrap());
    assert!(world.read(|tx| notice::behind(tx, 10)).await.is_empty());
    let told = notice_of(world, "test");
    let again = told.clone();
    assert!(world.write(move |tx| notice::insert(tx, &told)).await.unwrap());
    assert!(!world.write(move |tx| notice::insert(tx, &again)).await.unwrap());
}

async fn a_delivery_is_claimed_once(world: &World) {
    let (tenant, other) = (world.tenant, world.other);
    let row = written(world, "a@example.org", 100, None).await;
    let (first, second) = (Uuid::now_v7(), Uuid::now_v7());
    let id = row.id;
    assert!(!world.write(move |tx| delivery::claim(tx, tenant, id, first, 99, 999)).await.unwrap());
    assert!(!world.write(move |tx| delivery::claim(tx, other, id, first, 100, 999)).await.unwrap());
    assert!(world.write(move |tx| delivery::claim(tx, tenant, id, first, 100, 999)).await.unwrap());
    assert!(!world.write(move |tx| delivery::claim(tx, tenant, id, second, 100, 999)).await.unwrap());
    assert!(world.read(|tx| delivery::due(tx, 998, 2, 10)).await.is_empty());
    // The first one died; its claim lapses, and what it says later counts for nothing.
    assert!(world.write(move |tx| delivery::claim(tx, tenant, id, second, 999, 1999)).await.unwrap());
    let dead = delivery::After { state: "dead", next_at: 5, error: Some("no".to_owned()), sent_at: None };
    let late = dead.clone();
    assert!(!world.write(move |tx| delivery::settle(tx, tenant, id, first, &late)).await.unwrap());
    assert!(world.write(move |tx| delivery::settle(tx, tenant, id, second, &dead)).await.unwrap());
    let notice_id = row.notice_id;
    let page = |state: &'static str| {
        world.read(move |tx| notice::list(tx, tenant, None, Some(state), Page::default()))
    };
    assert_eq!((page("dead").await.rows.len(), page("sent").await.rows.len()), (1, 0));
    let stored = world.read(move |tx| delivery::of_notice(tx, tenant, notice_id, 9)).await;
    assert_eq!((stored[0].state.as_str(), stored[0].attempts), ("dead", 2));
    assert_eq!(world.write(move |tx| delivery::retry(tx, tenant, notice_id, 50)).await.unwrap(), 1);
    assert_eq!(world.read(delivery::next).await, Some(50));
    assert_eq!(world.write(|tx| notice::forget(tx, 11)).await.unwrap(), 1);
    assert_eq!(world.read(move |tx| delivery::get(tx, tenant, id)).await, None);
}

async fn deliveries_of_a_key_fold(world: &World) {
    let tenant = world.tenant;
    let fold = |since: i64| world.write(move |tx| delivery::fold(tx, tenant, "a@example.org", "k", since));
    assert!(!fold(0).await.unwrap());
    let row = written(world, "a@example.org", 100, Some("k")).await;
    assert!(fold(0).await.unwrap() && fold(0).await.unwrap());
    assert!(!fold(10).await.unwrap(), "it was written too long ago");
    let id = row.id;
    let folded = world.read(move |tx| delivery::get(tx, tenant, id)).await.unwrap().folded;
    assert_eq!(folded, 2);
    let last = |since| world.read(move |tx| delivery::last_of_key(tx, tenant, "a@example.org", "k", since));
    assert_eq!((last(0).await, last(10).await), (Some(10), None));
    let claim = Uuid::now_v7();
    assert!(world.write(move |tx| delivery::claim(tx, tenant, id, claim, 100, 200)).await.unwrap());
    assert!(!fold(0).await.unwrap(), "it is being sent");
    let count = |kind: &'static str| {
        world.read(move |tx| delivery::recent_of_kind(tx, tenant, "a@example.org", kind, 0))
    };
    assert_eq!((count("task_failed").await, count("test").await), (1, 0));
    assert_eq!(world.read(move |tx| delivery::mails_since(tx, tenant, 9)).await, 1);
    assert_eq!(world.read(move |tx| delivery::mails_since(tx, tenant, 10)).await, 0);
}

async fn a_slow_receiver_stands_before_nobody(world: &World) {
    for number in 0..5 {
        written(world, "slow@example.org", number, None).await;
    }
    let quick = written(world, "quick@example.org", 90, None).await;
    let due = world.read(|tx| delivery::due(tx, 100, 2, 10)).await;
    let destinations: Vec<&str> = due.iter().map(|row| row.destination.as_str()).collect();
    assert_eq!(destinations, ["slow@example.org", "slow@example.org", "quick@example.org"]);
    let slow = due[0].clone();
    assert_eq!(world.read(move |tx| delivery::alike(tx, &slow, 100, 0, 50)).await.len(), 5);
    let tenant = world.tenant;
    let given_up =
        world.write(move |tx| delivery::give_up(tx, tenant, "slow@example.org", "gone")).await.unwrap();
    assert_eq!(given_up, 5);
    assert_eq!(world.read(|tx| delivery::due(tx, 100, 2, 10)).await, [quick]);
}

async fn webhooks_change_and_go(world: &World) {
    let (tenant, other) = (world.tenant, world.other);
    let row = webhook::Webhook {
        tenant_id: tenant,
        id: Uuid::now_v7(),
        name: "siem".to_owned(),
        url: "https://siem.example/".to_owned(),
        kinds: "[]".to_owned(),
        secret: vec![1],
        former: None,
        former_until: None,
        state: "active".to_owned(),
        created_at: 1,
        updated_at: 1,
    };
    let (id, first) = (row.id, row.clone());
    world.write(move |tx| webhook::insert(tx, &first)).await.unwrap();
    let twin = webhook::Webhook { id: Uuid::now_v7(), ..row.clone() };
    assert!(matches!(world.write(move |tx| webhook::insert(tx, &twin)).await, Err(Error::Conflict(_))));
    assert_eq!(world.read(move |tx| webhook::get(tx, other, id)).await, None);
    assert_eq!(world.read(move |tx| webhook::list(tx, tenant, Page::default())).await.rows.len(), 1);
    world.write(move |tx| webhook::rotate(tx, tenant, id, &[2], 100, 5)).await.unwrap();
    let stored = world.read(move |tx| webhook::get(tx, tenant, id)).await.unwrap();
    assert_eq!((stored.secret, stored.former, stored.former_until), (vec![2], Some(vec![1]), Some(100)));
    assert!(world.write(move |tx| webhook::disable(tx, tenant, id, 6)).await.unwrap());
    assert!(!world.write(move |tx| webhook::disable(tx, tenant, id, 7)).await.unwrap());
    assert!(world.read(move |tx| webhook::active(tx, tenant, 9)).await.is_empty());
    let changed = webhook::Webhook { name: "soar".to_owned(), ..row };
    world.write(move |tx| webhook::update(tx, &changed)).await.unwrap();
    assert_eq!(world.read(move |tx| webhook::active(tx, tenant, 9)).await[0].name, "soar");
    assert_eq!(world.read(move |tx| webhook::count(tx, tenant)).await, 1);
    world.write(move |tx| webhook::delete(tx, tenant, id)).await.unwrap();
    assert!(world.write(move |tx| webhook::delete(tx, tenant, id)).await.is_err());
    world.write(move |tx| setting::set(tx, tenant, "mail", "1", 1)).await.unwrap();
    assert!(world.write(move |tx| setting::delete(tx, tenant, "mail")).await.unwrap());
    assert!(!world.write(move |tx| setting::delete(tx, tenant, "mail")).await.unwrap());
}
