//! Every action by the command line, as a person types it; what it did is looked at on the endpoint.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};

use quell_catalog::ActionKind;
use quell_lab::site::{Machine, Programs, Site, ways_out};
use serde_json::{Value, json};

use crate::kit::{allowed, automatic, taken};
use crate::{all_cut, all_open, process, said, site, until};

const RULES: &str = r#"rule needle { strings: $a = "a-needle-4711" condition: $a }"#;

/// Somebody at a terminal, and the actions that were asked for.
struct Typist<'s> {
    site: &'s Site,
    key: String,
    used: BTreeSet<String>,
}

impl Typist<'_> {
    fn run(&self, words: &[&str], input: &str) -> (bool, String, String) {
        let mut command = Command::new(Programs::of_this_build().unwrap().server);
        command.args(words).env("QUELL_URL", self.site.server.url()).env("QUELL_API_KEY", &self.key);
        command.env("HOME", self.site.folder.path()).stdin(Stdio::piped());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.success(), text(output.stdout), text(output.stderr))
    }

    /// An action of this id, with these words behind it; answers the outcome of its only command.
    fn act(&mut self, action: &str, words: &[&str]) -> Value {
        self.act_with(action, words, "")
    }

    fn act_with(&mut self, action: &str, words: &[&str], input: &str) -> Value {
        let (target, name) = action.split_once('.').unwrap();
        let name = name.replace('_', "-");
        let mut line = vec!["act", target, &name, "--reason", "beaconing", "--wait", "--output", "json"];
        if target != "blocklist" {
            line.extend(["--endpoint", "web-1"]);
        }
        line.extend(words);
        let (is_done, out, problem) = self.run(&line, input);
        assert!(is_done, "{line:?}: {out}\n{problem}");
        self.used.insert(action.to_owned());
        let task: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(task["state"], "succeeded", "{task:#}");
        task["commands"]["items"][0]["outcome"].clone()
    }

    /// The same, which must not be done; answers what was said.
    fn fails(&self, words: &[&str]) -> String {
        let mut line = vec!["act"];
        line.extend(words);
        line.extend(["--reason", "beaconing", "--endpoint", "web-1", "--wait"]);
        let (is_done, out, problem) = self.run(&line, "");
        assert!(!is_done, "{line:?}: {out}");
        out + &problem
    }
}

fn runs(web: &Machine, path: &str) -> bool {
    web.sh(path).unwrap().ok()
}

fn there(web: &Machine, path: &str) -> bool {
    web.endpoint.path(path).exists()
}

fn files(typist: &mut Typist<'_>, web: &Machine) {
    said(web, "echo a-needle-4711 > /root/needle; echo gone > /root/gone; cp /bin/true /opt/tool");
    let collected = typist.act("file.collect", &["--path", "/root/needle"]);
    assert_eq!(collected["sha256"], said(web, "sha256sum /root/needle | cut -d' ' -f1"));
    let moved = typist.act("file.quarantine", &["--path", "/root/needle"]);
    assert!(!there(web, "/root/needle"));
    typist.act("file.restore", &["--vault-id", moved["vault_id"].as_str().unwrap()]);
    assert_eq!(said(web, "cat /root/needle"), "a-needle-4711");
    typist.act("file.delete", &["--path", "/root/gone"]);
    assert!(!there(web, "/root/gone"));
    assert!(typist.fails(&["file", "delete", "--path", "/root/gone"]).contains("not_found"));
    let hash = said(web, "sha256sum /opt/tool | cut -d' ' -f1");
    typist.act("file.prevent_run", &["--path", "/opt/tool", "--sha256", &hash]);
    assert!(!runs(web, "/opt/tool"));
    typist.act("file.allow_run", &["--sha256", &hash]);
    until("the tool", || runs(web, "/opt/tool"));
    let objects = json!({ "objects": [{ "kind": "sha256", "value": hash }] }).to_string();
    typist.act("blocklist.add", &["--params", &objects]);
    until("a refusal", || !runs(web, "/opt/tool"));
    typist.act("blocklist.remove", &["--objects", &format!("kind=sha256,value={hash}")]);
    until("the tool", || runs(web, "/opt/tool"));
}

fn processes(typist: &mut Typist<'_>, web: &Machine) {
    said(web, "(setsid sleep 4711 >/dev/null 2>&1 &)");
    let mut sleeps = (0, 0);
    until("a process", || {
        let is_there = web.sh("grep -qa 4711 /proc/[0-9]*/cmdline").unwrap().ok();
        is_there && {
            sleeps = process(web, "sleep 4711");
            true
        }
    });
    let (pid, start) = (sleeps.0.to_string(), sleeps.1.to_string());
    let one = ["--pid", pid.as_str(), "--start-time", start.as_str()];
    let listed = typist.act("process.list", &["--name", "sleep"]);
    assert!(listed["processes"]["shown"].to_string().contains(&pid), "{listed:#}");
    let dumped = typist.act("process.dump_memory", &one);
    assert!(dumped["archive"]["size"].as_u64().unwrap() > 0);
    let lives = || web.sh(&format!("test -d /proc/{pid}")).unwrap().ok();
    assert!(lives(), "a dump ends nothing");
    typist.act("process.terminate", &one);
    assert!(!lives());
    let no_such = ["process", "dump-memory", "--pid", pid.as_str(), "--start-time", start.as_str()];
    assert!(typist.fails(&no_such).contains(&pid));
}

/// What made a program, from the endpoint's recorder; the incident of it stands on the server.
fn chain(typist: &mut Typist<'_>, web: &Machine) {
    said(web, "cp /bin/true /opt/odd; /opt/odd");
    let hash = said(web, "sha256sum /opt/odd | cut -d' ' -f1");
    let found = typist.act("endpoint.collect_chain", &["--sha256", &hash]);
    let incidents = || {
        let page = typist.site.api.get("/incidents?endpoint=web-1").unwrap().good().unwrap();
        page["items"].as_array().unwrap().clone()
    };
    until("an incident", || !incidents().is_empty());
    let number = incidents()[0]["number"].clone();
    let path = format!("/incidents/{number}/activity?limit=500");
    let told = || typist.site.api.get(&path).unwrap().good().unwrap().to_string();
    until("the copy and its start", || told().contains("created /opt/odd"));
    assert!(typist.fails(&["endpoint", "collect-chain", "--path", "/none/such"]).contains("/none/such"));
    assert!(found["pid"].as_u64().unwrap() > 1, "{found:#}");
}

fn searches(typist: &mut Typist<'_>, web: &Machine) {
    let rules = json!({ "name": "needles", "body": RULES });
    typist.site.api.post("/library/yara", &rules).unwrap().good().unwrap();
    typist.site.script("mark", "sh", "echo here > /root/ran").unwrap();
    typist.act("endpoint.run_script", &["--script", "mark"]);
    assert_eq!(said(web, "cat /root/ran"), "here");
    let found = typist.act("endpoint.run_yara", &["--rules", "needles", "--paths", "/root/needle"]);
    assert_eq!(found["matches"]["count"], 1, "{found:#}");
    let sql = "SELECT path FROM file WHERE path = '/root/needle'";
    let rows = typist.act("endpoint.run_osquery", &["--sql", sql]);
    assert_eq!(rows["rows"]["shown"], json!([{ "path": "/root/needle" }]));
    assert!(typist.fails(&["endpoint", "run-osquery", "--sql", "SELECT * FROM fil"]).contains("fil"));
    let evidence = typist.act("endpoint.collect_evidence", &["--artifacts", "QuellAutostarts"]);
    assert!(evidence["archive"]["size"].as_u64().unwrap() > 0, "{evidence:#}");
    let scan = ["--rules", "needles", "--paths", "/root/needle", "--quarantine", "--clamav", "false"];
    typist.act("endpoint.scan_malware", &scan);
    assert!(!there(web, "/root/needle"), "moved, as asked");
    // Its own command; what is piped into it is typed, and its end ends the shell.
    let shell = ["shell", "web-1", "--reason", "beaconing"];
    let (is_done, out, problem) = typist.run(&shell, "echo here > /root/typed\n");
    assert!(is_done, "{out}{problem}");
    assert_eq!(said(web, "cat /root/typed"), "here");
    typist.used.insert("endpoint.remote_shell".to_owned());
}

#[test]
fn every_action_is_done_from_the_command_line() {
    let Some(site) = site() else { return };
    let web = site.machine("web-1").unwrap();
    let mut typist = Typist { site: &site, key: site.server.key().to_owned(), used: BTreeSet::new() };
    files(&mut typist, &web);
    processes(&mut typist, &web);
    chain(&mut typist, &web);
    searches(&mut typist, &web);
    typist.act("endpoint.isolate", &[]);
    all_cut(&ways_out(&web.endpoint, site.lab.outside()).unwrap());
    typist.act("endpoint.restore", &[]);
    all_open(&ways_out(&web.endpoint, site.lab.outside()).unwrap());
    // What only people may, with their password, and what only an outside team may.
    let (ada, _, olga, maker) = allowed(&site);
    ada.key().clone_into(&mut typist.key);
    let start = ["--path", "/usr/bin/touch", "--arguments", "/root/started", "--password-stdin"];
    typist.act_with("process.start", &start, "a rather long passphrase\n");
    until("what it made", || there(&web, "/root/started"));
    automatic(&ada);
    let steps = "name: look\nversion: '1'\nsteps:\n  - {name: who, kind: script, file: who.sh}\n";
    taken(&ada, "look", maker.kit(&site, "look", &[("kit.yaml", steps), ("who.sh", "touch /root/kit-ran")]));
    olga.key().clone_into(&mut typist.key);
    let kit = typist.act("endpoint.run_investigation_kit", &["--kit", "look"]);
    assert_eq!(kit["removed"], true, "{kit:#}");
    assert!(there(&web, "/root/kit-ran"));
    let all: BTreeSet<_> = ActionKind::ALL.iter().map(|kind| kind.id().to_owned()).collect();
    assert_eq!(typist.used, all);
}
