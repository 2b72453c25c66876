//! The one-time code that ends an isolation at the endpoint, without the server.

use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;

use quell_lab::site::{AGENT, Machine, Site, ways_out};
use serde_json::{Value, json};

use crate::{all_cut, all_open, id, site, succeeded};

/// Types a code at the endpoint; whether it was taken.
fn type_code(machine: &Machine, code: &str) -> bool {
    let mut command = machine.endpoint.command(AGENT);
    command.arg("release").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = machine.endpoint.spawn_command(command).unwrap();
    writeln!(child.stdin.take().unwrap(), "{code}").unwrap();
    child.wait(Duration::from_secs(40)).unwrap().success()
}

/// Isolates, and reads the code.
fn isolate(site: &Site) -> String {
    let task = site.act("web-1", "endpoint.isolate", &json!({})).unwrap();
    let command = succeeded(&task);
    let code = site.api.post(&format!("/commands/{}/release-code", id(command)), &Value::Null).unwrap();
    code.good().unwrap()["release_code"].as_str().unwrap().to_owned()
}

#[test]
fn it_works_offline_and_once() {
    let Some(mut site) = site() else { return };
    let web = site.machine("web-1").unwrap();
    let outside = |site: &Site| ways_out(&web.endpoint, site.lab.outside()).unwrap();
    let code = isolate(&site);
    site.server.kill();
    assert!(!type_code(&web, "00000-00000-00000-00000"));
    all_cut(&outside(&site));
    assert!(type_code(&web, &code));
    all_open(&outside(&site));
    assert!(!web.rules().unwrap().contains("quell"));
    assert!(!type_code(&web, &code), "nothing is isolated any more");

    site.server.restart().unwrap();
    site.connected("web-1", true).unwrap();
    let endpoint = site.record("web-1").unwrap();
    site.audited("endpoint.isolation_released_locally", id(&endpoint)).unwrap();
    assert!(site.record("web-1").unwrap()["isolation"].is_null());

    let another = isolate(&site);
    assert_ne!(another, code);
    assert!(!type_code(&web, &code), "a code ends its own isolation only");
    all_cut(&outside(&site));
}
