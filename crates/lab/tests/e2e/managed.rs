//! An outside operations team at a customer, end to end: it asks, the customer's approver gets a mail, opens the link and
//! approves, the deed is done on a real endpoint, and both see what proves it. Then the customer lets the settings approve,
//! but for what is on the list of exceptions.

use std::time::{Duration, Instant};

use quell_lab::mail::{MailSink, Received};
use quell_lab::site::{Api, Machine, Site};
use serde_json::{Value, json};

use crate::{id, process, said, site, succeeded};

const PASSWORD: &str = "a rather long passphrase";

/// A client that nobody has signed in with yet.
fn stranger(site: &Site) -> Api {
    Api::new(&site.server.url(), "").unwrap()
}

pub fn posted(api: &Api, path: &str, body: &Value) -> Value {
    api.post(path, body).unwrap().good().unwrap()
}

/// Somebody who signs in.
fn signed_in(site: &Site, email: &str, tenant: Option<&str>) -> Api {
    let body = json!({ "email": email, "password": PASSWORD, "deliver": "token", "tenant": tenant });
    let begun = posted(&stranger(site), "/session", &body);
    Api::new(&site.server.url(), begun["token"].as_str().unwrap()).unwrap()
}

/// Redeems the invitation that an answer holds.
fn redeem(site: &Site, invited: &Value) {
    let body = json!({ "token": invited["ticket"]["token"], "password": PASSWORD });
    posted(&stranger(site), "/tickets/redeem", &body);
}

/// The customer and the outside team: administrator, approver, and Olga, who is at home elsewhere.
pub fn people(site: &Site) -> (Api, Api, Api) {
    let code = std::fs::read_to_string(site.folder.path().join("data/setup.code")).unwrap();
    let first = json!({ "code": code.trim(), "organisation": "Customer", "name": "Ada", "email": "ada@customer.example",
        "password": PASSWORD });
    let set_up = posted(&stranger(site), "/setup", &first);
    let customer = set_up["tenant"]["id"].as_str().unwrap().to_owned();
    let ada = signed_in(site, "ada@customer.example", None);
    let arno = json!({ "name": "Arno", "email": "arno@customer.example", "roles": ["approver"] });
    redeem(site, &posted(&ada, "/people", &arno));
    let team = json!({ "name": "Watch", "administrator": { "name": "Olga", "email": "olga@watch.example" } });
    redeem(site, &posted(&ada, "/tenants", &team));
    posted(&ada, "/members", &json!({ "email": "olga@watch.example", "roles": ["operations"] }));
    let olga = signed_in(site, "olga@watch.example", Some(&customer));
    (ada, signed_in(site, "arno@customer.example", None), olga)
}

fn mail(sink: &MailSink, ada: &Api) {
    let settings = json!({
        "enabled": true, "from": "quell@customer.example", "recipients": ["soc@customer.example"], "kinds": [],
        "smtp": { "host": "127.0.0.1", "port": sink.address().port(), "tls": "none" },
    });
    ada.put("/mail", &settings).unwrap().good().unwrap();
}

/// The first mail to this address that fits.
fn arrived(sink: &MailSink, to: &str, fits: impl Fn(&Received) -> bool) -> Received {
    let began = Instant::now();
    loop {
        let found =
            sink.messages().into_iter().find(|mail| mail.to.iter().any(|one| one == to) && fits(mail));
        if let Some(mail) = found {
            return mail;
        }
        let subjects: Vec<(Vec<String>, String)> =
            sink.messages().into_iter().map(|mail| (mail.to, mail.subject)).collect();
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "no such mail to {to} within thirty seconds: {subjects:?}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn token(mail: &Received) -> String {
    let link = mail.text.split_whitespace().find(|word| word.contains("/approve#")).unwrap();
    link.split_once('#').unwrap().1.to_owned()
}

/// A process on the endpoint, and the request to end it.
fn asked(olga: &Api, machine: &Machine, seconds: u32) -> (Value, u32) {
    said(machine, &format!("setsid sleep {seconds} >/dev/null 2>&1 & :"));
    let (pid, start_time) = process(machine, &format!("sleep {seconds}"));
    let body = json!({
        "action": "process.terminate", "params": { "pid": pid, "start_time": start_time },
        "targets": { "endpoints": [machine.name()] }, "reason": "beacon to a known bad address",
    });
    (posted(olga, "/tasks", &body), pid)
}

fn runs(machine: &Machine, pid: u32) -> bool {
    said(machine, &format!("test -d /proc/{pid} && echo yes || echo no")) == "yes"
}

#[test]
fn an_outside_team_asks_a_person_approves_by_mail_and_both_see_the_evidence() {
    let Some(site) = site() else { return };
    let sink = match MailSink::start() {
        Ok(sink) => sink,
        Err(error @ quell_lab::mail::Error::Python(_)) => {
            println!("skipped: {error}");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    let (ada, arno, olga) = people(&site);
    mail(&sink, &ada);

    let (web, db) = (site.machine("web-1").unwrap(), site.machine("db-1").unwrap());

    // It waits.
    let (task, pid) = asked(&olga, &web, 86_001);
    assert_eq!(task["state"], "pending_approval", "{task:#}");
    let letter = arrived(&sink, "arno@customer.example", |mail| mail.text.contains("/approve#"));
    assert!(letter.text.contains("web-1") && letter.text.contains("Olga"), "{}", letter.text);
    assert!(runs(&web, pid));
    assert!(
        !sink
            .messages()
            .iter()
            .any(|mail| mail.to.iter().any(|to| to.starts_with("olga@")) && mail.text.contains("/approve#"))
    );

    // The approver opens the link: it shows the deed, and decides nothing by itself.
    let token = token(&letter);
    let page = stranger(&site);
    let shown = posted(&page, "/approval-links/show", &json!({ "token": token }));
    assert_eq!(shown["request"]["state"], "pending", "{shown:#}");
    assert_eq!(shown["request"]["blast"]["endpoints"][0]["name"], "web-1");
    let decision = |password: &str| json!({ "token": token, "approve": true, "digest": shown["request"]["digest"], "password": password, "note": "go" });
    assert_eq!(
        page.post("/approval-links/decide", &decision("not the password at all")).unwrap().status,
        401
    );
    assert!(runs(&web, pid));
    let decided = posted(&page, "/approval-links/decide", &decision(PASSWORD));
    assert_eq!(decided["request"]["state"], "approved", "{decided:#}");

    // It runs, and both see the evidence.
    let ended = site.ended(&task).unwrap();
    succeeded(&ended);
    assert!(!runs(&web, pid));
    for who in [&olga, &arno] {
        let seen = who.get(&format!("/tasks/{}", id(&task))).unwrap().good().unwrap();
        assert!(
            succeeded(&seen)["evidence"].is_object() || succeeded(&seen)["evidence"].is_array(),
            "{seen:#}"
        );
    }
    arrived(&sink, "olga@watch.example", |mail| mail.text.to_lowercase().contains("approved"));
    assert_eq!(
        page.post("/approval-links/decide", &decision(PASSWORD)).unwrap().status,
        410,
        "a link is good once"
    );

    // Now the settings approve, but not on what is excepted.
    let policy = json!({ "managed": { "auto_approve": true } });
    ada.put("/approval-policy", &policy).unwrap().good().unwrap();
    let list = ada
        .put_raw("/approval-policy/lists/except", "text/csv", b"hostname\ndb-1\n".to_vec())
        .unwrap()
        .good()
        .unwrap();
    assert_eq!(list["is_stored"], true, "{list:#}");
    let (task, pid) = asked(&olga, &web, 86_002);
    assert_ne!(task["state"], "pending_approval", "{task:#}");
    succeeded(&site.ended(&task).unwrap());
    assert!(!runs(&web, pid));
    arrived(&sink, "soc@customer.example", |mail| {
        mail.text.contains(id(&task)) || mail.subject.to_lowercase().contains("approved by")
    });
    let (task, pid) = asked(&olga, &db, 86_003);
    assert_eq!(task["state"], "pending_approval", "{task:#}");
    assert!(runs(&db, pid));
    posted(
        &arno,
        &format!("/approvals/{}/reject", id(&task)),
        &json!({ "digest": task["intent_sha256"], "note": "that is the backup" }),
    );
    assert_eq!(site.ended(&task).unwrap()["state"], "rejected");
    assert!(runs(&db, pid));
}
