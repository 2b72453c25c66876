//! One conversation with a server.

use std::io::{self, Read, Write};

use prost::Message as _;

use crate::protocol::{
    Answered, Ask, Asked, FRAME, Hello, ORDERS, Pong, PublicKeys, Refused, Said, Say, Sign, Signed, Sorry,
    VERSION, Welcome, read, write,
};
use crate::service::{Answer, Service};

/// Answers until the server hangs up.
///
/// # Errors
/// The server broke the protocol, or the stream broke.
pub fn converse<S: Read + Write>(stream: &mut S, service: &Service) -> io::Result<()> {
    let Some(first) = read::<Asked>(stream, FRAME)? else { return Ok(()) };
    let told = match first.ask {
        Some(Ask::Hello(Hello { oldest, newest })) if (oldest..=newest).contains(&VERSION) => {
            let keys = service.keys().held();
            let welcome = Welcome { version: VERSION, keys: Some(public(service)) };
            say(stream, Say::Welcome(welcome))?;
            keys.set.version
        }
        Some(Ask::Hello(_)) => {
            return sorry(stream, "version", "this signer speaks version 1 of the protocol alone");
        }
        Some(Ask::Sign(_) | Ask::Ping(_)) | None => {
            return sorry(stream, "protocol", "a conversation begins with Hello");
        }
    };
    answer(stream, service, told)
}

fn answer<S: Read + Write>(stream: &mut S, service: &Service, mut told: u64) -> io::Result<()> {
    while let Some(asked) = read::<Asked>(stream, FRAME)? {
        match asked.ask {
            Some(Ask::Sign(Sign { id, orders, deltas, protections }))
                if orders.len() + deltas.len() + protections.len() <= ORDERS =>
            {
                let signed = service.sign(&orders).into_iter().chain(service.sign_deltas(&deltas));
                let signed = signed.chain(service.sign_protections(&protections));
                let answers = signed.map(answered).collect();
                // Looked at after the signing: what signed is among the keys that are told.
                let keys = news(service, &mut told);
                say(stream, Say::Signed(Signed { id, answers, keys }))?;
            }
            Some(Ask::Ping(_)) => {
                let keys = news(service, &mut told);
                say(stream, Say::Pong(Pong { keys }))?;
            }
            Some(Ask::Sign(_)) => {
                return sorry(stream, "protocol", "more orders in one request than the protocol allows");
            }
            Some(Ask::Hello(_)) | None => {
                return sorry(stream, "protocol", "a request that the protocol does not have");
            }
        }
    }
    Ok(())
}

fn news(service: &Service, told: &mut u64) -> Option<PublicKeys> {
    let version = service.keys().held().set.version;
    (std::mem::replace(told, version) != version).then(|| public(service))
}

fn public(service: &Service) -> PublicKeys {
    let held = service.keys().held();
    PublicKeys { set: held.set.encode_to_vec(), rotations: held.rotations.clone() }
}

fn answered(answer: Answer) -> Answered {
    match answer {
        Ok(signed) => Answered { signature: signed.signature, key_id: signed.key_id, refused: None },
        Err(refusal) => {
            let wait = refusal.retry_after.map_or(0, |wait| wait.as_millis().clamp(1, 60_000) as u32);
            let refused =
                Refused { code: refusal.code.to_owned(), message: refusal.message, retry_after_ms: wait };
            Answered { signature: Vec::new(), key_id: String::new(), refused: Some(refused) }
        }
    }
}

fn say(stream: &mut impl Write, say: Say) -> io::Result<()> {
    write(stream, &Said { say: Some(say) })
}

/// Says why, and ends the conversation.
pub(crate) fn sorry(stream: &mut impl Write, code: &str, message: &str) -> io::Result<()> {
    say(stream, Say::Sorry(Sorry { code: code.to_owned(), message: message.to_owned() }))?;
    Err(io::Error::new(io::ErrorKind::InvalidData, message.to_owned()))
}
