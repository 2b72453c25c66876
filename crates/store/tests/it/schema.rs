//! The schema: every statement fits it on both databases; it is refused when it is not ours.

use quell_store::{Error, Options, Store, Tx, api_key};
use uuid::Uuid;

use crate::backend::World;

crate::both!(every_statement_compiles, a_newer_or_altered_schema_is_refused, keys_keep_what_is_called_anew);

async fn every_statement_compiles(world: &World) {
    for (module, name, text) in quell_store::statements() {
        let compiled = world.write(move |tx| tx.prepare(text)).await;
        assert!(compiled.is_ok(), "{module}::{name}: {}", compiled.unwrap_err());
    }
    assert!(quell_store::statements().count() > 60);
}

async fn a_newer_or_altered_schema_is_refused(world: &World) {
    let again = Store::open(&world.url, Options::default(), 2).await.unwrap();
    again.close().await;
    let alter = |sql: &'static str| move |tx: &mut Tx<'_>| tx.execute(sql, &[]).map(drop);
    world.write(alter("UPDATE schema_migration SET checksum = 'another' WHERE version = 1")).await.unwrap();
    assert!(matches!(Store::open(&world.url, Options::default(), 2).await, Err(Error::Schema(_))));
    world.write(alter("UPDATE schema_migration SET version = 999 WHERE version = 1")).await.unwrap();
    let refused = Store::open(&world.url, Options::default(), 2).await.err().unwrap();
    assert!(refused.to_string().contains("run a newer program"), "{refused}");
}

/// Before migration 14, keys that were limited to scripts opened nothing.
async fn keys_keep_what_is_called_anew(world: &World) {
    let key = api_key::ApiKey {
        tenant_id: world.tenant,
        id: Uuid::now_v7(),
        name: "ci".to_owned(),
        prefix: "prefix".to_owned(),
        hash: [0; 32],
        role: "operator".to_owned(),
        created_at: 1,
        expires_at: None,
        last_used_at: None,
        revoked_at: None,
        owner: None,
        scope: Some(r#"{"permissions":["script.read","script.write","task.read"]}"#.to_owned()),
    };
    world.write(move |tx| api_key::insert(tx, &key)).await.unwrap();
    world.write(|tx: &mut Tx<'_>| tx.execute(SCOPES, &[]).map(drop)).await.unwrap();
    let found = world.read(|tx| api_key::by_prefix(tx, "prefix")).await.unwrap();
    let scope = r#"{"permissions":["library.read","library.write","task.read"]}"#;
    assert_eq!(found.scope.as_deref(), Some(scope));
}

/// Statements that run for every command, and the index that each finds its rows by.
const HOT: &[(&str, &str, &str)] = &[
    ("command", "GET", "sqlite_autoindex_command_1 (tenant_id=? AND id=?)"),
    ("command", "TRANSITION", "sqlite_autoindex_command_1 (tenant_id=? AND id=?)"),
    ("command", "QUEUED", "command_open (tenant_id=? AND endpoint_id=? AND state=? AND held=?)"),
    ("command", "IS_WAITING", "command_open (tenant_id=? AND endpoint_id=? AND state=? AND held=?)"),
    ("command", "IS_HELD", "command_leaf (tenant_id=? AND task_id=? AND leaf_index=?)"),
    ("command", "RELEASE", "command_leaf (tenant_id=? AND task_id=?)"),
    ("command", "ACTIVE", "command_open (tenant_id=? AND endpoint_id=? AND state=?)"),
    ("command", "OPEN_OF_ENDPOINT", "command_open (tenant_id=? AND endpoint_id=?)"),
    ("command", "GIVEN", "command_open (tenant_id=? AND endpoint_id=? AND state=?)"),
    ("command", "TO_STOP", "command_open (tenant_id=? AND endpoint_id=? AND state=?)"),
    ("command", "TWIN", "command_open (tenant_id=? AND endpoint_id=? AND state=? AND held=?)"),
    ("command::twins", "TWINS", "command_open (tenant_id=? AND endpoint_id=? AND state=? AND held=?)"),
    ("command", "OF_ENDPOINT", "command_endpoint (tenant_id=? AND endpoint_id=? AND id<?)"),
    ("command", "DUE", "command_deadline (deadline_at<?)"),
    ("command", "OF_TASK", "command_leaf (tenant_id=? AND task_id=? AND leaf_index>?)"),
    ("endpoint", "GET", "sqlite_autoindex_endpoint_1 (tenant_id=? AND id=?)"),
    ("endpoint::some", "SOME", "sqlite_autoindex_endpoint_1 (tenant_id=? AND id=?)"),
    ("endpoint::list", "BY_AGE_DOWN_AFTER", "sqlite_autoindex_endpoint_1 (tenant_id=? AND id<?)"),
    ("endpoint::list", "BY_NAME_UP_AFTER", "endpoint_name_key (tenant_id=? AND (name_key,id)>(?,?))"),
    ("endpoint::list", "BY_NAME_DOWN_AFTER", "endpoint_name_key (tenant_id=? AND (name_key,id)<(?,?))"),
    ("task", "GET", "sqlite_autoindex_task_1 (tenant_id=? AND id=?)"),
    ("task", "TALLY", "sqlite_autoindex_task_1 (tenant_id=? AND id=?)"),
    ("task", "BY_KEY", "task_idempotency"),
    ("task", "LIST_OF_ENDPOINT", "command_endpoint (tenant_id=? AND endpoint_id=?)"),
    ("task", "LIST_OF_ENDPOINT", "sqlite_autoindex_task_1 (tenant_id=? AND id=?)"),
    ("task", "LIST_OF_STATE", "task_state (tenant_id=? AND state=? AND id<?)"),
    ("task", "DUE_REVERTS", "task_revert"),
    ("artifact", "LIST", "artifact_age (tenant_id=? AND (created_at,id)<(?,?))"),
    (
        "artifact",
        "OF_ENDPOINT",
        "artifact_endpoint (tenant_id=? AND endpoint_id=? AND (created_at,id)<(?,?))",
    ),
    ("response_plan", "BY_KEY", "response_plan_idempotency (tenant_id=? AND requester_kind=?"),
    ("task", "LIST_OF_INCIDENT", "task_incident (tenant_id=? AND incident_id=? AND id<?)"),
    ("task", "LIST_OF_INCIDENTS", "task_origin (tenant_id=? AND id<?)"),
    ("chain", "HOLDING", "sqlite_autoindex_chain_2 (tenant_id=? AND endpoint_id=?)"),
    (
        "chain",
        "HOLDING",
        "sqlite_autoindex_chain_process_1 (tenant_id=? AND chain_id=? AND pid=? AND start=?)",
    ),
    ("chain", "BY_NAME", "sqlite_autoindex_chain_2 (tenant_id=? AND endpoint_id=? AND name=?)"),
    ("chain", "UPDATE", "sqlite_autoindex_chain_1 (tenant_id=? AND id=?)"),
    ("chain", "OF_INCIDENT", "chain_incident (tenant_id=? AND incident_id=?)"),
    ("chain", "OPEN", "chain_open (tenant_id=? AND endpoint_id=?)"),
    ("chain::rows", "PAGE_UP", "chain_activity_at (tenant_id=? AND chain_id=? AND (at,activity)>(?,?))"),
    ("chain::rows", "PAGE_DOWN", "chain_activity_at (tenant_id=? AND chain_id=? AND (at,activity)<(?,?))"),
    ("chain::rows", "PROCESSES", "sqlite_autoindex_chain_process_1 (tenant_id=? AND chain_id=?)"),
    ("detection", "IS_KNOWN", "detection_source (tenant_id=? AND source=? AND source_id=?)"),
    ("detection", "OF_PRODUCTS", "detection_of_products (tenant_id=? AND endpoint_id=? AND at>?)"),
    ("detection", "OF_CHAIN", "detection_chain (tenant_id=? AND chain_id=?)"),
    ("chain", "HELD", "COVERING INDEX chain_held (tenant_id=? AND endpoint_id=?)"),
    ("chain", "OLDEST", "chain_held (tenant_id=? AND endpoint_id=?)"),
    (
        "chain::batch",
        "BODIES",
        "sqlite_autoindex_chain_activity_1 (tenant_id=? AND chain_id=? AND activity=?)",
    ),
    ("endpoint::place", "NAMED", "endpoint_name (tenant_id=? AND name=?)"),
    ("endpoint", "PLACES_OF", "endpoint_place_endpoint (tenant_id=? AND endpoint_id=?)"),
    ("endpoint::place", "PLACED", "sqlite_autoindex_endpoint_place_1 (tenant_id=? AND place=?)"),
    ("detection", "MARKS", "detection_chain (tenant_id=? AND chain_id=?"),
    ("detection", "OF_INCIDENT", "detection_incident (tenant_id=? AND incident_id=?)"),
    ("detection::list", "BY_AT_DOWN", "detection_at (tenant_id=? AND (at,id)<(?,?))"),
    (
        "detection::list",
        "OF_ONE_BY_ARRIVAL_DOWN",
        "detection_incident (tenant_id=? AND incident_id=? AND id<?)",
    ),
    ("incident", "BY_NUMBER", "incident_by_number (tenant_id=? AND number=?)"),
    ("incident::link", "LINKED", "sqlite_autoindex_incident_link_1 (tenant_id=? AND kind=? AND value=?)"),
    ("incident::list", "BY_LAST_DOWN", "incident_last (tenant_id=? AND (last_at,id)<(?,?))"),
    ("task", "IS_TAKEN_BACK", "command_endpoint (tenant_id=? AND endpoint_id=? AND id>?)"),
    ("audit", "LIST_OF_OBJECT", "audit_object (tenant_id=? AND object_id=? AND id<?)"),
    ("api_key", "BY_PREFIX", "api_key_prefix (prefix=?)"),
    ("approval", "RUN_OUT", "approval_request_validity (valid_until>? AND valid_until<?)"),
    ("enrolment", "SPEND", "enrolment_token_hash (hash=?)"),
    (
        "blocklist::batch",
        "OBJECTS",
        "sqlite_autoindex_blocklist_object_1 (tenant_id=? AND kind=? AND value=?)",
    ),
    (
        "blocklist::batch",
        "LISTED",
        "sqlite_autoindex_blocklist_object_1 (tenant_id=? AND kind=? AND value=?)",
    ),
    (
        "blocklist::batch",
        "MERGED",
        "sqlite_autoindex_blocklist_source_1 (tenant_id=? AND kind=? AND value=?)",
    ),
    (
        "blocklist::batch",
        "DROP_WORDS",
        "sqlite_autoindex_blocklist_source_1 (tenant_id=? AND kind=? AND value=?)",
    ),
    (
        "blocklist::batch",
        "DELETE",
        "sqlite_autoindex_blocklist_object_1 (tenant_id=? AND kind=? AND value=?)",
    ),
];

/// The migration that is called anew.
const SCOPES: &str = include_str!("../../../../migrations/0014_api_key_scope.sql");

/// What runs for every command must find its rows by an index that names them, not by walking a tenant.
#[test]
fn hot_statements_use_an_index() {
    crate::backend::on_sqlite(async |world| {
        for (module, name, index) in HOT {
            let (_, _, text) = quell_store::statements().find(|(m, n, _)| m == module && n == name).unwrap();
            // Parameters become NULLs: the plan does not depend on their values.
            let mut plain = text.to_owned();
            for number in (1..=300).rev() {
                plain = plain.replace(&format!("${number}"), "(SELECT NULL)");
            }
            let explain: &'static str = Box::leak(format!("EXPLAIN QUERY PLAN {plain}").into_boxed_str());
            let plan = world
                .read(move |tx| {
                    tx.query(explain, &[], |mut row| {
                        let (_, _, _): (i64, i64, i64) = (row.take()?, row.take()?, row.take()?);
                        row.take::<String>()
                    })
                })
                .await;
            assert!(plan.iter().any(|step| step.contains(*index)), "{module}::{name}: {plan:?}");
        }
    });
}
