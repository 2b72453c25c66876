//! A trail is sealed and verified, and each way of tampering with it is found.
#![expect(clippy::unwrap_used, reason = "tests")]

use quell_audit::{Keys, Sealer, verify};
use quell_store::{
    Options, Store, Tx,
    audit::{self, Record},
    checkpoint, tenant,
};
use quell_wire::SigningKey;
use uuid::Uuid;
use verify::{Problem, Report};

const TENANT: Uuid = Uuid::from_u128(1);
const OTHER: Uuid = Uuid::from_u128(2);
const NOW: i64 = 1_000_000_000;

struct World {
    store: Store,
    sealer: Sealer,
    keys: Keys,
    _folder: tempfile::TempDir,
}

fn key() -> SigningKey {
    SigningKey::from_pkcs8(&SigningKey::generate().unwrap()).unwrap()
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("db").display());
        let store = Store::open(&url, Options::default(), 1).await.unwrap();
        for (id, name) in [(TENANT, "one"), (OTHER, "two")] {
            let row = tenant::Tenant { id, name: name.to_owned(), created_at: 1 };
            write(&store, move |tx| tenant::insert(tx, &row)).await;
        }
        let sealer = Sealer::new(key());
        let keys = Keys::new([sealer.public()]);
        Self { store, sealer, keys, _folder: folder }
    }

    async fn act(&self, tenant: Uuid, count: usize) {
        let rows: Vec<Record> = (0..count).map(|number| record(tenant, number)).collect();
        write(&self.store, move |tx| rows.iter().try_for_each(|row| audit::append(tx, row))).await;
    }

    async fn seal(&self) -> u64 {
        self.sealer.round(&self.store, NOW).await.unwrap()
    }

    async fn verify(&self) -> Report {
        verify::verify(&self.store, TENANT, &self.keys, None, NOW, |_| ()).await.unwrap()
    }

    async fn tamper(&self, sql: &'static str) {
        write(&self.store, move |tx| tx.execute(sql, &[]).map(drop)).await;
    }
}

async fn write(
    store: &Store,
    closure: impl Fn(&mut Tx<'_>) -> Result<(), quell_store::Error> + Send + 'static,
) {
    store.write(closure).await.unwrap();
}

fn record(tenant: Uuid, number: usize) -> Record {
    Record {
        tenant_id: tenant,
        id: Uuid::now_v7(),
        at: NOW - 1_000,
        actor_kind: "api_key".to_owned(),
        actor_id: "k".to_owned(),
        actor_name: "ops".to_owned(),
        verb: "task.submit".to_owned(),
        object_kind: "task".to_owned(),
        object_id: number.to_string(),
        outcome: "ok".to_owned(),
        detail: format!("{{\"number\":{number}}}"),
        request_id: None,
        remote: Some("192.0.2.7".to_owned()),
    }
}

#[tokio::test]
async fn what_was_written_is_sealed_once_and_verifies() {
    let world = World::new().await;
    assert!(world.verify().await.is_intact(), "nothing is a trail too");
    world.act(TENANT, 1_200).await;
    world.act(OTHER, 3).await;
    assert_eq!(world.verify().await.waiting, 1_200);
    assert_eq!(world.seal().await, 1_203);
    assert_eq!(world.seal().await, 0);
    world.act(TENANT, 1).await;
    assert_eq!(world.seal().await, 1);
    let report = world.verify().await;
    assert!(report.is_intact(), "{report:?}");
    assert_eq!((report.records, report.checkpoints, report.waiting), (1_201, 4, 0));
    let other = verify::verify(&world.store, OTHER, &world.keys, None, NOW, |_| ()).await.unwrap();
    assert_eq!((other.records, other.checkpoints), (3, 1));
    // Another server's key is no key of this trail.
    let foreign = Keys::new([key().public()]);
    let report = verify::verify(&world.store, TENANT, &foreign, None, NOW, |_| ()).await.unwrap();
    assert_eq!(report.wrong, 4);
}

#[tokio::test]
async fn two_sealers_give_each_record_one_place() {
    let world = World::new().await;
    world.act(TENANT, 3_000).await;
    let (one, two) = (world.sealer.clone(), world.sealer.clone());
    let (first, second) = tokio::join!(one.round(&world.store, NOW), two.round(&world.store, NOW));
    // The slower one may find that its records were taken; what it sealed before stands.
    let mut sealed = first.unwrap_or(0) + second.unwrap_or(0);
    sealed += world.seal().await;
    assert!(sealed <= 3_000);
    let report = world.verify().await;
    assert!(report.is_intact(), "{report:?}");
    assert_eq!((report.records, report.waiting), (3_000, 0));
}

#[tokio::test]
async fn every_way_of_tampering_is_found() {
    type Expected = fn(&Problem) -> bool;
    let ways: [(&str, Expected); 10] = [
        ("UPDATE audit SET actor_name = 'nobody' WHERE object_id = '7'", |p| {
            matches!(p, Problem::Changed { batch: 0, .. })
        }),
        ("UPDATE audit SET remote = NULL WHERE object_id = '600'", |p| {
            matches!(p, Problem::Changed { batch: 1, .. })
        }),
        ("DELETE FROM audit WHERE object_id = '7'", |p| {
            matches!(p, Problem::Missing { batch: 0, expected: 512, found: 7 })
        }),
        // Taken out, changed and left for the sealer to seal anew.
        ("UPDATE audit SET detail = '{}', batch = NULL, leaf = NULL WHERE object_id = '7'", |p| {
            matches!(p, Problem::Missing { batch: 0, .. })
        }),
        ("UPDATE audit SET leaf = 1 - leaf WHERE batch = 1 AND leaf < 2", |p| {
            matches!(p, Problem::Changed { batch: 1, .. })
        }),
        ("UPDATE audit SET batch = 9 WHERE object_id = '7'", |p| {
            matches!(p, Problem::Missing { batch: 0, .. })
        }),
        (
            "INSERT INTO audit SELECT tenant_id, '00000000-0000-7000-8000-000000000009', at, actor_kind, actor_id, \
             actor_name, verb, object_kind, object_id, outcome, detail, request_id, remote, 1, 700 FROM audit \
             WHERE object_id = '7'",
            |p| matches!(p, Problem::Stray { count: 1 }),
        ),
        ("DELETE FROM audit_checkpoint WHERE batch = 0", |p| {
            matches!(p, Problem::Gap { batch: 1, after: -1 })
        }),
        (
            "UPDATE audit_checkpoint SET body = (SELECT body FROM audit_checkpoint WHERE batch = 1) WHERE batch = 0",
            |p| matches!(p, Problem::Checkpoint { batch: 0, .. }),
        ),
        (
            "UPDATE audit_checkpoint SET (body, signature) = (SELECT body, signature FROM audit_checkpoint \
             WHERE batch = 1) WHERE batch = 0",
            |p| matches!(p, Problem::Checkpoint { batch: 0, fault: quell_audit::Fault::Content }),
        ),
    ];
    for (sql, expected) in ways {
        let world = World::new().await;
        world.act(TENANT, 1_000).await;
        world.seal().await;
        assert!(world.verify().await.is_intact());
        world.tamper(sql).await;
        let report = world.verify().await;
        assert!(report.problems.iter().any(expected), "{sql}: {report:?}");
    }
}

#[tokio::test]
async fn a_cut_or_rewritten_trail_is_found_by_a_checkpoint_that_was_kept() {
    let world = World::new().await;
    for _ in 0..3 {
        world.act(TENANT, 10).await;
        world.seal().await;
    }
    let (batch, digest) = world.verify().await.head.unwrap();
    let kept = Some((batch.cast_unsigned(), digest));
    let check = async || verify::verify(&world.store, TENANT, &world.keys, kept, NOW, |_| ()).await.unwrap();
    assert!(check().await.is_intact());
    // The end cut off, whole: the rest is a good trail, but not the one that was there.
    world.tamper("DELETE FROM audit WHERE batch = 2").await;
    world.tamper("DELETE FROM audit_checkpoint WHERE batch = 2").await;
    assert!(world.verify().await.is_intact());
    assert_eq!(check().await.problems, [Problem::NotKept { batch: 2 }]);
    // Written anew, even with the server's own key.
    world.act(TENANT, 10).await;
    world.seal().await;
    assert_eq!(world.verify().await.checkpoints, 3);
    assert_eq!(check().await.problems, [Problem::NotKept { batch: 2 }]);
}

#[tokio::test]
async fn records_that_nobody_seals_are_a_problem() {
    let world = World::new().await;
    world.act(TENANT, 2).await;
    let later = NOW + 120_000_000;
    let report = verify::verify(&world.store, TENANT, &world.keys, None, later, |_| ()).await.unwrap();
    assert!(matches!(report.problems.as_slice(), [Problem::Late { count: 2, seconds: 120 }]), "{report:?}");
}

#[tokio::test]
async fn checkpoints_of_another_tenant_do_not_fit() {
    let world = World::new().await;
    world.act(TENANT, 4).await;
    world.act(OTHER, 4).await;
    world.seal().await;
    let mut rows = world.store.read(|tx| checkpoint::list(tx, OTHER, -1, 10)).await.unwrap();
    let row = checkpoint::Checkpoint { tenant_id: TENANT, ..rows.remove(0) };
    world
        .tamper("DELETE FROM audit_checkpoint WHERE tenant_id = '00000000-0000-0000-0000-000000000001'")
        .await;
    write(&world.store, move |tx| checkpoint::append(tx, &row)).await;
    let report = world.verify().await;
    assert!(
        report.problems.contains(&Problem::Checkpoint { batch: 0, fault: quell_audit::Fault::Content }),
        "{report:?}"
    );
}
