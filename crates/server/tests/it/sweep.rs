//! Sweeps over the whole API: every route with every role against a reviewed table, every object against another tenant,
//! every change against the audit trail. And the sweeps themselves, against routes that are wrong on purpose.

mod broken;
mod objects;

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::document::operations;
use crate::world::{Person, World, answer};
use broken::Broken;
use objects::{Objects, body, concrete};

/// The roles in the order of the table's letters.
const ROLES: [(char, &str); 6] = [
    ('A', "administrator"),
    ('S', "security_officer"),
    ('N', "analyst"),
    ('O', "operations"),
    ('P', "approver"),
    ('U', "auditor"),
];

/// Who may do what: kept apart from the code, reviewed line by line, and compared with what the server does.
const TABLE: &str = include_str!("sweep/table.txt");

/// Where requests go, and which routes are said to be there.
pub struct Surface {
    pub base: String,
    pub operations: Vec<(String, String, String)>,
}

impl Surface {
    fn of(world: &World) -> Self {
        Self { base: world.base.clone(), operations: operations() }
    }
}

/// Changes nothing that lasts, however often it is called: the beginning of a ceremony, a look. With the reason.
const CHANGES_NOTHING: &[(&str, &str)] = &[
    ("POST /api/v1/approval-links/show", "shows what a link asks"),
    ("POST /api/v1/approval-policy/try", "asks settings about a request that nobody makes"),
    ("POST /api/v1/blocklist/check", "looks at a file that nobody lists"),
    ("POST /api/v1/library/{kind}/check", "looks at a body that nobody adds"),
    ("POST /api/v1/incidents/{id}/respond/preview", "weighs a response; nobody asks for it"),
    ("POST /api/v1/protection/preview", "compiles settings that nobody stores"),
    ("POST /api/v1/tasks/preview", "weighs a request; `preview` counts the rows of all tables"),
    ("POST /api/v1/mail/templates/{kind}/preview", "words tried with made-up values"),
    ("POST /api/v1/tickets/show", "shows whose account a link is for"),
    ("POST /api/v1/session/passkey/begin", "a challenge, kept in memory for minutes"),
    ("POST /api/v1/passkeys/begin", "a challenge, kept in memory for minutes"),
    ("POST /api/v1/step-up/passkey/begin", "a challenge, kept in memory for minutes"),
    ("POST /api/v1/me/totp", "a secret that counts once it is confirmed"),
    ("POST /api/v1/sso/session", "hands out a session that the callback began and recorded"),
];

/// Changes that take a ceremony, a peer or a state of their own: the test that carries each out looks for this verb.
const TESTED_ELSEWHERE: &[(&str, &str, &str)] = &[
    ("POST /api/v1/approval-links/decide", "server/tests/it/approval.rs", "approval.approve"),
    ("POST /api/v1/setup", "server/tests/it/people.rs", "setup.close"),
    ("POST /api/v1/tickets/redeem", "server/tests/it/people.rs", "ticket.redeem"),
    ("POST /api/v1/me/totp/confirm", "server/tests/it/signing_in.rs", "person.enable_totp"),
    ("POST /api/v1/me/totp/remove", "server/tests/it/signing_in.rs", "person.remove_totp"),
    ("POST /api/v1/passkeys/finish", "server/tests/it/passkeys.rs", "passkey.create"),
    ("DELETE /api/v1/passkeys/{id}", "server/tests/it/passkeys.rs", "passkey.remove"),
    ("POST /api/v1/session/passkey/finish", "server/tests/it/passkeys.rs", "session.create"),
    ("POST /api/v1/step-up/passkey/finish", "server/tests/it/approval.rs", "step_up.create"),
    ("PUT /api/v1/blocklist/exceptions", "server/tests/it/blocklist.rs", "blocklist.except"),
    ("PUT /api/v1/trust", "server/tests/it/trust.rs", "trust.publish"),
    ("POST /api/v1/mail/test", "server/tests/it/notices/mail.rs", "mail.test"),
    ("POST /api/v1/webhooks/{id}/test", "server/tests/it/notices/webhook.rs", "webhook.test"),
    ("POST /api/v1/notices/{id}/retry", "server/tests/it/notices/mail.rs", "notice.retry"),
    ("POST /api/v1/shells/{id}/end", "lab/tests/e2e/shell.rs", "shell.stop"),
    ("POST /api/v1/shells/{id}/files", "lab/tests/e2e/shell.rs", "shell.give"),
    ("POST /api/v1/tasks/{id}/archive-password", "server/tests/it/tasks.rs", "archive_password.read"),
    ("POST /api/v1/library/{kind}/{name}/versions", "server/tests/it/library.rs", "library.add"),
    ("POST /api/v1/response-plans/{id}/undo", "engine/src/tests/response.rs", "plan.undo"),
    ("POST /api/v1/incidents/{id}/cut", "server/tests/it/response_plan.rs", "plan.submit"),
    ("POST /api/v1/tasks/{id}/undo", "engine/src/tests/undo.rs", "task.undo"),
];

fn method(name: &str) -> Method {
    name.parse().unwrap()
}

fn line(name: &str, path: &str) -> String {
    format!("{name} {path}")
}

/// The table: route to its permission and the letters of those who may.
fn table() -> BTreeMap<String, (String, String)> {
    let rows = TABLE.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    rows.map(|row| {
        let words: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(words.len(), 4, "{row}");
        (line(words[0], words[1]), (words[2].to_owned(), words[3].to_owned()))
    })
    .collect()
}

/// One signed-in person for each role.
async fn everybody(world: &World) -> Vec<(char, Person)> {
    let mut people = Vec::new();
    for (letter, role) in ROLES {
        people.push((letter, world.person(&role.replace('_', "-"), &[role]).await));
    }
    people
}

/// Routes that end or move the session that asks: they are not called in a row.
fn moves_session(route: &str) -> bool {
    route.contains("/session/") || route.ends_with("/session") || route.contains("/sessions/revoke-others")
}

/// Asks as whoever holds the token, in a way that changes nothing where it is let through: ids that name nothing, bodies of
/// a media type that no route takes.
async fn harmless(
    http: &reqwest::Client,
    surface: &Surface,
    (name, path): (&str, &str),
    token: Option<&str>,
) -> (u16, Value) {
    let mut nothing = path.to_owned();
    for part in ["{id}", "{tenant}", "{provider}"] {
        nothing = nothing.replace(part, &Uuid::from_u128(7).to_string());
    }
    let nothing = nothing
        .replace("{name}", "nothing")
        .replace("{kind}", "nothing")
        .replace("{version}", "1")
        .replace("{code}", "nothing");
    let mut request = http.request(method(name), format!("{}{nothing}", surface.base));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    if name != "GET" {
        request = request.header("content-type", "text/plain").body("x");
    }
    let sent = request.timeout(std::time::Duration::from_secs(10)).send().await.unwrap();
    if sent.headers().get("content-type").is_some_and(|kind| kind == "text/event-stream") {
        return (200, Value::Null);
    }
    answer(sent).await
}

/// Compares what the server lets everybody do with the table.
async fn role_violations(world: &World, surface: &Surface) -> Vec<String> {
    let (table, people) = (table(), everybody(world).await);
    // Where a way in leads on to is not looked at.
    let http =
        reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let mut wrong = Vec::new();
    for (name, path, permission) in &surface.operations {
        let route = line(name, path);
        let Some((named, letters)) = table.get(&route) else {
            wrong.push(format!("{route} ({permission}): stands not in the table"));
            continue;
        };
        if named != permission {
            wrong.push(format!("{route}: declares {permission}, the table says {named}"));
        }
        let (status, body) = harmless(&http, surface, (name, path), None).await;
        let asks =
            body["detail"].as_str().is_some_and(|detail| detail.starts_with("the request has no valid"));
        if (status == 401 && asks) == (permission == "none") {
            wrong.push(format!("{route}: {status} without a credential"));
        }
        if permission == "none" || moves_session(&route) {
            continue;
        }
        for (letter, person) in &people {
            let (status, body) = harmless(&http, surface, (name, path), Some(&person.token)).await;
            let may = letters == "any" || letters.contains(*letter);
            let is_denied = status == 403 && body["code"] == "forbidden";
            if is_denied == may {
                wrong.push(format!("{route}: {letter} gets {status} {}", body["detail"]));
            }
        }
    }
    let known: Vec<String> = surface.operations.iter().map(|(name, path, _)| line(name, path)).collect();
    wrong
        .extend(table.keys().filter(|route| !known.contains(route)).map(|route| format!("{route}: is gone")));
    wrong
}

/// Tries to reach each object of the world's tenant as an administrator of another.
async fn tenant_violations(world: &World, surface: &Surface) -> Vec<String> {
    let objects = Objects::new(world, 0, "").await;
    let other = world.other_tenant().await;
    let foreign = world.person_of(other, "foreign", &["administrator"]).await;
    let mut wrong = Vec::new();
    for (name, path, permission) in &surface.operations {
        let route = line(name, path);
        if permission == "none" {
            continue;
        }
        let concrete = concrete(path, &objects);
        if objects::names_an_object(path) {
            let mut request = world
                .http
                .request(method(name), format!("{}{concrete}", surface.base))
                .bearer_auth(&foreign.token);
            if name != "GET" {
                request = request.json(&body(&route, &objects).unwrap_or_else(|| json!({})));
            }
            let (status, answer) = answer(request.send().await.unwrap()).await;
            if status != 404 {
                wrong.push(format!("{route}: {status} for another tenant's object: {}", answer["detail"]));
            }
        } else if name == "GET" && !path.ends_with("/events") {
            let request = world.http.get(format!("{}{concrete}", surface.base)).bearer_auth(&foreign.token);
            let (status, list) = answer(request.send().await.unwrap()).await;
            if status != 200 {
                wrong.push(format!("{route}: {status} {}", list["detail"]));
            }
            let text = list.to_string();
            wrong.extend(
                objects
                    .ids()
                    .filter(|id| text.contains(id.as_str()))
                    .map(|id| format!("{route}: shows another tenant's {id}")),
            );
        }
    }
    wrong
}

/// Carries each change out, and looks for its record.
async fn audit_violations(world: &World, surface: &Surface) -> Vec<String> {
    let mut wrong = Vec::new();
    for (number, (name, path, permission)) in surface.operations.iter().enumerate() {
        let route = line(name, path);
        let is_listed = CHANGES_NOTHING.iter().any(|(known, _)| *known == route)
            || TESTED_ELSEWHERE.iter().any(|(known, _, _)| *known == route);
        if name == "GET" || is_listed {
            continue;
        }
        // Of their own for each route: what one changes, the next does not find changed.
        let objects = Objects::new(world, number + 1, path).await;
        let Some(body) = body(&route, &objects) else {
            wrong.push(format!("{route}: nobody says how to carry it out"));
            continue;
        };
        let mut request =
            world.http.request(method(name), format!("{}{}", surface.base, concrete(path, &objects)));
        if permission != "none" {
            request = request.bearer_auth(objects.token(&route));
        }
        let text = body.to_string();
        if let Some(proof) = objects.proof(&route, &text).await {
            request = request.header("quell-step-up", proof);
        }
        let request = if route.contains("/lists/") {
            request.header("content-type", "text/csv").body(format!("{}\n", objects.endpoint))
        } else {
            request.header("content-type", "application/json").body(text)
        };
        let before = world.audit_ids().await;
        let (status, answer) = answer(request.send().await.unwrap()).await;
        if !(200..300).contains(&status) {
            wrong.push(format!("{route}: {status} {answer}"));
        } else if world.audit_ids().await.is_subset(&before) {
            wrong.push(format!("{route}: left no record"));
        }
    }
    wrong
}

#[tokio::test]
async fn every_route_does_for_every_role_what_the_reviewed_table_says() {
    let world = World::new().await;
    let wrong = role_violations(&world, &Surface::of(&world)).await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    world.stop().await;
}

#[tokio::test]
async fn no_route_reaches_another_tenants_objects() {
    let world = World::new().await;
    let wrong = tenant_violations(&world, &Surface::of(&world)).await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    world.stop().await;
}

#[tokio::test]
async fn every_change_leaves_a_record() {
    let world = World::new().await;
    let wrong = audit_violations(&world, &Surface::of(&world)).await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let crates = concat!(env!("CARGO_MANIFEST_DIR"), "/../");
    for (route, file, verb) in TESTED_ELSEWHERE {
        let text = std::fs::read_to_string(format!("{crates}{file}")).unwrap();
        assert!(text.contains(verb), "{file} does not look for {verb}, the record of {route}");
    }
    world.stop().await;
}

/// A route that asks for no permission, shows objects of any tenant and records nothing: each sweep names it, and it alone.
#[tokio::test]
async fn the_sweeps_see_a_route_that_is_wrong() {
    let world = World::new().await;
    let broken = Broken::start(&world.base).await;
    let mut surface = Surface { base: broken.base.clone(), operations: operations() };
    surface.operations.retain(|(_, path, _)| path == "/api/v1/library/{kind}");
    for name in ["GET", "POST"] {
        surface.operations.push((name.to_owned(), "/api/v1/broken/{id}".to_owned(), "NONE".to_owned()));
    }
    let named = |wrong: &[String], words: &str| {
        assert!(
            wrong.iter().any(|line| line.contains("/broken/") && line.contains(words)),
            "{words}: {wrong:?}"
        );
        let gone = |line: &&String| !line.contains("/broken/") && !line.ends_with("is gone");
        assert_eq!(wrong.iter().find(gone), None, "{wrong:?}");
    };
    named(&role_violations(&world, &surface).await, "stands not in the table");
    named(&tenant_violations(&world, &surface).await, "200 for another tenant's object");
    named(&audit_violations(&world, &surface).await, "left no record");
    world.stop().await;
}
