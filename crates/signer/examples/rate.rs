//! How many orders a second are signed: by the key alone, by the checks and the journal with it, and over a socket.
//!
//! `cargo run --release -p quell-signer --example rate [ORDERS]`
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement for people")]

use std::sync::Arc;
use std::time::Instant;

use prost::Message as _;
use quell_catalog::ActionKind;
use quell_signer::{Client, KeyFile, Options, Place, Service, listen, system_clock};
use quell_wire::merkle::Tree;
use quell_wire::{Intent, Order, Requester, Target, intent};

/// Targets of the one task: each order carries a proof of ten hashes.
const TARGETS: usize = 1000;

fn orders(count: usize, now: i64) -> Vec<Order> {
    let kind = ActionKind::EndpointIsolate;
    let tenant = "01900000-0000-7000-8000-000000000001";
    let leaves: Vec<Vec<u8>> = (0..TARGETS)
        .map(|number| {
            Target::endpoint(tenant, &format!("01900000-0000-7000-8000-{number:012}")).encode_to_vec()
        })
        .collect();
    let tree = Tree::new(&leaves).unwrap();
    let params = (kind.declared().check_params)(&serde_json::json!({})).unwrap();
    let asked = Intent {
        tenant_id: tenant.to_owned(),
        task_id: "01900000-0000-7000-8000-00000000aaaa".to_owned(),
        action: kind.id().to_owned(),
        revision: kind.spec().revision,
        params: params.to_string().into_bytes(),
        requester: Some(Requester { kind: "person".into(), id: tenant.into(), name: "Ann".into() }),
        created_at_us: now,
        expires_at_us: now + 3_600_000_000,
        targets_root: tree.root().to_vec(),
        target_count: leaves.len() as u64,
        revert_after_us: 0,
        nonce: vec![3; 16],
    };
    let bytes = asked.encode_to_vec();
    let order = |number: usize| {
        let place = number % TARGETS;
        Order {
            tenant_id: tenant.to_owned(),
            endpoint_id: format!("01900000-0000-7000-8000-{place:012}"),
            order_id: format!("01900000-0000-7000-9000-{number:012}"),
            intent_digest: intent::digest(&bytes).to_vec(),
            intent: bytes.clone(),
            target: leaves[place].clone(),
            target_index: place as u64,
            proof: tree.proof(place).unwrap().iter().map(|hash| hash.to_vec()).collect(),
            not_before_us: asked.created_at_us,
            not_after_us: asked.expires_at_us,
            nonce: vec![1; 16],
            secrets: Vec::new(),
            approvals: Vec::new(),
        }
    };
    (0..count).map(order).collect()
}

fn told(name: &str, count: usize, begun: Instant) {
    let seconds = begun.elapsed().as_secs_f64();
    println!("{name:<44} {:>8.0} orders/s", count as f64 / seconds);
}

async fn through(client: &Arc<Client>, orders: &[Vec<u8>], at_once: usize) {
    let mut workers = Vec::new();
    for share in orders.chunks(orders.len().div_ceil(at_once)) {
        let (client, share) = (Arc::clone(client), share.to_vec());
        workers.push(tokio::spawn(async move {
            for order in share {
                client.sign(order).await.unwrap();
            }
        }));
    }
    for worker in workers {
        worker.await.unwrap();
    }
}

fn main() {
    let count = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let folder = tempfile::tempdir().unwrap();
    let orders = orders(count, system_clock()());
    let encoded: Vec<Vec<u8>> = orders.iter().map(prost::Message::encode_to_vec).collect();
    println!("{count} orders of {} bytes", encoded[0].len());

    let keys = KeyFile::open(&folder.path().join("order.key")).unwrap();
    let begun = Instant::now();
    for order in &orders {
        std::hint::black_box(keys.sign(order));
    }
    told("the key alone, in this process", count, begun);

    let directory = folder.path().join("signer");
    let service = Arc::new(Service::open(&directory, system_clock()).unwrap());
    let begun = Instant::now();
    for batch in encoded.chunks(64) {
        assert!(service.sign(batch).iter().all(Result::is_ok));
    }
    told("checked and journalled, in batches of 64", count, begun);

    let socket = directory.join("sign.sock");
    listen(&service, &directory, Options { unix: Some(socket.clone()), ..Options::default() }).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let client = Arc::new(Client::start(Place::Unix(socket), Box::new(|_| Ok(()))));
        client.ready(std::time::Duration::from_secs(5)).await.unwrap();
        for at_once in [1, 16, 256, 1024] {
            let few = if at_once == 1 { &encoded[..count / 10] } else { &encoded[..] };
            let begun = Instant::now();
            through(&client, few, at_once).await;
            told(&format!("over the socket, {at_once} at once"), few.len(), begun);
        }
    });
}
