//! A gateway for tests: its own CA, enrolment, renewal, ping and sessions, as the protocol says. It checks nothing
//! that a test does not look at.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use prost::Message as _;
use quell_wire::digest::sha256;
use quell_wire::enrol::{EnrolRequest, EnrolResponse, Problem, RenewRequest, RenewResponse, Token};
use quell_wire::frame::{
    FromAgent, FromServer, Hello, OrderRef, Welcome, decode_from_agent, encode_from_server,
};
use quell_wire::intent::{self, Intent, Target};
use quell_wire::keys::KeySet;
use quell_wire::merkle::Tree;
use quell_wire::order::Secret;
use quell_wire::trust::SignedTrustBundle;
use quell_wire::{Order, Outcome, SignedOrder, SigningKey, Status, path};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, CertificateSigningRequestDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::sync::{broadcast, mpsc, watch};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::files::Files;

pub const TENANT: &str = "acme";
pub const ENDPOINT: &str = "endpoint-1";
/// Of archives.
pub const PASSWORD: &str = "correct horse battery staple";
pub const PATIENCE: Duration = Duration::from_secs(30);

#[expect(clippy::disallowed_methods, reason = "the tests' clock")]
pub fn now_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as i64
}

pub fn key() -> SigningKey {
    SigningKey::from_pkcs8(&SigningKey::generate().unwrap()).unwrap()
}

struct Shared {
    ca_params: CertificateParams,
    ca_key: KeyPair,
    ca_der: Vec<u8>,
    tls: TlsAcceptor,
    order_key: Arc<SigningKey>,
    secret: [u8; 32],
    agent_public: Mutex<Vec<u8>>,
    frames: mpsc::UnboundedSender<FromAgent>,
    to_agent: broadcast::Sender<FromServer>,
    kick: watch::Sender<u32>,
    pings: AtomicBool,
    life_us: AtomicI64,
    renewals: AtomicU32,
    sessions: AtomicU32,
    refuse: Mutex<Option<Problem>>,
    addresses: Mutex<Vec<String>>,
    /// Listed in front of its own at enrolment.
    other_order_keys: Mutex<Vec<Vec<u8>>>,
    /// Handed over at enrolment.
    trust: Mutex<Vec<SignedTrustBundle>>,
    /// Instead of those that it would issue.
    certificate: Mutex<Option<Vec<u8>>>,
    last_hello: Mutex<Option<Hello>>,
    files: Files,
}

pub struct Gateway {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    frames: tokio::sync::Mutex<mpsc::UnboundedReceiver<FromAgent>>,
    seen: Mutex<Vec<FromAgent>>,
    runtime: tokio::runtime::Runtime,
    counter: AtomicU32,
}

fn ca() -> (CertificateParams, KeyPair, Vec<u8>) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let der = params.self_signed(&key).unwrap().der().to_vec();
    (params, key, der)
}

fn server_tls(params: &CertificateParams, key: &KeyPair, ca_der: &[u8]) -> TlsAcceptor {
    let own = KeyPair::generate().unwrap();
    let cert = CertificateParams::new(vec![path::GATEWAY_NAME.to_owned()])
        .unwrap()
        .signed_by(&own, &Issuer::from_params(params, key))
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(ca_der.to_vec())).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .allow_unauthenticated()
        .build()
        .unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![cert.der().clone(), CertificateDer::from(ca_der.to_vec())],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(own.serialize_der())),
        )
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

impl Gateway {
    /// On a port of this machine's loopback.
    pub fn start() -> Self {
        Self::on(vec![TcpListener::bind("127.0.0.1:0").unwrap()])
    }

    /// On listeners that may be in another network namespace.
    pub fn on(listeners: Vec<TcpListener>) -> Self {
        let (params, ca_key, ca_der) = ca();
        let tls = server_tls(&params, &ca_key, &ca_der);
        let (frames, received) = mpsc::unbounded_channel();
        let address = listeners[0].local_addr().unwrap();
        let shared = Arc::new(Shared {
            ca_params: params,
            ca_key,
            ca_der,
            tls,
            order_key: Arc::new(key()),
            secret: [9; 32],
            agent_public: Mutex::default(),
            frames,
            to_agent: broadcast::channel(4096).0,
            kick: watch::channel(0).0,
            pings: AtomicBool::new(true),
            life_us: AtomicI64::new(7 * 86_400_000_000),
            renewals: AtomicU32::new(0),
            sessions: AtomicU32::new(0),
            refuse: Mutex::default(),
            addresses: Mutex::default(),
            other_order_keys: Mutex::default(),
            trust: Mutex::default(),
            certificate: Mutex::default(),
            last_hello: Mutex::default(),
            files: Files::default(),
        });
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        for listener in listeners {
            listener.set_nonblocking(true).unwrap();
            let shared = shared.clone();
            runtime.spawn(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    tokio::spawn(connection(shared.clone(), stream));
                }
            });
        }
        Self {
            address,
            shared,
            frames: tokio::sync::Mutex::new(received),
            seen: Mutex::default(),
            runtime,
            counter: AtomicU32::new(0),
        }
    }

    pub fn token(&self) -> Token {
        Token {
            secret: self.shared.secret,
            ca: sha256(&[&self.shared.ca_der]),
            order_key: sha256(&[&self.shared.order_key.public()]),
            trust: None,
        }
    }

    pub fn order_key(&self) -> &SigningKey {
        &self.shared.order_key
    }

    /// Whether new pings are answered.
    pub fn answer_pings(&self, yes: bool) {
        self.shared.pings.store(yes, Ordering::SeqCst);
    }

    pub fn certificates_last(&self, life: Duration) {
        self.shared.life_us.store(life.as_micros() as i64, Ordering::SeqCst);
    }

    /// Uploads and scripts.
    pub fn files(&self) -> &Files {
        &self.shared.files
    }

    /// Whom an impostor would have trusted too: listed at enrolment in front of the key that the token names.
    pub fn claim_order_key(&self, key: &SigningKey) {
        self.shared.other_order_keys.lock().unwrap().push(key.public());
    }

    /// The trust bundles that are handed over at enrolment.
    pub fn entrust(&self, chain: &[SignedTrustBundle]) {
        *self.shared.trust.lock().unwrap() = chain.to_vec();
    }

    /// What is answered at enrolment in place of a certificate; `None` for real ones.
    pub fn certify_by(&self, answer: Option<Vec<u8>>) {
        *self.shared.certificate.lock().unwrap() = answer;
    }

    pub fn renewals(&self) -> u32 {
        self.shared.renewals.load(Ordering::SeqCst)
    }

    pub fn sessions(&self) -> u32 {
        self.shared.sessions.load(Ordering::SeqCst)
    }

    pub fn refuse_sessions(&self, problem: Option<Problem>) {
        *self.shared.refuse.lock().unwrap() = problem;
    }

    pub fn hello(&self) -> Hello {
        self.shared.last_hello.lock().unwrap().clone().expect("an agent greeted")
    }

    /// Ends the sessions that stand.
    pub fn kick(&self) {
        self.shared.kick.send_modify(|n| *n += 1);
    }

    pub fn send(&self, frame: FromServer) {
        let _ = self.shared.to_agent.send(frame);
    }

    /// Waits for the next frame that fits; frames that do not are kept for later questions.
    pub fn expect<T>(&self, what: &str, mut fits: impl FnMut(&FromAgent) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        loop {
            let mut seen = self.seen.lock().unwrap();
            if let Some(at) = seen.iter().position(|frame| fits(frame).is_some()) {
                let frame = seen.remove(at);
                return fits(&frame).unwrap();
            }
            drop(seen);
            let next = self.runtime.block_on(async {
                tokio::time::timeout(end.saturating_duration_since(Instant::now()), async {
                    self.frames.lock().await.recv().await
                })
                .await
            });
            match next {
                Ok(Some(frame)) => self.seen.lock().unwrap().push(frame),
                _ => panic!("no {what} within {PATIENCE:?}; seen: {:?}", self.seen.lock().unwrap()),
            }
        }
    }

    /// Waits until a session stands.
    pub fn wait_for_session(&self, number: u32) {
        until("a session", || self.sessions() >= number);
    }

    /// Waits for the signed outcome of an order, acknowledges it, and checks the signature.
    pub fn outcome(&self, order_id: &str) -> Outcome {
        let outcome = self.outcome_unacknowledged(order_id);
        self.send(FromServer::OutcomeStored(OrderRef { order_id: order_id.to_owned() }));
        outcome
    }

    pub fn outcome_unacknowledged(&self, order_id: &str) -> Outcome {
        let public = self.shared.agent_public.lock().unwrap().clone();
        self.expect(&format!("outcome of {order_id}"), |frame| match frame {
            // Named before it is verified: among a thousand outcomes the signatures would be looked at too often.
            FromAgent::Outcome(signed) => Outcome::decode(signed.outcome.as_slice())
                .ok()
                .filter(|outcome| outcome.order_id == order_id)
                .map(|_| signed.open(&public).expect("signed by the agent")),
            _ => None,
        })
    }

    pub fn event(&self, kind: &str) -> serde_json::Value {
        self.expect(kind, |frame| match frame {
            FromAgent::Event(event) if event.kind == kind => serde_json::from_slice(&event.detail).ok(),
            _ => None,
        })
    }

    pub fn rejection(&self) -> String {
        self.expect("rejection", |frame| match frame {
            FromAgent::Rejected(rejected) => Some(rejected.reason_code.clone()),
            _ => None,
        })
    }

    pub fn order(&self, action: &str, params: &serde_json::Value) -> Order {
        let number = self.counter.fetch_add(1, Ordering::SeqCst);
        order(&format!("order-{number}"), action, params)
    }

    pub fn sign(&self, order: &Order) -> SignedOrder {
        SignedOrder::sign(&self.shared.order_key, order)
    }

    /// Signs and sends a new order; its id.
    pub fn give(&self, action: &str, params: &serde_json::Value) -> String {
        let order = self.order(action, params);
        self.send(FromServer::Order(self.sign(&order)));
        order.order_id
    }

    /// The same, and waits for its end.
    pub fn done(&self, action: &str, params: &serde_json::Value) -> (Outcome, serde_json::Value) {
        let id = self.give(action, params);
        let outcome = self.outcome(&id);
        assert_eq!(outcome.status, i32::from(Status::Done), "{outcome:?}");
        let result = serde_json::from_slice(&outcome.result).unwrap();
        (outcome, result)
    }
}

/// An order for this agent, valid for an hour, as one of three targets.
pub fn order(id: &str, action: &str, params: &serde_json::Value) -> Order {
    let now = now_us();
    let targets: Vec<Vec<u8>> =
        [ENDPOINT, "b", "c"].iter().map(|name| Target::endpoint(TENANT, name).encode_to_vec()).collect();
    let tree = Tree::new(&targets).unwrap();
    let intent = Intent {
        tenant_id: TENANT.into(),
        task_id: "task".into(),
        action: action.into(),
        revision: 1,
        params: serde_json::to_vec(params).unwrap(),
        requester: None,
        created_at_us: now,
        expires_at_us: now + 3_600_000_000,
        targets_root: tree.root().to_vec(),
        target_count: 3,
        revert_after_us: 0,
        nonce: vec![7; 16],
    }
    .encode_to_vec();
    Order {
        tenant_id: TENANT.into(),
        endpoint_id: ENDPOINT.into(),
        order_id: id.into(),
        intent_digest: intent::digest(&intent).to_vec(),
        intent,
        target: targets[0].clone(),
        target_index: 0,
        proof: tree.proof(0).unwrap().iter().map(|hash| hash.to_vec()).collect(),
        not_before_us: now,
        not_after_us: now + 3_600_000_000,
        nonce: vec![1; 16],
        secrets: [("release_code", "ABCD-EFGH-2345"), ("archive_password", PASSWORD)]
            .map(|(name, value)| Secret { name: name.into(), value: value.into() })
            .into(),
        approvals: Vec::new(),
    }
}

pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

async fn connection(shared: Arc<Shared>, stream: tokio::net::TcpStream) {
    let Ok(stream) = shared.tls.accept(stream).await else { return };
    let known = stream.get_ref().1.peer_certificates().is_some();
    let service = service_fn(move |request| respond(shared.clone(), known, request));
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
}

pub type Answer = Response<Full<Bytes>>;

fn answer(status: StatusCode, body: Vec<u8>) -> Answer {
    Response::builder().status(status).body(Full::new(body.into())).unwrap()
}

fn problem(code: &str) -> Answer {
    let problem = Problem { code: code.into(), message: format!("refused: {code}") };
    answer(StatusCode::FORBIDDEN, problem.encode_to_vec())
}

async fn respond(shared: Arc<Shared>, known: bool, request: Request<Incoming>) -> std::io::Result<Answer> {
    let route = request.uri().path().to_owned();
    Ok(match route.as_str() {
        path::ENROL => {
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let asked = EnrolRequest::decode(body).unwrap();
            if asked.secret != shared.secret {
                return Ok(problem("token_invalid"));
            }
            let (certificate, not_after_us) = issue(&shared, &asked.csr);
            let certificate = shared.certificate.lock().unwrap().clone().unwrap_or(certificate);
            let mut keys = shared.other_order_keys.lock().unwrap().clone();
            keys.push(shared.order_key.public());
            let response = EnrolResponse {
                tenant_id: TENANT.into(),
                endpoint_id: ENDPOINT.into(),
                certificate,
                ca: shared.ca_der.clone(),
                order_keys: KeySet { version: 1, keys }.encode_to_vec(),
                not_after_us,
                addresses: shared.addresses.lock().unwrap().clone(),
                trust: shared.trust.lock().unwrap().clone(),
            };
            answer(StatusCode::OK, response.encode_to_vec())
        }
        _ if !known => problem("certificate_missing"),
        route if Files::are_at(route) => return shared.files.answer(request).await,
        path::RENEW => {
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let asked = RenewRequest::decode(body).unwrap();
            shared.renewals.fetch_add(1, Ordering::SeqCst);
            let (certificate, not_after_us) = issue(&shared, &asked.csr);
            answer(StatusCode::OK, RenewResponse { certificate, not_after_us }.encode_to_vec())
        }
        path::PING if shared.pings.load(Ordering::SeqCst) => {
            let nonce = request.headers()[path::NONCE].clone();
            let mut pong = answer(StatusCode::NO_CONTENT, Vec::new());
            pong.headers_mut().insert(path::NONCE, nonce);
            pong
        }
        path::SESSION => {
            if let Some(refusal) = shared.refuse.lock().unwrap().clone() {
                return Ok(answer(StatusCode::FORBIDDEN, refusal.encode_to_vec()));
            }
            session(shared, request)
        }
        _ => answer(StatusCode::NOT_FOUND, Vec::new()),
    })
}

fn issue(shared: &Shared, csr: &[u8]) -> (Vec<u8>, i64) {
    let csr = CertificateSigningRequestDer::from(csr.to_vec());
    let mut params = CertificateSigningRequestParams::from_der(&csr).unwrap();
    *shared.agent_public.lock().unwrap() = rcgen::PublicKeyData::der_bytes(&params.public_key).to_vec();
    params.params.is_ca = IsCa::ExplicitNoCa;
    let certificate = params.signed_by(&Issuer::from_params(&shared.ca_params, &shared.ca_key)).unwrap();
    (certificate.der().to_vec(), now_us() + shared.life_us.load(Ordering::SeqCst))
}

fn session(shared: Arc<Shared>, mut request: Request<Incoming>) -> Answer {
    let accept = derive_accept_key(request.headers()[header::SEC_WEBSOCKET_KEY].as_bytes());
    let protocol = request.headers()[header::SEC_WEBSOCKET_PROTOCOL].clone();
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let upgraded = TokioIo::new(upgrade.await.unwrap());
        let socket = WebSocketStream::from_raw_socket(upgraded, Role::Server, None).await;
        talk(shared, socket).await;
    });
    Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::CONNECTION, "upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_ACCEPT, accept)
        .header(header::SEC_WEBSOCKET_PROTOCOL, protocol)
        .body(Full::default())
        .unwrap()
}

async fn talk(shared: Arc<Shared>, mut socket: WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>) {
    let Some(Ok(Message::Binary(first))) = socket.next().await else { return };
    let Ok(FromAgent::Hello(hello)) = decode_from_agent(&first) else { return };
    *shared.last_hello.lock().unwrap() = Some(hello);
    let welcome = Welcome {
        protocol: 1,
        server_time_us: now_us(),
        keep_alive_s: 1,
        addresses: shared.addresses.lock().unwrap().clone(),
        takes_chains: true,
        takes_recorder_state: true,
    };
    // Listen first: what a test sends once it sees the session must arrive.
    let mut to_agent = shared.to_agent.subscribe();
    let mut kick = shared.kick.subscribe();
    let frame = encode_from_server(FromServer::Welcome(welcome));
    if socket.send(Message::Binary(frame.into())).await.is_err() {
        return;
    }
    shared.sessions.fetch_add(1, Ordering::SeqCst);
    loop {
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Binary(bytes))) => {
                    let _ = shared.frames.send(decode_from_agent(&bytes).expect("a good frame"));
                }
                Some(Ok(_)) => {}
                _ => return,
            },
            Ok(frame) = to_agent.recv() => {
                if socket.send(Message::Binary(encode_from_server(frame).into())).await.is_err() {
                    return;
                }
            }
            _ = kick.changed() => return,
        }
    }
}
