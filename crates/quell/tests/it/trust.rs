//! A root of trust without a server: made, changed, and used to sign.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost::Message;
use serde_json::Value;

use crate::program::{Said, quell, run};

fn say(home: &Path, arguments: &[&str]) -> Said {
    run(quell(home).current_dir(home).args(arguments))
}

fn done(home: &Path, arguments: &[&str]) -> String {
    let said = say(home, arguments);
    assert_eq!(said.code, 0, "{arguments:?}: {}", said.err);
    said.out.trim().to_owned()
}

fn refused(home: &Path, arguments: &[&str], why: &str) {
    let said = say(home, arguments);
    assert!(said.code == 1 && said.err.contains(why), "{arguments:?}: {}{}", said.out, said.err);
}

const TENANT: &str = "01932c5e-0000-7000-8000-000000000001";

#[test]
fn a_root_is_made_and_changed_away_from_any_server() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    refused(home, &["trust", "show", "--dir", "root"], "quell trust init");
    refused(home, &["trust", "init", "--dir", "root", "--tenant", "acme"], "no tenant's id");
    done(home, &["trust", "init", "--dir", "root", "--tenant", TENANT]);
    refused(home, &["trust", "init", "--dir", "root", "--tenant", TENANT], "exists");
    let ann = done(home, &["trust", "approver-key", "--out", "ann.key"]);
    refused(home, &["trust", "approver-key", "--out", "ann.key"], "exists");
    done(home, &["trust", "add", "--dir", "root", "--person", "Ann", "--key", &ann]);
    refused(home, &["trust", "add", "--dir", "root", "--person", "Bo", "--key", &ann], "already");
    refused(home, &["trust", "add", "--dir", "root", "--person", "Bo", "--key", "ed25519:x"], "public key");
    let require = |actions, quorum| {
        say(home, &["trust", "require", "--dir", "root", "--actions", actions, "--quorum", quorum])
    };
    assert!(require("endpoint.run_scripts", "1").err.contains("names no action"));
    assert!(require("endpoint.run_script", "2").err.contains("would need 2 humans, and the keyring has 1"));
    assert_eq!(require("endpoint.run_script,file.*", "1").code, 0);
    refused(home, &["trust", "remove", "--dir", "root", "--human", "Ann"], "the keyring has 0");
    let bo = done(home, &["trust", "approver-key", "--out", "bo.key"]);
    done(home, &["trust", "add", "--dir", "root", "--person", "Bo", "--human", "robert", "--key", &bo]);
    done(home, &["trust", "remove", "--dir", "root", "--human", "Robert"]);
    let before: Value =
        serde_json::from_str(&done(home, &["trust", "show", "--dir", "root", "-o", "json"])).unwrap();
    done(home, &["trust", "rotate-root", "--dir", "root"]);
    assert_eq!(require("file.*", "0").code, 0);
    let after: Value =
        serde_json::from_str(&done(home, &["trust", "show", "--dir", "root", "-o", "json"])).unwrap();
    assert_eq!((&before["serial"], &after["serial"]), (&5.into(), &7.into()));
    let root = |shown: &Value| shown["pin"].as_str().unwrap().split(':').next().unwrap().to_owned();
    assert_ne!(root(&before), root(&after));
    assert_eq!(after["rules"], serde_json::json!([{ "actions": ["endpoint.run_script"], "quorum": 1 }]));
    let passkey =
        r#"{"public_key":"pQECAyYgASFYIAAA","rp_id":"quell.example","origins":["https://quell.example"]}"#;
    std::fs::write(home.join("passkey.json"), passkey).unwrap();
    let add = ["trust", "add", "--dir", "root", "--person", "Ann", "--webauthn", "passkey.json"];
    refused(home, &add, "not acceptable");
}

#[test]
fn a_deed_is_signed_from_its_own_bytes_by_a_key_here_or_elsewhere() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let public = done(home, &["trust", "approver-key", "--out", "ann.key"]);
    let intent = quell_wire::Intent {
        tenant_id: TENANT.into(),
        task_id: "0190".into(),
        action: "endpoint.isolate".into(),
        revision: 1,
        params: b"{}".to_vec(),
        targets_root: vec![0; 32],
        target_count: 3,
        revert_after_us: 0,
        nonce: vec![0; 16],
        ..quell_wire::Intent::default()
    };
    let bytes = intent.encode_to_vec();
    std::fs::write(home.join("intent"), STANDARD.encode(&bytes)).unwrap();
    refused(home, &["trust", "sign", "--intent", "intent", "--key", "ann.key"], "nobody is there to say yes");
    let said = say(home, &["trust", "sign", "--intent", "intent", "--key", "ann.key", "--yes"]);
    assert!(said.err.contains("endpoint.isolate") && said.err.contains("targets    3"), "{}", said.err);
    let signed: Value = serde_json::from_str(&said.out).unwrap();
    let signature = STANDARD.decode(signed["signature"].as_str().unwrap()).unwrap();

    // The same by another program: it gets the bytes, and brings 64 back.
    done(home, &["trust", "sign", "--intent", "intent", "--to-sign", "message"]);
    let message = std::fs::read(home.join("message")).unwrap();
    assert_eq!(message[..18], *b"quell/approval/v1\0");
    assert_eq!(message[18..], quell_wire::intent::digest(&bytes));
    std::fs::write(home.join("signature"), &signature).unwrap();
    let elsewhere = ["trust", "sign", "--intent", "intent", "--signature", "signature", "--public", &public];
    assert_eq!(serde_json::from_str::<Value>(&done(home, &elsewhere)).unwrap(), signed);
    std::fs::write(home.join("signature"), [0; 64]).unwrap();
    refused(home, &elsewhere, "does not fit");
    std::fs::write(home.join("intent"), STANDARD.encode(&bytes[1..])).unwrap();
    refused(home, &["trust", "sign", "--intent", "intent", "--key", "ann.key", "--yes"], "do not sign it");
}
