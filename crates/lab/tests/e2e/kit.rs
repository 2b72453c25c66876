//! Investigation kits: made and signed by the command line, taken by the library, asked for by an outside team, run in their
//! order on a machine, and gone afterwards. And whatever is no kit that may run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use quell_lab::site::{Api, Machine, Site};
use quell_wire::SigningKey;
use quell_wire::digest::{hex, sha256};
use serde_json::{Value, json};

use crate::managed::{people, posted};
use crate::trust::done;
use crate::{ended, id, said, site, succeeded, until};

const RAW: &str = "application/octet-stream";

/// Whoever makes kits: a folder of theirs, their key, and a count of the kits that they made.
pub struct Maker {
    folder: PathBuf,
    key: PathBuf,
    public: String,
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

impl Maker {
    fn new(site: &Site, name: &str) -> Self {
        let folder = site.folder.path().join(name);
        fs::create_dir(&folder).unwrap();
        let key = folder.join("kit.key");
        let public = done(site, &["kit", "key", "--out", text(&key)]).trim().to_owned();
        Self { folder, key, public }
    }

    /// A signed kit of these files.
    pub fn kit(&self, site: &Site, name: &str, files: &[(&str, &str)]) -> Vec<u8> {
        let (dir, out) = (self.folder.join(name), self.folder.join(format!("{name}.kit")));
        for (file, content) in files {
            let path = dir.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let said = done(site, &["kit", "sign", text(&dir), "--key", text(&self.key), "--out", text(&out)]);
        assert!(said.contains("the signature holds"), "{said}");
        fs::read(out).unwrap()
    }
}

/// Uploads a kit, which must be taken.
pub fn taken(api: &Api, name: &str, kit: Vec<u8>) {
    api.post_as(&format!("/library/kit/{name}/versions"), RAW, kit).unwrap().good().unwrap();
}

fn body(kit: &str) -> Value {
    json!({ "action": "endpoint.run_investigation_kit", "params": { "kit": kit, "time_limit_seconds": 60 },
        "targets": { "endpoints": ["web-1"] }, "reason": "a look at what the alert is about" })
}

/// Olga, whom the settings let run kits, with a registered maker.
pub fn allowed(site: &Site) -> (Api, Api, Api, Maker) {
    let (ada, arno, olga) = people(site);
    let maker = Maker::new(site, "watch");
    posted(&ada, "/kit-keys", &json!({ "name": "Watch", "public": maker.public }));
    (ada, arno, olga, maker)
}

pub fn automatic(ada: &Api) {
    let policy =
        json!({ "managed": { "auto_approve": true, "actions": ["endpoint.run_investigation_kit"] } });
    ada.put("/approval-policy", &policy).unwrap().good().unwrap();
}

/// Nothing of a kit is on the machine: no file, no process.
fn gone(web: &Machine) {
    let left = said(web, "find / -xdev \\( -name kit.yaml -o -name 'kit-marker*' \\) 2>/dev/null; :");
    assert_eq!(left, "");
    assert!(!said(web, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '").contains("sleep 987"));
}

const STEPS: &str = "name: first-look
version: '2.0'
steps:
  - {name: who, kind: script, file: scripts/who.sh, arguments: [one two], on_failure: stop}
  - {name: tool, kind: tool, file: tools/look, arguments: [-v, 'a b']}
  - {name: open, kind: query, sql: 'SELECT path FROM processes WHERE pid = 1'}
  - {name: wrong, kind: query, sql: 'SELECT * FROM nonsense', on_failure: go_on}
  - {name: rules, kind: yara, file: rules/x.yar, paths: [/root/marked]}
  - {name: triage, kind: evidence, file: defs.yaml, artifacts: [Marked]}
  - {name: flood, kind: script, file: scripts/flood.sh, output_bytes: 200000, on_failure: go_on}
  - {name: endless, kind: script, file: scripts/endless.sh, seconds: 1, on_failure: go_on}
  - {name: forks, kind: script, file: scripts/forks.sh, on_failure: go_on}
  - {name: fails, kind: script, file: scripts/fails.sh, on_failure: stop}
  - {name: never, kind: query, sql: SELECT 1}
";

const FILES: [(&str, &str); 9] = [
    ("kit.yaml", STEPS),
    (
        "scripts/who.sh",
        "id -u; echo \"$1\"; cat \"$QUELL_KIT/kit-marker\"; pwd; stat -c %a \"$QUELL_KIT/tools/look\" kit-marker",
    ),
    ("kit-marker", "brought along\n"),
    ("tools/look", "#!/bin/sh\necho \"tool $1 $2\"; echo oops >&2\n"),
    ("rules/x.yar", "rule marked { strings: $a = \"INFECTED-MARK\" condition: $a }"),
    (
        "defs.yaml",
        "name: Marked\ndoc: x\nsources:\n- type: FILE\n  attributes: {paths: ['/root/marked']}\n- type: QUERY\n  attributes: {sql: 'SELECT pid, name FROM processes WHERE pid = 1'}\n",
    ),
    ("scripts/flood.sh", "head -c 1000000000 /dev/zero"),
    ("scripts/endless.sh", "trap '' TERM INT; while :; do sleep 987; done"),
    ("scripts/forks.sh", "for i in 1 2 3; do (setsid sleep 987 &) ; done; echo forked"),
];

#[test]
fn a_signed_kit_runs_in_its_order_for_an_outside_team_and_leaves_nothing() {
    let Some(site) = site() else { return };
    let web = site.machine("web-1").unwrap();
    said(&web, "echo xx-INFECTED-MARK-xx > /root/marked");
    let (ada, arno, olga, maker) = allowed(&site);
    let files: Vec<_> = FILES.into_iter().chain([("scripts/fails.sh", "exit 42")]).collect();
    let kit = maker.kit(&site, "first-look", &files);
    let digest = hex(&sha256(&[&kit]));
    taken(&ada, "first-look", kit);

    // The tenant's own people and programs do not ask for kits, whatever they may.
    for (who, name) in [(&ada, "staff"), (&site.api, "automation")] {
        let refused = who.post("/tasks", &body("first-look")).unwrap();
        assert!(!(200..300).contains(&refused.status), "{name}");
        assert!(refused.json().to_string().contains("outside operations team alone"), "{}", refused.json());
    }

    // An outside team does, and a person agrees.
    let task = posted(&olga, "/tasks", &body("first-look"));
    assert_eq!(task["state"], "pending_approval", "{task:#}");
    let shown = arno.get(&format!("/approvals/{}", id(&task))).unwrap().good().unwrap();
    let decision = json!({ "digest": shown["digest"], "note": "go" });
    let path = format!("/approvals/{}/approve", id(&task));
    arno.post_confirmed(&path, &decision, "a rather long passphrase").unwrap().good().unwrap();
    let task = site.ended(&task).unwrap();
    gone(&web);

    // A step that had to succeed did not, so that the last one was not run; everything else was brought in.
    assert_eq!(ended(&task), ("failed", "kit_stopped"), "{task:#}");
    let outcome = &task["commands"]["items"][0]["outcome"];
    assert_eq!(
        (&outcome["sha256"], &outcome["trusted_by"], &outcome["removed"]),
        (&json!(digest), &json!("order"), &json!(true)),
        "{outcome:#}"
    );
    let steps = outcome["steps"].as_array().unwrap();
    let how: Vec<_> = steps.iter().map(|step| step["ended"].as_str().unwrap()).collect();
    let expected =
        ["done", "done", "done", "failed", "done", "done", "done", "timed_out", "done", "failed", "not_run"];
    assert_eq!(how, expected, "{outcome:#}");
    assert_eq!((&steps[9]["exit_code"], &steps[8]["left_behind"]), (&json!(42), &json!(3)), "{outcome:#}");
    assert_eq!(
        (&steps[6]["files"][0]["size"], &steps[6]["files"][0]["truncated"]),
        (&json!(100_000), &json!(true))
    );
    assert!(steps[3]["problem"].as_str().unwrap().contains("nonsense"), "{outcome:#}");
    assert_eq!(
        (&steps[2]["found"], &steps[4]["found"], &steps[5]["found"]),
        (&json!(1), &json!(1), &json!(1))
    );
    unpacked(&site, &task, outcome);
}

/// 7-Zip opens the archive, and finds what the outcome says.
fn unpacked(site: &Site, task: &Value, outcome: &Value) {
    if Command::new("7z").arg("i").output().is_err() {
        println!("skipped: 7z is not installed");
        return;
    }
    let (folder, archive) = (site.folder.path().join("unpacked"), site.folder.path().join("kit.zip"));
    let artifact = outcome["archive"]["artifact_id"].as_str().unwrap();
    fs::write(&archive, site.api.get(&format!("/artifacts/{artifact}/content")).unwrap().bytes).unwrap();
    let shown = posted(&site.api, &format!("/tasks/{}/archive-password", id(task)), &json!({}));
    let password = format!("-p{}", shown["password"].as_str().unwrap());
    let opened = |archive: &Path, folder: &Path| {
        let out = format!("-o{}", folder.display());
        let done = Command::new("7z").args(["x", "-y", &password, &out]).arg(archive).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    };
    opened(&archive, &folder);
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    assert_eq!(outcome["manifest_sha256"], hex(&sha256(&[read("manifest.json").as_bytes()])));
    let manifest: Value = serde_json::from_str(&read("manifest.json")).unwrap();
    assert_eq!(manifest["steps"], outcome["steps"]);
    for file in outcome["steps"].as_array().unwrap().iter().flat_map(|step| step["files"].as_array().unwrap())
    {
        let bytes = fs::read(folder.join(file["name"].as_str().unwrap())).unwrap();
        assert_eq!((&file["sha256"], &file["size"]), (&json!(hex(&sha256(&[&bytes]))), &json!(bytes.len())));
    }
    let who = read("01-who/stdout.txt");
    assert!(who.starts_with("0\none two\nbrought along\n") && who.ends_with("700\n600\n"), "{who}");
    assert_eq!(
        (read("02-tool/stdout.txt"), read("02-tool/stderr.txt")),
        ("tool -v a b\n".into(), "oops\n".into())
    );
    assert!(read("03-open/rows.jsonl").contains("\"path\""));
    assert!(read("05-rules/matches.jsonl").contains("\"marked\""));
    opened(&folder.join("06-triage/evidence.zip"), &folder.join("evidence"));
    let rows = fs::read_to_string(folder.join("evidence/queries/001-Marked.jsonl")).unwrap();
    assert!(rows.contains("\"pid\":1") && rows.lines().count() == 1, "{rows}");
    assert_eq!(fs::read_to_string(folder.join("evidence/fs/root/marked")).unwrap(), "xx-INFECTED-MARK-xx\n");
}

const WAITS: &str = "name: waits\nversion: '1'\nsteps:\n  - {name: first, kind: script, file: first.sh}\n  \
    - {name: second, kind: script, file: second.sh}\n  - {name: third, kind: script, file: third.sh}\n";

#[test]
fn a_kit_survives_its_agent_and_is_called_off() {
    let Some(site) = site() else { return };
    let mut web = site.machine("web-1").unwrap();
    let (ada, _, olga, maker) = allowed(&site);
    automatic(&ada);
    let files = [
        ("kit.yaml", WAITS),
        ("kit-marker", "x"),
        ("first.sh", "echo first >> /root/marks"),
        ("second.sh", "echo second >> /root/marks; until [ -e /root/go ]; do sleep 0.02; done; echo over"),
        ("third.sh", "echo third >> /root/marks; rm -f /root/go"),
    ];
    taken(&ada, "waits", maker.kit(&site, "waits", &files));
    let marks = || fs::read_to_string(web.endpoint.path("/root/marks")).unwrap_or_default();
    let task = posted(&olga, "/tasks", &body("waits"));
    until("the second step", || marks() == "first\nsecond\n");
    until("word of it", || site.task(&task).unwrap().to_string().contains("step 2 of 3"));
    web.kill_agent().unwrap();
    site.connected("web-1", false).unwrap();
    web.start_agent().unwrap();
    site.connected("web-1", true).unwrap();
    fs::write(web.endpoint.path("/root/go"), b"").unwrap();
    let task = site.ended(&task).unwrap();
    succeeded(&task);
    let marks = fs::read_to_string(web.endpoint.path("/root/marks")).unwrap();
    assert_eq!(marks, "first\nsecond\nthird\n", "each step ran once");
    gone(&web);

    // The same again, called off in its second step.
    let task = posted(&olga, "/tasks", &body("waits"));
    until("the second step", || {
        fs::read_to_string(web.endpoint.path("/root/marks")).unwrap_or_default().ends_with("first\nsecond\n")
    });
    posted(&olga, &format!("/tasks/{}/cancel", id(&task)), &Value::Null);
    let task = site.ended(&task).unwrap();
    assert_eq!(ended(&task).0, "canceled", "{task:#}");
    gone(&web);
    assert!(!said(&web, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '").contains("second.sh"));
}

/// A gzip of a tar archive that a folder makes with these options.
fn tar(folder: &Path, options: &[&str]) -> Vec<u8> {
    let mut command = Command::new("tar");
    command.args(["--format=ustar", "-czPf", "-"]).args(options).current_dir(folder);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn what_is_no_kit_of_a_registered_key_is_not_taken() {
    let Some(site) = site() else { return };
    let (ada, _, olga, maker) = allowed(&site);
    automatic(&ada);
    let _web = site.machine("web-1").unwrap();
    let good = [("kit.yaml", "name: a\nversion: '1'\nsteps: [{kind: query, sql: SELECT 1}]\n")];
    let kit = maker.kit(&site, "good", &good);
    let refused = |kit: Vec<u8>, why: &str| {
        let answer = ada.post_as("/library/kit/bad/versions", RAW, kit.clone()).unwrap();
        let said = answer.json().to_string();
        assert!((400..500).contains(&answer.status) && said.contains(why), "{why}: {said}");
        let check = ada.post_as("/library/kit/check", RAW, kit).unwrap();
        assert!(check.json().to_string().contains(why), "{why}: {}", check.json());
    };
    let stranger = Maker::new(&site, "stranger");
    refused(stranger.kit(&site, "good", &good), "not registered");
    let mut changed = kit.clone();
    *changed.last_mut().unwrap() ^= 1;
    refused(changed, "signature does not fit");
    let folder = maker.folder.join("good");
    refused(tar(&folder, &["kit.yaml"]), "no signed kit");

    // Signed by the right key, and still nothing that may be unpacked.
    let der = SigningKey::generate().unwrap();
    let own = SigningKey::from_pkcs8(&der).unwrap();
    posted(&ada, "/kit-keys", &json!({ "name": "own", "public": public(&own) }));
    let signed = |payload: Vec<u8>| quell_kit::sign(&own, &payload);
    refused(signed(tar(&folder, &["--transform", "s,^,../../,", "kit.yaml"])), "out of the kit");
    refused(signed(tar(&folder, &["--transform", "s,^,/etc/cron.d/,", "kit.yaml"])), "at the root");
    std::os::unix::fs::symlink("/etc/shadow", folder.join("link")).unwrap();
    refused(signed(tar(&folder, &["kit.yaml", "link"])), "it is a link");
    fs::File::create(folder.join("zeros")).unwrap().set_len(300 << 20).unwrap();
    refused(signed(tar(&folder, &["zeros", "kit.yaml"])), "unpacks to more");
    let steps = |steps: &str| {
        let name = Path::new("kit.yaml");
        fs::write(folder.join(name), format!("name: a\nversion: '1'\nsteps: {steps}\n")).unwrap();
        signed(tar(&folder, &["kit.yaml"]))
    };
    refused(steps("[{kind: explode}]"), "no kind of step");
    refused(steps("[{kind: tool, file: absent}]"), "not in the kit");
    fs::write(folder.join("bad.yar"), "rule x { condition: nonsense }").unwrap();
    fs::write(
        folder.join("kit.yaml"),
        "name: a\nversion: '1'\nsteps: [{kind: yara, file: bad.yar, paths: [/x]}]\n",
    )
    .unwrap();
    refused(signed(tar(&folder, &["kit.yaml", "bad.yar"])), "bad.yar");

    // A kit that was taken is named by no new task once its key is registered no more.
    taken(&ada, "good", kit);
    succeeded(&site.ended(&posted(&olga, "/tasks", &body("good"))).unwrap());
    let keys = ada.get("/kit-keys").unwrap().good().unwrap();
    let key = keys["items"].as_array().unwrap().iter().find(|key| key["name"] == "Watch").unwrap();
    done(&site, &["kit", "distrust", id(key)]);
    let refused = olga.post("/tasks", &body("good")).unwrap();
    assert!(refused.json().to_string().contains("taken no more"), "{}", refused.json());
}

fn public(key: &SigningKey) -> String {
    use base64::Engine as _;
    format!("ed25519:{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(key.public()))
}

#[test]
fn an_endpoint_with_a_root_of_trust_runs_kits_of_keys_that_the_root_names_alone() {
    let Some(site) = site() else { return };
    let (ada, _, olga, maker) = allowed(&site);
    automatic(&ada);
    let shown: Value =
        serde_json::from_str(&done(&site, &["trust", "show", "--server", "-o", "json"])).unwrap();
    let dir = site.folder.path().join("root");
    done(&site, &["trust", "init", "--dir", text(&dir), "--tenant", shown["tenant_id"].as_str().unwrap()]);
    done(&site, &["trust", "publish", "--dir", text(&dir)]);
    let web = site.machine("web-1").unwrap();
    let files = [
        ("kit.yaml", "name: a\nversion: '1'\nsteps: [{kind: script, file: a.sh}]\n"),
        ("a.sh", "echo ran >> /root/ran"),
    ];
    taken(&ada, "mark", maker.kit(&site, "mark", &files));
    let task = site.ended(&posted(&olga, "/tasks", &body("mark"))).unwrap();
    assert_eq!(ended(&task), ("refused", "kit_signer_untrusted"), "{task:#}");
    assert!(!web.endpoint.path("/root/ran").exists());
    gone(&web);

    done(&site, &["trust", "kit-key", "--dir", text(&dir), "--key", &maker.public]);
    let published = done(&site, &["trust", "publish", "--dir", text(&dir)]);
    assert!(published.contains(&maker.public), "{published}");
    // It is on its way: until it has arrived, kits are refused as before.
    let mut task = Value::Null;
    until("the new bundle", || {
        task = site.ended(&posted(&olga, "/tasks", &body("mark"))).unwrap();
        ended(&task) != ("refused", "kit_signer_untrusted")
    });
    assert_eq!(succeeded(&task)["outcome"]["trusted_by"], "root", "{task:#}");
    assert_eq!(fs::read_to_string(web.endpoint.path("/root/ran")).unwrap(), "ran\n");
}

/// Too little room to unpack, to pack, and none at all after a step took it: the same word each time, and nothing is left.
#[test]
fn a_disk_without_room_ends_a_kit_and_is_as_it_was() {
    let Some(site) = site() else { return };
    let web = site.machine("web-1").unwrap();
    let (ada, _, olga, maker) = allowed(&site);
    automatic(&ada);
    let work = Path::new(quell_lab::site::STATE).join("work").display().to_string();
    let small = |megabytes: u32| {
        said(&web, &format!("mkdir -p {work} && mount -t tmpfs -o mode=700,size={megabytes}m none {work}"));
    };
    let steps = |output: u32, names: &str| {
        let step =
            |name| format!("  - {{name: {name}, kind: script, file: {name}.sh, output_bytes: {output}}}\n");
        let steps: String = names.split(' ').map(step).collect();
        format!("name: a\nversion: '1'\nsteps:\n{steps}")
    };
    let ran = |name: &str, steps: &str, script: &str| {
        let program = format!("{name}.sh");
        let files = [
            ("kit.yaml", steps),
            ("kit-marker", "x"),
            (program.as_str(), script),
            ("after.sh", "echo after"),
        ];
        taken(&ada, name, maker.kit(&site, name, &files));
        let task = site.ended(&posted(&olga, "/tasks", &body(name))).unwrap();
        gone(&web);
        until("an empty work directory", || said(&web, &format!("find {work} -mindepth 1")).is_empty());
        task
    };
    small(90);
    let task = ran("small", &steps(1000, "small after"), "echo small");
    assert_eq!(ended(&task), ("refused", "disk_full"), "{task:#}");
    assert!(task["commands"]["items"][0].to_string().contains("too little room"), "{task:#}");

    said(&web, &format!("umount {work}"));
    small(110);
    let task = ran("loud", &steps(120_000_000, "loud after"), "head -c 55000000 /dev/urandom");
    assert_eq!(ended(&task), ("failed", "disk_full"), "{task:#}");
    let fills = "cat /dev/zero > \"$QUELL_KIT/fill\"; sleep 987 & echo filled";
    let task = ran("fills", &steps(1000, "fills after"), fills);
    assert_eq!(ended(&task), ("failed", "disk_full"), "{task:#}");
    let stored = site.api.get(&format!("/artifacts?task={}", id(&task))).unwrap().good().unwrap();
    assert_eq!(stored["items"], json!([]));

    // The room is there again, and the endpoint does what it is asked.
    let task = ran("again", &steps(1000, "again after"), "echo again");
    assert_eq!(succeeded(&task)["outcome"]["removed"], true);
    assert_eq!(site.record("web-1").unwrap()["connected"], true);
}
