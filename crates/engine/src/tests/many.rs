//! Requests that act on thousands of endpoints at once.

use std::time::Instant;

use quell_store::{command, endpoint};
use uuid::Uuid;

use super::world::{TENANT, World, ann, isolate};
use crate::Targets;

/// As many endpoints as one large tenant's sweep names.
const MANY: usize = 5000;

#[expect(clippy::print_stdout, reason = "a measurement is to be read")]
#[tokio::test]
#[ignore = "a measurement: cargo test -p quell-engine --lib many -- --ignored --nocapture"]
async fn a_look_at_thousands_costs_few_statements() {
    for (name, world) in [("SQLite", Ok(World::new().await)), ("PostgreSQL", World::on_postgres().await)] {
        let Ok(world) = world else {
            println!("skipped: {name}");
            continue;
        };
        let first = world.agent("first").await;
        let ids = world
            .write(move |tx| {
                let row = endpoint::get(tx, TENANT, first.id)?.unwrap();
                (0..MANY)
                    .map(|number| {
                        let name = format!("web-{number}");
                        let row = endpoint::Endpoint { id: Uuid::now_v7(), name, ..row.clone() };
                        endpoint::insert(tx, &row).map(|()| row.id)
                    })
                    .collect::<Result<Vec<_>, _>>()
            })
            .await;
        // A database of some age knows of its rows.
        world.write(|tx| tx.execute("ANALYZE", &[]).map(drop)).await;
        let (apart, together) = (ids.clone(), ids.clone());
        let began = Instant::now();
        world
            .read(move |tx| {
                for id in &apart {
                    endpoint::get(tx, TENANT, *id)?;
                    command::twin(tx, TENANT, *id, "endpoint.isolate")?;
                }
                Ok(())
            })
            .await;
        let one_by_one = began.elapsed();
        let began = Instant::now();
        let found = world
            .read(move |tx| {
                let rows = endpoint::some(tx, TENANT, &together)?.len();
                Ok((rows, command::twins(tx, TENANT, &together, "endpoint.isolate")?.len()))
            })
            .await;
        let at_once = began.elapsed();
        assert_eq!(found, (MANY, 0));
        let began = Instant::now();
        let mut request = isolate(&[]);
        request.targets = Targets::Endpoints(ids);
        let preview = world.engine.preview(&ann(), request).await.unwrap();
        assert_eq!((preview.target_count, preview.targets[0].problem.clone()), (MANY, None));
        println!(
            "{name}: {MANY} endpoints looked up one by one {one_by_one:?}, at once {at_once:?}, ratio {:.2}; the whole \
             preview {:?}",
            at_once.as_secs_f64() / one_by_one.as_secs_f64(),
            began.elapsed()
        );
    }
}
