//! Signing in, and what ends it.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use quell_access::totp;
use quell_engine::{Clock as _, SystemClock};
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{PASSWORD, World, answer};

/// A client of another address of this machine.
fn elsewhere(address: [u8; 4]) -> reqwest::Client {
    crate::world::client();
    reqwest::Client::builder().no_proxy().local_address(IpAddr::from(address)).build().unwrap()
}

async fn tried(world: &World, client: &reqwest::Client, body: Value) -> (u16, Value) {
    answer(client.post(format!("{}/api/v1/session", world.base)).json(&body).send().await.unwrap()).await
}

fn login(email: &str, password: &str) -> Value {
    json!({ "email": email, "password": password, "deliver": "token" })
}

#[tokio::test]
async fn a_person_signs_in_and_out() {
    let world = World::new().await;
    let maria = world.person("maria", &["analyst"]).await;
    let (status, me) = maria.get("/api/v1/tasks").await;
    assert_eq!(status, 200, "{me}");
    let (_, sessions) = maria.get("/api/v1/sessions").await;
    assert_eq!(sessions["items"][0]["current"], true);
    assert!(!sessions.to_string().contains(&maria.token));
    let (status, refreshed) = maria.post("/api/v1/session/refresh", json!({})).await;
    assert_eq!(status, 200, "{refreshed}");
    assert_eq!(maria.get("/api/v1/tasks").await.0, 401, "the token before is good no more");
    let fresh = crate::world::Person { token: refreshed["token"].as_str().unwrap().to_owned(), ..maria };
    assert_eq!(fresh.get("/api/v1/tasks").await.0, 200);
    assert_eq!(fresh.delete("/api/v1/session").await.0, 204);
    assert_eq!(fresh.get("/api/v1/tasks").await.0, 401);
    let (_, trail) = world.get("/api/v1/audit").await;
    let verbs: Vec<&str> =
        trail["items"].as_array().unwrap().iter().filter_map(|row| row["verb"].as_str()).collect();
    for verb in ["session.create", "session.refresh", "session.end"] {
        assert!(verbs.contains(&verb), "{verb} is not in {verbs:?}");
    }
    assert!(!trail.to_string().contains(&fresh.token) && !trail.to_string().contains(PASSWORD));
    world.stop().await;
}

#[tokio::test]
async fn every_failure_is_answered_alike() {
    let world = World::new().await;
    world.account(world.tenant, "maria", &["analyst"]).await;
    let disabled = world.account(world.tenant, "gone", &["analyst"]).await;
    world.store.write(move |tx| quell_store::person::set_state(tx, disabled, "disabled")).await.unwrap();
    let mut answers = Vec::new();
    for (email, password) in [
        ("maria@quell.example", "wrong horse battery"),
        ("nobody@quell.example", PASSWORD),
        ("gone@quell.example", PASSWORD),
        ("", ""),
    ] {
        let (status, mut problem) = tried(&world, &world.http, login(email, password)).await;
        problem["request_id"] = Value::Null;
        assert_eq!((status, &problem["code"]), (401, &json!("login_failed")), "{email}");
        answers.push(problem);
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    world.stop().await;
}

/// With passwords at their real cost: finding nobody must not be quicker than finding somebody.
#[tokio::test]
async fn nobody_takes_as_long_as_somebody() {
    let world =
        World::with(|config| config.limits.password_cost = quell_access::password::Cost::default()).await;
    let cost = quell_access::password::Cost::default();
    let hash = quell_access::password::hash(PASSWORD, &[1; 16], cost).unwrap();
    let id = world.account(world.tenant, "maria", &["analyst"]).await;
    world.store.write(move |tx| quell_store::person::set_password(tx, id, Some(&hash), 1)).await.unwrap();
    let mut quickest = [Duration::MAX; 2];
    for round in 0..8 {
        for (slot, email) in ["maria@quell.example", "nobody@quell.example"].into_iter().enumerate() {
            let began = Instant::now();
            let (status, _) =
                tried(&world, &world.http, login(email, &format!("wrong number {round}"))).await;
            assert_eq!(status, 401);
            quickest[slot] = quickest[slot].min(began.elapsed());
        }
    }
    let [somebody, nobody] = quickest.map(|time| time.as_secs_f64());
    // Without a hash to compare with, nobody would be found twenty times as fast; a busy machine is no such sign.
    assert!(nobody > somebody / 4.0 && nobody < somebody * 4.0, "{somebody} s and {nobody} s");
    world.stop().await;
}

#[tokio::test]
async fn guessing_locks_the_guesser_out_and_not_the_person() {
    let world = World::new().await;
    let maria = world.person("maria", &["analyst"]).await;
    let mut statuses = Vec::new();
    for number in 0..24_u8 {
        let attacker = elsewhere([127, 0, 1, number + 1]);
        let body = login("maria@quell.example", &format!("guess number {number}"));
        let request = attacker
            .post(format!("{}/api/v1/session", world.base))
            .header("x-forwarded-for", "127.0.0.1")
            .header("forwarded", "for=127.0.0.1")
            .header("x-real-ip", "127.0.0.1");
        statuses.push(request.json(&body).send().await.unwrap().status().as_u16());
    }
    assert_eq!(&statuses[..10], &[401; 10], "{statuses:?}");
    assert!(statuses[10..].iter().filter(|status| **status == 429).count() >= 12, "{statuses:?}");
    // The right password is rationed from there too; the person comes from where they always do, and is let in.
    let (status, problem) = tried(&world, &elsewhere([127, 0, 2, 1]), login(&maria.email, PASSWORD)).await;
    assert_eq!((status, &problem["code"]), (429, &json!("too_many_requests")));
    let (status, begun) = tried(&world, &world.http, login(&maria.email, PASSWORD)).await;
    assert_eq!(status, 200, "{begun}");
    assert_eq!(maria.get("/api/v1/tasks").await.0, 200);
    let began = Instant::now();
    loop {
        let (_, locked) = world.get("/api/v1/audit?verb=person.locked").await;
        let (_, refused) = world.get("/api/v1/audit?verb=session.refused").await;
        if locked["items"].as_array().unwrap().len() == 1 {
            assert_eq!(
                refused["items"].as_array().unwrap().len(),
                1,
                "a flood is one record a minute: {refused}"
            );
            break;
        }
        assert!(began.elapsed().as_secs() < 10, "no record of the lock: {locked}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.stop().await;
}

/// What was known of addresses is known after a restart as well.
#[tokio::test]
async fn a_restart_forgets_no_usual_address() {
    let world = World::new().await;
    let maria = world.person("maria", &["analyst"]).await;
    let world = World::at(world.stop().await).await;
    for number in 0..12 {
        tried(&world, &elsewhere([127, 0, 1, 1]), login(&maria.email, &format!("guess number {number}")))
            .await;
    }
    assert_eq!(tried(&world, &elsewhere([127, 0, 1, 2]), login(&maria.email, PASSWORD)).await.0, 429);
    assert_eq!(tried(&world, &world.http, login(&maria.email, PASSWORD)).await.0, 200);
    world.stop().await;
}

#[tokio::test]
async fn another_sites_page_neither_signs_in_nor_acts() {
    let world = World::new().await;
    world.account(world.tenant, "maria", &["administrator"]).await;
    let url = |path: &str| format!("{}/api/v1{path}", world.base);
    let body = json!({ "email": "maria@quell.example", "password": PASSWORD });
    for (name, value) in
        [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site"), ("x-nothing", "")]
    {
        let request = world.http.post(url("/session")).header(name, value).json(&body);
        let response = request.send().await.unwrap();
        assert!(!response.headers().contains_key("set-cookie"));
        let (status, problem) = answer(response).await;
        assert_eq!((status, &problem["code"]), (403, &json!("cross_site")), "{name}");
    }
    let own = world.http.post(url("/session")).header("sec-fetch-site", "same-origin").json(&body);
    let response = own.send().await.unwrap();
    assert_eq!(response.status(), 200);
    let cookie = response.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let (_, begun) = answer(response).await;
    assert!(begun["token"].is_null(), "the token of a cookie stands nowhere else");
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let asked = |method: Method, path: &str, origin: &str| {
        let request =
            world.http.request(method, url(path)).header("cookie", &cookie).header("origin", origin);
        request.json(&json!({ "name": "x", "role": "auditor" })).send()
    };
    assert_eq!(asked(Method::POST, "/api-keys", "https://evil.example").await.unwrap().status(), 403);
    assert_eq!(asked(Method::DELETE, "/session", "https://evil.example").await.unwrap().status(), 403);
    assert_eq!(asked(Method::POST, "/api-keys", &world.base).await.unwrap().status(), 201);
    let upgrade = world.http.get(url("/events")).header("cookie", &cookie).header("upgrade", "websocket");
    let crossed = upgrade.header("origin", "https://evil.example").send().await.unwrap();
    assert_eq!(crossed.status(), 403, "a WebSocket of another site's page");
    let out = asked(Method::DELETE, "/session", &world.base).await.unwrap();
    assert_eq!(out.status(), 204);
    assert!(out.headers()["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(asked(Method::POST, "/api-keys", &world.base).await.unwrap().status(), 401);
    world.stop().await;
}

#[tokio::test]
async fn a_session_that_ends_takes_its_live_stream_along() {
    let world = World::new().await;
    let maria = world.person("maria", &["analyst"]).await;
    let other = world.signed_in(maria.id, &maria.email).await;
    let mut stream = maria.request(Method::GET, "/api/v1/events").send().await.unwrap();
    assert!(stream.chunk().await.unwrap().is_some());
    assert_eq!(other.delete(&format!("/api/v1/sessions/{}", maria.session)).await.0, 204);
    let ended = tokio::time::timeout(Duration::from_secs(5), async {
        while stream.chunk().await.unwrap().is_some() {}
    });
    ended.await.unwrap();
    assert_eq!(maria.get("/api/v1/tasks").await.0, 401);
    assert_eq!(other.get("/api/v1/tasks").await.0, 200);
    let third = world.signed_in(maria.id, &maria.email).await;
    let (status, ended) = other.post("/api/v1/sessions/revoke-others", json!({})).await;
    assert_eq!((status, &ended["ended"]), (200, &json!(1)));
    assert_eq!((third.get("/api/v1/tasks").await.0, other.get("/api/v1/tasks").await.0), (401, 200));
    let foreign = world.person("ana", &["administrator"]).await;
    assert_eq!(foreign.delete(&format!("/api/v1/sessions/{}", other.session)).await.0, 404);
    world.stop().await;
}

#[tokio::test]
async fn an_idle_session_ends() {
    let world = World::new().await;
    let maria = world.person("maria", &["analyst"]).await;
    let id = maria.session.parse().unwrap();
    let tenant = world.tenant;
    world.store.write(move |tx| quell_store::session::touch(tx, tenant, id, 1)).await.unwrap();
    // What was read a moment ago is believed for that moment.
    let began = Instant::now();
    while maria.get("/api/v1/tasks").await.0 != 401 {
        assert!(began.elapsed().as_secs() < 5, "an idle session goes on");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    world.stop().await;
}

#[tokio::test]
async fn a_one_time_code_is_good_once() {
    let world = World::new().await;
    let maria = world.person("maria", &["analyst"]).await;
    let (status, begun) = maria.post("/api/v1/me/totp", json!({ "password": PASSWORD })).await;
    assert_eq!(status, 200, "{begun}");
    assert!(begun["uri"].as_str().unwrap().starts_with("otpauth://totp/Quell:maria@quell.example?secret="));
    let secret = decoded(begun["secret"].as_str().unwrap());
    let now = || SystemClock.now() / 1_000_000;
    let at = |offset: i64| totp::at(&secret, totp::step_at(now()) + offset);
    // Not yet asked for: it is not confirmed.
    assert_eq!(tried(&world, &world.http, login(&maria.email, PASSWORD)).await.0, 200);
    let wrong = json!({ "enrolment": begun["enrolment"], "code": "000000" });
    assert_eq!(maria.post("/api/v1/me/totp/confirm", wrong).await.0, 400);
    let code = at(0);
    let confirm = json!({ "enrolment": begun["enrolment"], "code": code });
    let (status, enabled) = maria.post("/api/v1/me/totp/confirm", confirm).await;
    assert_eq!(status, 200, "{enabled}");
    let codes = enabled["recovery_codes"].as_array().unwrap().clone();
    assert_eq!(codes.len(), 10);

    let (status, problem) = tried(&world, &world.http, login(&maria.email, PASSWORD)).await;
    assert_eq!((status, &problem["code"]), (401, &json!("totp_needed")));
    let with = |name: &str, code: &str| {
        let mut body = login(&maria.email, PASSWORD);
        body[name] = json!(code);
        body
    };
    let wrong = login(&maria.email, "wrong horse battery");
    assert_eq!(
        tried(&world, &world.http, wrong).await.1["code"],
        "login_failed",
        "the code is asked for after the password"
    );
    assert_eq!(
        tried(&world, &world.http, with("totp", &code)).await.0,
        401,
        "the code that confirmed is used"
    );
    // The clock may go on meanwhile, but not back: the next code is good already.
    let fresh = at(1);
    assert_eq!(tried(&world, &world.http, with("totp", &fresh)).await.0, 200);
    assert_eq!(tried(&world, &world.http, with("totp", &fresh)).await.0, 401, "a code is good once");
    let one = codes[0].as_str().unwrap();
    assert_eq!(tried(&world, &world.http, with("recovery", one)).await.0, 200);
    assert_eq!(
        tried(&world, &world.http, with("recovery", one)).await.0,
        401,
        "a recovery code is good once"
    );

    assert_eq!(
        maria.post("/api/v1/me/totp/remove", json!({ "password": "wrong horse battery" })).await.0,
        401
    );
    assert_eq!(maria.post("/api/v1/me/totp/remove", json!({ "password": PASSWORD })).await.0, 204);
    assert_eq!(tried(&world, &world.http, login(&maria.email, PASSWORD)).await.0, 200);
    let (_, trail) = world.get("/api/v1/audit").await;
    assert!(
        !trail.to_string().contains(one) && !trail.to_string().contains(begun["secret"].as_str().unwrap())
    );
    world.recorded("person.enable_totp").await;
    world.recorded("person.remove_totp").await;
    world.stop().await;
}

fn decoded(text: &str) -> Vec<u8> {
    let digit = |c: u8| b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".iter().position(|known| *known == c).unwrap();
    let bits: Vec<u8> =
        text.bytes().flat_map(|c| (0..5).rev().map(move |bit| (digit(c) >> bit & 1) as u8)).collect();
    bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |value, bit| value << 1 | bit)).collect()
}

#[tokio::test]
async fn a_password_is_changed_by_whoever_knows_it() {
    let world = World::new().await;
    let maria = world.person("maria", &["analyst"]).await;
    let other = world.signed_in(maria.id, &maria.email).await;
    let change = |old: &str, new: &str| json!({ "old": old, "new": new });
    assert_eq!(
        maria.post("/api/v1/me/password", change("wrong horse battery", "another good one!")).await.0,
        401
    );
    let (status, problem) = maria.post("/api/v1/me/password", change(PASSWORD, "password1234")).await;
    assert_eq!((status, &problem["fields"][0]["field"]), (400, &json!("new")));
    assert_eq!(maria.post("/api/v1/me/password", change(PASSWORD, "another good one!")).await.0, 204);
    assert_eq!(other.get("/api/v1/tasks").await.0, 401, "a new password ends all other sessions");
    assert_eq!(maria.get("/api/v1/tasks").await.0, 200);
    assert_eq!(tried(&world, &world.http, login(&maria.email, PASSWORD)).await.0, 401);
    assert_eq!(tried(&world, &world.http, login(&maria.email, "another good one!")).await.0, 200);
    world.stop().await;
}
