//! Files quarantined, restored and deleted through the API, and compared from outside of the agent.

use quell_lab::site::{Machine, Site};
use serde_json::{Value, json};

use crate::{ended, id, said, site, succeeded, until};

fn act(site: &Site, action: &str, params: &Value) -> Value {
    site.act("web-1", action, params).unwrap()
}

/// All that other programs say of a file.
fn seen(web: &Machine, path: &str) -> String {
    said(
        web,
        &format!(
            "stat -c '%a %u %g %s %h %x %y' {path}; getfacl -np {path} 2>/dev/null; \
             getfattr -d -m - -e hex --absolute-names {path} 2>/dev/null; lsattr {path} 2>/dev/null; sha256sum {path}"
        ),
    )
}

fn absent(web: &Machine, path: &str) -> bool {
    !web.endpoint.path(path).exists()
}

#[test]
fn a_file_goes_to_the_vault_and_comes_back_as_it_was() {
    let Some(site) = site() else { return };
    let web = site.machine("web-1").unwrap();
    said(
        &web,
        "mkdir /root/d && cd /root/d && head -c 300000 /dev/urandom > malware && chown 1234:4321 malware && chmod 6751 malware; \
         setfacl -m u:77:rw malware; setfattr -n user.note -v 0x00ff malware; setfattr -n security.selinux -v bin_t malware; \
         touch -a -d '2031-02-03 04:05:06.123456789' malware; touch -m -d '1999-12-31 23:59:59.987654321' malware",
    );
    let before = seen(&web, "/root/d/malware");
    let sha256 = said(&web, "sha256sum /root/d/malware | cut -d' ' -f1");
    // Another file than was meant stays.
    let wrong = json!({ "path": "/root/d/malware", "sha256": "ab".repeat(32) });
    assert_eq!(ended(&act(&site, "file.quarantine", &wrong)), ("refused", "hash_mismatch"));
    assert_eq!(seen(&web, "/root/d/malware"), before);
    let params = json!({ "path": "/root/d/malware", "sha256": sha256 });
    let task = act(&site, "file.quarantine", &params);
    let outcome = &succeeded(&task)["outcome"];
    assert_eq!((&outcome["sha256"], &outcome["links_left"]), (&json!(sha256), &json!(0)), "{outcome:#}");
    assert_eq!(said(&web, "ls -A /root/d"), "");
    let vault = "/var/lib/quell-agent/vault";
    assert_eq!(said(&web, &format!("ls {vault} | wc -l")), "2");
    assert_eq!(said(&web, &format!("stat -c %a {vault} {vault}/key | tr '\\n' ' '")), "700 600");
    // The way back, as a task makes it.
    let undo = site.api.post(&format!("/tasks/{}/undo", id(&task)), &json!({ "reason": "a test" })).unwrap();
    let undone = site.ended(&undo.good().unwrap()).unwrap();
    assert_eq!(succeeded(&undone)["outcome"]["differs"], json!([]), "{undone:#}");
    assert_eq!(seen(&web, "/root/d/malware"), before);
    assert_eq!(said(&web, &format!("ls {vault}")), "key");
    // And back again: the undo of the undo.
    let undo =
        site.api.post(&format!("/tasks/{}/undo", id(&undone)), &json!({ "reason": "a test" })).unwrap();
    let again = site.ended(&undo.good().unwrap()).unwrap();
    let vault_id = succeeded(&again)["outcome"]["vault_id"].clone();
    assert!(absent(&web, "/root/d/malware"));
    said(&web, "echo other > /root/d/malware");
    let restore = json!({ "vault_id": vault_id });
    assert_eq!(ended(&act(&site, "file.restore", &restore)), ("refused", "exists"));
    said(&web, "rm -r /root/d");
    assert_eq!(ended(&act(&site, "file.restore", &restore)), ("refused", "parent_missing"));
    said(&web, "mkdir /root/d; echo other > /root/d/malware");
    let task = act(&site, "file.restore", &json!({ "vault_id": vault_id, "overwrite": true }));
    assert_eq!(succeeded(&task)["outcome"]["replaced"], true);
    assert_eq!(seen(&web, "/root/d/malware"), before);
    assert_eq!(ended(&act(&site, "file.restore", &restore)), ("refused", "no_such_item"));
}

/// A file that went, came back by hand and went again is the second task's: an undo of the first finds nothing, says so, and
/// leaves it where it is; an undo of the second brings it back.
#[test]
fn what_went_twice_comes_back_by_the_second_undo() {
    let Some(site) = site() else { return };
    let web = site.machine("web-1").unwrap();
    // With a time of access that looks of this test do not change.
    said(
        &web,
        "echo malware > /root/malware && chmod 640 /root/malware && touch -a -d '2031-02-03 04:05:06' /root/malware",
    );
    let before = seen(&web, "/root/malware");
    let went = || {
        let task = act(&site, "file.quarantine", &json!({ "path": "/root/malware" }));
        let item = succeeded(&task)["outcome"]["vault_id"].as_str().unwrap().to_owned();
        (task, item)
    };
    let undo = |task: &Value| {
        let undo =
            site.api.post(&format!("/tasks/{}/undo", id(task)), &json!({ "reason": "a test" })).unwrap();
        site.ended(&undo.good().unwrap()).unwrap()
    };
    let (first, item) = went();
    succeeded(&act(&site, "file.restore", &json!({ "vault_id": item })));
    assert_eq!(seen(&web, "/root/malware"), before);
    let (second, other) = went();
    assert_ne!(item, other);
    assert_eq!(ended(&undo(&first)), ("refused", "no_such_item"));
    assert!(absent(&web, "/root/malware"));
    assert_eq!(succeeded(&undo(&second))["outcome"]["vault_id"], other.as_str());
    assert_eq!(seen(&web, "/root/malware"), before);
    assert_eq!(said(&web, "ls /var/lib/quell-agent/vault"), "key");
}

#[test]
fn what_must_stay_stays() {
    let Some(site) = site() else { return };
    let web = site.machine("web-1").unwrap();
    said(
        &web,
        "cd /root && mkdir dir real && mkfifo fifo && mknod zero c 1 5 && printf x > file && ln -s file link && \
         printf y > real/y && ln -s real through && truncate -s 2G large && printf z > twin && ln twin twin2",
    );
    let list = "ls -laR --time-style=full-iso /root";
    let before = said(&web, list);
    for action in ["file.quarantine", "file.delete"] {
        for (path, code) in [
            ("/root/missing", "not_found"),
            ("/root/no/such", "not_found"),
            ("/root/dir", "is_directory"),
            ("/", "is_directory"),
            ("/root/fifo", "is_fifo"),
            ("/root/zero", "is_device"),
            ("/root/link", "is_symlink"),
            ("/root/through/y", "through_symlink"),
            ("/root/large", "too_large"),
            ("/proc/version", "is_pseudo"),
            ("/sys/kernel/uevent_seqnum", "is_pseudo"),
            ("/var/lib/quell-agent/identity.json", "protected"),
            ("/var/lib/quell-agent/lock", "protected"),
        ] {
            let task = act(&site, action, &json!({ "path": path }));
            let (state, why) = ended(&task);
            let fits = why == code || (why == "not_found" && path.contains("identity"));
            assert!(state == "refused" && fits, "{action} {path}: {task:#}");
        }
        let agent = said(&web, "readlink -f /proc/[0-9]*/exe 2>/dev/null | grep quell-agent | head -1");
        let task = act(&site, action, &json!({ "path": agent, "max_bytes": 16_000_000_000_u64 }));
        assert_eq!(ended(&task).0, "refused", "{task:#}");
        // What was asked for is what is changed, and nothing beside it.
        assert_eq!(said(&web, list), before);
    }
    let task = act(&site, "file.delete", &json!({ "path": "/root/twin" }));
    let outcome = &succeeded(&task)["outcome"];
    assert_eq!((&outcome["links_left"], &outcome["other_names"]), (&json!(1), &json!(["twin2"])));
    assert!(absent(&web, "/root/twin") && !absent(&web, "/root/twin2"));
    assert_eq!(site.record("web-1").unwrap()["connected"], true);
}

#[test]
fn a_large_file_and_a_dead_agent_leave_the_file_or_its_copy() {
    let Some(site) = site() else { return };
    let mut web = site.machine("web-1").unwrap();
    said(&web, "head -c 400000000 /dev/zero | tr '\\0' x > /root/large");
    let sum = said(&web, "sha256sum /root/large");
    let task = site.submit("web-1", "file.quarantine", &json!({ "path": "/root/large" })).unwrap();
    until("the vault at work", || {
        !said(&web, "ls /var/lib/quell-agent/vault/*/content 2>/dev/null || :").is_empty()
    });
    web.kill_agent().unwrap();
    assert_eq!(said(&web, "sha256sum /root/large"), sum, "still there");
    web.start_agent().unwrap();
    let task = site.ended(&task).unwrap();
    succeeded(&task);
    assert!(absent(&web, "/root/large") && said(&web, "ls -A /root | grep quell || :").is_empty());
    let undo = site.api.post(&format!("/tasks/{}/undo", id(&task)), &json!({ "reason": "a test" })).unwrap();
    succeeded(&site.ended(&undo.good().unwrap()).unwrap());
    assert_eq!(said(&web, "sha256sum /root/large"), sum);
}
