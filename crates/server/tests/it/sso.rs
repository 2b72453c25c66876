//! Single sign-on: in a browser through a real provider, and through a false one that says whatever a test wants.

mod browser;
mod forged;
mod real;

use serde_json::{Value, json};

use crate::world::World;
use quell_server::Reach;

/// A server that may be sent to providers on this machine.
async fn world() -> World {
    World::with(|config| config.destinations = Reach::Anywhere).await
}

/// The server's address as people know it.
fn public(world: &World) -> String {
    world.base.replace("127.0.0.1", "localhost")
}

/// A provider that maps `ir-lead` to analyst and `audit` to auditor, and makes accounts.
fn provider(issuer: &str, client: &str, secret: &str) -> Value {
    json!({
        "name": "staff", "issuer": issuer, "client_id": client, "client_secret": secret,
        "scopes": ["openid", "email", "profile", "groups"],
        "mapping": [{ "group": "ir-lead", "role": "analyst" }, { "group": "audit", "role": "auditor" }],
        "make_accounts": true,
    })
}

async fn add(world: &World, body: Value) -> Value {
    // A program would not be let: the roles that are mapped may do what only people do.
    let name = format!("keeper-{}", uuid::Uuid::new_v4().simple());
    let (status, made) =
        world.person(&name, &["administrator"]).await.post("/api/v1/sso/providers", body).await;
    assert_eq!(status, 201, "{made}");
    made
}

/// Whether somebody who sends these cookies is signed in.
async fn is_in(world: &World, cookies: &str) -> bool {
    let asked = world.http.get(format!("{}/api/v1/tasks", world.base)).header("cookie", cookies);
    asked.send().await.unwrap().status() == 200
}

/// Everything of a verb in the audit trail.
async fn trail(world: &World, verb: &str) -> Vec<Value> {
    world.get(&format!("/api/v1/audit?verb={verb}")).await.1["items"].as_array().unwrap().clone()
}
