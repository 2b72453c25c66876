//! One object of each kind, and how each change of the API is carried out on them.

use quell_store::{Tx, endpoint, notice, passkey, shell};
use quell_wire::digest::{hex, sha256};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::incidents::{Seeded, seeded};
use crate::world::{PASSWORD, Person, World};

/// Objects of the world's tenant.
pub struct Objects {
    number: usize,
    task: String,
    command: String,
    pub endpoint: String,
    artifact: String,
    token: String,
    key: String,
    script: String,
    digest_of_script: String,
    approval: String,
    /// A response plan that waits for people, and its digest.
    plan: String,
    plan_digest: String,
    approved: String,
    digest: String,
    person: String,
    other_person: String,
    role: String,
    provider: String,
    webhook: String,
    kit_key: String,
    session: String,
    passkey: String,
    notice: String,
    glass: String,
    tenant: String,
    incident: Seeded,
    other_incident: String,
    admin: Person,
    approver: Person,
    officer: Person,
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("{field} in {value}")).to_owned()
}

async fn made(who: &Person, path: &str, body: Value) -> Value {
    let (status, made) = who.post(path, body).await;
    assert!((200..300).contains(&status), "{path}: {status} {made}");
    made
}

impl Objects {
    #[expect(clippy::too_many_lines, reason = "one of each kind")]
    /// A set of its own for this path; `number` makes the names unlike any other's. Of what a tenant may have only a few
    /// there is one for its own paths, and for the empty one.
    pub async fn new(world: &World, number: usize, path: &str) -> Self {
        let wants = |part: &str| path.is_empty() || path.contains(part);
        let named = |what: &str| format!("{what}-{number}");
        let endpoint = world.endpoint(&named("web")).await;
        let (tenant, alarmed) = (world.tenant, endpoint);
        world
            .store
            .write(move |tx: &mut Tx<'_>| endpoint::set_alarm(tx, tenant, alarmed, Some("copied")))
            .await
            .unwrap();
        let admin = world.person(&named("ada"), &["administrator"]).await;
        let approver = world.person(&named("arno"), &["approver"]).await;
        let officer = world.person(&named("olaf"), &["security_officer"]).await;
        let ops = world.person(&named("olga"), &["operations"]).await;
        let second = world.signed_in(admin.id, &admin.email).await;
        let task = world.isolate(&named("web")).await;
        let command = text(&task["commands"]["items"][0], "id");
        let token = made(&admin, "/api/v1/enrolment-tokens", json!({ "name": named("token") })).await;
        let key = made(&admin, "/api/v1/api-keys", json!({ "name": named("key"), "role": "auditor" })).await;
        let script =
            json!({ "name": named("script"), "interpreter": "sh", "body": format!("echo {number}") });
        let digest_of_script = text(&made(&admin, "/api/v1/library/script", script).await, "sha256");
        let view = format!("/api/v1/me/settings/{}", named("script"));
        assert_eq!(admin.put(&view, json!({})).await.0, 204);
        let ask = async |pid: u32| {
            let body = json!({ "action": "process.terminate", "params": { "pid": pid, "start_time": 9 },
                "targets": { "endpoints": [endpoint] }, "reason": "x" });
            made(&ops, "/api/v1/tasks", body).await
        };
        let (waiting, approved) = (ask(4211).await, ask(4212).await);
        let step = json!({ "action": "process.terminate", "params": { "pid": 4213, "start_time": 9 },
            "targets": { "endpoints": [endpoint] } });
        let plan = made(&ops, "/api/v1/response-plans", json!({ "reason": "x", "steps": [step] })).await;
        let other_digest = text(&approved, "intent_sha256");
        made(
            &approver,
            &format!("/api/v1/approvals/{}/approve", text(&approved, "id")),
            json!({ "digest": other_digest }),
        )
        .await;
        let person = made(&admin, "/api/v1/people", json!({ "name": named("Paul"), "email": format!("paul-{number}@quell.example"), "roles": ["auditor"] })).await;
        let other = made(
            &admin,
            "/api/v1/people",
            json!({ "name": named("Petra"), "email": format!("petra-{number}@quell.example") }),
        )
        .await;
        let grants = json!({ "permissions": ["task.read"] });
        let role = made(
            &admin,
            "/api/v1/roles",
            json!({ "name": named("role"), "description": "", "grants": grants }),
        )
        .await;
        let incident = seeded(world, endpoint, admin.id).await;
        let other_incident = seeded(world, endpoint, admin.id).await.id.to_string();
        let nothing = json!({ "id": Uuid::nil() });
        let provider = if wants("/sso/") {
            made(&admin, "/api/v1/sso/providers", provider(&named("idp"))).await
        } else {
            nothing.clone()
        };
        let webhook = if wants("/webhooks") {
            made(&admin, "/api/v1/webhooks", webhook(&named("hook"))).await
        } else {
            nothing.clone()
        };
        let kit_key = if wants("/kit-keys") {
            made(&admin, "/api/v1/kit-keys", kit_key(&named("watch"), 'A', number)).await
        } else {
            nothing
        };
        let reason = json!({ "reason": "nobody answers the phone" });
        let mut objects = Self {
            number,
            command: command.clone(),
            endpoint: endpoint.to_string(),
            artifact: String::new(),
            token: text(&token, "id"),
            key: text(&key, "id"),
            script: named("script"),
            digest_of_script,
            approval: text(&waiting, "id"),
            plan: text(&plan, "id"),
            plan_digest: text(&plan, "digest"),
            approved: text(&approved, "id"),
            digest: text(&waiting, "intent_sha256"),
            person: text(&person, "id"),
            other_person: text(&other, "id"),
            role: text(&role, "id"),
            provider: text(&provider, "id"),
            webhook: text(&webhook, "id"),
            kit_key: text(&kit_key, "id"),
            session: second.session,
            passkey: passkey(world, admin.id).await.to_string(),
            notice: notice(world).await.to_string(),
            glass: String::new(),
            tenant: world.tenant.to_string(),
            incident,
            other_incident,
            task: text(&task, "id"),
            admin,
            approver,
            officer,
        };
        let task_id: Uuid = objects.task.parse().unwrap();
        objects.artifact =
            crate::artifacts::stored(world, task_id, command.parse().unwrap(), endpoint, b"content")
                .await
                .to_string();
        let shell = shell::Shell {
            tenant_id: world.tenant,
            id: objects.command.parse().unwrap(),
            task_id,
            endpoint_id: endpoint,
            requester_name: "x".to_owned(),
            program: "/bin/sh".to_owned(),
            run_as: "root".to_owned(),
            began_at: 1,
            ended_at: None,
            reason: None,
            ended_by: None,
            exit_code: None,
            end_signal: None,
            bytes_in: 0,
            bytes_out: 0,
            artifact_id: None,
        };
        world.store.write(move |tx| shell::insert(tx, &shell).map(drop)).await.unwrap();
        let proof = proven(&objects.officer, "POST /api/v1/break-glass", &reason.to_string()).await;
        let request = objects
            .officer
            .request(reqwest::Method::POST, "/api/v1/break-glass")
            .header("quell-step-up", proof);
        let (status, glass) = crate::world::answer(request.json(&reason).send().await.unwrap()).await;
        assert_eq!(status, 201, "{glass}");
        objects.glass = text(&glass, "id");
        if path.ends_with("/review") {
            made(&objects.officer, &format!("/api/v1/break-glass/{}/end", objects.glass), json!({})).await;
        }
        objects
    }

    /// The ids that no other tenant is to see.
    pub fn ids(&self) -> impl Iterator<Item = &String> {
        [
            &self.task,
            &self.command,
            &self.endpoint,
            &self.artifact,
            &self.token,
            &self.key,
            &self.approval,
            &self.person,
            &self.role,
            &self.provider,
            &self.webhook,
            &self.kit_key,
            &self.session,
            &self.notice,
            &self.glass,
            &self.other_incident,
        ]
        .into_iter()
    }

    /// Who carries the change out.
    pub fn token(&self, route: &str) -> &str {
        if route.contains("/approvals/") || route.contains("/response-plans/") && !route.ends_with("/cancel")
        {
            return &self.approver.token;
        }
        &self.admin.token
    }

    /// The confirmation that the change asks for.
    pub async fn proof(&self, route: &str, body: &str) -> Option<String> {
        match route {
            "POST /api/v1/break-glass" => Some(proven(&self.admin, route, body).await),
            _ => None,
        }
    }
}

async fn proven(who: &Person, route: &str, body: &str) -> String {
    let wanted =
        json!({ "request": hex(&sha256(&[format!("{route}\n{body}").as_bytes()])), "password": PASSWORD });
    text(&made(who, "/api/v1/step-up", wanted).await, "proof")
}

async fn passkey(world: &World, person_id: Uuid) -> Uuid {
    let row = passkey::Passkey {
        tenant_id: world.tenant,
        id: Uuid::now_v7(),
        person_id,
        name: "key".to_owned(),
        credential_id: Uuid::now_v7().as_bytes().to_vec(),
        credential: "{}".to_owned(),
        created_at: 1,
        last_used_at: None,
    };
    world.store.write(move |tx| passkey::insert(tx, &row).map(|()| row.id)).await.unwrap()
}

async fn notice(world: &World) -> Uuid {
    let row = notice::Notice {
        tenant_id: world.tenant,
        id: Uuid::now_v7(),
        kind: "task_ended".to_owned(),
        object_id: "x".to_owned(),
        body: "{}".to_owned(),
        created_at: 1,
    };
    world.store.write(move |tx| notice::insert(tx, &row).map(|_| row.id)).await.unwrap()
}

fn provider(name: &str) -> Value {
    json!({ "name": name, "issuer": "https://idp.quell.example", "client_id": "quell", "client_secret": "s" })
}

fn webhook(name: &str) -> Value {
    json!({ "name": name, "url": "https://hooks.quell.example/x", "kinds": [] })
}

/// A public key unlike any other's.
fn kit_key(name: &str, first: char, number: usize) -> Value {
    json!({ "name": name, "public": format!("ed25519:{first}{number:A>41}A") })
}

/// Whether a path names one object that belongs to a tenant.
pub fn names_an_object(path: &str) -> bool {
    path.contains('{')
        && ![
            "/actions/",
            "/problems/",
            "/mail/templates/",
            "/approval-policy/lists/",
            "/sso/start/",
            "/ingest/",
            "/me/settings/",
        ]
        .iter()
        .any(|part| path.contains(part))
        // Kinds are the same for everybody, and a name of the library that is uploaded to is made by it.
        && !["/library/{kind}", "/library/{kind}/check", "/library/{kind}/{name}/versions"]
            .iter()
            .any(|end| path.ends_with(end))
}

/// The path with the ids of these objects.
pub fn concrete(path: &str, objects: &Objects) -> String {
    let id = match path.split('/').nth(3).unwrap() {
        "tasks" | "broken" => &objects.task,
        "commands" | "shells" => &objects.command,
        "endpoints" => &objects.endpoint,
        "artifacts" => &objects.artifact,
        "enrolment-tokens" => &objects.token,
        "api-keys" => &objects.key,
        "approvals" if path.ends_with("/revoke") || path.ends_with("/expire") => &objects.approved,
        "approvals" => &objects.approval,
        "response-plans" => &objects.plan,
        "break-glass" => &objects.glass,
        "people" => &objects.person,
        "roles" => &objects.role,
        "sso" => &objects.provider,
        "webhooks" => &objects.webhook,
        "kit-keys" => &objects.kit_key,
        "notices" => &objects.notice,
        "sessions" => &objects.session,
        "passkeys" => &objects.passkey,
        "incidents" => &objects.incident.id.to_string(),
        "detections" => &objects.incident.detection.to_string(),
        "actions" => "endpoint.isolate",
        _ => "",
    };
    let name = if path.contains("/lists/") { "except" } else { &objects.script };
    path.replace("{id}", id)
        .replace("{name}", name)
        .replace("{kind}", if path.contains("/library/") { "script" } else { "approval_requested" })
        .replace("{version}", "1")
        .replace("{index}", "0")
        .replace("{chain}", &objects.incident.chain.to_string())
        .replace("{activity}", "2")
        .replace("{source}", "generic")
        .replace("{note}", &objects.incident.note.to_string())
        .replace("{sha256}", &objects.digest_of_script)
        .replace("{code}", "not_found")
}

/// The same, of incidents and of what is told to them.
fn body_of_incident(route: &str, objects: &Objects) -> Option<Value> {
    let number = objects.number;
    let body = match route {
        "PATCH /api/v1/incidents/{id}" => json!({ "state": "closed", "resolution": "benign" }),
        "POST /api/v1/incidents/{id}/notes" | "PATCH /api/v1/incidents/{id}/notes/{note}" => {
            json!({ "body": format!("words {number}") })
        }
        "POST /api/v1/incidents/merge" => json!({ "into": objects.incident.id,
            "incidents": [objects.other_incident], "reason": "the same" }),
        "POST /api/v1/incidents/{id}/respond" | "POST /api/v1/incidents/{id}/respond/preview" => {
            json!({ "action": "file.prevent_run", "chain": objects.incident.chain, "activity": 2, "reason": "x" })
        }
        "POST /api/v1/ingest/{source}" => {
            json!({ "time": "2026-11-23T06:50:00Z", "title": format!("Seen {number}"), "severity": "high" })
        }
        _ => return None,
    };
    Some(body)
}

/// The body with which a change is carried out; `None` where nobody said.
pub fn body(route: &str, objects: &Objects) -> Option<Value> {
    let number = objects.number;
    let body = match route {
        "POST /api/v1/tasks" => json!({ "action": "file.collect", "params": { "path": "/etc/hosts" },
            "targets": { "endpoints": [objects.endpoint] }, "reason": "x" }),
        "POST /api/v1/library/{kind}" => {
            json!({ "name": format!("other-{number}"), "interpreter": "sh", "body": format!("ls {number}") })
        }
        "PATCH /api/v1/library/{kind}/{name}" => json!({ "archived": true }),
        "PUT /api/v1/gateway/addresses" => json!({ "addresses": ["quell.example:8421"] }),
        "PUT /api/v1/endpoints/{id}/tags" => json!({ "tags": ["a", "b"] }),
        "POST /api/v1/endpoints/tags" => json!({ "endpoints": [objects.endpoint], "add": ["c"] }),
        "PUT /api/v1/endpoints/{id}/name" => json!({ "name": format!("reception-{number}") }),
        "POST /api/v1/enrolment-tokens" => json!({ "name": "x" }),
        "POST /api/v1/api-keys" => json!({ "name": "x", "role": "analyst" }),
        "POST /api/v1/response-plans" => json!({ "reason": "x", "steps": [
            { "action": "file.collect", "params": { "path": "/etc/hosts" },
                "targets": { "endpoints": [objects.endpoint] } }] }),
        "POST /api/v1/response-plans/{id}/approve" | "POST /api/v1/response-plans/{id}/reject" => {
            json!({ "digest": objects.plan_digest })
        }
        "POST /api/v1/incidents/{id}/cut" => {
            json!({ "digest": "0".repeat(64), "steps": [1], "reason": "x" })
        }
        "POST /api/v1/approvals/{id}/approve" | "POST /api/v1/approvals/{id}/reject" => {
            json!({ "digest": objects.digest })
        }
        "POST /api/v1/approvals/decide" => json!({ "decision": "reject",
            "requests": [{ "task": objects.approval, "digest": objects.digest }] }),
        "PUT /api/v1/protection" | "POST /api/v1/protection/preview" => {
            json!({ "record": true, "ring_bytes": 64 << 20,
            "ring_age_seconds": 3600 * (number + 1), "prevent_from": "high", "yara": {},
            "modes": { "block_list": "detect", "behaviour": "off", "yara": "detect" },
            "behaviour": { "built_in": false } })
        }
        "PUT /api/v1/approval-policy" => json!({ "managed": { "auto_approve": false } }),
        "POST /api/v1/approval-policy/try" => json!({ "action": "file.collect", "requester": "staff" }),
        "POST /api/v1/break-glass" => json!({ "reason": "nobody answers the phone" }),
        "POST /api/v1/break-glass/{id}/review" => json!({ "note": "fine" }),
        "POST /api/v1/people" => json!({ "name": "New", "email": format!("new-{number}@quell.example") }),
        "PATCH /api/v1/people/{id}" => json!({ "name": "Renamed" }),
        "POST /api/v1/people/{id}/link" => json!({ "person": objects.other_person }),
        "PUT /api/v1/people/{id}/roles" => json!({ "roles": ["analyst"] }),
        "POST /api/v1/members" => {
            json!({ "email": format!("petra-{number}@quell.example"), "roles": ["auditor"] })
        }
        "POST /api/v1/roles" => {
            json!({ "name": format!("more-{number}"), "description": "", "grants": { "permissions": [] } })
        }
        "PUT /api/v1/roles/{id}" => {
            json!({ "name": format!("changed-{number}"), "description": "", "grants": { "permissions": [] } })
        }
        "PUT /api/v1/me/settings/{name}" => json!({ "columns": ["id"] }),
        "POST /api/v1/tenants" => json!({ "name": format!("tenant-{number}"),
            "administrator": { "name": "T", "email": format!("t-{number}@quell.example") } }),
        "POST /api/v1/sso/providers" => provider(&format!("more-{number}")),
        "PUT /api/v1/sso/providers/{id}" => provider(&format!("changed-{number}")),
        "POST /api/v1/kit-keys" => kit_key(&format!("more-{number}"), 'B', number),
        "POST /api/v1/webhooks" => webhook(&format!("more-{number}")),
        "PUT /api/v1/webhooks/{id}" => webhook(&format!("changed-{number}")),
        "PUT /api/v1/mail" => {
            json!({ "enabled": false, "from": "quell@quell.example", "recipients": [], "kinds": [],
            "smtp": { "host": "mail.quell.example" } })
        }
        "PUT /api/v1/mail/templates/{kind}" => json!({ "subject": "Please decide" }),
        "POST /api/v1/session" => {
            json!({ "email": format!("ada-{number}@quell.example"), "password": PASSWORD, "deliver": "token" })
        }
        "POST /api/v1/session/tenant" => json!({ "tenant": objects.tenant }),
        "POST /api/v1/me/password" => json!({ "old": PASSWORD, "new": "another long passphrase" }),
        "POST /api/v1/step-up" => json!({ "request": "0".repeat(64), "password": PASSWORD }),
        "POST /api/v1/broken/{id}"
        | "POST /api/v1/response-plans/{id}/cancel"
        | "POST /api/v1/people/{id}/reset"
        | "POST /api/v1/approvals/{id}/revoke"
        | "POST /api/v1/approvals/{id}/expire"
        | "POST /api/v1/break-glass/{id}/end"
        | "POST /api/v1/commands/{id}/release-code"
        | "POST /api/v1/session/refresh"
        | "POST /api/v1/sessions/revoke-others"
        | "POST /api/v1/webhooks/{id}/rotate" => json!({}),
        "POST /api/v1/endpoints/{id}/acknowledge"
        | "POST /api/v1/endpoints/{id}/revoke"
        | "POST /api/v1/tasks/{id}/cancel"
        | "POST /api/v1/response-plans/{id}/undo"
        | "POST /api/v1/tasks/{id}/undo" => json!({ "reason": "because" }),
        "POST /api/v1/me/totp" | "POST /api/v1/me/totp/remove" => json!({ "password": PASSWORD }),
        route if route.contains("/lists/") => json!(""),
        route if route.starts_with("DELETE ") => json!({}),
        route if route.starts_with("PATCH /api/v1/passkeys") => json!({ "name": "x" }),
        _ => return body_of_incident(route, objects),
    };
    Some(body)
}
