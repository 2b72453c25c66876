//! Agents are told to connect elsewhere, by somebody who may, while the server runs.

use quell_wire::enrol::Token;
use quell_wire::frame::{FromAgent, FromServer};
use reqwest::Method;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use crate::gateway::agent::Agent;
use crate::world::{World, answer};

const PATH: &str = "/api/v1/gateway/addresses";

async fn put(world: &World, key: &str, body: Value) -> (u16, Value) {
    answer(world.with_key(Method::PUT, PATH, key).json(&body).send().await.unwrap()).await
}

async fn enrolled(world: &World) -> Agent {
    let (status, token) = world.post("/api/v1/enrolment-tokens", json!({ "name": "lab" })).await;
    assert_eq!(status, 201, "{token}");
    let ca = CertificateDer::from_pem_file(world.directory.path().join("ca.pem")).unwrap();
    let mut agent = Agent::to(world.gateway, ca.to_vec());
    let answer = agent.enrol(&Token::from_text(token["text"].as_str().unwrap()).unwrap()).await;
    assert_eq!(answer.status, 200);
    agent
}

/// What the greeting of a new session says.
async fn told(agent: &Agent) -> Vec<String> {
    let mut session = agent.dial().await;
    session.say(FromAgent::Hello(agent.hello())).await;
    session.welcome().await.addresses
}

#[tokio::test]
async fn agents_are_told_at_once_and_after_a_restart() {
    let world = World::new().await;
    let first = enrolled(&world).await;
    let configured = vec![world.gateway.to_string()];
    assert_eq!(first.response.as_ref().unwrap().addresses, configured);
    assert_eq!(world.get(PATH).await.1, json!({ "addresses": configured, "source": "configured" }));
    let mut session = first.session().await;

    let wanted = json!(["quell.example:8421", "[2001:db8::1]:443"]);
    let (status, now) = put(&world, &world.key, json!({ "addresses": wanted })).await;
    assert_eq!((status, now), (200, json!({ "addresses": wanted, "source": "chosen" })));
    let Some(FromServer::Addresses(list)) = session.hear().await else {
        panic!("the live session was not told")
    };
    assert_eq!(json!(list.addresses), wanted);
    assert_eq!(json!(enrolled(&world).await.response.unwrap().addresses), wanted, "at enrolment");
    let (_, audit) = world.get("/api/v1/audit?verb=gateway.set_addresses").await;
    let detail = &audit["items"][0]["detail"];
    assert_eq!((&detail["addresses"], &detail["before"]), (&wanted, &json!(configured)), "{audit}");
    drop(session);

    let world = World::at(world.stop().await).await;
    assert_eq!(world.get(PATH).await.1["addresses"], wanted);
    let moved = Agent { address: world.gateway, ..first };
    assert_eq!(json!(told(&moved).await), wanted, "after a restart");

    let (_, back) = put(&world, &world.key, json!({ "addresses": [] })).await;
    assert_eq!(back, json!({ "addresses": [world.gateway.to_string()], "source": "configured" }));
    world.stop().await;
}

#[tokio::test]
async fn only_administrators_of_the_first_tenant_move_the_gateway_and_only_to_addresses() {
    let world = World::new().await;
    let officer = world.key_of(world.tenant, "security_officer").await;
    let other = world.other_tenant().await;
    let stranger = world.key_of(other, "administrator").await;
    for key in [&officer, &stranger] {
        let (status, problem) = put(&world, key, json!({ "addresses": ["192.0.2.1:1"] })).await;
        assert_eq!((status, &problem["code"]), (403, &json!("forbidden")), "{problem}");
    }
    let many: Vec<String> = (0..65).map(|number| format!("h{number}.example:1")).collect();
    for bad in
        [json!(["quell.example"]), json!(["a.example:1", "a.example:1"]), json!(["0.0.0.0:1"]), json!(many)]
    {
        let (status, problem) = put(&world, &world.key, json!({ "addresses": bad })).await;
        assert_eq!((status, &problem["code"]), (400, &json!("invalid_field")), "{problem}");
    }
    assert_eq!(world.get(PATH).await.1["source"], "configured");
    let (_, audit) = world.get("/api/v1/audit?verb=gateway.set_addresses").await;
    assert_eq!(audit["items"], json!([]));
    world.stop().await;
}
