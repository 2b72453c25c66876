//! The block list's rows: objects, the words that they stand on, versions, exceptions, what agents said.

use std::collections::BTreeSet;
use std::slice;

use quell_store::Page;
use quell_store::blocklist::{
    self as rows, Delta, Exception, Filter, Key, Object, Report, Source, State, Whose,
};
use uuid::Uuid;

use crate::backend::World;

crate::both!(
    objects_are_found_changed_and_go,
    words_are_taken_back_and_given_again,
    what_several_say_is_one_word,
    thousands_are_listed_at_once,
    versions_wait_for_their_signature,
    exceptions_and_reports_are_the_tenants_own
);

const SHA256: i64 = 2;
const DOMAIN: i64 = 4;

fn object(kind: i64, value: &[u8], shown: &str) -> Object {
    Object {
        id: Uuid::now_v7(),
        kind,
        value: value.to_vec(),
        shown: shown.to_owned(),
        action: 2,
        risk: 3,
        expires_at: None,
        note: None,
        task_id: Uuid::now_v7(),
        added_by: "olga".to_owned(),
        added_at: 5,
        version: 1,
    }
}

async fn objects_are_found_changed_and_go(world: &World) {
    let (tenant, other) = (world.tenant, world.other);
    // A value is bytes: zeros, and what is no text, are as good as others.
    let hash = object(SHA256, &[[0, 255].as_slice(), &[7; 30]].concat(), "00ff07");
    let name = Object {
        note: Some("50%_off".to_owned()),
        risk: 1,
        ..object(DOMAIN, b"evil.example", "evil.example")
    };
    let short = Object { expires_at: Some(90), ..object(DOMAIN, b"Zed.example", "Zed.example") };
    let all = [hash.clone(), name.clone(), short.clone()];
    let task = name.task_id;
    world.write(move |tx| rows::put(tx, tenant, &all)).await.unwrap();
    world.write(move |tx| rows::put_words(tx, tenant, &[&word(task, None)])).await.unwrap();
    let key = (SHA256, hash.value.clone());
    // The same bytes as another kind are another object.
    let keys = [key.clone(), (DOMAIN, hash.value.clone())];
    let asked = keys.clone();
    assert_eq!(world.read(move |tx| rows::objects(tx, tenant, &asked)).await, slice::from_ref(&hash));
    let asked = keys.clone();
    assert_eq!(world.read(move |tx| rows::listed(tx, tenant, &asked)).await, BTreeSet::from([key.clone()]));
    assert!(world.read(move |tx| rows::listed(tx, other, &keys)).await.is_empty());
    // No two objects have one id.
    let twin = Object { id: hash.id, ..object(DOMAIN, b"twin.example", "twin.example") };
    assert!(world.write(move |tx| rows::put(tx, tenant, slice::from_ref(&twin))).await.is_err());
    let found = async |filter: Filter| {
        let listed = world.read(move |tx| {
            let count = rows::count(tx, tenant, &filter)?;
            let page = Page { limit: 10, ..Page::default() };
            Ok((count, rows::list(tx, tenant, &filter, page)?.rows))
        });
        let (count, items) = listed.await;
        assert_eq!(count, items.len() as i64);
        let mut shown: Vec<String> = items.into_iter().map(|item| item.shown).collect();
        shown.sort();
        shown.join(" ")
    };
    assert_eq!(found(Filter::default()).await, "00ff07 Zed.example evil.example");
    assert_eq!(found(Filter { kind: Some(DOMAIN), ..Filter::default() }).await, "Zed.example evil.example");
    assert_eq!(found(Filter { risk: Some(1), ..Filter::default() }).await, "evil.example");
    assert_eq!(found(Filter { task: Some(task), ..Filter::default() }).await, "evil.example");
    assert_eq!(found(Filter { expires_before: Some(100), ..Filter::default() }).await, "Zed.example");
    let text = |text: &str| Filter { text: Some(text.to_owned()), ..Filter::default() };
    // What is typed is text, not a pattern, and case does not count.
    assert_eq!(found(text("zed.EX")).await, "Zed.example");
    assert_eq!(found(text("50%_")).await, "evil.example");
    assert_eq!(found(text("%")).await, "evil.example");
    assert_eq!(found(text("'; --")).await, "");
    // What is said of it changes, not what it is, nor when it was listed first.
    let changed = Object { action: 1, version: 2, note: Some("n".to_owned()), ..hash.clone() };
    let written = Object { id: Uuid::now_v7(), added_at: 99, shown: "x".to_owned(), ..changed.clone() };
    world.write(move |tx| rows::put(tx, tenant, slice::from_ref(&written))).await.unwrap();
    let asked = [key.clone()];
    assert_eq!(world.read(move |tx| rows::objects(tx, tenant, &asked)).await, [changed]);
    let gone = [key, (SHA256, vec![9; 32])];
    assert_eq!(world.write(move |tx| rows::delete(tx, tenant, &gone)).await.unwrap(), 1);
    let first = world.read(move |tx| rows::all_after(tx, tenant, Uuid::nil(), 1)).await;
    let rest = world.read(move |tx| rows::all_after(tx, tenant, first[0].id, 9)).await;
    assert_eq!(rest.len(), 1);
    let expired = world.read(|tx| rows::expired(tx, 100, 10)).await;
    assert_eq!(expired, [(tenant, DOMAIN, b"Zed.example".to_vec())]);
    assert!(world.read(|tx| rows::expired(tx, 80, 10)).await.is_empty());
}

fn word(task_id: Uuid, expires_at: Option<i64>) -> Source {
    Source {
        kind: DOMAIN,
        value: b"evil.example".to_vec(),
        task_id,
        action: 2,
        risk: 2,
        expires_at,
        note: None,
        added_by: "olga".to_owned(),
        added_at: 5,
    }
}

async fn words_are_taken_back_and_given_again(world: &World) {
    let tenant = world.tenant;
    let [first, second, removal] = [1, 2, 3].map(|_| Uuid::now_v7());
    for words in [vec![word(first, None), word(second, Some(50))], vec![word(first, None)]] {
        world.write(move |tx| rows::put_words(tx, tenant, &words.iter().collect::<Vec<_>>())).await.unwrap();
    }
    let key = (DOMAIN, b"evil.example".to_vec());
    let asked = [key.clone()];
    let drop = async |whose: Whose, by: String| {
        let keys = asked.clone();
        let dropped = world.write(move |tx| rows::drop_words(tx, tenant, &keys, whose, &by)).await.unwrap();
        dropped.contains(&key)
    };
    let standing = async || {
        let keys = asked.clone();
        world.read(move |tx| rows::merged(tx, tenant, &keys, i64::MIN)).await
    };
    assert_eq!(
        standing().await[0].expires_at,
        None,
        "of the first, which was not taken back by its second time"
    );
    assert!(!drop(Whose::Over(49), "expiry".to_owned()).await, "its time is not over");
    assert!(drop(Whose::Over(50), "expiry".to_owned()).await);
    assert!(!drop(Whose::Task(second), removal.to_string()).await, "it is over already");
    assert_eq!(standing().await.len(), 1);
    assert!(drop(Whose::Task(first), removal.to_string()).await);
    assert!(!drop(Whose::Task(first), removal.to_string()).await);
    assert!(standing().await.is_empty());
    let removed = world.read(move |tx| rows::removed_by(tx, tenant, removal, 10)).await;
    assert_eq!(removed.iter().map(|word| word.task_id).collect::<Vec<_>>(), [first]);
    let back = rows::Source { task_id: Uuid::now_v7(), ..removed[0].clone() };
    let (again, restoring) = (back.task_id, back);
    world.write(move |tx| rows::put_words(tx, tenant, &[&restoring])).await.unwrap();
    assert_eq!(world.read(move |tx| rows::of_task(tx, tenant, again, 10)).await.len(), 1);
    assert!(drop(Whose::Everybody, removal.to_string()).await);
    assert!(standing().await.is_empty());
}

async fn what_several_say_is_one_word(world: &World) {
    let (tenant, other) = (world.tenant, world.other);
    let [first, second, third] = [1, 2, 3].map(|_| Uuid::now_v7());
    let at = |added_at: i64, word: Source| Source { added_at, note: Some(format!("at {added_at}")), ..word };
    let words = [
        at(7, Source { action: 1, risk: 3, ..word(second, Some(50)) }),
        at(6, Source { action: 2, risk: 1, added_by: "carl".to_owned(), ..word(first, Some(90)) }),
        at(7, Source { action: 1, risk: 2, added_by: "ida".to_owned(), ..word(third, Some(70)) }),
    ];
    let [_, strict, last] = words.clone();
    world.write(move |tx| rows::put_words(tx, tenant, &words.iter().collect::<Vec<_>>())).await.unwrap();
    let merged = async |of: Uuid, after: i64| {
        let keys = [(DOMAIN, b"evil.example".to_vec()), (DOMAIN, b"other.example".to_vec())];
        world.read(move |tx| rows::merged(tx, of, &keys, after)).await
    };
    let all = Source { action: 2, risk: 3, expires_at: Some(90), added_at: 6, ..last };
    assert_eq!(merged(tenant, i64::MIN).await, slice::from_ref(&all), "of two at one time the later task's");
    assert_eq!(merged(tenant, 50).await, [Source { risk: 2, ..all.clone() }], "what is over does not count");
    assert_eq!(merged(tenant, 70).await, [strict]);
    assert!(merged(tenant, 90).await.is_empty());
    assert!(merged(other, 0).await.is_empty());
    world.write(move |tx| rows::put_words(tx, tenant, &[&word(Uuid::now_v7(), None)])).await.unwrap();
    assert_eq!(merged(tenant, 95).await[0].expires_at, None);
    assert_eq!(merged(tenant, i64::MIN).await[0].expires_at, None, "one of them says never");
}

/// More than one of each size of statement.
async fn thousands_are_listed_at_once(world: &World) {
    let tenant = world.tenant;
    let objects: Vec<Object> = (0..600_u32)
        .map(|number| {
            let kind = if number % 3 == 0 { DOMAIN } else { SHA256 };
            object(kind, &number.to_be_bytes(), &number.to_string())
        })
        .collect();
    let task = Uuid::now_v7();
    let words: Vec<Source> = objects
        .iter()
        .map(|object| Source { kind: object.kind, value: object.value.clone(), ..word(task, None) })
        .collect();
    let keys: Vec<Key> = objects.iter().map(|object| (object.kind, object.value.clone())).collect();
    let written = objects.clone();
    world
        .write(move |tx| {
            rows::put(tx, tenant, &written)?;
            rows::put_words(tx, tenant, &words.iter().collect::<Vec<_>>())
        })
        .await
        .unwrap();
    let mut all = world.read(move |tx| rows::all_after(tx, tenant, Uuid::nil(), 1000)).await;
    all.sort_by_key(|object| object.value.clone());
    assert_eq!(all, objects);
    let every: BTreeSet<Key> = keys.iter().cloned().collect();
    let asked = keys.clone();
    assert_eq!(world.read(move |tx| rows::listed(tx, tenant, &asked)).await, every);
    let asked = keys.clone();
    assert_eq!(world.read(move |tx| rows::merged(tx, tenant, &asked, 0)).await.len(), 600);
    let asked = keys.clone();
    let lost = world.write(move |tx| rows::drop_words(tx, tenant, &asked, Whose::Task(task), "x")).await;
    assert_eq!(lost.unwrap(), every);
    assert_eq!(world.write(move |tx| rows::delete(tx, tenant, &keys)).await.unwrap(), 600);
    assert_eq!(world.read(move |tx| rows::count(tx, tenant, &Filter::default())).await, 0);
}

/// Otherwise each statement of many rows that follows reads all of the tenant's.
#[test]
fn postgres_learns_at_once_that_a_table_grew() {
    crate::backend::on_postgres(async |world| {
        let tenant = world.tenant;
        let known = async || {
            let rows = "SELECT CAST(reltuples AS BIGINT) FROM pg_class WHERE relname = 'blocklist_object'";
            world.read(move |tx| tx.query_opt(rows, &[], |mut row| row.take::<i64>())).await.unwrap()
        };
        for (count, expected) in [(100_u32, -1), (600, 700), (600, 700), (3000, 4300)] {
            let objects: Vec<Object> = (0..count)
                .map(|number| object(SHA256, Uuid::now_v7().as_bytes(), &number.to_string()))
                .collect();
            world.write(move |tx| rows::put(tx, tenant, &objects)).await.unwrap();
            assert_eq!(known().await, expected);
        }
    });
}

async fn versions_wait_for_their_signature(world: &World) {
    let (tenant, other) = (world.tenant, world.other);
    assert_eq!(world.read(move |tx| rows::state(tx, tenant)).await, State::default());
    for version in 1..=3_i64 {
        let delta = Delta {
            version,
            digest: vec![version as u8; 32],
            delta: vec![0, version as u8, 255],
            signature: None,
            key_id: None,
            made_at: version,
            cause: "expiry".to_owned(),
            added: 1,
            removed: 0,
        };
        let state = State { version, digest: delta.digest.clone(), objects: version, updated_at: version };
        world.write(move |tx| rows::advance(tx, tenant, &state, &delta)).await.unwrap();
    }
    assert_eq!(world.read(move |tx| rows::state(tx, tenant)).await.version, 3);
    assert_eq!(world.read(move |tx| rows::state(tx, other)).await, State::default());
    let waiting = world.read(move |tx| rows::unsigned(tx, tenant, 2)).await;
    assert_eq!(waiting.iter().map(|delta| delta.version).collect::<Vec<_>>(), [1, 2], "the oldest first");
    world.write(move |tx| rows::sign(tx, tenant, 1, &[9; 64], "key")).await.unwrap();
    let waiting = world.read(move |tx| rows::unsigned(tx, tenant, 9)).await;
    assert_eq!(waiting.iter().map(|delta| delta.version).collect::<Vec<_>>(), [2, 3]);
    let led = world.read(move |tx| rows::deltas(tx, tenant, 0, 9)).await;
    assert_eq!(led[0].delta, [0, 1, 255]);
    assert_eq!(world.read(rows::states).await.len(), 1);
    assert_eq!(world.write(move |tx| rows::forget(tx, tenant, 2)).await.unwrap(), 2);
    assert_eq!(world.read(move |tx| rows::versions(tx, tenant, i64::MAX, 9)).await.len(), 1);
}

async fn exceptions_and_reports_are_the_tenants_own(world: &World) {
    let (tenant, other, endpoint) = (world.tenant, world.other, world.endpoint("a").await);
    let exception = Exception {
        kind: DOMAIN,
        value: b"ours.example".to_vec(),
        shown: "ours.example".to_owned(),
        reason: "ours".to_owned(),
        added_by: "olga".to_owned(),
        added_at: 5,
    };
    let again = Exception { reason: "still ours".to_owned(), ..exception.clone() };
    for row in [exception, again] {
        world.write(move |tx| rows::except(tx, tenant, &row)).await.unwrap();
    }
    assert_eq!(world.read(move |tx| rows::exceptions(tx, tenant)).await.len(), 1);
    assert!(world.read(move |tx| rows::exceptions(tx, other)).await.is_empty());
    assert!(!world.write(move |tx| rows::unexcept(tx, other, DOMAIN, b"ours.example")).await.unwrap());
    assert!(world.write(move |tx| rows::unexcept(tx, tenant, DOMAIN, b"ours.example")).await.unwrap());

    assert_eq!(
        world.read(move |tx| rows::reports(tx, tenant, Uuid::nil(), 9)).await,
        [(endpoint, "a".to_owned(), None)]
    );
    for version in [4, 5] {
        let report =
            Report { endpoint_id: endpoint, version, applied_at: 1, reported_at: 2, kinds: "[]".to_owned() };
        world.write(move |tx| rows::report(tx, tenant, &report)).await.unwrap();
    }
    let said = world.read(move |tx| rows::reports(tx, tenant, Uuid::nil(), 9)).await;
    assert_eq!(said[0].2.as_ref().map(|report| report.version), Some(5), "the newest word");
    assert!(world.read(move |tx| rows::reports(tx, tenant, endpoint, 9)).await.is_empty());
}
