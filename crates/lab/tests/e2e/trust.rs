//! Approvers' own signatures, from the offline root to the endpoint: what the server's people sign runs, and what a server
//! that is not the tenant's any more makes up does not.

use std::path::Path;
use std::process::{Command, Stdio};

use quell_lab::site::{Api, Programs, Site};
use quell_store::membership::{self, Membership};
use quell_store::person::{self, Person};
use quell_store::session::{self, Session};
use quell_store::{Options, Store};
use quell_wire::digest::sha256;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{ended, id, said, site, succeeded, until};

/// The command line, with a key to the site's server.
fn quell(site: &Site, key: &str, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(Programs::of_this_build().unwrap().server);
    command.args(arguments).env("QUELL_URL", site.server.url()).env("QUELL_API_KEY", key);
    let output = command.env("HOME", site.folder.path()).stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.success(), text)
}

/// What it says where it must succeed.
pub fn done(site: &Site, arguments: &[&str]) -> String {
    let (done, said) = quell(site, site.server.key(), arguments);
    assert!(done, "{arguments:?}: {said}");
    said
}

/// A root in a directory, with Ann's key, and what it demands of her.
fn root(site: &Site, tenant: &str, dir: &str, key: &str) {
    done(site, &["trust", "init", "--dir", dir, "--tenant", tenant]);
    let public = done(site, &["trust", "approver-key", "--out", key]);
    done(site, &["trust", "add", "--dir", dir, "--person", "Ann", "--key", public.trim()]);
    done(site, &["trust", "require", "--dir", dir, "--actions", "endpoint.run_script", "--quorum", "1"]);
}

/// Ann, who may decide and has signed in; her session's token.
fn ann(site: &Site, tenant: Uuid) -> String {
    let (id, token) = (Uuid::now_v7(), format!("qs_{}", "a".repeat(43)));
    let row = Person {
        tenant_id: tenant,
        id,
        human: id,
        name: "Ann".to_owned(),
        email: "ann@quell.example".to_owned(),
        email_key: "ann@quell.example".to_owned(),
        local_key: None,
        password: None,
        password_changed_at: None,
        totp: None,
        totp_step: None,
        recovery: None,
        state: "active".to_owned(),
        created_at: 1,
        last_login_at: None,
    };
    let member = Membership {
        tenant_id: tenant,
        person_id: id,
        role: "approver".to_owned(),
        source: membership::MANUAL.to_owned(),
        granted_at: 1,
        granted_by: "test".to_owned(),
    };
    let far = 4_000_000_000_000_000;
    let session = Session {
        tenant_id: tenant,
        id: Uuid::now_v7(),
        person_id: id,
        hash: sha256(&[token.as_bytes()]),
        kind: "token".to_owned(),
        method: "password".to_owned(),
        created_at: far - 1,
        last_used_at: far - 1,
        expires_at: far,
        remote: "127.0.0.1".to_owned(),
        agent: "test".to_owned(),
        revoked_at: None,
    };
    let url = format!("sqlite:{}", site.folder.path().join("data/quell.db").display());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::open(&url, Options::default(), 1).await.unwrap();
        let written = store.write(move |tx| {
            person::insert(tx, &row)?;
            membership::insert(tx, &member)?;
            session::insert(tx, &session)
        });
        written.await.unwrap();
        store.close().await;
    });
    token
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_deed_that_needs_a_signature_runs_with_it_and_without_it_whoever_holds_the_server_it_does_not() {
    let Some(site) = site() else { return };
    let shown: Value =
        serde_json::from_str(&done(&site, &["trust", "show", "--server", "-o", "json"])).unwrap();
    let tenant = shown["tenant_id"].as_str().unwrap();
    let (dir, key) = (site.folder.path().join("root"), site.folder.path().join("ann.key"));
    root(&site, tenant, text(&dir), text(&key));
    let published = done(&site, &["trust", "publish", "--dir", text(&dir)]);
    assert!(published.contains("rule    1 must sign  endpoint.run_script"), "{published}");

    let web = site.machine("web-1").unwrap();
    crate::until("the endpoint to say what it trusts", || {
        site.record("web-1").unwrap()["facts"]["trust"]["serial"] == 3
    });
    site.script("mark", "sh", "echo ran >> /root/ran").unwrap();
    let params = json!({ "script": "mark" });
    let task = site.submit("web-1", "endpoint.run_script", &params).unwrap();
    assert_eq!(task["state"], "pending_approval", "{task:#}");

    let token = ann(&site, tenant.parse().unwrap());
    let unsigned = Api::new(&site.server.url(), &token)
        .unwrap()
        .post(&format!("/approvals/{}/approve", id(&task)), &json!({ "digest": task["intent_sha256"] }))
        .unwrap();
    assert_eq!((unsigned.status, &unsigned.json()["code"]), (403, &json!("not_eligible")));
    let sign = |key: &Path| {
        quell(&site, &token, &["trust", "sign", id(&task), "--key", text(key), "--yes", "--approve"])
    };
    let other = site.folder.path().join("other.key");
    done(&site, &["trust", "approver-key", "--out", text(&other)]);
    let (signed, why) = sign(&other);
    assert!(!signed && why.contains("does not name the key"), "{why}");
    let (signed, shown) = sign(&key);
    assert!(signed && shown.contains("endpoint.run_script"), "{shown}");
    succeeded(&site.ended(&task).unwrap());
    assert_eq!(said(&web, "cat /root/ran"), "ran");

    // Somebody else has the server now, and puts a root of their own in the place of the tenant's, which demands nothing.
    let (theirs, their_key) = (site.folder.path().join("theirs"), site.folder.path().join("their.key"));
    root(&site, tenant, text(&theirs), text(&their_key));
    done(
        &site,
        &["trust", "require", "--dir", text(&theirs), "--actions", "endpoint.run_script", "--quorum", "0"],
    );
    let (published, why) = quell(&site, site.server.key(), &["trust", "publish", "--dir", text(&theirs)]);
    assert!(!published && why.contains("trust_other_root"), "{why}");
    done(&site, &["trust", "publish", "--dir", text(&theirs), "--replace"]);
    let refused = site.audited("endpoint.trust_refused", id(&site.record("web-1").unwrap())).unwrap();
    assert_eq!(refused["detail"]["detail"]["code"], "trust_other_root", "{refused:#}");
    let task = site.act("web-1", "endpoint.run_script", &params).unwrap();
    assert_eq!(ended(&task), ("refused", "order_not_approved"), "{task:#}");
    assert_eq!(said(&web, "cat /root/ran"), "ran");
    // What the root does not name is as it was.
    let cut = site.act("web-1", "endpoint.isolate", &json!({})).unwrap();
    succeeded(&cut);
    until("the isolation", || site.record("web-1").unwrap()["isolation"].is_object());
}
