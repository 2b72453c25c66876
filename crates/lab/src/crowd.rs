//! Endpoints that exist in the database alone, in numbers that a lab cannot hold, for tests of lists. They are tagged as
//! simulated, no agent ever speaks for them, and their keys are good for nothing.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use quell_store::endpoint::{self, Endpoint};
use quell_store::{Error, Micros, Options, Store, tenant};
use serde_json::json;
use uuid::Uuid;

/// What says that they are not real.
pub const TAG: &str = "simulated";
/// Rows of one transaction.
const BATCH: u32 = 5000;
const MINUTE: Micros = 60_000_000;

/// Kind of machine, operating system, its name, its version.
const KINDS: [(&str, &str, &str, &str); 6] = [
    ("laptop", "windows", "Windows 11 Enterprise", "10.0.26100"),
    ("desk", "windows", "Windows 10 Enterprise", "10.0.19045"),
    ("srv", "linux", "Debian GNU/Linux", "13"),
    ("web", "linux", "Ubuntu", "24.04"),
    ("db", "linux", "Red Hat Enterprise Linux", "9.6"),
    ("mac", "macos", "macOS", "15.6"),
];
const SITES: [&str; 8] = ["lisbon", "porto", "faro", "madrid", "vigo", "hamburg", "rotterdam", "antwerp"];

/// Puts `count` endpoints into the first tenant of the server whose data is in this folder. The server must not run.
///
/// # Errors
/// What the database says; [`Error::NotFound`] where the server was never started.
pub async fn fill(data: &Path, count: u32) -> Result<(), Error> {
    let now = now();
    let url = format!("sqlite:{}", data.join("quell.db").display());
    let store = Store::open(&url, Options { writers: 1, readers: 1 }, now).await?;
    let tenants = store.read(tenant::list).await?;
    let owner = tenants.first().ok_or(Error::NotFound("a tenant"))?.id;
    for first in (0..count).step_by(BATCH as usize) {
        store
            .write(move |tx| {
                for number in first..count.min(first + BATCH) {
                    let row = one(owner, number, now);
                    endpoint::insert(tx, &row)?;
                    endpoint::set_tags(tx, owner, row.id, &tags(number), &row.tags)?;
                }
                Ok::<_, Error>(())
            })
            .await?;
    }
    store.close().await;
    Ok(())
}

fn tags(number: u32) -> Vec<String> {
    vec![TAG.to_owned(), SITES[number as usize / 7 % SITES.len()].to_owned()]
}

/// The endpoint of this number; the same number gives the same machine.
fn one(tenant_id: Uuid, number: u32, now: Micros) -> Endpoint {
    let (kind, os, os_name, os_version) = KINDS[number as usize % KINDS.len()];
    let site = SITES[number as usize / 7 % SITES.len()];
    let name = format!("{kind}-{site}-{number:05}");
    let [_, high, middle, low] = number.to_be_bytes();
    let facts = json!({
        "hostname": name, "os": os, "os_name": os_name, "os_version": os_version, "arch": "x86_64",
        "kernel": os_version, "memory": 17_179_869_184_u64, "agent_version": env!("CARGO_PKG_VERSION"),
        "addresses": [format!("10.{high}.{middle}.{low}")], "logged_on": [format!("user{:04}", number % 9000)],
        "isolation": null, "trust": null,
    });
    Endpoint {
        tenant_id,
        id: Uuid::now_v7(),
        name,
        state: "active".to_owned(),
        public_key: vec![0; 32],
        cert_serial: format!("{number:032x}"),
        cert_not_after: now + 30 * 24 * 60 * MINUTE,
        fingerprint: format!("{number:064x}"),
        os: os.to_owned(),
        arch: "x86_64".to_owned(),
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        facts: facts.to_string(),
        capabilities: "[]".to_owned(),
        isolation: None,
        tags: json!(tags(number)).to_string(),
        enrolled_at: now - Micros::from(number) * MINUTE,
        last_seen_at: Some(now - Micros::from(number % 1440) * MINUTE),
        alarm: number.is_multiple_of(997).then(|| "another machine came with its identity".to_owned()),
    }
}

#[expect(clippy::disallowed_methods, reason = "made for the clock of this machine, as its server reads it")]
fn now() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
