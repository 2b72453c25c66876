//! The writer: groups commit together and fail alone.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering},
    mpsc,
};

use quell_store::{Error, Options, Store, Tx, endpoint, setting, task};

use crate::backend::{self, World};

crate::both!(
    of_a_group_only_the_failing_closure_is_rolled_back,
    who_found_nothing_to_change_makes_nobody_run_again,
    a_swallowed_failure_keeps_nothing,
    a_panic_is_an_error,
    a_row_of_nobody_is_refused,
    a_reader_cannot_write,
    a_closed_store_finishes_and_refuses
);

async fn of_a_group_only_the_failing_closure_is_rolled_back(world: &World) {
    let tenant = world.tenant;
    let mut tasks = Vec::new();
    for number in 0..400_i64 {
        let store = world.store.clone();
        tasks.push(tokio::spawn(async move {
            store
                .write(move |tx| {
                    setting::set(tx, tenant, &format!("n{number}"), "1", number)?;
                    match number % 4 {
                        1 => Err(Error::NotFound("a reason of its own")),
                        2 => task::finish(tx, tenant, tenant, "failed", None, 1),
                        _ => Ok(()),
                    }
                })
                .await
        }));
    }
    for (number, task) in tasks.into_iter().enumerate() {
        let result = task.await.unwrap();
        let kept = world.read(move |tx| setting::get(tx, tenant, &format!("n{number}"))).await.is_some();
        assert_eq!(result.is_ok(), number % 4 == 0 || number % 4 == 3);
        assert_eq!(kept, result.is_ok(), "{number}");
    }
}

async fn who_found_nothing_to_change_makes_nobody_run_again(world: &World) {
    let tenant = world.tenant;
    let runs = Arc::new(AtomicU32::new(0));
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    // While this one waits the others gather to one group.
    let store = world.store.clone();
    let first = tokio::spawn(async move {
        let wait = move |_: &mut Tx<'_>| {
            assert!(released.lock().unwrap().recv().is_err());
            Ok::<_, Error>(())
        };
        store.write(wait).await
    });
    let mut others = Vec::new();
    for number in 0..40_i64 {
        let (store, runs) = (world.store.clone(), Arc::clone(&runs));
        others.push(tokio::spawn(async move {
            let closure = move |tx: &mut Tx<'_>| {
                runs.fetch_add(1, Ordering::Relaxed);
                if number % 2 == 0 {
                    return setting::set(tx, tenant, &format!("k{number}"), "1", number);
                }
                let nobody = uuid::Uuid::nil();
                let found = task::tally(tx, tenant, nobody, true, 1);
                assert!(matches!(found, Err(Error::Conflict(_))), "{found:?}");
                endpoint::set_name(tx, tenant, nobody, &format!("n{number}"))
            };
            store.write(closure).await
        }));
    }
    tokio::task::yield_now().await;
    // For good: it may be run again.
    drop(release);
    first.await.unwrap().unwrap();
    for (number, other) in others.into_iter().enumerate() {
        assert_eq!(other.await.unwrap().is_ok(), number % 2 == 0);
    }
    assert_eq!(runs.load(Ordering::Relaxed), 40);
}

async fn a_swallowed_failure_keeps_nothing(world: &World) {
    let tenant = world.tenant;
    let result = world
        .write(move |tx| {
            setting::set(tx, tenant, "before", "1", 1)?;
            let ignored =
                tx.execute("INSERT INTO tenant (id, name, created_at) VALUES ($1, NULL, 1)", &[&"x"]);
            assert!(ignored.is_err());
            Ok(())
        })
        .await;
    assert!(matches!(result, Err(Error::Invalid(_))), "{result:?}");
    assert_eq!(world.read(move |tx| setting::get(tx, tenant, "before")).await, None);
}

async fn a_panic_is_an_error(world: &World) {
    let tenant = world.tenant;
    let result = world
        .write::<()>(move |tx| {
            setting::set(tx, tenant, "before", "1", 1)?;
            panic!("on purpose")
        })
        .await;
    assert!(matches!(result, Err(Error::Panicked)));
    assert_eq!(world.read(move |tx| setting::get(tx, tenant, "before")).await, None);
    world.write(move |tx| setting::set(tx, tenant, "after", "1", 1)).await.unwrap();
}

async fn a_row_of_nobody_is_refused(world: &World) {
    let row = backend::task(uuid::Uuid::now_v7(), 1);
    assert!(matches!(world.write(move |tx| task::insert(tx, &row)).await, Err(Error::Invalid(_))));
    let row = task::Task { state: "anything".to_owned(), ..backend::task(world.tenant, 1) };
    assert!(matches!(world.write(move |tx| task::insert(tx, &row)).await, Err(Error::Invalid(_))));
}

async fn a_reader_cannot_write(world: &World) {
    let tenant = world.tenant;
    let result: Result<(), Error> = world.store.read(move |tx| setting::set(tx, tenant, "a", "1", 1)).await;
    assert!(result.is_err());
    assert_eq!(world.read(move |tx| setting::get(tx, tenant, "a")).await, None);
}

async fn a_closed_store_finishes_and_refuses(world: &World) {
    let tenant = world.tenant;
    let store = Store::open(&world.url, Options::default(), 2).await.unwrap();
    let pending: Vec<_> = (0..50_i64)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                store
                    .write::<_, _, Error>(move |tx| setting::set(tx, tenant, &format!("c{number}"), "1", 1))
                    .await
            })
        })
        .collect();
    let mut results = Vec::new();
    store.close().await;
    for task in pending {
        results.push(task.await.unwrap());
    }
    assert!(matches!(
        store.write::<_, _, Error>(move |tx| setting::set(tx, tenant, "late", "1", 1)).await,
        Err(Error::Unavailable(_))
    ));
    for (number, result) in results.iter().enumerate() {
        let kept = world.read(move |tx| setting::get(tx, tenant, &format!("c{number}"))).await.is_some();
        assert_eq!(kept, result.is_ok());
    }
}
