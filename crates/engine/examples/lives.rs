//! How many commands a second go from request to verified end through the engine: planned, signed, journaled,
//! judged, audited, each durable; without network and without an effect.
//!
//! `cargo run --release -p quell-engine --example lives [-- AGENTS]`

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use prost::Message as _;
use quell_engine::{
    Actor, Clock as _, Engine, FileSigner, Limits, Parts, Secrets, SystemClock, SystemEntropy, Targets,
    TaskRequest,
};
use quell_store::{Options, Store, endpoint, tenant};
use quell_wire::{Order, Outcome, SignedOutcome, SigningKey, Status};
use serde_json::json;
use uuid::Uuid;

const TIME: Duration = Duration::from_secs(5);
const TENANT: Uuid = Uuid::from_u128(1);

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[expect(clippy::print_stdout, reason = "an example that prints its figures")]
fn main() -> Result<(), Failure> {
    let agents: u128 = std::env::args().nth(1).map_or(Ok(128), |text| text.parse())?;
    let dir = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let engine = engine(dir.path()).await?;
        let begin = Instant::now();
        let mut running = Vec::new();
        for number in 0..agents {
            let key = enrol(&engine, number).await?;
            running.push(tokio::spawn(live(engine.clone(), Uuid::from_u128(number + 1), key)));
        }
        let (mut starts, mut ends) = (Vec::new(), Vec::new());
        for agent in running {
            let (begun, done) = agent.await??;
            starts.extend(begun);
            ends.extend(done);
        }
        let rate = ends.len() as f64 / begin.elapsed().as_secs_f64();
        println!("{agents} agents: {rate:.0} commands/s from request to verified end");
        for (name, mut times) in [("to the agent", starts), ("to the end", ends)] {
            times.sort_unstable();
            let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or_default();
            println!("  {name}: p50 {:.1?}, p99 {:.1?}", at(50), at(99));
        }
        Ok(())
    })
}

async fn engine(dir: &std::path::Path) -> Result<Engine, Failure> {
    let store =
        Store::open(&format!("sqlite:{}", dir.join("quell.db").display()), Options::default(), 1).await?;
    let row = tenant::Tenant { id: TENANT, name: "bench".to_owned(), created_at: 1 };
    store.write::<_, _, quell_store::Error>(move |tx| tenant::insert(tx, &row)).await?;
    Ok(Engine::new(Parts {
        store,
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        signer: Arc::new(FileSigner::open(&dir.join("order.key"))?),
        secrets: Secrets::new(&[1; 32]),
        own_machine: None,
        limits: Limits::default(),
    }))
}

async fn enrol(engine: &Engine, number: u128) -> Result<SigningKey, Failure> {
    let key = SigningKey::from_pkcs8(&SigningKey::generate()?)?;
    let row = endpoint::Endpoint {
        tenant_id: TENANT,
        id: Uuid::from_u128(number + 1),
        name: format!("host-{number}"),
        state: "active".to_owned(),
        public_key: key.public(),
        cert_serial: String::new(),
        cert_not_after: i64::MAX,
        fingerprint: String::new(),
        os: "linux".to_owned(),
        arch: "x86_64".to_owned(),
        agent_version: "0.1.0".to_owned(),
        facts: "{}".to_owned(),
        capabilities: json!([{ "action": "process.terminate", "revision": 1 }]).to_string(),
        isolation: None,
        tags: "[]".to_owned(),
        enrolled_at: SystemClock.now(),
        last_seen_at: None,
        alarm: None,
    };
    engine.store().write::<_, _, quell_store::Error>(move |tx| endpoint::insert(tx, &row)).await?;
    Ok(key)
}

async fn live(engine: Engine, id: Uuid, key: SigningKey) -> Result<(Vec<Duration>, Vec<Duration>), Failure> {
    let actor = Actor { kind: "api_key".to_owned(), ..Actor::system() };
    let gone = json!({
        "ended": [], "spared": [], "truncated": false,
        "probes": [{ "subject": "process 4211", "method": "pidfd", "after": "gone", "held": true, "proves": true }],
    });
    let (mut starts, mut ends) = (Vec::new(), Vec::new());
    let begin = Instant::now();
    while begin.elapsed() < TIME {
        let one = Instant::now();
        let request = TaskRequest {
            tenant: TENANT,
            action: "process.terminate".to_owned(),
            params: json!({ "pid": 4211, "start_time": 123 }),
            targets: Targets::Endpoints(vec![id]),
            reason: "a measurement".to_owned(),
            idempotency_key: None,
            expires_in: None,
            revert_after: None,
            confirm_count: None,
        };
        engine.submit(&actor, request).await?;
        for signed in engine.lease(TENANT, id, 16).await?.orders {
            starts.push(one.elapsed());
            let order = Order::decode(signed.order.as_slice())?;
            engine.started(TENANT, id, order.order_id.parse()?).await?;
            let outcome = Outcome {
                tenant_id: order.tenant_id,
                endpoint_id: order.endpoint_id,
                order_id: order.order_id,
                intent_digest: order.intent_digest,
                status: Status::Done.into(),
                reason_code: String::new(),
                message: String::new(),
                result: gone.to_string().into_bytes(),
                started_at_us: 1,
                ended_at_us: 2,
            };
            engine.outcome(TENANT, id, &SignedOutcome::sign(&key, &outcome)).await?;
            ends.push(one.elapsed());
        }
    }
    Ok((starts, ends))
}
