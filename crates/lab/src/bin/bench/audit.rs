//! The audit trail: how fast records are sealed, and how long a long trail takes to verify.

use std::time::Instant;

use anyhow::{Result, bail};
use quell_audit::{Keys, Sealer, verify};
use quell_store::{Error, Options, Store, audit, tenant};
use quell_wire::SigningKey;
use serde_json::json;
use uuid::Uuid;

use crate::report::{Report, say};
use crate::run::{Places, Scale};

const TENANT: Uuid = Uuid::from_u128(1);
/// Records in one transaction while the trail is written.
const GROUP: usize = 10_000;
/// When all of it happened.
const NOW: i64 = 1_790_000_000_000_000;

/// Measures.
pub async fn measure(places: &Places, scale: &Scale, report: &mut Report) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("audit-").tempdir_in(&places.work)?;
    let url = format!("sqlite:{}", folder.path().join("quell.db").display());
    let store = Store::open(&url, Options::default(), NOW).await?;
    let row = tenant::Tenant { id: TENANT, name: "bench".to_owned(), created_at: NOW };
    store.write(move |tx| tenant::insert(tx, &row)).await.map_err(|error: Error| error)?;
    for from in (0..scale.records).step_by(GROUP) {
        let to = (from + GROUP).min(scale.records);
        let written = store.write(move |tx| (from..to).try_for_each(|n| audit::append(tx, &record(n))));
        written.await.map_err(|error: Error| error)?;
    }
    say(&format!("{} audit records written", scale.records));
    let sealer = Sealer::new(SigningKey::from_pkcs8(&SigningKey::generate()?)?);
    let began = Instant::now();
    let sealed = sealer.round(&store, NOW).await?;
    let seal_s = began.elapsed().as_secs_f64();
    store.close().await;
    // A fresh process would have as little in its caches.
    let store = Store::open(&url, Options::default(), NOW).await?;
    let keys = Keys::new([sealer.public()]);
    let began = Instant::now();
    let found = verify::verify(&store, TENANT, &keys, None, NOW, |_| ()).await?;
    let verify_s = began.elapsed().as_secs_f64();
    store.close().await;
    if !found.is_intact() || found.records != scale.records as u64 || sealed != found.records {
        bail!("the trail does not verify: {found:?}");
    }
    report.row("audit records sealed per second", &format!("{:.0}", sealed as f64 / seal_s));
    report.figure("audit_million_verify_s", verify_s * 1e6 / scale.records as f64);
    report.raw("audit", json!({ "records": scale.records, "seal_s": seal_s, "verify_s": verify_s }));
    Ok(())
}

/// A record as an outcome leaves it.
fn record(number: usize) -> audit::Record {
    audit::Record {
        tenant_id: TENANT,
        id: Uuid::now_v7(),
        at: NOW,
        actor_kind: "endpoint".to_owned(),
        actor_id: "0197f9d2-7a4e-7c60-9a51-000000000001".to_owned(),
        actor_name: "web-1".to_owned(),
        verb: "command.outcome".to_owned(),
        object_kind: "command".to_owned(),
        object_id: format!("0197f9d2-7a4e-7c60-9a51-{number:012}"),
        outcome: "succeeded".to_owned(),
        detail: format!(
            "{{\"action\":\"process.terminate\",\"outcome_sha256\":\"{number:064x}\",\"state\":\"succeeded\"}}"
        ),
        request_id: None,
        remote: None,
    }
}
