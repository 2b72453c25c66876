//! The schema: every statement fits it on both databases; it is refused when it is not ours.

use quell_store::{Error, Options, Store, Tx};

use crate::backend::World;

crate::both!(every_statement_compiles, a_newer_or_altered_schema_is_refused);

async fn every_statement_compiles(world: &World) {
    for (module, name, text) in quell_store::statements() {
        let compiled = world.write(move |tx| tx.prepare(text)).await;
        assert!(compiled.is_ok(), "{module}::{name}: {}", compiled.unwrap_err());
    }
    assert!(quell_store::statements().count() > 60);
}

async fn a_newer_or_altered_schema_is_refused(world: &World) {
    let again = Store::open(&world.url, Options::default(), 2).await.unwrap();
    again.close().await;
    let alter = |sql: &'static str| move |tx: &mut Tx<'_>| tx.execute(sql, &[]).map(drop);
    world.write(alter("UPDATE schema_migration SET checksum = 'another' WHERE version = 1")).await.unwrap();
    assert!(matches!(Store::open(&world.url, Options::default(), 2).await, Err(Error::Schema(_))));
    world.write(alter("UPDATE schema_migration SET version = 999 WHERE version = 1")).await.unwrap();
    let refused = Store::open(&world.url, Options::default(), 2).await.err().unwrap();
    assert!(refused.to_string().contains("run a newer program"), "{refused}");
}
