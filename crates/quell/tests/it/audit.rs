//! The audit trail, verified beside the server that writes it.

use std::path::Path;
use std::time::{Duration, Instant};

use quell_store::{Options, Store};
use serde_json::Value;

use crate::operate::Site;
use crate::program::Said;

fn verify(site: &Site, more: &[&str]) -> Said {
    let data = site.data();
    let mut arguments = vec!["audit", "verify", "--output", "json", "--data-dir", data.to_str().unwrap()];
    arguments.extend(more);
    site.say(&arguments)
}

/// The report of the one tenant, once everything is sealed.
fn sealed(site: &Site) -> Value {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let said = verify(site, &[]);
        let report: Value = serde_json::from_str(&said.out).unwrap_or_default();
        if report[0]["waiting"] == 0 && report[0]["records"].as_u64() > Some(0) {
            assert_eq!(
                (said.code, &report[0]["intact"]),
                (0, &Value::Bool(true)),
                "{}{}",
                said.out,
                said.err
            );
            return report[0].clone();
        }
        assert!(Instant::now() < end, "nothing seals: {}{}", said.out, said.err);
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn tamper(data: &Path, sql: &'static str) {
    let url = format!("sqlite:{}", data.join("quell.db").display());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::open(&url, Options::default(), 1).await.unwrap();
        let changed = store.write(move |tx| tx.execute(sql, &[])).await;
        let changed: Result<u64, quell_store::Error> = changed;
        assert!(changed.unwrap() > 0, "{sql}");
        store.close().await;
    });
}

#[test]
fn an_edited_row_and_a_cut_trail_are_found() {
    let site = Site::open();
    let first = sealed(&site);
    let kept = first["last_checkpoint"].as_str().unwrap();
    assert_eq!(site.say(&["keys", "create", "ci", "--role", "auditor"]).code, 0);
    let second = sealed(&site);
    assert!(second["records"].as_u64() > first["records"].as_u64());
    assert_eq!(verify(&site, &["--kept", kept]).code, 0, "the trail goes on from what was kept");
    let foreign = verify(&site, &["--key", &"00".repeat(32)]);
    assert!(foreign.code == 1 && foreign.out.contains("key is not known"), "{}", foreign.out);
    let never = verify(&site, &["--kept", &format!("0:{}", "00".repeat(32))]);
    assert!(never.code == 1 && never.out.contains("cut or written anew"), "{}", never.out);
    tamper(&site.data(), "UPDATE audit SET actor_name = 'nobody' WHERE verb = 'api_key.create'");
    let edited = verify(&site, &[]);
    assert!(edited.code == 1 && edited.out.contains("was changed"), "{}", edited.out);
}

#[test]
fn what_cannot_be_verified_is_told() {
    let site = Site::open();
    let folder = site.data().join("nothing");
    let nothing = site.say(&["audit", "verify", "--data-dir", folder.to_str().unwrap()]);
    assert!(nothing.code == 1 && nothing.err.contains("audit.key"), "{}", nothing.err);
    assert!(!folder.exists(), "looking makes nothing");
    let mixed = site.say(&["audit", "--verb", "x", "verify"]);
    assert_ne!(mixed.code, 0);
}
