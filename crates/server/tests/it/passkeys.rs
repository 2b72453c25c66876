//! Passkeys: adding one, signing in with it, confirming with it, and every way in which they must not work.

pub mod authenticator;

use authenticator::{Authenticator, PRESENT, VERIFIED};
use quell_wire::digest::{hex, sha256};
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{Person, World, answer};

const BEGIN: &str = "/api/v1/session/passkey/begin";
const FINISH: &str = "/api/v1/session/passkey/finish";

async fn post(world: &World, path: &str, body: Value) -> (u16, Value) {
    answer(world.http.post(format!("{}{path}", world.base)).json(&body).send().await.unwrap()).await
}

/// A new authenticator whose passkey is that of the person.
pub async fn added(world: &World, person: &Person) -> Authenticator {
    let mut authenticator = Authenticator::new(&world.base.replace("127.0.0.1", "localhost"));
    let (status, made) = add(person, &mut authenticator).await;
    assert_eq!(status, 201, "{made}");
    authenticator
}

async fn add(person: &Person, authenticator: &mut Authenticator) -> (u16, Value) {
    let (status, asked) = person.post("/api/v1/passkeys/begin", json!({})).await;
    assert_eq!(status, 200, "{asked}");
    let credential = authenticator.create(&asked);
    let body = json!({ "ceremony": asked["ceremony"], "name": "phone", "credential": credential });
    person.post("/api/v1/passkeys/finish", body).await
}

async fn sign_in(world: &World, authenticator: &mut Authenticator) -> (u16, Value) {
    let (status, asked) = post(world, BEGIN, json!({})).await;
    assert_eq!(status, 200, "{asked}");
    let credential = authenticator.get(&asked);
    finish(world, &asked, credential).await
}

async fn finish(world: &World, asked: &Value, credential: Value) -> (u16, Value) {
    let body = json!({ "ceremony": asked["ceremony"], "credential": credential, "deliver": "token" });
    post(world, FINISH, body).await
}

fn assert_refused((status, problem): (u16, Value), what: &str) {
    assert_eq!((status, problem["code"].as_str()), (401, Some("passkey_refused")), "{what}: {problem}");
}

/// Lets the sign-in of a session be older than it is, by minutes.
async fn age(world: &World, minutes: i64) {
    let by = minutes * 60_000_000;
    world
        .store
        .write(move |tx| tx.execute("UPDATE session SET expires_at = expires_at - $1", &[&by]))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_person_signs_in_with_a_passkey() {
    let world = World::new().await;
    let maria = world.person("maria", &["analyst"]).await;
    let mut authenticator = added(&world, &maria).await;
    let (status, begun) = sign_in(&world, &mut authenticator).await;
    assert_eq!((status, begun["person"]["name"].as_str()), (200, Some("maria")), "{begun}");
    let token = begun["token"].as_str().unwrap();
    let asked = world.with_key(Method::GET, "/api/v1/sessions", token).send().await.unwrap();
    let (_, sessions) = answer(asked).await;
    assert_eq!(sessions["items"][0]["method"], "passkey");
    // By the address, for authenticators that do not keep the key themselves.
    let (_, asked) = post(&world, BEGIN, json!({ "email": "MARIA@quell.example" })).await;
    assert_eq!(asked["options"]["publicKey"]["allowCredentials"][0]["id"], authenticator.id());
    let mut credential = authenticator.get(&asked);
    credential["response"].as_object_mut().unwrap().remove("userHandle");
    assert_eq!(finish(&world, &asked, credential).await.0, 200);
    // It is listed without its key, can be renamed, and is no way in any more once removed.
    let (_, list) = maria.get("/api/v1/passkeys").await;
    let id = list["items"][0]["id"].as_str().unwrap();
    assert!(list["items"][0]["last_used_at"].is_string() && !list.to_string().contains("cred"), "{list}");
    let path = format!("/api/v1/passkeys/{id}");
    assert_eq!(maria.patch(&path, json!({ "name": "old phone" })).await.0, 204);
    let other = world.person("other", &["administrator"]).await;
    assert_eq!(other.patch(&path, json!({ "name": "mine" })).await.0, 404);
    assert_eq!(other.delete(&path).await.0, 404);
    assert_eq!(maria.get("/api/v1/passkeys").await.1["items"][0]["name"], "old phone");
    assert_eq!(maria.delete(&path).await.0, 204);
    assert_refused(sign_in(&world, &mut authenticator).await, "removed");
    let (_, trail) = world.get("/api/v1/audit").await;
    for verb in ["passkey.create", "passkey.rename", "passkey.remove"] {
        assert!(trail.to_string().contains(verb), "{verb}");
    }
    for verb in ["passkey.create", "passkey.remove", "session.create"] {
        world.recorded(verb).await;
    }
    world.stop().await;
}

#[tokio::test]
async fn an_answer_that_is_not_quite_right_is_none() {
    let world = World::new().await;
    let maria = world.person("maria", &["analyst"]).await;
    let mut authenticator = added(&world, &maria).await;
    let origin = authenticator.origin.clone();
    authenticator.flags = PRESENT;
    assert_refused(sign_in(&world, &mut authenticator).await, "the user was not verified");
    authenticator.flags = VERIFIED;
    assert_refused(sign_in(&world, &mut authenticator).await, "the user was not present");
    authenticator.flags = PRESENT | VERIFIED;
    for wrong in ["https://evil.example", "http://localhost:1", "http://evil.localhost", "null"] {
        wrong.clone_into(&mut authenticator.origin);
        assert_refused(sign_in(&world, &mut authenticator).await, wrong);
    }
    authenticator.origin = origin.clone();
    "evil.example".clone_into(&mut authenticator.relying_party);
    assert_refused(sign_in(&world, &mut authenticator).await, "another relying party");
    "localhost".clone_into(&mut authenticator.relying_party);
    // A signature, a challenge, an owner that are others.
    let (_, asked) = post(&world, BEGIN, json!({})).await;
    let mut credential = authenticator.get(&asked);
    credential["response"]["signature"] =
        Authenticator::new(&origin).get(&asked)["response"]["signature"].take();
    assert_refused(finish(&world, &asked, credential).await, "another's signature");
    let (_, first) = post(&world, BEGIN, json!({})).await;
    let (_, second) = post(&world, BEGIN, json!({})).await;
    let credential = authenticator.get(&first);
    assert_refused(finish(&world, &second, credential).await, "another challenge");
    let (_, asked) = post(&world, BEGIN, json!({})).await;
    let mut credential = authenticator.get(&asked);
    credential["response"]["userHandle"] = json!("AAAAAAAAAAAAAAAAAAAAAA");
    assert_refused(finish(&world, &asked, credential).await, "another owner");
    assert_refused(sign_in(&world, &mut Authenticator::new(&origin)).await, "a key that nobody added");
    // A question is good for one answer, right or wrong, and for what it was asked for.
    let (_, asked) = post(&world, BEGIN, json!({})).await;
    let credential = authenticator.get(&asked);
    assert_eq!(finish(&world, &asked, credential.clone()).await.0, 200);
    assert_refused(finish(&world, &asked, credential).await, "a second answer");
    let (_, asked) = maria.post("/api/v1/passkeys/begin", json!({})).await;
    let made = json!({ "options": { "publicKey": { "challenge": asked["options"]["publicKey"]["challenge"], "userVerification": "required" } } });
    let credential = authenticator.get(&made);
    assert_refused(finish(&world, &asked, credential).await, "a question about something else");
    assert_eq!(sign_in(&world, &mut authenticator).await.0, 200, "and the passkey is as good as ever");
    world.stop().await;
}

#[tokio::test]
async fn a_copy_of_an_authenticator_is_noticed() {
    let world = World::new().await;
    let maria = world.person("maria", &["analyst"]).await;
    let mut authenticator = added(&world, &maria).await;
    authenticator.counter = 10;
    assert_eq!(sign_in(&world, &mut authenticator).await.0, 200);
    for counter in [10, 4, 0] {
        authenticator.counter = counter;
        assert_refused(sign_in(&world, &mut authenticator).await, "a counter that went back");
    }
    let (_, trail) = world.get("/api/v1/audit?verb=session.refused").await;
    assert_eq!(trail["items"].as_array().unwrap().len(), 3);
    assert_eq!(trail["items"][0]["detail"]["why"], "passkey_copied");
    // Two answers at once with one count: one of them counts.
    authenticator.counter = 20;
    let (_, first) = post(&world, BEGIN, json!({})).await;
    let (_, second) = post(&world, BEGIN, json!({})).await;
    let one = authenticator.get(&first);
    authenticator.counter = 20;
    let two = authenticator.get(&second);
    let both = tokio::join!(finish(&world, &first, one), finish(&world, &second, two));
    let mut statuses = [both.0.0, both.1.0];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401]);
    world.stop().await;
}

#[tokio::test]
async fn an_address_tells_nothing_of_its_account() {
    let world = World::new().await;
    let maria = world.person("maria", &["analyst"]).await;
    added(&world, &maria).await;
    world.person("without", &["analyst"]).await;
    let ids = async |email: &str| {
        let (status, asked) = post(&world, BEGIN, json!({ "email": email })).await;
        assert_eq!(status, 200);
        asked["options"]["publicKey"]["allowCredentials"].clone()
    };
    let known = ids("maria@quell.example").await;
    for email in ["without@quell.example", "nobody@quell.example"] {
        let made_up = ids(email).await;
        assert_eq!(made_up, ids(email).await, "a made-up id stays the same");
        assert_eq!(made_up.as_array().unwrap().len(), known.as_array().unwrap().len());
        assert_eq!(made_up[0]["id"].as_str().unwrap().len(), known[0]["id"].as_str().unwrap().len());
        assert_eq!(
            made_up[0].as_object().unwrap().keys().collect::<Vec<_>>(),
            known[0].as_object().unwrap().keys().collect::<Vec<_>>()
        );
    }
    world.stop().await;
}

#[tokio::test]
async fn who_comes_by_single_sign_on_alone_has_no_other_way_in() {
    let world = World::new().await;
    let maria = world.person("maria", &["analyst"]).await;
    let mut authenticator = added(&world, &maria).await;
    world.store.write(move |tx| quell_store::person::set_local(tx, maria.id, None)).await.unwrap();
    assert_refused(sign_in(&world, &mut authenticator).await, "no local sign-in");
    let (id, email) = (maria.id, maria.email.clone());
    world.store.write(move |tx| quell_store::person::set_local(tx, id, Some(&email))).await.unwrap();
    assert_eq!(sign_in(&world, &mut authenticator).await.0, 200);
    world.store.write(move |tx| quell_store::person::set_state(tx, id, "disabled")).await.unwrap();
    assert_eq!(sign_in(&world, &mut authenticator).await.0, 403);
    // A cookie is for our own pages.
    let (_, asked) = post(&world, BEGIN, json!({})).await;
    let body = json!({ "ceremony": asked["ceremony"], "credential": authenticator.get(&asked) });
    let (status, problem) = post(&world, FINISH, body).await;
    assert_eq!((status, problem["code"].as_str()), (403, Some("cross_site")));
    world.stop().await;
}

#[tokio::test]
async fn a_session_that_was_left_open_makes_no_way_in() {
    let world = World::new().await;
    let maria = world.person("maria", &["analyst"]).await;
    let mut authenticator = added(&world, &maria).await;
    age(&world, 6).await;
    let (status, problem) = maria.post("/api/v1/passkeys/begin", json!({})).await;
    assert_eq!((status, problem["code"].as_str()), (403, Some("step_up_needed")), "{problem}");
    // A new token is not a new sign-in.
    let (_, moved) = maria.post("/api/v1/session/refresh", json!({})).await;
    let maria = Person { token: moved["token"].as_str().unwrap().to_owned(), ..maria };
    let (status, _) = maria.post("/api/v1/passkeys/begin", json!({})).await;
    assert_eq!(status, 403);
    let (_, list) = maria.get("/api/v1/passkeys").await;
    let path = format!("/api/v1/passkeys/{}", list["items"][0]["id"].as_str().unwrap());
    assert_eq!(maria.delete(&path).await.0, 403);
    // With the passkey that is there: for this request, once.
    let proof = confirm(&maria, &mut authenticator, b"POST /api/v1/passkeys/begin\n{}").await;
    let begin = async |body: &'static str, proof: &str| {
        let request = maria.request(Method::POST, "/api/v1/passkeys/begin").header("quell-step-up", proof);
        request.header("content-type", "application/json").body(body).send().await.unwrap().status().as_u16()
    };
    assert_eq!(begin("{ }", &proof).await, 403, "another body");
    assert_eq!(begin("{}", &proof).await, 200);
    assert_eq!(begin("{}", &proof).await, 403, "a second time");
    world.stop().await;
}

/// A proof that the person confirmed this body with the passkey.
async fn confirm(person: &Person, authenticator: &mut Authenticator, body: &[u8]) -> String {
    let digest = hex(&sha256(&[body]));
    let (status, asked) = person.post("/api/v1/step-up/passkey/begin", json!({ "request": digest })).await;
    assert_eq!(status, 200, "{asked}");
    let body = json!({ "ceremony": asked["ceremony"], "credential": authenticator.get(&asked) });
    let (status, made) = person.post("/api/v1/step-up/passkey/finish", body).await;
    assert_eq!(status, 201, "{made}");
    made["proof"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_new_way_in_leaves_no_old_one() {
    let world = World::new().await;
    let maria = world.person("maria", &["analyst"]).await;
    let admin = world.person("admin", &["administrator"]).await;
    let mut authenticator = added(&world, &maria).await;
    let (status, reset) = admin.post(&format!("/api/v1/people/{}/reset", maria.id), json!({})).await;
    assert_eq!(status, 201, "{reset}");
    assert_refused(sign_in(&world, &mut authenticator).await, "a passkey of before");
    world.stop().await;
}

#[tokio::test]
async fn a_confirmation_is_ones_own_in_ones_own_session() {
    let world = World::new().await;
    let maria = world.person("maria", &["analyst"]).await;
    let joao = world.person("joao", &["analyst"]).await;
    let mut hers = added(&world, &maria).await;
    let mut his = added(&world, &joao).await;
    let digest = hex(&sha256(&[b"{}"]));
    let begin = async |person: &Person| {
        person.post("/api/v1/step-up/passkey/begin", json!({ "request": digest })).await.1
    };
    let finish = async |person: &Person, asked: &Value, credential: Value| {
        let body = json!({ "ceremony": asked["ceremony"], "credential": credential });
        person.post("/api/v1/step-up/passkey/finish", body).await
    };
    let asked = begin(&maria).await;
    assert_refused(finish(&maria, &asked, his.get(&asked)).await, "his passkey for her");
    let asked = begin(&maria).await;
    assert_refused(finish(&joao, &asked, hers.get(&asked)).await, "his session with her question");
    let other = world.signed_in(maria.id, &maria.email).await;
    let asked = begin(&maria).await;
    assert_refused(finish(&other, &asked, hers.get(&asked)).await, "her other session");
    // Nor is it a way in, nor the other way round.
    let asked = begin(&maria).await;
    assert_refused(
        post(
            &world,
            FINISH,
            json!({ "ceremony": asked["ceremony"], "credential": hers.get(&asked), "deliver": "token" }),
        )
        .await,
        "a confirmation to sign in with",
    );
    let (_, asked) = post(&world, BEGIN, json!({})).await;
    assert_refused(finish(&maria, &asked, hers.get(&asked)).await, "a sign-in to confirm with");
    // What one has made is one's own to add, in the session that asked.
    let mut fresh = Authenticator::new(&hers.origin);
    let (_, asked) = maria.post("/api/v1/passkeys/begin", json!({})).await;
    let body = json!({ "ceremony": asked["ceremony"], "name": "x", "credential": fresh.create(&asked) });
    assert_refused(joao.post("/api/v1/passkeys/finish", body).await, "her new passkey for him");
    fresh.flags = PRESENT;
    let (status, problem) = add(&maria, &mut fresh).await;
    assert_eq!(
        (status, problem["code"].as_str()),
        (400, Some("invalid_field")),
        "no user verified: {problem}"
    );
    // A program has none of it.
    for path in ["/api/v1/passkeys/begin", "/api/v1/step-up/passkey/begin"] {
        assert_eq!(world.post(path, json!({})).await.0, 403, "{path}");
    }
    world.stop().await;
}

#[tokio::test]
async fn questions_are_bounded_and_crowd_nobody_out() {
    let world = World::new().await;
    let maria = world.person("maria", &["analyst"]).await;
    let mut last = 0;
    for _ in 0..40 {
        last = post(&world, BEGIN, json!({})).await.0;
    }
    assert_eq!(last, 429);
    let elsewhere =
        reqwest::Client::builder().no_proxy().local_address(std::net::IpAddr::from([127, 0, 0, 9]));
    let begun = elsewhere.build().unwrap().post(format!("{}{BEGIN}", world.base)).json(&json!({}));
    assert_eq!(begun.send().await.unwrap().status(), 200, "another address");
    added(&world, &maria).await;
    world.stop().await;
}
