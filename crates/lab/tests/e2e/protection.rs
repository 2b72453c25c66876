//! What is protected: set over the API, in force on the endpoint, whoever of the two was away meanwhile.

use serde_json::{Value, json};

use quell_lab::site::Site;

use crate::{id, site, until};

const NET: &str = "5a4b6f0e-7d8c-4f2e-9a51-3c1d2e4f5a6b";

fn shown(site: &Site) -> Value {
    site.api.get("/protection").unwrap().good().unwrap()
}

fn put(site: &Site, settings: &Value) -> Value {
    let stored = site.api.put("/protection", settings).unwrap().good().unwrap();
    assert_eq!(stored["published"], true, "{stored:#}");
    stored
}

/// Waits until the one endpoint says that the newest version is in force.
fn in_force(site: &Site, version: i64) -> Value {
    let mut last = Value::Null;
    until(&format!("version {version} in force"), || {
        last = site.api.get("/protection").ok().and_then(|answer| answer.good().ok()).unwrap_or_default();
        last["version"] == version && last["endpoints"]["current"] == 1
    });
    last
}

#[test]
fn what_is_set_is_in_force_whoever_was_away_meanwhile() {
    let Some(mut site) = site() else { return };
    let mut web = site.machine("web-1").unwrap();
    let first = in_force(&site, 1);
    assert!(first["rules"]["behaviour"].as_u64().unwrap() >= 60, "the rules that come with Quell: {first:#}");
    assert_eq!(first["endpoints"]["refused"], json!([]), "the agent takes all that the server took");
    let rule = format!(
        "title: A shell that talks to the network\nid: {NET}\nlevel: high\nlogsource: {{product: linux, category: \
        process_creation}}\ndetection:\n  selection:\n    CommandLine|contains: /dev/tcp/\n  condition: selection\n"
    );
    let library = json!({ "name": "ours", "body": rule });
    site.api.post("/library/sigma", &library).unwrap().good().unwrap();
    let mut settings = first["settings"].clone();
    settings["behaviour"]["rules"] = json!(["ours"]);
    let stored = put(&site, &settings);
    assert_eq!(
        stored["rules"]["behaviour"].as_u64(),
        first["rules"]["behaviour"].as_u64().map(|rules| rules + 1)
    );
    in_force(&site, 2);
    // Changed while the agent is away: in force once it is back.
    web.kill_agent().unwrap();
    site.connected("web-1", false).unwrap();
    settings["modes"]["yara"] = json!("off");
    put(&site, &settings);
    assert_eq!(shown(&site)["endpoints"]["current"], 0);
    web.start_agent().unwrap();
    in_force(&site, 3);
    // And while the server was: it says again what it has.
    site.server.kill();
    site.server.restart().unwrap();
    in_force(&site, 3);
    settings["behaviour"]["built_in"] = json!(false);
    put(&site, &settings);
    in_force(&site, 4);
    let endpoint = site.record("web-1").unwrap();
    let endpoint = site.api.get(&format!("/endpoints/{}", id(&endpoint))).unwrap().good().unwrap();
    assert_eq!(
        (&endpoint["recorder"]["protection"], &endpoint["recorder"]["current"]),
        (&json!(4), &json!(true))
    );
}
