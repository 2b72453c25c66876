//! An agent as the protocol describes it, without effects.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use prost::Message as _;
use quell_wire::enrol::{EnrolRequest, EnrolResponse, Problem, Token, decode};
use quell_wire::frame::{
    Capability, FromAgent, FromServer, Hello, Welcome, decode_from_server, encode_from_agent,
};
use quell_wire::path::{ENROL, GATEWAY_NAME, SESSION, SUBPROTOCOL};
use quell_wire::{Outcome, SignedOrder, SignedOutcome, SigningKey, Status};
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use uuid::Uuid;

use super::rig::Rig;

pub struct Agent {
    pub address: SocketAddr,
    pub ca: Vec<u8>,
    pub key_der: Vec<u8>,
    pub certificate: Option<Vec<u8>>,
    pub machine: [u8; 32],
    pub response: Option<EnrolResponse>,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn problem(&self) -> String {
        Problem::decode(self.body.clone()).unwrap().code
    }

    pub fn offset(&self) -> u64 {
        self.headers["upload-offset"].to_str().unwrap().parse().unwrap()
    }
}

pub fn csr(key_der: &[u8]) -> Vec<u8> {
    let key =
        KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(key_der), &PKCS_ED25519).unwrap();
    CertificateParams::default().serialize_request(&key).unwrap().der().to_vec()
}

impl Agent {
    pub fn new(rig: &Rig) -> Self {
        Self::to(rig.address, rig.authority.certificate().to_vec())
    }

    pub fn to(address: SocketAddr, ca: Vec<u8>) -> Self {
        Self {
            address,
            ca,
            key_der: SigningKey::generate().unwrap(),
            certificate: None,
            machine: quell_wire::digest::sha256(&[Uuid::new_v4().as_bytes()]),
            response: None,
        }
    }

    pub async fn enrolled(rig: &Rig) -> Self {
        let token = rig.token(1).await;
        let mut agent = Self::new(rig);
        let answer = agent.enrol(&token).await;
        assert_eq!(answer.status, StatusCode::OK);
        agent
    }

    pub async fn enrol(&mut self, token: &Token) -> Answer {
        let request = EnrolRequest {
            secret: token.secret.to_vec(),
            csr: csr(&self.key_der),
            machine: self.machine.to_vec(),
            agent_version: "0.1.0".to_owned(),
            facts: br#"{"hostname":"web-1","os":"linux","arch":"x86_64"}"#.to_vec(),
        };
        let answer = self.post(ENROL, request.encode_to_vec()).await;
        if answer.status == StatusCode::OK {
            let response: EnrolResponse = decode(&answer.body).unwrap();
            self.certificate = Some(response.certificate.clone());
            self.response = Some(response);
        }
        answer
    }

    pub fn id(&self) -> Uuid {
        self.response.as_ref().unwrap().endpoint_id.parse().unwrap()
    }

    pub fn key(&self) -> SigningKey {
        SigningKey::from_pkcs8(&self.key_der).unwrap()
    }

    pub fn tls(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(self.ca.clone())).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots);
        Arc::new(match &self.certificate {
            None => builder.with_no_client_auth(),
            Some(certificate) => builder
                .with_client_auth_cert(
                    vec![CertificateDer::from(certificate.clone())],
                    PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key_der.clone())),
                )
                .unwrap(),
        })
    }

    pub async fn connect(&self) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.address).await?;
        TlsConnector::from(self.tls()).connect(ServerName::try_from(GATEWAY_NAME).unwrap(), stream).await
    }

    pub async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer, Box<dyn std::error::Error>> {
        let stream = self.connect().await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let answer = sender.send_request(request).await?;
        let (head, body) = answer.into_parts();
        Ok(Answer { status: head.status, headers: head.headers, body: body.collect().await?.to_bytes() })
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(request("GET", path, &[]).body(Full::default()).unwrap()).await.unwrap()
    }

    pub async fn post(&self, path: &str, body: Vec<u8>) -> Answer {
        self.send(request("POST", path, &[]).body(Full::new(body.into())).unwrap()).await.unwrap()
    }

    pub fn hello(&self) -> Hello {
        Hello {
            oldest_protocol: 1,
            newest_protocol: 1,
            agent_version: "0.1.0".to_owned(),
            machine: self.machine.to_vec(),
            boot_id: "boot".to_owned(),
            instance: vec![7; 16],
            capabilities: quell_catalog::ActionKind::ALL
                .iter()
                .map(|kind| Capability { action: kind.id().to_owned(), revision: kind.spec().revision })
                .collect(),
            facts: br#"{"hostname":"web-1","os":"linux","arch":"x86_64","isolation":null}"#.to_vec(),
            held: Vec::new(),
            trust_serial: 0,
            block_list: None,
            protection: None,
        }
    }

    /// A WebSocket, before the first frame.
    pub async fn dial(&self) -> Session {
        let request = request(
            "GET",
            &format!("wss://{GATEWAY_NAME}{SESSION}"),
            &[
                ("connection", "Upgrade"),
                ("upgrade", "websocket"),
                ("sec-websocket-version", "13"),
                ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
                ("sec-websocket-protocol", SUBPROTOCOL),
            ],
        )
        .body(())
        .unwrap();
        let stream = self.connect().await.unwrap();
        let (socket, _) = tokio_tungstenite::client_async(request, stream).await.unwrap();
        Session { socket }
    }

    /// A session after Welcome.
    pub async fn session(&self) -> Session {
        let mut session = self.dial().await;
        session.say(FromAgent::Hello(self.hello())).await;
        session.welcome().await;
        session
    }

    pub fn outcome(&self, order: &SignedOrder, status: Status, result: Vec<u8>) -> SignedOutcome {
        let order = quell_wire::Order::decode(order.order.as_slice()).unwrap();
        let outcome = Outcome {
            tenant_id: order.tenant_id,
            endpoint_id: order.endpoint_id,
            order_id: order.order_id,
            intent_digest: order.intent_digest,
            status: status as i32,
            reason_code: String::new(),
            message: String::new(),
            result,
            started_at_us: 1,
            ended_at_us: 2,
        };
        SignedOutcome::sign(&self.key(), &outcome)
    }
}

pub fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> http::request::Builder {
    let builder = Request::builder().method(method).uri(path).header("host", GATEWAY_NAME);
    headers.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value))
}

pub struct Session {
    pub socket: WebSocketStream<TlsStream<TcpStream>>,
}

impl Session {
    pub async fn say(&mut self, frame: FromAgent) {
        self.raw(Message::Binary(encode_from_agent(frame).into())).await;
    }

    pub async fn raw(&mut self, message: Message) {
        // A server that has enough may have closed already.
        let _ = self.socket.send(message).await;
    }

    /// The next frame; `None` when the session has ended.
    pub async fn hear(&mut self) -> Option<FromServer> {
        let next = async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Binary(bytes))) => return Some(decode_from_server(&bytes).unwrap()),
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return None,
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), next).await.expect("nothing was said for 10 s")
    }

    /// Whether nothing is said for a while; answers probes meanwhile.
    pub async fn is_quiet(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.socket.next()).await.is_err()
    }

    pub async fn welcome(&mut self) -> Welcome {
        match self.hear().await {
            Some(FromServer::Welcome(welcome)) => welcome,
            other => panic!("no welcome: {other:?}"),
        }
    }

    pub async fn order(&mut self) -> SignedOrder {
        match self.hear().await {
            Some(FromServer::Order(order)) => order,
            other => panic!("no order: {other:?}"),
        }
    }

    /// The code with which the server ends the session; other frames before it are skipped.
    pub async fn goodbye(&mut self) -> String {
        while let Some(frame) = self.hear().await {
            if let FromServer::Goodbye(goodbye) = frame {
                return goodbye.code;
            }
        }
        "closed without a word".to_owned()
    }
}
