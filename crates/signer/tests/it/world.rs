//! A signer in a folder of its own, with a clock that tests move, and orders as a server makes them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use prost::Message as _;
use quell_catalog::ActionKind;
use quell_signer::{Answer, Client, Clock, Place, Policy, Service};
use quell_wire::merkle::Tree;
use quell_wire::order::{Identity, check};
use quell_wire::{Approval, Intent, Order, Requester, SignedOrder, Target, Trust, intent};
use serde_json::{Value, json};
use tempfile::TempDir;

pub const NOW: i64 = 1_750_000_000_000_000;
pub const SECOND: i64 = 1_000_000;
pub const HOUR: i64 = 3600 * SECOND;
pub const TENANT: &str = "01900000-0000-7000-8000-000000000001";

pub struct World {
    pub folder: TempDir,
    pub service: Arc<Service>,
    now: Arc<AtomicI64>,
}

impl World {
    pub fn new() -> Self {
        Self::with(&Policy::default())
    }

    pub fn with(policy: &Policy) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let world = Self::at(folder, policy);
        world.unwrap()
    }

    pub fn at(folder: TempDir, policy: &Policy) -> Result<Self, quell_signer::OpenError> {
        let directory = folder.path().join("signer");
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::set_permissions(&directory, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        policy.save(&directory.join("signer.json")).unwrap();
        let now = Arc::new(AtomicI64::new(NOW));
        let hands = Arc::clone(&now);
        let clock: Clock = Arc::new(move || hands.load(Ordering::Relaxed));
        let service = Arc::new(Service::open(&directory, clock)?);
        Ok(Self { folder, service, now })
    }

    pub fn directory(&self) -> PathBuf {
        self.folder.path().join("signer")
    }

    pub fn pass(&self, time: i64) {
        self.now.fetch_add(time, Ordering::Relaxed);
    }

    pub fn sign(&self, order: &Order) -> Answer {
        self.service.sign(&[order.encode_to_vec()]).remove(0)
    }

    /// The code with which an order is refused.
    pub fn code(&self, order: &Order) -> &'static str {
        self.sign(order).unwrap_err().code
    }
}

/// A request as a server stores it.
#[derive(Clone)]
pub struct Asked {
    pub intent: Intent,
    pub endpoints: Vec<String>,
}

impl Asked {
    pub fn new(kind: ActionKind, params: Value) -> Self {
        let params = (kind.declared().check_params)(&params).unwrap();
        let intent = Intent {
            tenant_id: TENANT.to_owned(),
            task_id: "01900000-0000-7000-8000-00000000aaaa".to_owned(),
            action: kind.id().to_owned(),
            revision: kind.spec().revision,
            params: params.to_string().into_bytes(),
            requester: Some(Requester { kind: "person".into(), id: "ann".into(), name: "Ann".into() }),
            created_at_us: NOW - SECOND,
            expires_at_us: NOW + HOUR,
            targets_root: Vec::new(),
            target_count: 0,
            revert_after_us: 0,
            nonce: vec![3; 16],
        };
        Self { intent, endpoints: (0..3).map(|number| format!("endpoint-{number}")).collect() }
    }

    pub fn isolate() -> Self {
        Self::new(ActionKind::EndpointIsolate, json!({}))
    }

    pub fn order(&self) -> Order {
        self.order_of(1, "order-1")
    }

    pub fn order_of(&self, index: usize, id: &str) -> Order {
        let leaves: Vec<Vec<u8>> = self
            .endpoints
            .iter()
            .map(|id| Target::endpoint(&self.intent.tenant_id, id).encode_to_vec())
            .collect();
        let tree = Tree::new(&leaves).unwrap();
        let mut asked = self.intent.clone();
        asked.targets_root = tree.root().to_vec();
        asked.target_count = leaves.len() as u64;
        let bytes = asked.encode_to_vec();
        Order {
            tenant_id: asked.tenant_id.clone(),
            endpoint_id: self.endpoints[index].clone(),
            order_id: id.to_owned(),
            intent_digest: intent::digest(&bytes).to_vec(),
            intent: bytes,
            target: leaves[index].clone(),
            target_index: index as u64,
            proof: tree.proof(index).unwrap().iter().map(|hash| hash.to_vec()).collect(),
            not_before_us: asked.created_at_us,
            not_after_us: asked.expires_at_us,
            nonce: vec![1; 16],
            secrets: Vec::new(),
            approvals: Vec::new(),
        }
    }
}

pub fn approval(person: &str) -> Approval {
    Approval { person_id: person.into(), name: person.to_uppercase(), decided_at_us: NOW, signature: None }
}

/// What the agent says of an order with this signature.
pub fn agent_takes(world: &World, order: &Order, signature: &[u8], key_id: &str) -> bool {
    let trust = Trust::pinned(world.service.keys().key_set()).unwrap();
    let me = Identity { tenant_id: order.tenant_id.clone(), endpoint_id: order.endpoint_id.clone() };
    let signed = SignedOrder {
        order: order.encode_to_vec(),
        signature: signature.to_vec(),
        key_id: key_id.to_owned(),
    };
    check(&signed, &trust, None, &me, NOW).is_ok()
}

/// A client that believes whatever keys it is told.
pub fn client(place: Place) -> Client {
    Client::start(place, Box::new(|_| Ok(())))
}

pub fn sign_socket(directory: &Path) -> PathBuf {
    directory.join(quell_signer::SIGN_SOCKET)
}
