//! The whole isolation by the real agent: cut, proof, repair, restart, failure, and the ways out.

use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

use quell_catalog::{ActionKind, Observed, Verdict};
use quell_wire::frame::{Addresses, FromServer, OrderRef};
use quell_wire::{Outcome, Status};
use serde_json::{Value, json};

use crate::gateway::until;
use crate::process::{Endpoint, json as json_file};
use crate::world::{CANARIES, SERVER, SERVER_LATER, World, talks, world};

const ISOLATE: &str = "endpoint.isolate";
const RESTORE: &str = "endpoint.restore";

fn canaries() -> Value {
    json!({ "canaries": CANARIES })
}

fn evidence(kind: ActionKind, params: &Value, result: &Value) -> Vec<String> {
    match (kind.declared().judge)(params, result, &Observed::default()).unwrap() {
        Verdict::Verified { evidence } => evidence,
        Verdict::Unverified { code, reason } => panic!("{code}: {reason}\n{result:#}"),
    }
}

fn failed(outcome: &Outcome, code: &str) {
    assert_eq!(
        (outcome.status, outcome.reason_code.as_str()),
        (i32::from(Status::Failed), code),
        "{outcome:?}"
    );
}

fn is_cut(world: &World) {
    assert_eq!(world.reaches(), [false, false]);
    assert!(world.connect(SERVER).is_none(), "the server is open for the agent only");
}

fn is_free(world: &World) {
    assert_eq!(world.reaches(), [true, true]);
    assert!(!world.nft("list ruleset").contains("quell"), "exactly what was added is gone");
}

#[test]
fn cut_and_restored_with_proof() {
    let Some(world) = world() else { return };
    world.nft("add table inet somebody-elses");
    let before = world.nft("list ruleset");
    let endpoint = world.endpoint();
    let mut open = world.connect(CANARIES[0]).unwrap();
    assert!(talks(&mut open));

    let (_, result) = world.gateway.done(ISOLATE, &canaries());
    is_cut(&world);
    assert!(!talks(&mut open), "what was open is dead");
    let said = evidence(ActionKind::EndpointIsolate, &canaries(), &result);
    assert_eq!(said.iter().filter(|s| s.contains("reached before, not reached")).count(), 2, "{said:#?}");
    assert_eq!(result["channel_alive"], true);
    assert!(result["sockets_destroyed"].as_u64().unwrap() >= 1);
    assert_eq!(result["egress_interfaces"], json!(["eth0"]));
    assert_eq!(world.gateway.sessions(), 1, "the channel lived through the cut");

    // Once more, with an opening: the plan is replaced, and what was seen before the first cut still counts.
    let wider = json!({ "allow": [{ "network": "10.98.0.2", "protocol": "tcp", "port": 7000 }] });
    let (_, result) = world.gateway.done(ISOLATE, &wider);
    assert_eq!(result["already_isolated"], true);
    assert_eq!(world.reaches(), [true, false]);
    evidence(ActionKind::EndpointIsolate, &wider, &result);

    world.gateway.kick();
    world.gateway.wait_for_session(2);
    let facts: Value = serde_json::from_slice(&world.gateway.hello().facts).unwrap();
    assert_eq!(facts["isolation"]["state"], "isolated");

    let (_, result) = world.gateway.done(RESTORE, &json!({}));
    is_free(&world);
    assert_eq!(world.nft("list ruleset"), before);
    assert_eq!((&result["was_isolated"], &result["rules_gone"]), (&json!(true), &json!(true)));
    let said = evidence(ActionKind::EndpointRestore, &json!({}), &result);
    assert_eq!(
        said.iter()
            .filter(|s| s.contains("reached: as required") || s.contains("reached after: as required"))
            .count(),
        2,
        "{said:#?}"
    );
    assert!(!endpoint.file("isolation.json").exists());
    let (_, result) = world.gateway.done(RESTORE, &json!({}));
    assert_eq!(result["was_isolated"], false);
}

#[test]
fn a_flush_by_local_root_is_repaired_and_told() {
    let Some(world) = world() else { return };
    let _endpoint = world.endpoint();
    world.gateway.done(ISOLATE, &canaries());
    world.nft("flush ruleset");
    let began = Instant::now();
    until("repair", || world.nft("list ruleset").contains("quell_isolation"));
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    is_cut(&world);
    let event = world.gateway.event("isolation_repaired");
    // Seen in the middle of the flush or after it.
    let what = event["what"].to_string();
    assert!(what.contains("gone") || what.contains("missing"), "{event}");
    // One rule alone, slipped in.
    world.nft("insert rule inet quell_isolation output accept");
    let event = world.gateway.event("isolation_repaired");
    assert!(event["what"].to_string().contains("not ours"), "{event}");
    is_cut(&world);
}

/// Local root takes the tables' place for itself, and stays: the kernel lets nobody else change them.
struct Squatter(std::process::Child);

impl Squatter {
    fn sit(world: &World, script: &str) -> Self {
        let mut nft = std::process::Command::new("/usr/sbin/nft");
        nft.arg("-i").stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = world.inside(|| nft.spawn().unwrap());
        writeln!(child.stdin.as_mut().unwrap(), "{script}").unwrap();
        until("tables of the squatter", || world.nft("list ruleset").matches("flags owner").count() == 2);
        Self(child)
    }
}

impl Drop for Squatter {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn local_root_cannot_keep_the_rules_out_by_owning_their_tables() {
    let Some(world) = world() else { return };
    let mut endpoint = world.endpoint();
    let take =
        ["inet", "netdev"].map(|f| format!("add table {f} quell_isolation {{ flags owner; }}")).join("; ");
    let replace = ["inet", "netdev"].map(|f| format!("delete table {f} quell_isolation; ")).concat() + &take;
    world.gateway.done(ISOLATE, &canaries());
    let squatter = Squatter::sit(&world, &replace);
    // A look between two of its commands finds tables that are gone, and not yet whose they are then.
    until("the squatter is told", || {
        let event = world.gateway.event("isolation_repaired");
        event["what"].to_string().contains("belongs to another process")
    });
    is_cut(&world);
    // An agent that remembers no name finds its rules again, and takes away all of them and nothing else.
    endpoint.kill();
    endpoint.connect(&world.gateway);
    is_cut(&world);
    let (_, result) = world.gateway.done(RESTORE, &json!({}));
    assert_eq!(result["rules_gone"], true);
    assert_eq!(world.reaches(), [true, true]);
    assert_eq!(world.nft("list tables").lines().count(), 2, "the squatter's own");
    // The same where they sat there first.
    let (_, result) = world.gateway.done(ISOLATE, &canaries());
    is_cut(&world);
    let warnings = result["warnings"].to_string();
    assert!(warnings.contains("belongs to another process"), "{result:#}");
    evidence(ActionKind::EndpointIsolate, &canaries(), &result);
    drop(squatter);
    world.gateway.done(RESTORE, &json!({}));
    is_free(&world);
}

#[test]
fn a_cut_that_loses_the_server_is_taken_back() {
    let Some(world) = world() else { return };
    let endpoint = world.endpoint();
    world.gateway.answer_pings(false);
    let id = world.gateway.give(ISOLATE, &canaries());
    let outcome = world.gateway.outcome(&id);
    failed(&outcome, "channel_lost");
    let result: Value = serde_json::from_slice(&outcome.result).unwrap();
    assert_eq!(result["channel_alive"], false);
    is_free(&world);
    assert!(!endpoint.file("isolation.json").exists());
    world.gateway.answer_pings(true);

    // The same while isolated: back to the isolation that stood.
    world.gateway.done(ISOLATE, &canaries());
    world.gateway.answer_pings(false);
    let wider = json!({ "allow": [{ "network": "10.98.0.2" }] });
    let id = world.gateway.give(ISOLATE, &wider);
    failed(&world.gateway.outcome(&id), "channel_lost");
    is_cut(&world);
}

#[test]
fn it_outlives_the_agent_and_a_reboot() {
    let Some(world) = world() else { return };
    let mut endpoint = world.endpoint();
    world.gateway.done(ISOLATE, &canaries());
    endpoint.kill();
    is_cut(&world);
    // What a reboot leaves: the disk, and no rules.
    world.nft("flush ruleset");
    assert_eq!(world.reaches(), [true, true]);
    endpoint.connect(&world.gateway);
    is_cut(&world);
    let (_, result) = world.gateway.done(RESTORE, &json!({}));
    assert_eq!(result["was_isolated"], true);
    is_free(&world);
}

fn killed_in_the_self_test(world: &World) -> (Endpoint, quell_wire::Order) {
    let mut endpoint = world.endpoint();
    world.gateway.answer_pings(false);
    let order = world.gateway.order(ISOLATE, &canaries());
    world.gateway.send(FromServer::Order(world.gateway.sign(&order)));
    until("the cut", || world.nft("list ruleset").contains("quell_isolation"));
    endpoint.kill();
    assert_eq!(json_file(&endpoint.file("isolation.json"))["phase"], "testing");
    (endpoint, order)
}

#[test]
fn killed_before_the_self_test_it_is_tested_first() {
    let Some(world) = world() else { return };
    let (mut endpoint, order) = killed_in_the_self_test(&world);
    world.gateway.answer_pings(true);
    endpoint.connect(&world.gateway);
    is_cut(&world);
    assert_eq!(json_file(&endpoint.file("isolation.json"))["phase"], "confirmed");
    // The server delivers what is not answered again; the agent takes it up and ends it.
    world.gateway.send(FromServer::Order(world.gateway.sign(&order)));
    let outcome = world.gateway.outcome(&order.order_id);
    assert_eq!(outcome.status, i32::from(Status::Done), "{outcome:?}");
    evidence(ActionKind::EndpointIsolate, &canaries(), &serde_json::from_slice(&outcome.result).unwrap());
}

#[test]
fn killed_before_the_self_test_it_is_taken_back_when_that_fails() {
    let Some(world) = world() else { return };
    let (mut endpoint, order) = killed_in_the_self_test(&world);
    endpoint.connect(&world.gateway);
    is_free(&world);
    world.gateway.event("isolation_reverted");
    world.gateway.answer_pings(true);
    world.gateway.send(FromServer::Order(world.gateway.sign(&order)));
    failed(&world.gateway.outcome(&order.order_id), "channel_lost");
    is_free(&world);
}

#[test]
fn killed_before_the_self_test_and_called_off_it_says_what_stands() {
    let Some(world) = world() else { return };
    let (mut endpoint, order) = killed_in_the_self_test(&world);
    world.gateway.answer_pings(true);
    endpoint.connect(&world.gateway);
    is_cut(&world);
    // Nobody delivers it again: somebody called it off meanwhile.
    world.gateway.send(FromServer::Cancel(OrderRef { order_id: order.order_id.clone() }));
    let outcome = world.gateway.outcome(&order.order_id);
    assert_eq!(outcome.status, i32::from(Status::Done), "{outcome:?}");
    evidence(ActionKind::EndpointIsolate, &canaries(), &serde_json::from_slice(&outcome.result).unwrap());
    is_cut(&world);
    let (_, result) = world.gateway.done(RESTORE, &json!({}));
    assert_eq!(result["was_isolated"], true);
    is_free(&world);
}

#[test]
fn killed_before_the_self_test_and_called_off_it_says_what_was_taken_back() {
    let Some(world) = world() else { return };
    let (mut endpoint, order) = killed_in_the_self_test(&world);
    endpoint.connect(&world.gateway);
    is_free(&world);
    world.gateway.send(FromServer::Cancel(OrderRef { order_id: order.order_id.clone() }));
    failed(&world.gateway.outcome(&order.order_id), "channel_lost");
    is_free(&world);
}

fn release(endpoint: &Endpoint, code: &str) -> Result<(), String> {
    let mut command = endpoint.command(&["release"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{code}").unwrap();
    let output = child.wait_with_output().unwrap();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8(output.stderr).unwrap()) }
}

#[test]
fn the_one_time_code_ends_it_at_the_endpoint() {
    let Some(world) = world() else { return };
    let endpoint = world.endpoint();
    assert!(release(&endpoint, "ABCD-EFGH-2345").unwrap_err().contains("not isolated"));
    world.gateway.done(ISOLATE, &canaries());
    let state = std::fs::read_to_string(endpoint.file("isolation.json")).unwrap();
    assert!(!state.contains("ABCD") && state.contains("hash"), "only a hash is kept");
    let journal = std::fs::read(endpoint.file("journal")).unwrap();
    assert!(!journal.windows(9).any(|bytes| bytes == b"ABCD-EFGH"), "not in the journal either");
    assert!(release(&endpoint, "WRONG").unwrap_err().contains("not the code"));
    is_cut(&world);
    world.gateway.event("isolation_release_refused");
    release(&endpoint, "abcd efgh 2345").unwrap();
    is_free(&world);
    world.gateway.event("isolation_released_locally");
    assert!(release(&endpoint, "ABCD-EFGH-2345").unwrap_err().contains("not isolated"), "it works once");
}

#[test]
fn the_servers_new_address_is_let_through() {
    let Some(world) = world() else { return };
    let endpoint = world.endpoint();
    let (_, result) = world.gateway.done(ISOLATE, &canaries());
    assert_eq!(result["servers"], json!([SERVER]));
    let addresses = vec![SERVER.to_owned(), SERVER_LATER.to_owned()];
    world.gateway.send(FromServer::Addresses(Addresses { addresses }));
    until("the new address in the plan", || {
        json_file(&endpoint.file("isolation.json"))["plan"]["servers"].to_string().contains(SERVER_LATER)
    });
    is_cut(&world);
    assert!(world.connect(SERVER_LATER).is_none(), "for the agent only");
    // The old address goes; the agent comes back through the new one.
    world.outside(|| {
        let ip = ["addr", "del", "10.98.0.3/24", "dev", "eth0"];
        assert!(std::process::Command::new("/usr/sbin/ip").args(ip).status().unwrap().success());
    });
    world.gateway.kick();
    world.gateway.wait_for_session(2);
    let (_, result) = world.gateway.done(RESTORE, &json!({}));
    assert_eq!(result["rules_gone"], true);
}

#[test]
fn a_lost_channel_lifts_it_when_that_was_asked() {
    let Some(world) = world() else { return };
    let endpoint = world.endpoint();
    let mut params = canaries();
    params["release_after_channel_loss_minutes"] = json!(1);
    world.gateway.done(ISOLATE, &params);
    let began = Instant::now();
    world
        .gateway
        .refuse_sessions(Some(quell_wire::enrol::Problem { code: "busy".into(), message: "no".into() }));
    world.gateway.kick();
    while endpoint.file("isolation.json").exists() {
        assert!(began.elapsed() < Duration::from_secs(90), "lifted after a minute");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(began.elapsed() > Duration::from_secs(55), "{:?}", began.elapsed());
    is_free(&world);
    world.gateway.refuse_sessions(None);
    let event = world.gateway.event("isolation_lifted");
    assert_eq!(event["why"], "channel_lost");
}
