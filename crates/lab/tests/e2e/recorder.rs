//! Prevention, from the settings over the API to what the endpoint still lets run and what its incident says.

use std::collections::BTreeSet;

use quell_lab::site::{Machine, Site};
use serde_json::{Value, json};

use crate::{id, said, site, until};

const RULE: &str = "title: A tool nobody may run\nid: 0d5c1f2e-3b4a-4c5d-8e6f-7a8b9c0d1e2f\nlevel: critical\ntags: \
    [attack.t1204.002]\nlogsource: {product: linux, category: process_creation}\ndetection:\n  selection:\n    \
    Image|endswith: /quarry\n  condition: selection\n";
const YARA: &str =
    "rule marked { meta: severity = \"critical\" strings: $a = \"QUELL-LAB-MARK\" condition: $a }";

/// Sets what is done about hits of each source, and waits until it is in force.
fn modes(site: &Site, mode: &str) {
    let mut settings = site.api.get("/protection").unwrap().good().unwrap()["settings"].clone();
    settings["modes"] = json!({ "block_list": mode, "behaviour": mode, "yara": mode });
    settings["behaviour"]["rules"] = json!(["ours"]);
    settings["yara"]["rules"] = json!(["marks"]);
    let stored = site.api.put("/protection", &settings).unwrap().good().unwrap();
    until("the settings in force", || {
        let now = site.api.get("/protection").unwrap().good().unwrap();
        now["version"] == stored["version"] && now["endpoints"]["current"] == 1
    });
}

fn detections(site: &Site) -> Vec<Value> {
    site.api.get("/detections?limit=100").unwrap().good().unwrap()["items"].as_array().unwrap().clone()
}

/// The detection of a rule that is none of those known, which it then is.
fn detected(site: &Site, rule: &str, known: &mut BTreeSet<String>) -> Value {
    let mut found = Value::Null;
    until(&format!("a detection by {rule}"), || {
        let is_it = |one: &Value| one["rule"] == rule && !known.contains(id(one));
        found = detections(site).into_iter().find(is_it).unwrap_or_default();
        !found.is_null()
    });
    known.insert(id(&found).to_owned());
    found
}

/// The incident of a detection, which must hold it, and with the same verdict.
fn incident(site: &Site, detection: &Value) -> Value {
    let of = id(&detection["incident"]);
    let incident = site.api.get(&format!("/incidents/{of}")).unwrap().good().unwrap();
    let held = site.api.get(&format!("/detections?incident={of}")).unwrap().good().unwrap();
    let held = held["items"].as_array().unwrap().iter().find(|one| one["id"] == detection["id"]).cloned();
    assert_eq!(held.unwrap()["verdict"], detection["verdict"]);
    incident
}

/// A program of its own content; its hash.
fn program(web: &Machine, path: &str, tail: &str) -> String {
    said(web, &format!("cp /bin/sleep {path} && echo {tail} >> {path} && sha256sum {path} | cut -d' ' -f1"))
}

#[test]
fn what_is_prevented_does_not_go_on_and_its_incident_says_so() {
    let Some(site) = site() else { return };
    let library = |kind: &str, name: &str, body: &str| {
        site.api
            .post(&format!("/library/{kind}"), &json!({ "name": name, "body": body }))
            .unwrap()
            .good()
            .unwrap()
    };
    library("sigma", "ours", RULE);
    library("yara", "marks", YARA);
    let web = site.watched("web-1").unwrap();
    let mut known = BTreeSet::new();

    // Only detected: it runs to its end, and is told.
    modes(&site, "detect");
    program(&web, "/opt/quarry", "one");
    assert!(web.sh("/opt/quarry 0.2").unwrap().ok(), "it is let run");
    let rule = RULE.lines().nth(1).unwrap().trim_start_matches("id: ");
    let only = detected(&site, rule, &mut known);
    assert_eq!(only["verdict"], "detected", "{only:#}");
    incident(&site, &only);

    // By a rule: it is ended.
    modes(&site, "prevent");
    let hash = program(&web, "/opt/quarry", "two");
    let began = std::time::Instant::now();
    assert!(!web.sh("/opt/quarry 20").unwrap().ok(), "it is ended");
    assert!(began.elapsed().as_secs() < 15);
    let by_rule = detected(&site, rule, &mut known);
    assert_eq!((&by_rule["verdict"], &by_rule["sha256"]), (&json!("prevented"), &json!(hash)), "{by_rule:#}");
    incident(&site, &by_rule);

    // By content, when it is written; it was never run.
    let mark = ["QUELL", "LAB", "MARK"].join("-");
    said(
        &web,
        &format!("printf '#!/bin/sh\\n# {mark}\\ntouch /opt/ran\\n' > /opt/marked && chmod 755 /opt/marked"),
    );
    let by_content = detected(&site, "marked", &mut known);
    assert_eq!(by_content["verdict"], "prevented", "{by_content:#}");
    incident(&site, &by_content);
    assert!(!web.sh("/opt/marked").unwrap().ok() && !web.endpoint.path("/opt/ran").exists());

    // By the block list: it does not run.
    let listed = program(&web, "/opt/listed", "three");
    let body = json!({ "action": "blocklist.add", "params": { "objects": [{ "value": listed }] }, "reason": "a test" });
    let task = site.api.post("/tasks", &body).unwrap().good().unwrap();
    assert_eq!(site.ended(&task).unwrap()["state"], "succeeded");
    assert!(!web.sh("/opt/listed 0").unwrap().ok(), "blocked by its hash");
    let by_list = detected(&site, &listed, &mut known);
    assert_eq!(by_list["verdict"], "prevented", "{by_list:#}");
    incident(&site, &by_list);
}
