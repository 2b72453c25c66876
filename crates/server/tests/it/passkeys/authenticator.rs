//! An authenticator made of software: one key on P-256, attestation `none` (WebAuthn level 3, 6 and 7).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use quell_wire::digest::sha256;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

/// Flags of the authenticator data.
pub const PRESENT: u8 = 1;
pub const VERIFIED: u8 = 4;
const KEY: u8 = 0x40;

pub struct Authenticator {
    key: EcdsaKeyPair,
    id: [u8; 32],
    /// Whose it is, as it was told.
    user: String,
    /// What a page of which origin asks.
    pub origin: String,
    pub relying_party: String,
    pub flags: u8,
    pub counter: u32,
}

impl Authenticator {
    pub fn new(origin: &str) -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let key =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref(), &random).unwrap();
        let mut id = [0; 32];
        random.fill(&mut id).unwrap();
        Self {
            key,
            id,
            user: String::new(),
            origin: origin.to_owned(),
            relying_party: "localhost".to_owned(),
            flags: PRESENT | VERIFIED,
            counter: 1,
        }
    }

    /// The id of its credential, as JSON has it.
    pub fn id(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.id)
    }

    /// What `navigator.credentials.create` answers.
    pub fn create(&mut self, asked: &Value) -> Value {
        let options = &asked["options"]["publicKey"];
        options["user"]["id"].as_str().unwrap().clone_into(&mut self.user);
        let client = self.client_data("webauthn.create", &options["challenge"]);
        let mut data = self.data(self.flags | KEY);
        data.extend([0; 16]);
        data.extend((self.id.len() as u16).to_be_bytes());
        data.extend(self.id);
        let point = self.key.public_key().as_ref();
        // {1: 2, 3: -7, -1: 1, -2: x, -3: y}
        data.extend([0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 32]);
        data.extend(&point[1..33]);
        data.extend([0x22, 0x58, 32]);
        data.extend(&point[33..65]);
        // {"fmt": "none", "attStmt": {}, "authData": data}
        let mut object = vec![0xa3];
        object.extend(b"\x63fmt\x64none\x67attStmt\xa0\x68authData\x58");
        object.push(data.len() as u8);
        object.extend(data);
        json!({
            "id": self.id(), "rawId": self.id(), "type": "public-key",
            "response": {
                "attestationObject": URL_SAFE_NO_PAD.encode(object),
                "clientDataJSON": URL_SAFE_NO_PAD.encode(client),
                "transports": ["internal"],
            },
            "clientExtensionResults": {},
        })
    }

    /// What `navigator.credentials.get` answers.
    pub fn get(&mut self, asked: &Value) -> Value {
        let options = &asked["options"]["publicKey"];
        assert_eq!(options["userVerification"], "required");
        let client = self.client_data("webauthn.get", &options["challenge"]);
        self.counter += 1;
        let data = self.data(self.flags);
        let signed = [&data[..], &sha256(&[client.as_bytes()])].concat();
        let signature = self.key.sign(&SystemRandom::new(), &signed).unwrap();
        json!({
            "id": self.id(), "rawId": self.id(), "type": "public-key",
            "response": {
                "authenticatorData": URL_SAFE_NO_PAD.encode(data),
                "clientDataJSON": URL_SAFE_NO_PAD.encode(client),
                "signature": URL_SAFE_NO_PAD.encode(signature),
                "userHandle": self.user,
            },
            "clientExtensionResults": {},
        })
    }

    /// An assertion over a digest: what an approver signs. Authenticator data, client data, signature.
    pub fn sign(&mut self, digest: &[u8]) -> [Vec<u8>; 3] {
        let asked = json!({ "options": { "publicKey": {
            "challenge": URL_SAFE_NO_PAD.encode(digest), "userVerification": "required",
        } } });
        let response = self.get(&asked)["response"].take();
        ["authenticatorData", "clientDataJSON", "signature"]
            .map(|part| URL_SAFE_NO_PAD.decode(response[part].as_str().unwrap()).unwrap())
    }

    fn client_data(&self, kind: &str, challenge: &Value) -> String {
        json!({ "type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": false })
            .to_string()
    }

    fn data(&self, flags: u8) -> Vec<u8> {
        let mut data = sha256(&[self.relying_party.as_bytes()]).to_vec();
        data.push(flags);
        data.extend(self.counter.to_be_bytes());
        data
    }
}
