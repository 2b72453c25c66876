//! Mail: who gets which, with which link, and how many.

use quell_lab::mail::Received;
use quell_store::Tx;
use reqwest::Method;
use serde_json::json;

use super::{LIMIT, failed, happened, nearby, notices, put, set_up, sink};
use crate::world::{World, answer};

fn to(mails: &[Received], address: &str) -> Vec<Received> {
    mails.iter().filter(|mail| mail.to == [address]).cloned().collect()
}

#[tokio::test]
async fn settings_never_show_the_password_and_lend_it_to_nobody() {
    let world = World::new().await;
    let (status, empty) = world.get("/api/v1/mail").await;
    assert_eq!((status, &empty["enabled"], &empty["smtp"]), (200, &json!(false), &json!(null)));
    let settings = |host: &str, password: Option<&str>| {
        let mut smtp = json!({ "host": host, "port": 465, "tls": "tls", "username": "quell" });
        if let Some(password) = password {
            smtp["password"] = json!(password);
        }
        json!({ "from": "quell@quell.example", "smtp": smtp, "recipients": ["soc@quell.example"], "kinds": ["task_failed"] })
    };
    let (status, shown) = put(&world, "/api/v1/mail", settings("mail.quell.example", Some("hunter2"))).await;
    assert_eq!((status, &shown["smtp"]["has_password"]), (200, &json!(true)), "{shown}");
    assert!(!shown.to_string().contains("hunter2"));
    assert_eq!(put(&world, "/api/v1/mail", settings("mail.quell.example", None)).await.0, 200);
    let (status, problem) = put(&world, "/api/v1/mail", settings("evil.example", None)).await;
    assert_eq!((status, &problem["fields"][0]["field"]), (400, &json!("smtp.password")), "{problem}");
    for (field, change) in [
        ("from", json!({ "from": "a\r\nBcc: b@c.example" })),
        ("recipients[0]", json!({ "recipients": ["nobody"] })),
        ("kinds[0]", json!({ "kinds": ["nothing"] })),
        ("smtp.tls", json!({ "smtp": { "host": "mail.quell.example", "tls": "none" } })),
        ("smtp.host", json!({ "smtp": { "host": "a b" } })),
        ("smtp.ca", json!({ "smtp": { "host": "mail.quell.example", "ca": "none" } })),
        ("smtp.username", json!({ "smtp": { "host": "mail.quell.example", "password": "x" } })),
    ] {
        let mut body = settings("mail.quell.example", Some("hunter2"));
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        let (status, problem) = put(&world, "/api/v1/mail", body).await;
        assert_eq!((status, &problem["fields"][0]["field"]), (400, &json!(field)), "{problem}");
    }
    let (_, trail) = world.get("/api/v1/audit?verb=mail.set").await;
    assert!(!trail.to_string().contains("hunter2"));
    let database = std::fs::read(world.directory.path().join("quell.db")).unwrap();
    let log = std::fs::read(world.directory.path().join("quell.db-wal")).unwrap_or_default();
    for bytes in [database, log] {
        assert!(!bytes.windows(7).any(|seven| seven == b"hunter2"), "the password is in the database");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_tenant_other_than_the_first_reaches_no_relay_beside_the_server() {
    let world = World::new().await;
    let other = world.other_tenant().await;
    let key = world.key_of(other, "administrator").await;
    for (host, port, field) in [
        ("127.0.0.1", 25, "smtp.host"),
        ("169.254.169.254", 25, "smtp.host"),
        ("mail.quell.example", 6379, "smtp.port"),
    ] {
        let body = json!({ "from": "a@quell.example", "smtp": { "host": host, "port": port } });
        let request = world.with_key(Method::PUT, "/api/v1/mail", &key).json(&body);
        let (status, problem) = answer(request.send().await.unwrap()).await;
        assert_eq!((status, &problem["fields"][0]["field"]), (400, &json!(field)), "{problem}");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_test_mail_says_how_it_went() {
    let world = World::with(nearby).await;
    let sink = sink!();
    set_up(&world, &sink, &["soc@quell.example"]).await;
    let (status, tried) = world.post("/api/v1/mail/test", json!({})).await;
    assert_eq!((status, &tried["sent"]), (200, &json!(true)), "{tried}");
    let mails = sink.wait_for(1, LIMIT).await;
    assert_eq!(mails[0].to, ["soc@quell.example"]);
    assert_eq!(mails[0].subject, "[Quell] A test: mail from Quell arrives");
    let (_, tried) = world.post("/api/v1/mail/test", json!({ "to": "reject@quell.example" })).await;
    assert_eq!(tried["sent"], false);
    assert!(tried["problem"].as_str().unwrap().contains("550"), "{tried}");
    let ann = world.person("ann", &["administrator"]).await;
    assert_eq!(ann.post("/api/v1/mail/test", json!({})).await.1["sent"], true);
    assert_eq!(sink.wait_for(2, LIMIT).await[1].to, ["ann@quell.example"]);
    world.recorded("mail.test").await;
    world.stop().await;
}

#[tokio::test]
async fn a_template_is_tried_before_it_is_kept_and_used_afterwards() {
    let world = World::with(nearby).await;
    let sink = sink!();
    set_up(&world, &sink, &["soc@quell.example"]).await;
    let path = "/api/v1/mail/templates/task_failed";
    let (_, shown) = world.get(path).await;
    assert_eq!(shown["own"], json!([]));
    assert!(shown["text"].as_str().unwrap().contains("{% for entry in entries %}"));
    let (status, problem) = put(&world, path, json!({ "text": "a\n{{ headlne }}" })).await;
    assert_eq!((status, &problem["fields"][0]["field"]), (400, &json!("text")), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("line 2"), "{problem}");
    assert_eq!(put(&world, path, json!({ "html": "{% set a = 1 %}" })).await.0, 400);
    assert_eq!(put(&world, "/api/v1/mail/templates/nothing", json!({})).await.0, 404);
    let own = json!({ "subject": "Pager: {{ headline }}", "text": "{{ tenant }}/{{ state }}" });
    let (status, made) = world.post(&format!("{path}/preview"), own.clone()).await;
    assert!(status == 200 && made["subject"].as_str().unwrap().starts_with("Pager: "), "{made}");
    assert!(!made["text"].as_str().unwrap().contains("{{"), "{made}");
    let (status, problem) = world.post(&format!("{path}/preview"), json!({ "text": "{{ headlne }}" })).await;
    assert_eq!((status, &problem["fields"][0]["field"]), (400, &json!("text")), "{problem}");
    assert_eq!(world.get(path).await.1["own"], json!([]), "nothing is kept");
    let (_, kinds) = world.get("/api/v1/notices/kinds").await;
    assert!(kinds["items"].as_array().unwrap().iter().any(|kind| kind["name"] == "task_failed"), "{kinds}");
    assert_eq!(put(&world, path, own).await.1["own"], json!(["subject", "text"]));
    failed(&world, "endpoint.isolate").await;
    let mails = sink.wait_for(1, LIMIT).await;
    assert_eq!(mails[0].subject, "Pager: Isolate Endpoint: failed, 1 of 3 succeeded");
    assert_eq!(mails[0].text.trim_end(), "default/failed, 1 of 3 succeeded");
    let reset = world.request(Method::DELETE, path).send().await.unwrap();
    assert_eq!(reset.status(), 204);
    assert_eq!(world.get(path).await.1["own"], json!([]));
    world.stop().await;
}

#[tokio::test]
async fn those_who_may_decide_are_asked_each_by_a_link_of_their_own() {
    let world = World::with(nearby).await;
    let sink = sink!();
    set_up(&world, &sink, &["soc@quell.example"]).await;
    let olivia = world.person("olivia", &["operations"]).await;
    for (name, role) in
        [("ann", "approver"), ("bob", "administrator"), ("carl", "analyst"), ("dora", "auditor")]
    {
        world.account(world.tenant, name, &[role]).await;
    }
    // An account of the same human as the requester, which may decide, but not about this.
    let alias = world.account(world.tenant, "olive", &["approver"]).await;
    let human = olivia.id;
    world.store.write(move |tx| quell_store::person::merge_humans(tx, alias, human)).await.unwrap();
    world.endpoint("web-1").await;
    let body =
        json!({ "action": "endpoint.isolate", "targets": { "endpoints": ["web-1"] }, "reason": "beacon" });
    let (status, task) = olivia.post("/api/v1/tasks", body).await;
    assert_eq!((status, &task["state"]), (201, &json!("pending_approval")), "{task}");
    notices(&world, "?kind=approval_requested", |list| {
        list.first().is_some_and(|notice| {
            notice["deliveries"].as_array().unwrap().iter().all(|one| one["state"] == "sent")
        })
    })
    .await;
    let mails = sink.messages();
    let mut addressed: Vec<&str> = mails.iter().map(|mail| mail.to[0].as_str()).collect();
    addressed.sort_unstable();
    assert_eq!(addressed, ["ann@quell.example", "bob@quell.example", "soc@quell.example"]);
    let link = |mail: &Received| links(std::slice::from_ref(mail)).pop_first();
    let ann = to(&mails, "ann@quell.example").remove(0);
    assert_eq!(ann.subject, "[Quell] Approval wanted: Isolate Endpoint on web-1");
    for words in ["olivia", "beacon", "web-1", "1 of"] {
        assert!(ann.text.contains(words) && ann.html.contains(words), "{words}: {}", ann.text);
    }
    let links: Vec<String> = ["ann@quell.example", "bob@quell.example"]
        .iter()
        .map(|address| link(&to(&mails, address)[0]).unwrap())
        .collect();
    assert_ne!(links[0], links[1]);
    assert_eq!(link(&to(&mails, "soc@quell.example")[0]), None, "a mailbox decides nothing");
    // The database, the list of notices and the trail know of no link.
    let token = links[0].split('#').nth(1).unwrap();
    let database = std::fs::read(world.directory.path().join("quell.db")).unwrap();
    let log = std::fs::read(world.directory.path().join("quell.db-wal")).unwrap_or_default();
    for bytes in [database, log] {
        assert!(!bytes.windows(token.len()).any(|window| window == token.as_bytes()));
    }
    let show = world.http.post(format!("{}/api/v1/approval-links/show", world.base));
    let (status, shown) = answer(show.json(&json!({ "token": token })).send().await.unwrap()).await;
    assert_eq!(status, 200, "the link leads nowhere: {shown}");
    world.stop().await;
}

#[tokio::test]
async fn a_decision_is_told_to_who_asked() {
    let world = World::with(nearby).await;
    let sink = sink!();
    set_up(&world, &sink, &[]).await;
    let olivia = world.person("olivia", &["operations"]).await;
    let ann = world.person("ann", &["approver"]).await;
    world.endpoint("web-1").await;
    let body =
        json!({ "action": "endpoint.isolate", "targets": { "endpoints": ["web-1"] }, "reason": "beacon" });
    let (_, task) = olivia.post("/api/v1/tasks", body).await;
    let id = task["id"].as_str().unwrap();
    sink.wait_for(1, LIMIT).await;
    let (_, request) = ann.get(&format!("/api/v1/approvals/{id}")).await;
    let ballot = json!({ "digest": request["digest"], "note": "no <b>way</b>" });
    let (status, decided) = ann.post(&format!("/api/v1/approvals/{id}/reject"), ballot).await;
    assert_eq!(status, 200, "{decided}");
    let mails = sink.wait_for(2, LIMIT).await;
    assert_eq!(mails[1].to, ["olivia@quell.example"]);
    assert_eq!(mails[1].subject, "[Quell] Rejected by ann: Isolate Endpoint on web-1");
    assert!(mails[1].text.contains("no <b>way</b>") && mails[1].html.contains("no &lt;b&gt;way"));
    world.stop().await;
}

#[tokio::test]
async fn alike_notices_become_one_mail_and_none_is_lost() {
    let world = World::with(nearby).await;
    let sink = sink!();
    set_up(&world, &sink, &["soc@quell.example"]).await;
    failed(&world, "endpoint.isolate").await;
    sink.wait_for(1, LIMIT).await;
    for _ in 0..41 {
        failed(&world, "endpoint.isolate").await;
    }
    failed(&world, "file.quarantine").await;
    notices(&world, "?kind=task_failed", |list| list.len() == 43).await;
    assert_eq!(sink.wait_for(2, LIMIT).await.len(), 2, "the first of each");
    // The window is over.
    world
        .store
        .write(|tx: &mut Tx<'_>| {
            tx.execute("UPDATE delivery SET next_at = 1 WHERE state = 'pending' AND claim IS NULL", &[])
        })
        .await
        .unwrap();
    let mails = sink.wait_for(3, LIMIT).await;
    assert_eq!(mails.len(), 3);
    assert!(mails[2].subject.ends_with("(and 40 more)"), "{}", mails[2].subject);
    assert!(mails[2].text.contains("And 40 more of this kind"));
    world.stop().await;
}

fn links(mails: &[Received]) -> std::collections::BTreeSet<String> {
    let lines = mails.iter().flat_map(|mail| mail.text.lines());
    lines.filter(|line| line.contains("/approve#")).map(|line| line.trim().to_owned()).collect()
}

#[tokio::test]
async fn many_requests_become_one_mail_with_a_link_for_each() {
    let world = World::with(nearby).await;
    let sink = sink!();
    set_up(&world, &sink, &[]).await;
    let olivia = world.person("olivia", &["operations"]).await;
    world.account(world.tenant, "ann", &["approver"]).await;
    for number in 0..12 {
        world.endpoint(&format!("web-{number}")).await;
        let body = json!({ "action": "endpoint.isolate", "reason": "beacon",
            "targets": { "endpoints": [format!("web-{number}")] } });
        assert_eq!(olivia.post("/api/v1/tasks", body).await.0, 201);
    }
    notices(&world, "", |list| list.len() == 12).await;
    let hurry = |tx: &mut Tx<'_>| {
        tx.execute("UPDATE delivery SET next_at = 1 WHERE state = 'pending' AND claim IS NULL", &[])
    };
    world.store.write(hurry).await.unwrap();
    let list = notices(&world, "?limit=20", |list| {
        list.iter().all(|notice| notice["deliveries"][0]["state"] == "sent")
    })
    .await;
    assert_eq!(list.len(), 12);
    // What was sent may still be on its way from the mail server's output to here.
    let began = std::time::Instant::now();
    let (mails, links) = loop {
        let mails = sink.messages();
        let links = links(&mails);
        if links.len() >= 12 || began.elapsed() > LIMIT {
            break (mails, links);
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert_eq!(links.len(), 12, "each request has its link: {links:?}");
    assert!(mails.len() < 12, "{}", mails.len());
    assert!(mails.iter().any(|mail| mail.subject.contains("requests wait for your approval")));
    world.stop().await;
}

#[tokio::test]
async fn an_hour_has_a_bound_that_requests_for_approval_do_not_know() {
    let world = World::with(nearby).await;
    let sink = sink!();
    set_up(&world, &sink, &["soc@quell.example"]).await;
    failed(&world, "endpoint.isolate").await;
    sink.wait_for(1, LIMIT).await;
    // As if many had gone out within the hour.
    let many = |tx: &mut Tx<'_>| {
        for number in 0..300_i64 {
            tx.execute(
                "INSERT INTO delivery (tenant_id, id, notice_id, channel, destination, kind, state, created_at, next_at) \
                SELECT tenant_id, 'copy-' || CAST($1 AS TEXT), notice_id, channel, destination, kind, 'sent', created_at, \
                next_at FROM delivery WHERE fold_key IS NOT NULL AND id NOT LIKE 'copy-%' LIMIT 1",
                &[&number],
            )?;
        }
        Ok::<_, quell_store::Error>(())
    };
    world.store.write(many).await.unwrap();
    failed(&world, "file.collect").await;
    let held = |tx: &mut Tx<'_>| {
        tx.query("SELECT last_error FROM delivery WHERE state = 'held'", &[], |mut row| row.take::<String>())
    };
    let began = std::time::Instant::now();
    while world.store.read(held).await.unwrap() != ["more than 300 mails within an hour"] {
        assert!(began.elapsed() < LIMIT, "it is not held back");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let olivia = world.person("olivia", &["operations"]).await;
    world.endpoint("web-1").await;
    let body =
        json!({ "action": "endpoint.isolate", "targets": { "endpoints": ["web-1"] }, "reason": "beacon" });
    assert_eq!(olivia.post("/api/v1/tasks", body).await.0, 201);
    let mails = sink.wait_for(2, LIMIT).await;
    assert!(mails[1].subject.contains("Approval wanted"), "{}", mails[1].subject);
    let metrics = world.http.get(format!("{}/metrics", world.base)).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    assert!(metrics.contains("quell_changes_total{kind=\"delivery\",state=\"sent\"}"), "{metrics}");
    world.stop().await;
}

#[tokio::test]
async fn nobody_is_asked_about_what_was_decided() {
    let world = World::with(nearby).await;
    let sink = sink!();
    set_up(&world, &sink, &[]).await;
    let olivia = world.person("olivia", &["operations"]).await;
    let ann = world.person("ann", &["approver"]).await;
    let mut last = String::new();
    for number in 0..7 {
        world.endpoint(&format!("web-{number}")).await;
        let body = json!({ "action": "endpoint.isolate", "reason": "beacon",
            "targets": { "endpoints": [format!("web-{number}")] } });
        last = olivia.post("/api/v1/tasks", body).await.1["id"].as_str().unwrap().to_owned();
    }
    notices(&world, "", |list| list.len() == 7).await;
    let (_, request) = ann.get(&format!("/api/v1/approvals/{last}")).await;
    let ballot = json!({ "digest": request["digest"], "note": "no" });
    assert_eq!(ann.post(&format!("/api/v1/approvals/{last}/reject"), ballot).await.0, 200);
    let hurry = |tx: &mut Tx<'_>| {
        tx.execute("UPDATE delivery SET next_at = 1 WHERE state = 'pending' AND claim IS NULL", &[])
    };
    world.store.write(hurry).await.unwrap();
    let held = notices(&world, "?state=held", |list| !list.is_empty()).await;
    assert_eq!(held[0]["object_id"], last.as_str());
    notices(&world, "?state=pending", <[_]>::is_empty).await;
    assert_eq!(notices(&world, "?kind=approval_requested&state=sent", |list| list.len() == 6).await.len(), 6);
    world.stop().await;
}

#[tokio::test]
async fn the_loud_kinds_reach_those_who_answer_for_it() {
    let world = World::with(nearby).await;
    let sink = sink!();
    set_up(&world, &sink, &[]).await;
    for (name, role) in
        [("ann", "approver"), ("bob", "administrator"), ("sam", "security_officer"), ("carl", "analyst")]
    {
        world.account(world.tenant, name, &[role]).await;
    }
    happened(
        &world,
        ("break_glass.begin", "ok"),
        ("break_glass", "x"),
        json!({ "reason": "all is on fire" }),
    )
    .await;
    let mails = sink.wait_for(3, LIMIT).await;
    let mut addressed: Vec<&str> = mails.iter().map(|mail| mail.to[0].as_str()).collect();
    addressed.sort_unstable();
    assert_eq!(addressed, ["ann@quell.example", "bob@quell.example", "sam@quell.example"]);
    assert!(mails[0].subject.starts_with("[Quell] BREAK-GLASS:"), "{}", mails[0].subject);
    assert!(mails[0].text.contains("all is on fire"));
    world.stop().await;
}

#[tokio::test]
async fn what_could_not_be_sent_is_shown_and_sent_when_asked() {
    let world = World::with(nearby).await;
    let sink = sink!();
    set_up(&world, &sink, &["reject@quell.example"]).await;
    let id = failed(&world, "endpoint.isolate").await;
    let dead = notices(&world, "?state=dead", |list| !list.is_empty()).await;
    assert_eq!(dead[0]["id"], id.to_string());
    let delivery = &dead[0]["deliveries"][0];
    assert_eq!((&delivery["state"], &delivery["attempts"]), (&json!("dead"), &json!(3)));
    assert!(delivery["last_error"].as_str().unwrap().contains("550"));
    let (status, again) = world.post(&format!("/api/v1/notices/{id}/retry"), json!({})).await;
    assert_eq!((status, &again["deliveries"][0]["state"]), (200, &json!("pending")), "{again}");
    assert!(sink.messages().is_empty());
    world.recorded("notice.retry").await;
    world.stop().await;
}
