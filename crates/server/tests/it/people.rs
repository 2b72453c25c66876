//! People of a tenant: set-up, invitations, roles, members of other tenants, and what nobody may do.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{PASSWORD, Person, World, answer};

async fn open(world: &World, path: &str, body: Value) -> (u16, Value) {
    answer(world.http.post(format!("{}/api/v1{path}", world.base)).json(&body).send().await.unwrap()).await
}

fn set_up(world: &World) -> Value {
    let code = std::fs::read_to_string(world.directory.path().join("setup.code")).unwrap();
    json!({
        "code": code.trim(), "organisation": "Acme", "name": "Maria", "email": "maria@quell.example", "password": PASSWORD,
    })
}

#[tokio::test]
async fn the_first_set_up_closes_itself_for_good() {
    let world = World::new().await;
    let is_open = async |world: &World| {
        answer(world.http.get(format!("{}/api/v1/setup", world.base)).send().await.unwrap()).await.1["open"]
            .clone()
    };
    assert_eq!(is_open(&world).await, true);
    let right = set_up(&world);
    let wrong = json!({ "code": "aaaaaa-aaaaaa-aaaaaa-aaaaaa", "name": "x", "email": "x@y.example", "password": PASSWORD });
    assert_eq!(open(&world, "/setup", wrong).await.0, 403);
    let mut weak = right.clone();
    weak["password"] = json!("maria1234567");
    assert_eq!(open(&world, "/setup", weak).await.1["fields"][0]["field"], "password");
    // Five at once: one sets up.
    let tries: Vec<_> = (0..5)
        .map(|number| {
            let mut body = right.clone();
            body["email"] = json!(format!("maria{number}@quell.example"));
            let request = world.http.post(format!("{}/api/v1/setup", world.base)).json(&body);
            tokio::spawn(async move { answer(request.send().await.unwrap()).await })
        })
        .collect();
    let mut statuses = Vec::new();
    for each in tries {
        statuses.push(each.await.unwrap().0);
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 410, 410, 410, 410]);
    let (status, problem) = open(&world, "/setup", right.clone()).await;
    assert_eq!((status, &problem["code"]), (410, &json!("setup_closed")));
    assert_eq!(is_open(&world).await, false);
    assert!(!world.directory.path().join("setup.code").exists());
    // The first key is theirs now.
    let (_, keys) = world.get("/api/v1/api-keys").await;
    assert!(keys["items"][0]["owner"].is_string(), "{keys}");
    let (_, people) = world.get("/api/v1/people").await;
    assert_eq!(people["items"].as_array().unwrap().len(), 1);
    let id = people["items"][0]["id"].as_str().unwrap().parse::<Uuid>().unwrap();
    // Neither a restart, nor that nobody is left, opens it again.
    let world_tenant = world.tenant;
    world.store.write(move |tx| quell_store::membership::delete_all(tx, world_tenant, id)).await.unwrap();
    world.store.write(move |tx| quell_store::person::set_state(tx, id, "disabled")).await.unwrap();
    world.recorded("setup.close").await;
    let world = World::at(world.stop().await).await;
    assert_eq!(is_open(&world).await, false);
    assert!(!world.directory.path().join("setup.code").exists());
    assert_eq!(open(&world, "/setup", right).await.0, 410);
    world.stop().await;
}

async fn invited(by: &Person, name: &str, roles: &[&str]) -> Value {
    let body = json!({ "name": name, "email": format!("{name}@quell.example"), "roles": roles });
    let (status, invited) = by.post("/api/v1/people", body).await;
    assert_eq!(status, 201, "{invited}");
    invited
}

#[tokio::test]
async fn an_invitation_is_good_once() {
    let world = World::new().await;
    let admin = world.person("admin", &["administrator"]).await;
    let invited = invited(&admin, "ana", &["analyst"]).await;
    let token = invited["ticket"]["token"].as_str().unwrap();
    assert_eq!(invited["state"], "invited");
    assert!(invited["ticket"]["link"].as_str().unwrap().ends_with(&format!("/welcome#{token}")));
    let redeem = |token: &str, password: &str| {
        let body = json!({ "token": token, "password": password });
        let request = world.http.post(format!("{}/api/v1/tickets/redeem", world.base)).json(&body);
        async move { answer(request.send().await.unwrap()).await }
    };
    assert_eq!(redeem("qt_nonsense", PASSWORD).await.1["code"], "ticket_gone");
    let shown = open(&world, "/tickets/show", json!({ "token": token })).await;
    assert_eq!(
        (shown.0, &shown.1["kind"], &shown.1["email"]),
        (200, &json!("invitation"), &json!("ana@quell.example"))
    );
    let nonsense = open(&world, "/tickets/show", json!({ "token": "qt_nonsense" })).await;
    assert_eq!((nonsense.0, &nonsense.1["code"]), (410, &json!("ticket_gone")));
    assert_eq!(redeem(token, "too short").await.0, 400);
    let (one, two) = tokio::join!(redeem(token, PASSWORD), redeem(token, PASSWORD));
    let mut statuses = [one.0, two.0];
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 410]);
    assert_eq!(redeem(token, PASSWORD).await.0, 410);
    assert_eq!(open(&world, "/tickets/show", json!({ "token": token })).await.0, 410, "it was used");
    let id: Uuid = invited["id"].as_str().unwrap().parse().unwrap();
    let ana = world.signed_in(id, "ana@quell.example").await;
    assert_eq!(ana.get("/api/v1/me").await.1["roles"], json!(["analyst"]));
    let again = admin.post("/api/v1/people", json!({ "name": "x", "email": "ANA@quell.example" })).await;
    assert_eq!(again.0, 409, "one account an address");

    // A new way in ends the old one, and everything that was begun with it.
    let (status, reset) = admin.post(&format!("/api/v1/people/{id}/reset"), json!({})).await;
    assert_eq!(status, 201);
    assert_eq!(ana.get("/api/v1/me").await.0, 401);
    let login = json!({ "email": "ana@quell.example", "password": PASSWORD, "deliver": "token" });
    assert_eq!(open(&world, "/session", login).await.0, 401, "the password is good no more");
    let (_, newer) = admin.post(&format!("/api/v1/people/{id}/reset"), json!({ "totp": true })).await;
    assert_eq!(
        redeem(reset["ticket"]["token"].as_str().unwrap(), PASSWORD).await.0,
        410,
        "a newer link voids it"
    );
    assert_eq!(redeem(newer["ticket"]["token"].as_str().unwrap(), PASSWORD).await.0, 204);
    world.signed_in(id, "ana@quell.example").await;
    let (_, trail) = world.get("/api/v1/audit").await;
    for secret in [token, newer["ticket"]["token"].as_str().unwrap(), PASSWORD] {
        assert!(!trail.to_string().contains(secret), "a secret stands in the trail");
    }
    world.recorded("ticket.redeem").await;
    world.stop().await;
}

#[tokio::test]
async fn what_is_taken_is_gone_with_the_next_request() {
    let world = World::new().await;
    let admin = world.person("admin", &["administrator"]).await;
    let ana = world.person("ana", &["analyst", "auditor"]).await;
    assert_eq!(ana.get("/api/v1/audit").await.0, 200);
    let key = ana.post("/api/v1/api-keys", json!({ "name": "k", "role": "auditor" })).await;
    assert_eq!(key.0, 403, "an analyst makes no keys");
    let roles = format!("/api/v1/people/{}/roles", ana.id);
    let (status, person) = admin.put(&roles, json!({ "roles": ["analyst"] })).await;
    assert_eq!((status, person["roles"].as_array().unwrap().len()), (200, 1), "{person}");
    assert_eq!(ana.get("/api/v1/audit").await.0, 403);
    assert_eq!(ana.get("/api/v1/tasks").await.0, 200);
    assert_eq!(admin.put(&roles, json!({ "roles": ["wizard"] })).await.0, 400);
    assert_eq!(admin.put(&roles, json!({ "roles": [] })).await.0, 200);
    assert_eq!(ana.get("/api/v1/tasks").await.0, 401, "who is nothing here has no session here");
    assert_eq!(admin.put(&roles, json!({ "roles": ["administrator"] })).await.0, 200);
    let ana = world.signed_in(ana.id, &ana.email).await;
    let (_, key) = ana.post("/api/v1/api-keys", json!({ "name": "k", "role": "analyst" })).await;
    let key = key["text"].as_str().unwrap();
    let asked =
        async || world.with_key(Method::GET, "/api/v1/tasks", key).send().await.unwrap().status().as_u16();
    assert_eq!(asked().await, 200);
    let state = format!("/api/v1/people/{}", ana.id);
    assert_eq!(admin.patch(&state, json!({ "state": "disabled" })).await.0, 200);
    assert_eq!((ana.get("/api/v1/tasks").await.0, asked().await), (401, 401), "their sessions and keys end");
    let (_, enabled) = admin.patch(&state, json!({ "state": "active", "name": "Ana Maria" })).await;
    assert_eq!((&enabled["state"], &enabled["name"]), (&json!("active"), &json!("Ana Maria")));
    assert_eq!((ana.get("/api/v1/tasks").await.0, asked().await), (401, 200), "sessions stay ended");
    world.stop().await;
}

#[tokio::test]
async fn nobody_gives_what_they_do_not_have() {
    let world = World::new().await;
    let admin = world.person("admin", &["administrator"]).await;
    let (status, role) = admin
        .post(
            "/api/v1/roles",
            json!({ "name": "people office", "grants": { "permissions": ["person.read", "person.manage", "task.read"] } }),
        )
        .await;
    assert_eq!(status, 201, "{role}");
    let office = world.person("office", &[role["id"].as_str().unwrap()]).await;
    let ana = world.person("ana", &["analyst"]).await;
    assert_eq!(
        office.get("/api/v1/me").await.1["permissions"],
        json!(["task.read", "person.read", "person.manage"])
    );
    let roles = |id: Uuid| format!("/api/v1/people/{id}/roles");
    for (person, wanted) in [(&office, "administrator"), (&ana, "approver"), (&ana, "security_officer")] {
        let (status, problem) = office.put(&roles(person.id), json!({ "roles": [wanted] })).await;
        assert_eq!((status, &problem["code"]), (403, &json!("forbidden")), "{wanted}");
    }
    let grants = json!({ "permissions": ["approval.decide"] });
    assert_eq!(office.post("/api/v1/roles", json!({ "name": "more", "grants": grants })).await.0, 403);
    let wider = json!({ "name": "people office", "grants": { "permissions": ["*"] } });
    let own = format!("/api/v1/roles/{}", role["id"].as_str().unwrap());
    assert_eq!(office.put(&own, wider).await.0, 403);
    let body = json!({ "name": "eve", "email": "eve@quell.example", "roles": ["administrator"] });
    assert_eq!(office.post("/api/v1/people", body).await.0, 403);
    // Nor takes over who may more.
    assert_eq!(office.post(&format!("/api/v1/people/{}/reset", admin.id), json!({})).await.0, 403);
    assert_eq!(
        office.patch(&format!("/api/v1/people/{}", admin.id), json!({ "state": "disabled" })).await.0,
        403
    );
    assert_eq!(office.put(&roles(admin.id), json!({ "roles": [] })).await.0, 403);
    assert_eq!(admin.get("/api/v1/me").await.0, 200);
    // A program makes nobody who could decide in its place.
    for wanted in ["administrator", "approver"] {
        let body = json!({ "name": "eve", "email": "eve@quell.example", "roles": [wanted] });
        assert_eq!(world.post("/api/v1/people", body).await.0, 403, "{wanted} from an API key");
    }
    let body = json!({ "name": "eve", "email": "eve@quell.example", "roles": ["auditor", "people office"] });
    assert_eq!(world.post("/api/v1/people", body).await.0, 403, "break_glass.review is for people too");
    let body = json!({ "name": "eve", "email": "eve@quell.example", "roles": ["analyst"] });
    assert_eq!(world.post("/api/v1/people", body).await.0, 201);
    world.stop().await;
}

#[tokio::test]
async fn a_role_of_the_tenant_grants_what_it_says_now() {
    let world = World::new().await;
    let admin = world.person("admin", &["administrator"]).await;
    let make = |permissions: &[&str]| json!({ "name": "triage", "description": "first look", "grants": { "permissions": permissions, "actions": ["endpoint.*"], "tags": ["lab"] } });
    let (status, role) = admin.post("/api/v1/roles", make(&["task.read", "endpoint.read"])).await;
    assert_eq!(status, 201, "{role}");
    let path = format!("/api/v1/roles/{}", role["id"].as_str().unwrap());
    for bad in [make(&["nothing.at_all"]), json!({ "name": "auditor", "grants": { "permissions": [] } })] {
        assert_eq!(admin.post("/api/v1/roles", bad).await.0, 400);
    }
    assert_eq!(admin.post("/api/v1/roles", make(&[])).await.0, 409, "a name is taken once");
    let ana = world.account(world.tenant, "ana", &[]).await;
    assert_eq!(
        admin.put(&format!("/api/v1/people/{ana}/roles"), json!({ "roles": ["triage"] })).await.0,
        200
    );
    let ana = world.signed_in(ana, "ana@quell.example").await;
    assert_eq!((ana.get("/api/v1/tasks").await.0, ana.get("/api/v1/endpoints").await.0), (200, 200));
    assert_eq!(ana.get("/api/v1/me").await.1["reach"]["endpoint.read"], json!(["lab"]));
    assert_eq!(admin.delete(&path).await.0, 409, "somebody has it");
    assert_eq!(admin.put(&path, make(&["endpoint.read"])).await.0, 200);
    assert_eq!((ana.get("/api/v1/tasks").await.0, ana.get("/api/v1/endpoints").await.0), (403, 200));
    assert_eq!(
        admin.put(&format!("/api/v1/people/{}/roles", ana.id), json!({ "roles": ["auditor"] })).await.0,
        200
    );
    assert_eq!(admin.delete(&path).await.0, 204);
    let (_, roles) = admin.get("/api/v1/roles").await;
    assert_eq!(roles["items"].as_array().unwrap().len(), quell_access::Role::ALL.len());
    let (_, permissions) = admin.get("/api/v1/permissions").await;
    assert_eq!(permissions["items"].as_array().unwrap().len(), quell_access::Permission::ALL.len());
    world.stop().await;
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let world = World::new().await;
    let admin = world.person("admin", &["administrator"]).await;
    let state = format!("/api/v1/people/{}", admin.id);
    let roles = format!("{state}/roles");
    for (status, problem) in [
        admin.put(&roles, json!({ "roles": ["analyst"] })).await,
        admin.patch(&state, json!({ "state": "disabled" })).await,
    ] {
        assert_eq!((status, &problem["code"]), (409, &json!("last_administrator")));
    }
    assert_eq!(admin.get("/api/v1/me").await.1["roles"], json!(["administrator"]));
    // Two who take it from each other at once: one of them stays.
    let second = world.person("second", &["administrator"]).await;
    let other = format!("/api/v1/people/{}/roles", second.id);
    let none = json!({ "roles": [] });
    let (one, two) = tokio::join!(admin.put(&other, none.clone()), second.put(&roles, none.clone()));
    let mut statuses = [one.0, two.0];
    statuses.sort_unstable();
    assert_eq!(statuses[0], 200, "{one:?} {two:?}");
    assert!([401, 403, 409].contains(&statuses[1]), "{one:?} {two:?}");
    let tenant = world.tenant;
    let left = world
        .store
        .read(move |tx| quell_store::membership::holders(tx, tenant, "administrator"))
        .await
        .unwrap();
    assert_eq!(left, 1);
    world.stop().await;
}

#[tokio::test]
async fn a_tenant_is_made_with_its_administrator_and_sees_nothing_of_others() {
    let world = World::new().await;
    let admin = world.person("admin", &["administrator"]).await;
    let body =
        json!({ "name": "customer", "administrator": { "name": "Carl", "email": "carl@customer.example" } });
    let (status, made) = admin.post("/api/v1/tenants", body).await;
    assert_eq!(status, 201, "{made}");
    let carl: Uuid = made["administrator"]["id"].as_str().unwrap().parse().unwrap();
    let redeem = json!({ "token": made["ticket"]["token"], "password": PASSWORD });
    assert_eq!(open(&world, "/tickets/redeem", redeem).await.0, 204);
    let carl = world.signed_in(carl, "carl@customer.example").await;
    assert_eq!(carl.get("/api/v1/me").await.1["tenant"]["name"], "customer");
    let again = json!({ "name": "another", "administrator": { "name": "x", "email": "x@y.example" } });
    assert_eq!(
        carl.post("/api/v1/tenants", again).await.0,
        403,
        "only the server's own tenant makes tenants"
    );
    let kept = json!({ "name": "Default", "administrator": { "name": "x", "email": "x@y.example" } });
    assert_eq!(admin.post("/api/v1/tenants", kept).await.0, 400, "that name is the first tenant's");
    assert_eq!(carl.get("/api/v1/tenants?all=true").await.0, 403);
    assert_eq!(admin.get("/api/v1/tenants?all=true").await.1["items"].as_array().unwrap().len(), 2);
    assert_eq!(admin.get("/api/v1/tenants").await.1["items"].as_array().unwrap().len(), 1);
    // People of the one are not there for the other.
    let ana = world.person("ana", &["analyst"]).await;
    let (_, listed) = carl.get("/api/v1/people").await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    for (method, path, body) in [
        (Method::GET, "", json!({})),
        (Method::PATCH, "", json!({ "name": "x" })),
        (Method::PUT, "/roles", json!({ "roles": ["analyst"] })),
        (Method::POST, "/reset", json!({})),
        (Method::POST, "/link", json!({ "person": carl.id })),
    ] {
        let path = format!("/api/v1/people/{}{path}", ana.id);
        let (status, problem) =
            answer(carl.request(method.clone(), &path).json(&body).send().await.unwrap()).await;
        assert_eq!((status, &problem["code"]), (404, &json!("not_found")), "{method} {path}");
    }
    let link = format!("/api/v1/people/{}/link", carl.id);
    assert_eq!(carl.post(&link, json!({ "person": ana.id })).await.0, 404);
    assert_eq!(carl.post("/api/v1/session/tenant", json!({ "tenant": world.tenant })).await.0, 404);
    assert_eq!(
        carl.get("/api/v1/me").await.1["tenant"]["name"],
        "customer",
        "a switch that fails ends nothing"
    );
    // Its trail begins with how it came to be.
    let (_, trail) = carl.get("/api/v1/audit?verb=tenant.create").await;
    assert_eq!(trail["items"].as_array().unwrap().len(), 1);
    world.stop().await;
}

#[tokio::test]
async fn an_outside_team_serves_a_tenant_that_let_it_in() {
    let world = World::new().await;
    let ops = world.person("ops", &["analyst"]).await;
    let other = world.other_tenant().await;
    let carl = world.person_of(other, "carl", &["administrator"]).await;
    let member = |email: &str| json!({ "email": email, "roles": ["operations"] });
    assert_eq!(carl.post("/api/v1/members", member("nobody@quell.example")).await.0, 404);
    let (status, added) = carl.post("/api/v1/members", member("OPS@quell.example")).await;
    assert_eq!((status, &added["at_home"]), (201, &json!(false)), "{added}");
    let person = format!("/api/v1/people/{}", ops.id);
    // The account is its home's.
    assert_eq!(carl.patch(&person, json!({ "state": "disabled" })).await.0, 403);
    assert_eq!(carl.post(&format!("{person}/reset"), json!({})).await.0, 403);
    assert_eq!(
        carl.post(&format!("/api/v1/people/{}/link", carl.id), json!({ "person": ops.id })).await.0,
        403
    );
    // The tenant is said by the session, and changing it changes the token.
    let (status, there) = ops.post("/api/v1/session/tenant", json!({ "tenant": other })).await;
    assert_eq!(status, 200, "{there}");
    assert_eq!(there["roles"], json!(["operations"]));
    assert_eq!(ops.get("/api/v1/me").await.0, 401);
    let there = Person { token: there["token"].as_str().unwrap().to_owned(), ..ops.clone() };
    assert_eq!(there.get("/api/v1/me").await.1["tenant"]["id"], other.to_string());
    let (_, tenants) = there.get("/api/v1/tenants").await;
    assert_eq!(tenants["items"].as_array().unwrap().len(), 2);
    assert_eq!(carl.put(&format!("{person}/roles"), json!({ "roles": [] })).await.0, 200);
    assert_eq!(there.get("/api/v1/me").await.0, 401);
    let home = world.signed_in(ops.id, &ops.email).await;
    assert_eq!(home.get("/api/v1/me").await.1["tenant"]["id"], world.tenant.to_string());
    assert_eq!(carl.get(&person).await.0, 404, "who is nothing here is not shown here");
    world.stop().await;
}

#[tokio::test]
async fn accounts_of_one_human_count_as_one() {
    let world = World::new().await;
    let admin = world.person("admin", &["administrator"]).await;
    let (one, two) = (world.person("one", &["analyst"]).await, world.person("two", &["approver"]).await);
    let (status, linked) =
        admin.post(&format!("/api/v1/people/{}/link", one.id), json!({ "person": two.id })).await;
    assert_eq!(status, 200, "{linked}");
    let human = |id: Uuid| {
        let admin = admin.clone();
        async move { admin.get(&format!("/api/v1/people/{id}")).await.1["human"].clone() }
    };
    assert_eq!(human(one.id).await, human(two.id).await);
    assert_ne!(human(one.id).await, human(admin.id).await);
    world.stop().await;
}

fn digest_of(body: &str) -> String {
    quell_wire::digest::hex(&quell_wire::digest::sha256(&[body.as_bytes()]))
}

/// Proofs themselves; what asks for one is tested where it is.
#[tokio::test]
async fn a_confirmation_wants_the_person() {
    let world = World::new().await;
    let maria = world.person("maria", &["administrator"]).await;
    let body = json!({ "request": digest_of("{}"), "password": PASSWORD });
    assert_eq!(world.post("/api/v1/step-up", body.clone()).await.0, 403, "a program confirms nothing");
    let (status, proof) = maria.post("/api/v1/step-up", body).await;
    assert_eq!((status, proof["proof"].as_str().unwrap().len()), (201, 43), "{proof}");
    for (wrong, status) in [
        (json!({ "request": digest_of("{}"), "password": "wrong horse battery" }), 401),
        (json!({ "request": digest_of("{}") }), 400),
        (json!({ "request": digest_of("{}"), "totp": "123456" }), 400),
        (json!({ "request": "abc", "password": PASSWORD }), 400),
    ] {
        assert_eq!(maria.post("/api/v1/step-up", wrong.clone()).await.0, status, "{wrong}");
    }
    // A stolen session guesses no password.
    let mut statuses = Vec::new();
    for number in 0..14 {
        let guess = json!({ "request": digest_of("{}"), "password": format!("guess number {number}") });
        statuses.push(maria.post("/api/v1/step-up", guess).await.0);
    }
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
    world.stop().await;
}
