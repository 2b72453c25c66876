//! Assertions of passkeys, made here with keys of our own, and every way in which one may be wrong.
#![expect(clippy::unwrap_used, reason = "tests")]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use quell_wire::ApproverSignature;
use quell_wire::approver::{self, ApproverKey};
use quell_wire::digest::sha256;
use quell_wire::webauthn::{Assertion, Error, Party, is_key, verify};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};

const DIGEST: [u8; 32] = [0xab; 32];
const RP: &str = "quell.example";

/// An authenticator with one passkey, and the browser before it.
struct Passkey {
    pair: EcdsaKeyPair,
    rp: String,
    flags: u8,
    tail: Vec<u8>,
    client_data: String,
}

fn client_data(kind: &str, challenge: &[u8], origin: &str) -> String {
    let challenge = URL_SAFE_NO_PAD.encode(challenge);
    format!(r#"{{"type":"{kind}","challenge":"{challenge}","origin":"{origin}","crossOrigin":false}}"#)
}

fn passkey() -> Passkey {
    let random = SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
    Passkey {
        pair: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref(), &random).unwrap(),
        rp: RP.into(),
        flags: 0b101,
        tail: Vec::new(),
        client_data: client_data("webauthn.get", &DIGEST, "https://quell.example"),
    }
}

impl Passkey {
    fn cose(&self) -> Vec<u8> {
        let point = self.pair.public_key().as_ref();
        let head = [0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20];
        [&head, &point[1..33], &[0x22, 0x58, 0x20], &point[33..]].concat()
    }

    fn authenticator_data(&self) -> Vec<u8> {
        [&sha256(&[self.rp.as_bytes()])[..], &[self.flags], &[0, 0, 0, 9], &self.tail].concat()
    }

    fn signature(&self) -> Vec<u8> {
        let signed = [&self.authenticator_data()[..], &sha256(&[self.client_data.as_bytes()])].concat();
        self.pair.sign(&SystemRandom::new(), &signed).unwrap().as_ref().to_vec()
    }

    fn verdict(&self) -> Result<(), Error> {
        judge(&self.authenticator_data(), self.client_data.as_bytes(), &self.signature(), &self.cose())
    }
}

fn judge(data: &[u8], client: &[u8], signature: &[u8], cose: &[u8]) -> Result<(), Error> {
    let origins = ["https://quell.example".to_owned(), "https://approve.quell.example".to_owned()];
    let assertion = Assertion { authenticator_data: data, client_data: client, signature };
    verify(assertion, cose, Party { id: RP, origins: &origins }, &DIGEST)
}

#[test]
fn an_honest_assertion_is_accepted() {
    let mut passkey = passkey();
    assert_eq!(passkey.verdict(), Ok(()));
    passkey.client_data = client_data("webauthn.get", &DIGEST, "https://approve.quell.example");
    assert_eq!(passkey.verdict(), Ok(()));
    passkey.flags = 0b1001_1101;
    passkey.tail = vec![0xa0];
    assert_eq!(passkey.verdict(), Ok(()), "backed up, with extensions");
}

#[test]
fn a_browser_may_say_more_and_in_another_order() {
    let mut passkey = passkey();
    let challenge = URL_SAFE_NO_PAD.encode(DIGEST);
    for said in [
        format!(r#"{{"origin":"https://quell.example","challenge":"{challenge}","type":"webauthn.get"}}"#),
        format!(
            r#"{{"type":"webauthn.get","challenge":"{challenge}","origin":"https:\/\/quell.example",
                "crossOrigin":false,"other_keys_can_be_added_here":{{"deep":[1,2,null]}}}}"#
        ),
    ] {
        passkey.client_data = said;
        assert_eq!(passkey.verdict(), Ok(()), "{}", passkey.client_data);
    }
}

#[test]
fn what_the_browser_says_must_be_this_deed_from_this_page() {
    let challenge = URL_SAFE_NO_PAD.encode(DIGEST);
    let origin = "https://quell.example";
    for (said, why) in [
        (client_data("webauthn.create", &DIGEST, origin), Error::Kind),
        (client_data("payment.get", &DIGEST, origin), Error::Kind),
        (client_data("webauthn.get", &[0xac; 32], origin), Error::Challenge),
        (client_data("webauthn.get", &DIGEST[..31], origin), Error::Challenge),
        (client_data("webauthn.get", b"", origin), Error::Challenge),
        (client_data("webauthn.get", &DIGEST, "https://quell.example.evil"), Error::Origin),
        (client_data("webauthn.get", &DIGEST, "http://quell.example"), Error::Origin),
        (client_data("webauthn.get", &DIGEST, "https://quell.example:8443"), Error::Origin),
        (client_data("webauthn.get", &DIGEST, "HTTPS://QUELL.EXAMPLE"), Error::Origin),
        (
            format!(r#"{{"type":"webauthn.get","challenge":"{challenge}=","origin":"{origin}"}}"#),
            Error::Challenge,
        ),
        (
            format!(
                r#"{{"type":"webauthn.get","challenge":"{challenge}","origin":"{origin}","crossOrigin":true}}"#
            ),
            Error::CrossOrigin,
        ),
        (
            format!(
                r#"{{"type":"webauthn.get","challenge":"{challenge}","origin":"{origin}","topOrigin":"https://evil"}}"#
            ),
            Error::CrossOrigin,
        ),
        (
            format!(
                r#"{{"type":"webauthn.create","type":"webauthn.get","challenge":"{challenge}","origin":"{origin}"}}"#
            ),
            Error::ClientData,
        ),
        (format!(r#"{{"type":"webauthn.get","challenge":"{challenge}"}}"#), Error::ClientData),
        (format!("{} ", "[".repeat(900)), Error::ClientData),
        (String::new(), Error::ClientData),
        (" ".repeat(3000), Error::Limit),
    ] {
        let passkey = Passkey { client_data: said, ..passkey() };
        assert_eq!(passkey.verdict(), Err(why), "{}", passkey.client_data);
    }
}

#[test]
fn what_the_authenticator_says_must_be_of_this_party_and_a_verified_user() {
    for (flags, tail, why) in [
        (0b100, &[][..], Error::NotPresent),
        (0b001, &[], Error::NotVerified),
        (0b000, &[], Error::NotPresent),
        (0b0100_0101, &[0; 40], Error::AuthenticatorData),
        (0b101, &[0], Error::AuthenticatorData),
        (0b1000_0101, &[], Error::AuthenticatorData),
        (0b1000_0101, &[0; 1024], Error::Limit),
    ] {
        let passkey = Passkey { flags, tail: tail.to_vec(), ..passkey() };
        assert_eq!(passkey.verdict(), Err(why), "{flags:b}");
    }
    let elsewhere = Passkey { rp: "evil.example".into(), ..passkey() };
    assert_eq!(elsewhere.verdict(), Err(Error::Party));
    let passkey = passkey();
    let data = passkey.authenticator_data();
    for most in 0..data.len() {
        let verdict =
            judge(&data[..most], passkey.client_data.as_bytes(), &passkey.signature(), &passkey.cose());
        assert_eq!(verdict, Err(Error::AuthenticatorData), "{most} bytes");
    }
}

#[test]
fn the_signature_must_be_of_this_key_over_these_very_bytes() {
    let (one, other) = (passkey(), passkey());
    let (data, client) = (one.authenticator_data(), one.client_data.as_bytes());
    assert_eq!(judge(&data, client, &other.signature(), &one.cose()), Err(Error::Signature));
    assert_eq!(judge(&data, client, &one.signature(), &other.cose()), Err(Error::Signature));
    assert_eq!(judge(&data, client, b"", &one.cose()), Err(Error::Signature));
    let mut counted = data.clone();
    counted[36] ^= 1;
    assert_eq!(judge(&counted, client, &one.signature(), &one.cose()), Err(Error::Signature), "the counter");
    let spaced = format!("{} ", one.client_data);
    assert_eq!(
        judge(&data, spaced.as_bytes(), &one.signature(), &one.cose()),
        Err(Error::Signature),
        "a space"
    );
    assert_eq!(judge(&data, client, &[0; 129], &one.cose()), Err(Error::Limit));
}

#[test]
fn passkeys_of_ed25519_serve_too() {
    let random = SystemRandom::new();
    let document = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
    let head = [0xa4, 0x01, 0x01, 0x03, 0x27, 0x20, 0x06, 0x21, 0x58, 0x20];
    let cose = [&head, pair.public_key().as_ref()].concat();
    let passkey = passkey();
    let (data, client) = (passkey.authenticator_data(), passkey.client_data.as_bytes());
    let signature = pair.sign(&[&data[..], &sha256(&[client])].concat());
    assert_eq!(judge(&data, client, signature.as_ref(), &cose), Ok(()));
    assert_eq!(judge(&data, client, &passkey.signature(), &cose), Err(Error::Signature));
}

#[test]
fn a_keyring_may_hold_a_passkey() {
    let passkey = passkey();
    let mut key = ApproverKey {
        person: "Ann".into(),
        human: "ann".into(),
        kind: approver::WEBAUTHN.into(),
        public: passkey.cose(),
        rp_id: RP.into(),
        origins: vec!["https://quell.example".into()],
        ..ApproverKey::default()
    };
    assert!(key.is_sound());
    let mut signature = ApproverSignature {
        key_id: key.id(),
        kind: approver::WEBAUTHN.into(),
        signature: passkey.signature(),
        authenticator_data: passkey.authenticator_data(),
        client_data: passkey.client_data.clone().into_bytes(),
    };
    assert_eq!(key.verify(&signature, &DIGEST), Ok(()));
    assert_eq!(key.verify(&signature, &[0; 32]), Err(Error::Challenge.into()));
    signature.kind = approver::ED25519.into();
    assert_eq!(key.verify(&signature, &DIGEST), Err(approver::Error::Kind));
    key.origins.clear();
    assert!(!key.is_sound(), "from any page");
}

#[test]
fn a_key_in_any_other_form_is_none() {
    let cose = passkey().cose();
    assert!(is_key(&cose));
    for most in 0..cose.len() {
        assert!(!is_key(&cose[..most]), "{most} bytes");
    }
    assert!(!is_key(&[&cose[..], &[0]].concat()));
    let off_the_curve = [&cose[..10], &[1; 32], &[0x22, 0x58, 0x20], &[1; 32]].concat();
    let passkey = passkey();
    let verdict = judge(
        &passkey.authenticator_data(),
        passkey.client_data.as_bytes(),
        &passkey.signature(),
        &off_the_curve,
    );
    assert_eq!(verdict, Err(Error::Signature));
}

proptest! {
    #[test]
    fn no_other_bytes_pass(
        data in proptest::collection::vec(any::<u8>(), 0..80),
        client in proptest::collection::vec(any::<u8>(), 0..200),
        signature in proptest::collection::vec(any::<u8>(), 0..80),
        cose in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        prop_assert!(judge(&data, &client, &signature, &cose).is_err());
    }

    #[test]
    fn no_single_bit_of_an_assertion_may_change(at in 0_usize..1000, bit in 0..8_u8) {
        let passkey = passkey();
        let mut parts =
            [passkey.authenticator_data(), passkey.client_data.clone().into_bytes(), passkey.signature(), passkey.cose()];
        let lengths: Vec<usize> = parts.iter().map(Vec::len).collect();
        let mut place = at % lengths.iter().sum::<usize>();
        let part = lengths.iter().position(|length| {
            let here = place < *length;
            if !here { place -= length; }
            here
        }).unwrap();
        parts[part][place] ^= 1 << bit;
        prop_assert!(judge(&parts[0], &parts[1], &parts[2], &parts[3]).is_err(), "part {}, byte {}", part, place);
    }
}
