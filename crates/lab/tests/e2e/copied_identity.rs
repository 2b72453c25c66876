//! An agent's state directory, copied to another endpoint.

use quell_lab::site::{Machine, STATE};
use serde_json::json;

use crate::{id, site, succeeded};

#[test]
fn a_copy_is_refused_and_told_of_and_the_original_works_on() {
    let Some(site) = site() else { return };
    let web = site.machine("web-1").unwrap();
    let mut thief = Machine::bare(&site.lab, "thief", site.folder.path()).unwrap();
    let copied = std::process::Command::new("cp")
        .arg("-a")
        .args([web.endpoint.path(STATE), thief.endpoint.path("/var/lib/")])
        .status();
    assert!(copied.unwrap().success());
    thief.sh(&format!("rm -f {STATE}/control.sock {STATE}/journal*")).unwrap();
    thief.start_agent().unwrap();

    let original = site.record("web-1").unwrap();
    let record = site.audited("endpoint.identity_copied", id(&original)).unwrap();
    assert_eq!(record["outcome"], "identity_copied");
    assert!(record["remote"].as_str().unwrap().contains(&thief.endpoint.ip4().to_string()), "{record}");
    let original = site.record("web-1").unwrap();
    assert!(original["alarm"].as_str().unwrap().contains("a second time"), "{original}");
    assert_eq!(original["connected"], true);

    // Orders reach the original, and only it.
    site.script("mark", "sh", "uname -n > /root/mark").unwrap();
    let task = site.act("web-1", "endpoint.run_script", &json!({ "script": "mark" })).unwrap();
    succeeded(&task);
    assert_eq!(std::fs::read_to_string(web.endpoint.path("/root/mark")).unwrap(), "web-1\n");
    assert!(!thief.endpoint.path("/root/mark").exists());
}
