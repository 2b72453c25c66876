//! What people set for themselves: of one person in one tenant, bounded, and not for programs.

use reqwest::Method;
use serde_json::json;

use crate::world::{World, answer};

#[tokio::test]
async fn settings_are_of_one_person_in_one_tenant() {
    let world = World::new().await;
    let (ana, bea) = (world.person("ana", &["analyst"]).await, world.person("bea", &["analyst"]).await);
    assert_eq!(ana.get("/api/v1/me/settings").await, (200, json!({ "settings": {} })));
    let view = json!({ "columns": ["id", "state"], "<b>": "\u{202e}x" });
    assert_eq!(ana.put("/api/v1/me/settings/tasks.view_1", view.clone()).await.0, 204);
    assert_eq!(ana.put("/api/v1/me/settings/theme", json!("dark")).await.0, 204);
    assert_eq!(ana.put("/api/v1/me/settings/theme", json!(null)).await.0, 204);
    let views = json!([{ "name": "mine", "search": "state=failed" }, ["id", "state"]]);
    assert_eq!(ana.put("/api/v1/me/settings/tasks.views", views.clone()).await.0, 204);
    let kept = json!({ "settings": { "tasks.view_1": view, "tasks.views": views, "theme": null } });
    assert_eq!(ana.get("/api/v1/me/settings").await, (200, kept.clone()));
    assert_eq!(bea.get("/api/v1/me/settings").await, (200, json!({ "settings": {} })));
    // The same person in another tenant begins anew.
    let other = world.other_tenant().await;
    let (id, role) = (ana.id, "auditor".to_owned());
    let row = quell_store::membership::Membership {
        tenant_id: other,
        person_id: id,
        role,
        source: quell_store::membership::MANUAL.to_owned(),
        granted_at: 1,
        granted_by: "test".to_owned(),
    };
    world.store.write(move |tx| quell_store::membership::insert(tx, &row).map(drop)).await.unwrap();
    let mut elsewhere = world.signed_in(id, &ana.email).await;
    let (status, moved) = elsewhere.post("/api/v1/session/tenant", json!({ "tenant": other })).await;
    assert_eq!(status, 200, "{moved}");
    moved["token"].as_str().unwrap().clone_into(&mut elsewhere.token);
    // A page that still shows the tenant before changes nothing in this one.
    let stale = elsewhere.request(Method::PUT, "/api/v1/me/settings/theme").json(&json!("light"));
    let (status, problem) =
        answer(stale.header("quell-tenant", world.tenant.to_string()).send().await.unwrap()).await;
    assert_eq!((status, &problem["code"]), (409, &json!("tenant_changed")), "{problem}");
    assert!(problem["hint"].as_str().unwrap().contains("Reload"), "{problem}");
    let there = elsewhere.get("/api/v1/me/settings").await;
    assert_eq!(there, (200, json!({ "settings": {} })));
    assert_eq!(bea.delete("/api/v1/me/settings/theme").await.0, 404);
    assert_eq!(ana.delete("/api/v1/me/settings/theme").await.0, 204);
    assert_eq!(ana.delete("/api/v1/me/settings/theme").await.0, 404);
    let (_, trail) = world.get("/api/v1/audit?verb=person.set_setting").await;
    assert!(!trail.to_string().contains("columns"), "the value stands in the trail: {trail}");
    world.recorded("person.remove_setting").await;
    world.stop().await;
}

#[tokio::test]
async fn settings_are_bounded_and_not_for_programs() {
    let world = World::new().await;
    let ana = world.person("ana", &["analyst"]).await;
    for name in ["X", "a%20b", "a%2Fb", "%3Cb%3E", &"a".repeat(65), "%C3%A9"] {
        let (status, problem) = ana.put(&format!("/api/v1/me/settings/{name}"), json!(1)).await;
        assert_eq!((status, &problem["code"]), (400, &json!("invalid_field")), "{name}: {problem}");
    }
    let (status, problem) = ana.put("/api/v1/me/settings/large", json!("x".repeat(16 << 10))).await;
    assert_eq!((status, &problem["code"]), (413, &json!("body_too_large")), "{problem}");
    for number in 0..64 {
        assert_eq!(ana.put(&format!("/api/v1/me/settings/view-{number}"), json!(number)).await.0, 204);
    }
    assert_eq!(ana.put("/api/v1/me/settings/view-7", json!("again")).await.0, 204);
    let (status, problem) = ana.put("/api/v1/me/settings/one-more", json!(1)).await;
    assert_eq!((status, &problem["code"]), (409, &json!("conflict")), "{problem}");
    let (status, problem) = world.get("/api/v1/me/settings").await;
    assert_eq!((status, &problem["code"]), (403, &json!("forbidden")));
    assert!(problem["detail"].as_str().unwrap().contains("only a person"), "{problem}");
    let put = world.request(Method::PUT, "/api/v1/me/settings/x").json(&json!(1)).send().await.unwrap();
    assert_eq!(put.status(), 403);
    world.stop().await;
}
