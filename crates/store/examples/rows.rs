//! How many rows, and how many whole lives of a command, the store makes durable in a second.
//!
//! `cargo run --release -p quell-store --example rows [-- postgres://…]`. Without an address: SQLite in a
//! temporary directory, flushed at every commit.

use std::time::{Duration, Instant};

use quell_store::{
    Error, Options, Store, audit,
    command::{self, Change, Command},
    endpoint, task, tenant,
};
use uuid::Uuid;

const TIME: Duration = Duration::from_secs(4);

#[expect(clippy::print_stdout, reason = "an example that prints its figures")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let url =
        std::env::args().nth(1).unwrap_or_else(|| format!("sqlite:{}", dir.path().join("rows.db").display()));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let store = Store::open(&url, Options::default(), 1).await?;
        let (tenant, endpoints) = prepare(&store).await?;
        println!("{:<44} {:>10} {:>10} {:>10} {:>8}", "", "per second", "p50 ms", "p99 ms", "cores");
        for producers in [1, 64, 512] {
            let rows = measure(&store, producers, move |store, _| append(store, tenant)).await;
            println!("{:<44} {rows}", format!("audit rows, {producers} at once"));
        }
        for producers in [1, 64, 512] {
            let targets = endpoints.clone();
            let lives = measure(&store, producers, move |store, number| {
                live(store, tenant, targets[number % targets.len()])
            })
            .await;
            println!("{:<44} {lives}", format!("command lives (4 commits each), {producers} at once"));
        }
        store.close().await;
        Ok(())
    })
}

struct Figures {
    per_second: f64,
    p50: f64,
    p99: f64,
    cores: f64,
}

impl std::fmt::Display for Figures {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{:>10.0} {:>10.2} {:>10.2} {:>8.2}", self.per_second, self.p50, self.p99, self.cores)
    }
}

async fn measure<F, W>(store: &Store, producers: usize, work: F) -> Figures
where
    F: Fn(Store, usize) -> W + Clone + Send + 'static,
    W: Future<Output = Result<(), Error>> + Send,
{
    let (begin, busy) = (Instant::now(), processor_time());
    let tasks: Vec<_> = (0..producers)
        .map(|number| {
            let (store, work) = (store.clone(), work.clone());
            tokio::spawn(async move {
                let mut times = Vec::new();
                while begin.elapsed() < TIME {
                    let one = Instant::now();
                    if work(store.clone(), number).await.is_ok() {
                        times.push(one.elapsed());
                    }
                }
                times
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.unwrap_or_default());
    }
    times.sort_unstable();
    let seconds = begin.elapsed().as_secs_f64();
    let at = |part: usize| times.get(times.len() * part / 100).map_or(0.0, |time| time.as_secs_f64() * 1e3);
    let cores = (processor_time() - busy) / seconds;
    Figures { per_second: times.len() as f64 / seconds, p50: at(50), p99: at(99), cores }
}

/// Seconds of processor time of this process (proc(5): fields 14 and 15, in hundredths).
fn processor_time() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / 100.0
}

async fn prepare(store: &Store) -> Result<(Uuid, Vec<Uuid>), Error> {
    let tenant_id = Uuid::now_v7();
    let rows: Vec<_> = (0..1000).map(|number| endpoint_row(tenant_id, number)).collect();
    let ids = rows.iter().map(|row| row.id).collect();
    store
        .write::<_, _, Error>(move |tx| {
            tenant::insert(
                tx,
                &tenant::Tenant { id: tenant_id, name: tenant_id.to_string(), created_at: 1 },
            )?;
            rows.iter().try_for_each(|row| endpoint::insert(tx, row))
        })
        .await?;
    Ok((tenant_id, ids))
}

fn endpoint_row(tenant_id: Uuid, number: i32) -> endpoint::Endpoint {
    endpoint::Endpoint {
        tenant_id,
        id: Uuid::now_v7(),
        name: format!("host-{number}"),
        state: "active".to_owned(),
        public_key: vec![0; 32],
        cert_serial: "00".to_owned(),
        cert_not_after: 0,
        fingerprint: String::new(),
        os: "linux".to_owned(),
        arch: "x86_64".to_owned(),
        agent_version: "0.1.0".to_owned(),
        facts: "{}".to_owned(),
        capabilities: "[]".to_owned(),
        isolation: None,
        tags: "[]".to_owned(),
        enrolled_at: 1,
        last_seen_at: None,
        alarm: None,
    }
}

fn record(tenant_id: Uuid, verb: &str, object: Uuid) -> audit::Record {
    audit::Record {
        tenant_id,
        id: Uuid::now_v7(),
        at: 1,
        actor_kind: "api_key".to_owned(),
        actor_id: tenant_id.to_string(),
        actor_name: "bench".to_owned(),
        verb: verb.to_owned(),
        object_kind: "command".to_owned(),
        object_id: object.to_string(),
        outcome: "ok".to_owned(),
        detail: "{\"bytes\":\"a detail of usual length, a hundred characters or so, as most records of the trail have\"}"
            .to_owned(),
        request_id: None,
        remote: None,
    }
}

async fn append(store: Store, tenant: Uuid) -> Result<(), Error> {
    store.write(move |tx| audit::append(tx, &record(tenant, "bench", tenant))).await
}

/// Submit (task, command, audit), claim, start, outcome with audit and the task's end: four commits.
async fn live(store: Store, tenant: Uuid, endpoint: Uuid) -> Result<(), Error> {
    let row = task_row(tenant);
    let command = command_row(&row, endpoint);
    let (task_id, id) = (row.id, command.id);
    store
        .write::<_, _, Error>(move |tx| {
            task::insert(tx, &row)?;
            command::insert(tx, &command)?;
            audit::append(tx, &record(tenant, "task.submit", row.id))
        })
        .await?;
    store
        .write::<_, _, Error>(move |tx| {
            command::active(tx, tenant, endpoint)?;
            for waiting in command::queued(tx, tenant, endpoint, 20, 1)? {
                let sent =
                    Change { to: "dispatched", attempt: true, dispatched_at: Some(20), ..Change::default() };
                command::transition(tx, tenant, waiting.id, "queued", &sent)?;
                task::running(tx, tenant, waiting.task_id)?;
                task::get(tx, tenant, waiting.task_id)?;
            }
            Ok(())
        })
        .await?;
    store
        .write::<_, _, Error>(move |tx| {
            let started = Change { to: "running", started_at: Some(30), ..Change::default() };
            command::transition(tx, tenant, id, "dispatched", &started).map(drop)
        })
        .await?;
    store
        .write::<_, _, Error>(move |tx| {
            command::get(tx, tenant, id)?;
            let end = Change {
                to: "succeeded",
                ended_at: Some(40),
                outcome_at: Some(40),
                outcome: Some("{\"probes\":[]}"),
                outcome_signed: Some(&[1; 400]),
                outcome_signature: Some(&[2; 64]),
                evidence: Some("[]"),
                ..Change::default()
            };
            if command::transition(tx, tenant, id, "running", &end)? {
                task::tally(tx, tenant, task_id, true, 0)?;
                task::finish(tx, tenant, task_id, "succeeded", None, 40)?;
            }
            audit::append(tx, &record(tenant, "command.outcome", id))
        })
        .await
}

fn task_row(tenant_id: Uuid) -> task::Task {
    task::Task {
        tenant_id,
        id: Uuid::now_v7(),
        action: "process.terminate".to_owned(),
        revision: 1,
        params: "{\"pid\":4211,\"start_time\":123456}".to_owned(),
        params_public: "{\"pid\":4211,\"start_time\":123456}".to_owned(),
        intent: vec![1; 300],
        intent_digest: [0; 32],
        requester_kind: "api_key".to_owned(),
        requester_id: "bench".to_owned(),
        requester_name: "bench".to_owned(),
        created_from: "api".to_owned(),
        reason: "a measurement".to_owned(),
        idempotency_key: None,
        request_digest: [8; 32],
        created_at: 10,
        expires_at: 1_000,
        state: "queued".to_owned(),
        reason_code: None,
        cancel_requested_at: None,
        revert_after: None,
        revert_at: None,
        undo_of: None,
        undone_by: None,
        target_count: 1,
        open_count: 1,
        succeeded_count: 0,
        worst: 0,
        ended_at: None,
        approval: "none".to_owned(),
        plan_id: None,
        incident_id: None,
        activity: None,
    }
}

fn command_row(task: &task::Task, endpoint_id: Uuid) -> Command {
    Command {
        tenant_id: task.tenant_id,
        id: Uuid::now_v7(),
        task_id: task.id,
        target: vec![2; 100],
        leaf_index: 0,
        proof: Vec::new(),
        service: "agent".to_owned(),
        endpoint_id,
        action: task.action.clone(),
        exclusion: None,
        priority: 1,
        is_held: false,
        nonce: vec![3; 16],
        not_before: 10,
        not_after: 1_000,
        state: "queued".to_owned(),
        reason_code: None,
        message: None,
        attempts: 0,
        dispatched_at: None,
        started_at: None,
        outcome_at: None,
        ended_at: None,
        deadline_at: 1_000,
        progress: None,
        outcome: None,
        evidence: None,
    }
}
