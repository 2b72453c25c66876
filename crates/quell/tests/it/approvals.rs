//! Approvals from the command line, against a real server: an outside team asks, people decide, settings decide for them.

use std::process::{Command, Stdio};

use quell_store::{Options, Store, endpoint, membership, person, tenant};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::operate::Site;
use crate::program::{Said, run};

/// As an agent that fell to somebody may call itself.
const HOSTILE: &str = "db\u{202e}2\u{1b}[2J\u{1b}]0;x";
const PASSWORD: &str = "correct horse battery";

/// A server with people and endpoints, put into its database as people and agents would.
struct Firm {
    site: Site,
    runtime: tokio::runtime::Runtime,
}

impl Firm {
    fn open() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let firm = Self { site: Site::open(), runtime };
        for name in ["web-1", "db-1", HOSTILE] {
            firm.endpoint(name);
        }
        firm
    }

    fn write(
        &self,
        work: impl Fn(&mut quell_store::Tx<'_>, Uuid) -> Result<(), quell_store::Error> + Send + 'static,
    ) {
        let url = format!("sqlite:{}", self.site.data().join("quell.db").display());
        self.runtime.block_on(async {
            let store = Store::open(&url, Options::default(), 1).await.unwrap();
            let done: Result<(), quell_store::Error> = store
                .write(move |tx| {
                    let home =
                        tenant::by_name(tx, "default")?.ok_or(quell_store::Error::NotFound("tenant"))?;
                    work(tx, home.id)
                })
                .await;
            done.unwrap();
            store.close().await;
        });
    }

    fn endpoint(&self, name: &'static str) {
        let able: Vec<Value> = quell_catalog::ActionKind::ALL
            .iter()
            .map(|kind| json!({ "action": kind.id(), "revision": kind.spec().revision }))
            .collect();
        self.write(move |tx, tenant_id| {
            let id = Uuid::now_v7();
            endpoint::insert(
                tx,
                &endpoint::Endpoint {
                    tenant_id,
                    id,
                    name: name.to_owned(),
                    state: "active".to_owned(),
                    public_key: vec![7; 32],
                    cert_serial: id.simple().to_string(),
                    cert_not_after: i64::MAX,
                    fingerprint: id.simple().to_string(),
                    os: "linux".to_owned(),
                    arch: "x86_64".to_owned(),
                    agent_version: "0.1.0".to_owned(),
                    facts: "{}".to_owned(),
                    capabilities: Value::from(able.clone()).to_string(),
                    isolation: None,
                    tags: "[]".to_owned(),
                    enrolled_at: 1,
                    last_seen_at: None,
                    alarm: None,
                },
            )
        });
    }

    /// Somebody with these roles, signed in: the token of their session.
    fn person(&self, name: &str, roles: &'static [&'static str]) -> String {
        let cost = quell_access::password::Cost { memory_kib: 64, passes: 1, lanes: 1 };
        let hash = quell_access::password::hash(PASSWORD, &[7; 16], cost).unwrap();
        let (id, email, own_name) = (Uuid::now_v7(), format!("{name}@quell.example"), name.to_owned());
        let address = email.clone();
        self.write(move |tx, tenant_id| {
            let row = person::Person {
                tenant_id,
                id,
                human: id,
                name: own_name.clone(),
                email: email.clone(),
                email_key: email.clone(),
                local_key: Some(email.clone()),
                password: Some(hash.clone()),
                password_changed_at: Some(1),
                totp: None,
                totp_step: None,
                recovery: None,
                state: "active".to_owned(),
                created_at: 1,
                last_login_at: None,
            };
            person::insert(tx, &row)?;
            roles.iter().try_for_each(|role| {
                let row = membership::Membership {
                    tenant_id,
                    person_id: id,
                    role: (*role).to_owned(),
                    source: membership::MANUAL.to_owned(),
                    granted_at: 1,
                    granted_by: "test".to_owned(),
                };
                membership::insert(tx, &row).map(drop)
            })
        });
        self.sign_in(&address)
    }

    fn sign_in(&self, email: &str) -> String {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let url = format!("{}/api/v1/session", self.site.url);
        let body = json!({ "email": email, "password": PASSWORD, "deliver": "token" });
        let begun: Value = self.runtime.block_on(async {
            let http = reqwest::Client::builder().no_proxy().build().unwrap();
            let answer = http.post(url).json(&body).send().await.unwrap().text().await.unwrap();
            serde_json::from_str(&answer).unwrap()
        });
        begun["token"].as_str().unwrap_or_default().to_owned()
    }

    fn command(&self, token: &str, line: &[&str]) -> Command {
        let mut command = self.site.quell(line);
        command.env("QUELL_API_KEY", token);
        command
    }

    /// The same with the password on standard input.
    fn confirm(&self, token: &str, line: &[&str]) -> Said {
        let path = self.site.file("password", PASSWORD);
        let mut command = self.command(token, &[line, &["--password-stdin"]].concat());
        run(command.stdin(std::fs::File::open(path).unwrap()))
    }

    fn say(&self, token: &str, line: &[&str]) -> Said {
        run(&mut self.command(token, line))
    }

    /// What it says as JSON, where it ends well.
    fn json(&self, token: &str, line: &[&str]) -> Value {
        let said = self.say(token, &[line, &["-o", "json"]].concat());
        assert_eq!(said.code, 0, "{line:?}: {}", said.err);
        serde_json::from_str(&said.out).unwrap()
    }

    /// Asks for the end of a process; answers the task's id.
    fn ask(&self, token: &str, endpoint: &str) -> String {
        let task = self.json(token, &[&ASK[..], &["--endpoint", endpoint]].concat());
        task["id"].as_str().unwrap().to_owned()
    }
}

const ASK: [&str; 9] =
    ["act", "process", "terminate", "--reason", "beacon", "--pid", "4211", "--start-time", "7"];

#[test]
fn an_outside_team_waits_for_a_person_of_the_customer() {
    let firm = Firm::open();
    let ops = firm.person("ops", &["operations", "approver"]);
    let cara = firm.person("cara", &["approver"]);
    let asked = firm.say(&ops, &[&ASK[..], &["-e", "web-1"]].concat());
    assert_eq!(asked.code, 0, "{}", asked.err);
    assert!(
        asked.out.contains("waits for approval") && asked.out.contains("1 person who may decide"),
        "{}",
        asked.out
    );
    let id = asked.out.split(' ').nth(1).unwrap().to_owned();

    // Whoever asked does not decide, a program never does, and nobody agrees to what they were not shown.
    let own = firm.say(&ops, &["approvals", "approve", &id, "--yes"]);
    assert!(own.code == 1 && own.err.contains("not_eligible") && own.err.contains("hint: "), "{}", own.err);
    let key = firm.site.say(&["approvals", "approve", &id, "--yes"]);
    assert!(key.code == 1 && key.err.contains("hint: "), "{}", key.err);
    let unasked = firm.say(&cara, &["approvals", "approve", &id]);
    assert!(unasked.code == 1 && unasked.err.contains("nobody is there to say yes"), "{}", unasked.err);
    assert!(
        unasked.err.contains("process.terminate pending") && unasked.err.contains("web-1"),
        "{}",
        unasked.err
    );

    let request = firm.json(&cara, &["approvals", "show", &id]);
    assert_eq!((&request["state"], request["digest"].as_str().unwrap().len()), (&json!("pending"), 64));
    let approved =
        firm.say(&cara, &["approvals", "approve", &id, "--yes", "--note", "go on", "--valid-for", "2h"]);
    assert_eq!(approved.code, 0, "{}", approved.err);
    assert!(approved.err.contains(request["digest"].as_str().unwrap()), "the deed is shown also with --yes");
    assert!(
        approved.out.contains("process.terminate for web-1 is approved, good until "),
        "{}",
        approved.out
    );
    let again = firm.say(&cara, &["approvals", "approve", &id, "--yes"]);
    assert!(again.out.contains("you had decided so before"), "{}{}", again.out, again.err);
    let shown = firm.say(&ops, &["tasks", "show", &id]);
    assert!(
        shown.out.contains("  approval   approved by cara at ") && shown.out.contains(": go on"),
        "{}",
        shown.out
    );

    let expired = firm.say(&cara, &["approvals", "expire", &id]);
    assert!(
        expired.code == 0 && expired.out.contains("process.terminate expired"),
        "{}{}",
        expired.out,
        expired.err
    );
    let ended = firm.say(&ops, &["tasks", "show", &id]);
    assert!(ended.out.contains("the approval is not valid any more"), "{}", ended.out);
}

#[test]
fn a_wait_goes_on_until_people_decide_and_a_rejection_has_its_own_words() {
    let firm = Firm::open();
    let ops = firm.person("ops", &["operations"]);
    let cara = firm.person("cara", &["approver"]);
    let mut waiting = firm.command(&ops, &[&ASK[..], &["-e", HOSTILE, "--wait"]].concat());
    let waiting = waiting.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let id = pending(&firm, &cara);
    let seen = firm.say(&cara, &["approvals", "watch", "--wait-timeout", "1s"]);
    assert!(seen.code == 3 && seen.out.contains(&id) && is_inert(&seen.out), "{}{}", seen.out, seen.err);
    let none = firm.say(&ops, &["approvals", "reject", &id, "--yes"]);
    assert!(
        none.code == 1 && none.err.contains("code: forbidden") && none.err.contains("hint: "),
        "{}",
        none.err
    );
    let rejected = firm.say(&cara, &["approvals", "reject", &id, "--yes", "--note", "not on a Friday"]);
    assert!(
        rejected.code == 0 && rejected.out.contains("it will not happen"),
        "{}{}",
        rejected.out,
        rejected.err
    );
    let said = waiting.wait_with_output().unwrap();
    let (out, err) = (String::from_utf8(said.stdout).unwrap(), String::from_utf8(said.stderr).unwrap());
    assert_eq!(said.status.code(), Some(2), "{out}{err}");
    assert!(err.contains("waits for approval"), "{err}");
    assert!(
        err.contains("rejected by cara at ") && out.contains(": not on a Friday; it does not happen"),
        "{out}{err}"
    );
    assert!(is_inert(&out) && is_inert(&err), "hostile words stay inert: {out:?}{err:?}");

    // Several at once: one that cannot be decided keeps none of the others.
    let tasks = [firm.ask(&ops, "web-1"), firm.ask(&ops, "web-1")];
    let many = firm.say(&cara, &["approvals", "approve", &tasks[0], &tasks[1], &tasks[0], &id, "--yes"]);
    assert!(many.code == 1 && many.out.matches("approved").count() == 2, "{}{}", many.out, many.err);
    let csv = firm.say(&cara, &["approvals", "list", "--state", "approved", "--text", "WEB-1", "-o", "csv"]);
    assert!(csv.out.starts_with("\"TASK\",\"STATE\"") && csv.out.lines().count() == 3, "{}", csv.out);
    let revoked = firm.say(&cara, &["approvals", "revoke", &tasks[0]]);
    assert!(revoked.out.contains("taken back at"), "{}{}", revoked.out, revoked.err);
    let short = firm.say(&ops, &[&ASK[..], &["-e", "web-1", "--wait", "--wait-timeout", "1s"]].concat());
    assert!(short.code == 3 && short.err.contains("is still waiting for people after 1s"), "{}", short.err);
}

/// Whether a text does nothing to a terminal.
fn is_inert(text: &str) -> bool {
    text.chars().all(|c| c == '\n' || c == '\r' || !(c.is_control() || c == '\u{202e}'))
}

/// The id of the one request that waits.
fn pending(firm: &Firm, token: &str) -> String {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        let items = firm.json(token, &["approvals", "list", "--state", "pending"]);
        if let Some(id) = items[0]["task"].as_str() {
            return id.to_owned();
        }
        assert!(std::time::Instant::now() < end, "nothing waits");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn an_approval_carries_the_approvers_own_signature() {
    let firm = Firm::open();
    let ops = firm.person("ops", &["operations"]);
    let cara = firm.person("cara", &["approver"]);
    let id = firm.ask(&ops, "web-1");
    let key = firm.site.data().join("cara.key");
    let key = key.to_str().unwrap();
    assert_eq!(firm.say(&cara, &["trust", "approver-key", "--out", key]).code, 0);
    let signed = firm.say(&cara, &["trust", "sign", &id, "--key", key, "--yes"]);
    assert_eq!(signed.code, 0, "{}", signed.err);
    let file = firm.site.file("signature.json", &signed.out);
    let file = file.to_str().unwrap();
    let two = firm.say(&cara, &["approvals", "approve", &id, "x", "--signature", file, "--yes"]);
    assert!(two.code == 1 && two.err.contains("one deed"), "{}", two.err);
    let approved = firm.say(&cara, &["approvals", "approve", &id, "--signature", file, "--yes"]);
    assert_eq!(approved.code, 0, "{}", approved.err);
    let request = firm.json(&cara, &["approvals", "show", &id]);
    assert_eq!(request["decisions"][0]["signed"], true);

    // Somebody who follows the task is told as well.
    let mut watched = firm.command(&ops, &["tasks", "watch", &id]);
    let watched = watched.stdout(Stdio::piped()).spawn().unwrap();
    assert_eq!(firm.say(&cara, &["approvals", "revoke", &id]).code, 0);
    let said = watched.wait_with_output().unwrap();
    let out = String::from_utf8(said.stdout).unwrap();
    assert!(said.status.code() == Some(2) && out.contains("the approval was taken back"), "{out}");
}

#[test]
fn settings_approve_what_is_ticked_but_not_on_exceptions() {
    let firm = Firm::open();
    let ops = firm.person("ops", &["operations"]);
    let ann = firm.person("ann", &["administrator"]);
    assert!(firm.say(&ann, &["policy", "show"]).out.contains("off: a person agrees to each request"));
    let csv = firm.site.file("except.csv", "hostname,why\ndb-1,shop\nno\u{202e}where,x\n");
    let csv = csv.to_str().unwrap();
    let refused = firm.say(&ann, &["policy", "list", "import", "except", csv]);
    assert_eq!(refused.code, 1);
    assert!(
        refused.out.contains("line 3: ") && refused.err.contains("nothing was changed"),
        "{}{}",
        refused.out,
        refused.err
    );
    assert!(is_inert(&refused.out), "{:?}", refused.out);
    let check = firm.say(&ann, &["policy", "list", "import", "except", csv, "--check"]);
    assert!(check.code == 1 && check.out.contains("db-1"), "{}", check.out);
    let stored = firm.say(&ann, &["policy", "list", "import", "except", csv, "--skip-errors"]);
    assert!(
        stored.code == 0 && stored.out.contains("1 endpoint on the list except, pinned by id"),
        "{}",
        stored.out
    );
    assert!(firm.say(&ann, &["policy", "list", "show", "except"]).out.contains("db-1"));

    let on = firm.say(&ann, &["policy", "auto", "on"]);
    assert!(
        on.code == 0 && on.out.contains("[x] process.terminate") && on.out.contains("`except` (1)"),
        "{}{}",
        on.out,
        on.err
    );
    let at_once = firm.say(&ops, &[&ASK[..], &["-e", "web-1"]].concat());
    assert!(at_once.out.starts_with("approved by the settings: "), "{}{}", at_once.out, at_once.err);
    let waits = firm.say(&ops, &[&ASK[..], &["-e", "db-1"]].concat());
    assert!(waits.out.contains("waits for approval"), "{}{}", waits.out, waits.err);
    let unticked = firm.say(&ann, &["policy", "untick", "process.terminate"]);
    assert!(unticked.out.contains("[ ] process.terminate"), "{}{}", unticked.out, unticked.err);
    assert!(firm.say(&ann, &["policy", "tick", "critical"]).out.contains("[x] process.terminate"));
    assert!(firm.say(&ann, &["policy", "scope", "selected"]).out.contains("the list `only` (0)"));
    assert_eq!(firm.say(&ann, &["policy", "tick", "no.such"]).code, 1);
    let not_theirs = firm.say(&ops, &["policy", "auto", "off"]);
    assert!(
        not_theirs.err.contains("code: forbidden") && not_theirs.err.contains("hint: "),
        "{}",
        not_theirs.err
    );
}

#[test]
fn settings_are_set_by_file_and_by_editor_and_refused_with_their_fields() {
    let firm = Firm::open();
    let ann = firm.person("ann", &["administrator"]);
    let settings = firm.json(&ann, &["policy", "show"]);
    let shown = firm.site.file("shown.json", &settings.to_string());
    let set = firm.say(&ann, &["policy", "set", shown.to_str().unwrap()]);
    assert_eq!(set.code, 0, "{}", set.err);
    let mut wrong = settings["policy"].clone();
    wrong["rules"] = json!([{ "actions": ["no.such"], "require": "nothing" }]);
    let wrong = firm.site.file("wrong.json", &wrong.to_string());
    let refused = firm.say(&ann, &["policy", "set", wrong.to_str().unwrap()]);
    assert!(refused.code == 1 && refused.err.contains("rules[0].actions"), "{}", refused.err);

    let edit = |script: &str| {
        let mut command = firm.command(&ann, &["policy", "edit"]);
        command
            .env_remove("VISUAL")
            .env("EDITOR", format!("sed -i {script}"))
            .env("TMPDIR", firm.site.data());
        run(&mut command)
    };
    let edited = edit("s/\"quorum\":.1/\"quorum\":2/");
    assert!(
        edited.code == 0 && edited.out.contains("2 people who may decide"),
        "{}{}",
        edited.out,
        edited.err
    );
    assert_eq!(edit("s/x/x/").out.trim(), "nothing was changed");
    let kept = edit("s/\"quorum\":.2/\"quorum\":99/");
    assert!(
        kept.code == 1 && kept.err.contains("quorum") && kept.err.contains("quell policy set takes it"),
        "{}",
        kept.err
    );
    let path =
        kept.err.split("what you wrote is in ").nth(1).and_then(|rest| rest.split(": ").next()).unwrap();
    assert!(std::fs::read_to_string(path).unwrap().contains("99"), "{path}");
    let unset = firm.json(&ann, &["policy", "show"]);
    assert_eq!(unset["policy"]["managed"]["people"]["quorum"], 2);
}

#[test]
fn broken_glass_is_loud_and_somebody_else_reviews_it() {
    let firm = Firm::open();
    let ann = firm.person("ann", &["administrator"]);
    let bob = firm.person("bob", &["administrator"]);
    let rule =
        json!({ "rules": [{ "actions": ["*"], "require": { "people": { "quorum": 1, "roles": [] } } }] });
    let rule = firm.site.file("rule.json", &rule.to_string());
    assert_eq!(firm.say(&bob, &["policy", "set", rule.to_str().unwrap()]).code, 0);
    let begin = ["break-glass", "begin", "--reason", "the pager is dead", "--minutes", "5"];
    let alone = firm.say(&ann, &begin);
    assert!(
        alone.code == 1 && alone.err.contains("step_up_needed") && alone.err.contains("--password-stdin"),
        "{}",
        alone.err
    );
    let short = firm.confirm(&ann, &["break-glass", "begin", "--reason", "short"]);
    assert!(short.code == 1 && short.err.contains("10 characters"), "{}", short.err);
    let begun = firm.confirm(&ann, &begin);
    assert!(
        begun.code == 0 && begun.out.starts_with("!!!!") && begun.out.contains("BREAK-GLASS: ann"),
        "{}{}",
        begun.out,
        begun.err
    );
    let at_once = firm.say(&ann, &[&ASK[..], &["-e", "web-1"]].concat());
    assert!(at_once.out.starts_with("BREAK-GLASS: "), "{}{}", at_once.out, at_once.err);
    assert!(firm.say(&bob, &["break-glass"]).out.contains("OPEN"));
    assert_eq!(firm.say(&bob, &["break-glass", "end"]).code, 1, "bob has none of his own");
    let ended = firm.say(&ann, &["break-glass", "end"]);
    assert!(
        ended.code == 0 && ended.out.contains("the break-glass of ann is over"),
        "{}{}",
        ended.out,
        ended.err
    );
    let id = firm.json(&bob, &["break-glass", "list"])[0]["id"].as_str().unwrap().to_owned();
    let own = firm.say(&ann, &["break-glass", "review", &id, "--note", "all well"]);
    assert!(own.code == 1 && own.err.contains("not_eligible"), "{}", own.err);
    let reviewed = firm.say(&bob, &["break-glass", "review", &id, "--note", "all well"]);
    assert!(reviewed.code == 0 && reviewed.out.contains("reviewed"), "{}{}", reviewed.out, reviewed.err);
}

#[test]
fn an_act_is_confirmed_where_the_settings_ask_for_it() {
    let firm = Firm::open();
    let ann = firm.person("ann", &["administrator"]);
    let policy = firm.site.file("policy.json", &json!({ "step_up": ["process.*"] }).to_string());
    assert_eq!(firm.say(&ann, &["policy", "set", policy.to_str().unwrap()]).code, 0);
    let line = [&ASK[..], &["-e", "web-1"]].concat();
    let alone = firm.say(&ann, &line);
    assert!(alone.code == 1 && alone.err.contains("code: step_up_needed"), "{}", alone.err);
    let confirmed = firm.confirm(&ann, &line);
    assert!(confirmed.code == 0 && confirmed.out.starts_with("task "), "{}{}", confirmed.out, confirmed.err);
    let key = firm.site.say(&line);
    assert!(key.code == 1 && !key.err.contains("panicked"), "an API key confirms nothing: {}", key.err);
}
