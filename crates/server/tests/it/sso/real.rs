//! Through npm's oidc-provider.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use quell_lab::OidcProvider;
use quell_store::{identity, membership, person};
use quell_wire::digest::sha256;
use serde_json::{Value, json};
use uuid::Uuid;

use super::browser::{Browser, between};
use super::{add, is_in, provider, public, trail, world};
use crate::world::{World, answer};

/// A server and a provider that know each other; `None` where there can be no provider here.
#[expect(clippy::print_stdout, reason = "a test that is left out says so")]
async fn site() -> Option<(World, OidcProvider, Value)> {
    let world = world().await;
    let mut real = match OidcProvider::start(&format!("{}/api/v1/sso/callback", public(&world))) {
        Ok(real) => real,
        Err(error) => {
            println!("skipped: {error}");
            return None;
        }
    };
    real.accounts(&accounts(&["ir-lead"])).unwrap();
    let row = add(&world, provider(real.issuer(), OidcProvider::CLIENT, OidcProvider::SECRET)).await;
    assert!(!row.to_string().contains("s3cret"), "the secret is shown");
    Some((world, real, row))
}

fn accounts(of_alice: &[&str]) -> Value {
    let person = |name: &str, groups: &[&str]| json!({ "email": format!("{name}@quell.example"), "email_verified": true, "name": name, "groups": groups });
    json!({
        "alice": person("alice", of_alice),
        "bob": person("bob", &["sales"]),
        "mallory": { "email": "alice@quell.example", "email_verified": false, "name": "mallory", "groups": ["ir-lead"] },
    })
}

fn start(world: &World, query: &str) -> String {
    format!("{}/api/v1/sso/start/default/staff{query}", public(world))
}

async fn identity_of(world: &World, row: &Value, subject: &'static str) -> Option<Uuid> {
    let (tenant, id) = (world.tenant, row["id"].as_str().unwrap().parse().unwrap());
    let found = world.store.read(move |tx| identity::get(tx, tenant, id, subject)).await.unwrap();
    found.map(|found| found.person_id)
}

#[tokio::test]
async fn groups_give_roles_and_take_them() {
    let Some((world, mut real, row)) = site().await else { return };
    let mut browser = Browser::new();
    let page = browser.sign_in(&start(&world, "?return=/tasks%3Fx=1"), "alice").await;
    assert_eq!((page.status, page.refresh.as_deref()), (200, Some("0; url=/tasks?x=1")), "{page:?}");
    let first = browser.cookies("localhost");
    assert!(first.starts_with("quell=qs_") && !first.contains("quell-sso"), "{first}");
    assert!(is_in(&world, &first).await);
    let alice = identity_of(&world, &row, "alice").await.unwrap();
    let roles = async || {
        let tenant = world.tenant;
        let held = world.store.read(move |tx| membership::of_person(tx, tenant, alice)).await.unwrap();
        held.into_iter().map(|held| held.role).collect::<Vec<_>>()
    };
    assert_eq!(roles().await, ["analyst"]);
    // Other groups at the provider: other roles here, for every session of hers.
    real.accounts(&accounts(&["audit"])).unwrap();
    let page = browser.sign_in(&start(&world, ""), "alice").await;
    assert_eq!(page.status, 200, "{page:?}");
    assert_eq!(roles().await, ["auditor"]);
    let asked = world.http.get(format!("{}/api/v1/audit", world.base)).header("cookie", &first);
    assert_eq!(asked.send().await.unwrap().status(), 200, "an auditor reads the trail");
    // None at all: not in, and out with what was begun before.
    real.accounts(&accounts(&[])).unwrap();
    let page = browser.sign_in(&start(&world, ""), "alice").await;
    assert_eq!(page.status, 403, "{page:?}");
    assert!(page.text.contains("no role"), "{page:?}");
    assert!(roles().await.is_empty());
    assert!(!is_in(&world, &first).await && !is_in(&world, &browser.cookies("localhost")).await);
    let changes = trail(&world, "person.roles").await;
    assert_eq!(changes.len(), 3);
    assert_eq!(changes[0]["detail"]["taken"], json!(["auditor"]));
    assert_eq!(trail(&world, "session.create").await[0]["detail"]["method"], "sso");
    assert_eq!(trail(&world, "session.refused").await[0]["detail"]["why"], "no_role");
    assert_eq!(identity_of(&world, &row, "alice").await, Some(alice), "she stays who she was");
    world.stop().await;
}

#[tokio::test]
async fn who_is_nobody_gets_no_account() {
    let Some((world, _real, row)) = site().await else { return };
    let page = Browser::new().sign_in(&start(&world, ""), "bob").await;
    assert_eq!(page.status, 403, "{page:?}");
    assert_eq!(identity_of(&world, &row, "bob").await, None);
    // The provider does not vouch for the address, so it is nobody's.
    let page = Browser::new().sign_in(&start(&world, ""), "mallory").await;
    assert_eq!(page.status, 403, "{page:?}");
    assert!(page.text.contains("does not vouch"), "{page:?}");
    assert_eq!(identity_of(&world, &row, "mallory").await, None);
    assert!(trail(&world, "person.create").await.is_empty());
    world.stop().await;
}

#[tokio::test]
async fn an_account_is_not_taken_over_by_its_address() {
    let Some((world, _real, row)) = site().await else { return };
    let local = world.account(world.tenant, "alice", &["administrator"]).await;
    let mut browser = Browser::new();
    let page = browser.sign_in(&start(&world, ""), "alice").await;
    assert_eq!(page.status, 200, "{page:?}");
    let came = identity_of(&world, &row, "alice").await.unwrap();
    assert_ne!(came, local);
    let both = world
        .store
        .read(move |tx| Ok::<_, quell_store::Error>((person::get(tx, local)?, person::get(tx, came)?)))
        .await
        .unwrap();
    let (local, came) = (both.0.unwrap(), both.1.unwrap());
    assert_eq!(local.human, came.human, "they are one human, who counts once");
    assert_eq!((came.local_key, came.password), (None, None), "no way in but the provider");
    let cookies = browser.cookies("localhost");
    let asked = world.http.get(format!("{}/api/v1/api-keys", world.base)).header("cookie", cookies);
    assert_eq!(asked.send().await.unwrap().status(), 403, "the administrator's rights are not hers");
    world.stop().await;
}

#[tokio::test]
async fn an_answer_counts_once_in_the_browser_that_asked() {
    let Some((world, _real, _)) = site().await else { return };
    let mut browser = Browser::new();
    let at_callback = |url: &reqwest::Url| url.path().ends_with("/sso/callback");
    let stopped = browser.sign_in_until(&start(&world, ""), "alice", at_callback).await;
    let callback = stopped.url.to_string();
    assert!(callback.contains("code=") && callback.contains("state="), "{callback}");
    let mine = browser.cookies("localhost");
    // In another browser; with another state; with an answer for a sign-in of one's own.
    let page = Browser::new().open(&callback).await;
    assert_eq!(page.status, 400, "{page:?}");
    let wrong = callback.replace("state=", "state=x");
    let page = get(&world, &wrong, &mine).await;
    assert_eq!(page.0, 400, "{page:?}");
    let mut victim = Browser::new();
    victim.open_until(&start(&world, ""), |url| url.path() == "/auth").await;
    let page = victim.open(&callback).await;
    assert_eq!(page.status, 400, "{page:?}");
    // Where it belongs, and then never again, even with the cookie of before.
    let page = browser.open(&callback).await;
    assert_eq!(page.status, 200, "{page:?}");
    let page = browser.open(&callback).await;
    assert_eq!(page.status, 400, "{page:?}");
    let (status, text) = get(&world, &callback, &mine).await;
    assert_eq!(status, 403, "{text}");
    assert!(text.contains("did not accept the code"), "{text}");
    world.stop().await;
}

async fn get(world: &World, url: &str, cookies: &str) -> (u16, String) {
    let answer = world.http.get(url).header("cookie", cookies).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn a_program_is_signed_in_by_the_browser_of_its_person() {
    let Some((world, _real, _)) = site().await else { return };
    let verifier = "v".repeat(43);
    let challenge = URL_SAFE_NO_PAD.encode(sha256(&[verifier.as_bytes()]));
    let mut browser = Browser::new();
    let mut code = async || {
        let begin = start(&world, &format!("?cli=45678&challenge={challenge}"));
        let page = browser.sign_in(&begin, "alice").await;
        assert_eq!(page.status, 200, "{page:?}");
        assert!(page.refresh.is_none(), "a person goes on by hand");
        let code = between(&page.text, "http://127.0.0.1:45678/?code=", "\"").unwrap().to_owned();
        assert!(!browser.cookies("localhost").contains("quell=qs_"), "the browser itself is not signed in");
        code
    };
    let take = async |code: &str, verifier: &str| {
        let body = json!({ "code": code, "verifier": verifier });
        answer(
            world.http.post(format!("{}/api/v1/sso/session", world.base)).json(&body).send().await.unwrap(),
        )
        .await
    };
    let first = code().await;
    let (status, begun) = take(&first, &verifier).await;
    assert_eq!(status, 200, "{begun}");
    assert_eq!(begun["person"]["email"], "alice@quell.example");
    let token = begun["token"].as_str().unwrap();
    assert_eq!(
        world.with_key(reqwest::Method::GET, "/api/v1/tasks", token).send().await.unwrap().status(),
        200
    );
    assert_eq!(take(&first, &verifier).await.0, 401, "a code is good once");
    let second = code().await;
    assert_eq!(take(&second, "another program's").await.0, 401);
    assert_eq!(take(&second, &verifier).await.0, 401, "a wrong try uses it up");
    world.stop().await;
}

#[tokio::test]
async fn the_way_back_leads_here_and_other_tenants_are_not_there() {
    let Some((world, _real, row)) = site().await else { return };
    for goal in ["//evil.example", "https://evil.example/", "/%5Cevil.example", "%2F%2Fevil.example", "x"] {
        let page = Browser::new().open(&start(&world, &format!("?return={goal}"))).await;
        assert_eq!(page.status, 400, "{goal}: {page:?}");
    }
    let page = Browser::new().open(&start(&world, "?cli=80&challenge=x")).await;
    assert_eq!(page.status, 400, "{page:?}");
    // From the address: first to the name, since the cookie is for that.
    let url = format!("{}/api/v1/sso/start/default/staff", world.base);
    let stopped = Browser::new().open_until(&url, |url| url.host_str() == Some("localhost")).await;
    assert_eq!(stopped.url.as_str(), url.replace("127.0.0.1", "localhost"));
    let other = world.other_tenant().await;
    for path in ["other/staff", "nobody/staff", "default/nobody", &format!("{other}/staff")] {
        let page = Browser::new().open(&format!("{}/api/v1/sso/start/{path}", public(&world))).await;
        assert_eq!(page.status, 404, "{path}: {page:?}");
    }
    let key = world.key_of(other, "administrator").await;
    let path = format!("/api/v1/sso/providers/{}", row["id"].as_str().unwrap());
    for method in [reqwest::Method::GET, reqwest::Method::DELETE] {
        assert_eq!(world.with_key(method, &path, &key).send().await.unwrap().status(), 404);
    }
    // A provider that is switched off lets nobody in, not even who is on the way.
    let mut browser = Browser::new();
    let at_callback = |url: &reqwest::Url| url.path().ends_with("/sso/callback");
    let stopped = browser.sign_in_until(&start(&world, ""), "alice", at_callback).await;
    let mut body = provider(row["issuer"].as_str().unwrap(), OidcProvider::CLIENT, OidcProvider::SECRET);
    body["enabled"] = json!(false);
    let keeper = world.person("second-keeper", &["administrator"]).await;
    assert_eq!(keeper.put(&path, body).await.0, 200);
    assert_eq!(browser.open(stopped.url.as_str()).await.status, 403);
    assert_eq!(Browser::new().open(&start(&world, "")).await.status, 404);
    world.stop().await;
}
