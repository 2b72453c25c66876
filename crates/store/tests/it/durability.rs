//! What was answered is on the disk, whatever happens next.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
};

use quell_store::{Error, Options, Store, setting, tenant};
use uuid::Uuid;

use crate::backend::{self, World};

const PATH: &str = "QUELL_STORE_TEST_PATH";
const TENANT: Uuid = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001);

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

async fn open(path: &Path) -> Store {
    Store::open(&format!("sqlite:{}", path.join("quell.db").display()), Options::default(), 1).await.unwrap()
}

/// This test program again, running one of the ignored tests below.
fn child(test: &str, path: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture"]).env(PATH, path);
    command
}

#[test]
fn kill_9_loses_no_answered_row() {
    for round in 0..5 {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = child("durability::child_writes_until_killed", dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut answered = Vec::new();
        for line in BufReader::new(writer.stdout.take().unwrap()).lines() {
            if let Some(number) = line.unwrap().strip_prefix("answered ") {
                answered.push(number.to_owned());
                if answered.len() == 200 + round * 150 {
                    writer.kill().unwrap();
                }
            }
        }
        writer.wait().unwrap();
        assert!(answered.len() >= 200);
        runtime().block_on(async {
            let store = open(dir.path()).await;
            for number in answered {
                let name = number.clone();
                let found =
                    store.read::<_, _, Error>(move |tx| setting::get(tx, TENANT, &name)).await.unwrap();
                assert_eq!(found.as_deref(), Some("1"), "{number} was answered and is gone");
            }
        });
    }
}

#[test]
#[ignore = "run by kill_9_loses_no_answered_row"]
fn child_writes_until_killed() {
    let path = std::env::var(PATH).unwrap();
    runtime().block_on(async {
        let store = open(Path::new(&path)).await;
        let row = tenant::Tenant { id: TENANT, name: "one".to_owned(), created_at: 1 };
        store.write::<_, _, Error>(move |tx| tenant::insert(tx, &row)).await.unwrap();
        let writers: Vec<_> = (0..8)
            .map(|writer| {
                let store = store.clone();
                tokio::spawn(async move {
                    for number in 0..1_000_000 {
                        let name = format!("{writer}.{number}");
                        let key = name.clone();
                        store
                            .write::<_, _, Error>(move |tx| setting::set(tx, TENANT, &key, "1", 1))
                            .await
                            .unwrap();
                        writeln!(std::io::stdout(), "answered {name}").unwrap();
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.await.unwrap();
        }
    });
}

#[test]
fn a_full_disk_is_an_error_and_nothing_is_half_written() {
    let dir = tempfile::tempdir().unwrap();
    let test = child("durability::child_fills_a_small_disk", dir.path());
    // A file system of two megabytes, in a mount namespace that ends with the child.
    let status = Command::new("unshare")
        .args([
            "--mount",
            "sh",
            "-c",
            "mount -t tmpfs -o size=2m none \"$1\" || exit 77; shift; exec \"$@\"",
            "sh",
        ])
        .arg(dir.path())
        .arg(test.get_program())
        .args(test.get_args())
        .env(PATH, dir.path())
        .stdout(Stdio::null())
        .status();
    match status {
        Ok(status) if status.code() == Some(77) || status.code() == Some(1) && !is_root() => {
            eprintln!("skipped: a file system cannot be mounted here (needs root)");
        }
        Ok(status) => assert!(status.success(), "{status}"),
        Err(error) => eprintln!("skipped: unshare cannot be run: {error}"),
    }
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

#[test]
#[ignore = "run by a_full_disk_is_an_error_and_nothing_is_half_written"]
fn child_fills_a_small_disk() {
    let path = std::env::var(PATH).unwrap();
    runtime().block_on(async {
        let store = open(Path::new(&path)).await;
        let row = tenant::Tenant { id: TENANT, name: "one".to_owned(), created_at: 1 };
        store.write::<_, _, Error>(move |tx| tenant::insert(tx, &row)).await.unwrap();
        let mut results = Vec::new();
        // Two rows a closure, many closures at once: each pair must be there wholly or not at all.
        for round in 0..40_i64 {
            let pending: Vec<_> = (0..8_i64)
                .map(|number| {
                    let (store, number) = (store.clone(), round * 8 + number);
                    tokio::spawn(async move {
                        let result: Result<(), Error> = store
                            .write(move |tx| {
                                setting::set(tx, TENANT, &format!("a{number}"), &"x".repeat(8_000), 1)?;
                                setting::set(tx, TENANT, &format!("b{number}"), &"y".repeat(8_000), 1)
                            })
                            .await;
                        (number, result)
                    })
                })
                .collect();
            for task in pending {
                results.push(task.await.unwrap());
            }
        }
        assert!(
            results.iter().any(|(_, result)| matches!(result, Err(Error::Full))),
            "the disk did not fill up"
        );
        let kept = results.iter().filter(|(_, result)| result.is_ok()).count();
        assert!(kept > 0);
        for (number, result) in results {
            for half in ["a", "b"] {
                let name = format!("{half}{number}");
                let found =
                    store.read::<_, _, Error>(move |tx| setting::get(tx, TENANT, &name)).await.unwrap();
                assert_eq!(found.is_some(), result.is_ok(), "{half}{number}: {result:?}");
            }
        }
    });
}

#[test]
fn a_lost_connection_is_made_anew() {
    backend::on_postgres(async |world: &World| {
        let (tenant, url) = (world.tenant, world.url.clone());
        world.write(move |tx| setting::set(tx, tenant, "a", "1", 1)).await.unwrap();
        std::thread::spawn(move || {
            let mut client = postgres::Client::connect(&url, postgres::NoTls).unwrap();
            client
                .batch_execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                     WHERE datname = current_database() AND pid <> pg_backend_pid()",
                )
                .unwrap();
        })
        .join()
        .unwrap();
        // Each connection may notice once; none may lie, and none may stay dead.
        let mut failures = Vec::new();
        for number in 0..20_i64 {
            let name = format!("n{number}");
            let result = world.write(move |tx| setting::set(tx, tenant, &name, "1", 1)).await;
            let name = format!("n{number}");
            let kept = loop {
                let key = name.clone();
                match world.store.read::<_, _, Error>(move |tx| setting::get(tx, tenant, &key)).await {
                    Ok(found) => break found.is_some(),
                    Err(error) => assert!(error.retry(), "{error}"),
                }
            };
            match &result {
                Ok(()) => assert!(kept, "{number} was answered and is gone"),
                // Cut off in the middle of the commit: nobody can know, and that is what was said.
                Err(Error::CommitUnknown(_)) => {}
                Err(error) => assert!(!kept, "{number}: {error}, and yet it is there"),
            }
            failures.extend(result.err());
        }
        assert!(failures.len() <= 2, "{failures:?}");
    });
}
