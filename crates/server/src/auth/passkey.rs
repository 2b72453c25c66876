//! Passkeys (WebAuthn level 3): what is asked of an authenticator, and what becomes of its answer.
//!
//! `webauthn-rs` makes the challenges and checks the answers: relying party, origin, user verification, signature,
//! counter. Here is what is ours: each challenge is kept for five minutes, bound to what it was made for, and gone with
//! the first answer, right or wrong.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use quell_store::passkey::{self, Passkey as Row};
use quell_store::{Micros, Tx};
use quell_wire::digest::{Digest, sha256};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Value, json};
use uuid::Uuid;
use webauthn_rs::prelude::{
    DiscoverableAuthentication, Passkey, PasskeyAuthentication, PasskeyRegistration, PublicKeyCredential,
    RegisterPublicKeyCredential, Webauthn, WebauthnBuilder, WebauthnError,
};

use crate::problem::{Code, Problem};
use crate::public::Public;

/// How long a challenge waits, microseconds.
const LIFE: Micros = 300 * 1_000_000;
/// Challenges that wait for people who are signed in, and for those who are not.
const MOST: usize = 4096;
/// Of one address that is not signed in.
const MOST_OF_ADDRESS: usize = 32;

/// What a challenge was made for.
pub(crate) enum Ceremony {
    /// A new passkey of this person, asked for in this session.
    Register { person: Uuid, session: Uuid, state: Box<PasskeyRegistration> },
    /// Signing in, as whoever has the passkey.
    SignIn { state: Box<DiscoverableAuthentication> },
    /// A confirmation by this person, in this session, of the request with this digest.
    StepUp { person: Uuid, session: Uuid, request: Digest, state: Box<PasskeyAuthentication> },
}

/// A challenge, and the ceremony that its answer ends.
pub(crate) struct Begun {
    /// Names the ceremony.
    pub ceremony: String,
    /// For `navigator.credentials`.
    pub options: Value,
}

struct Waiting {
    ceremony: Ceremony,
    of: Option<IpAddr>,
    until: Micros,
}

/// The ceremonies that are under way. In memory: a server that starts anew asks to begin anew.
pub(crate) struct Passkeys {
    webauthn: Option<Webauthn>,
    waiting: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    by_name: HashMap<Digest, Waiting>,
    /// Oldest first; names that are gone already stay until it is their turn.
    order: VecDeque<Digest>,
}

impl Passkeys {
    /// For the host and origin at which people find the server. Without a name there are no passkeys.
    pub fn new(public: Option<&Public>) -> Self {
        let webauthn = public.and_then(|public| {
            let builder = WebauthnBuilder::new(public.host(), public.url());
            let built = builder.and_then(|builder| builder.rp_name("Quell").build());
            built
                .inspect_err(
                    |error| tracing::warn!(%error, "no passkeys: the public URL has no name that fits"),
                )
                .ok()
        });
        Self { webauthn, waiting: Mutex::default() }
    }

    /// Whether this server has a name that passkeys can be for.
    pub fn are_possible(&self) -> bool {
        self.webauthn.is_some()
    }

    fn webauthn(&self) -> Result<&Webauthn, Problem> {
        self.webauthn.as_ref().ok_or_else(|| {
            Problem::new(
                Code::Unavailable,
                "passkeys need a server with a name, and it does not know its own",
            )
            .hint("Start it with --public-url https://NAME.")
        })
    }

    /// Asks for a new passkey of a person who has these.
    pub fn register(
        &self,
        (person, session): (Uuid, Uuid),
        (email, name): (&str, &str),
        have: &[Row],
        now: Micros,
    ) -> Result<Begun, Problem> {
        let known = read_all(have)?.iter().map(|key| key.cred_id().clone()).collect();
        let (options, state) = self
            .webauthn()?
            .start_passkey_registration(person, email, name, Some(known))
            .map_err(|error| Problem::internal(&error))?;
        let mut options = value(&options)?;
        // Where the authenticator can keep the key itself, nobody needs to type an address to sign in.
        options["publicKey"]["authenticatorSelection"]["residentKey"] = json!("preferred");
        let ceremony = Ceremony::Register { person, session, state: Box::new(state) };
        self.wait(ceremony, options, None, now)
    }

    /// Asks for any passkey of this server, or for one of these.
    pub fn sign_in(&self, ids: &[Vec<u8>], of: IpAddr, now: Micros) -> Result<Begun, Problem> {
        let (options, state) = self
            .webauthn()?
            .start_discoverable_authentication()
            .map_err(|error| Problem::internal(&error))?;
        let mut options = value(&options)?;
        if let Some(fields) = options.as_object_mut() {
            fields.remove("mediation");
        }
        let list: Vec<Value> =
            ids.iter().map(|id| json!({ "type": "public-key", "id": URL_SAFE_NO_PAD.encode(id) })).collect();
        options["publicKey"]["allowCredentials"] = list.into();
        self.wait(Ceremony::SignIn { state: Box::new(state) }, options, Some(of), now)
    }

    /// Asks for a confirmation of a request, by one of the person's passkeys.
    pub fn step_up(
        &self,
        (person, session): (Uuid, Uuid),
        request: Digest,
        have: &[Row],
        now: Micros,
    ) -> Result<Begun, Problem> {
        let (options, state) = self
            .webauthn()?
            .start_passkey_authentication(&read_all(have)?)
            .map_err(|error| Problem::internal(&error))?;
        let ceremony = Ceremony::StepUp { person, session, request, state: Box::new(state) };
        self.wait(ceremony, value(&options)?, None, now)
    }

    /// The ceremony of this name, which ends with this answer, right or wrong.
    pub fn take(&self, name: &str, now: Micros) -> Result<Ceremony, Problem> {
        let mut queue = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let found = queue.by_name.remove(&sha256(&[name.as_bytes()]));
        found.filter(|waiting| waiting.until > now).map(|waiting| waiting.ceremony).ok_or_else(gone)
    }

    /// The passkey that an answer to a registration makes.
    pub fn registered(
        &self,
        answer: &RegisterPublicKeyCredential,
        state: &PasskeyRegistration,
    ) -> Result<Passkey, Problem> {
        self.webauthn()?.finish_passkey_registration(answer, state).map_err(|error| {
            Problem::new(Code::InvalidField, format!("credential: the passkey is not acceptable ({error})"))
                .field("credential", error.to_string())
        })
    }

    /// Whether an answer to a sign-in is that of this passkey; what is stored of it then.
    pub fn signed_in(
        &self,
        answer: &PublicKeyCredential,
        state: DiscoverableAuthentication,
        row: &Row,
    ) -> Result<Used, Refused> {
        let key = read(row).map_err(|_| Refused::Wrong)?;
        // Where the authenticator says whose it is, it must be theirs.
        if answer.get_user_unique_id().is_some_and(|id| id != row.person_id.as_bytes()) {
            return Err(Refused::Wrong);
        }
        let webauthn = self.webauthn().map_err(|_| Refused::Wrong)?;
        let result = webauthn.finish_discoverable_authentication_v2(answer, state, &key);
        Used::of(row, key, &result.map_err(|error| Refused::of(&error))?)
    }

    /// The same for a confirmation.
    pub fn confirmed(
        &self,
        answer: &PublicKeyCredential,
        state: &PasskeyAuthentication,
        row: &Row,
    ) -> Result<Used, Refused> {
        let key = read(row).map_err(|_| Refused::Wrong)?;
        let webauthn = self.webauthn().map_err(|_| Refused::Wrong)?;
        let result = webauthn.finish_passkey_authentication(answer, state);
        Used::of(row, key, &result.map_err(|error| Refused::of(&error))?)
    }

    fn wait(
        &self,
        ceremony: Ceremony,
        options: Value,
        of: Option<IpAddr>,
        now: Micros,
    ) -> Result<Begun, Problem> {
        let mut bytes = [0; 32];
        SystemRandom::new()
            .fill(&mut bytes)
            .map_err(|_| Problem::new(Code::Unavailable, "the system gave no randomness").retry_after(1))?;
        let name = URL_SAFE_NO_PAD.encode(bytes);
        let mut queue = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        queue.add(sha256(&[name.as_bytes()]), Waiting { ceremony, of, until: now + LIFE }, now)?;
        Ok(Begun { ceremony: name, options })
    }
}

impl Queue {
    /// Adds one. Who is signed in is never pushed out by those who are not, and no address by another.
    fn add(&mut self, name: Digest, waiting: Waiting, now: Micros) -> Result<(), Problem> {
        while let Some(oldest) = self.order.front() {
            match self.by_name.get(oldest) {
                Some(waiting) if waiting.until > now => break,
                _ => {
                    self.by_name.remove(oldest);
                    self.order.pop_front();
                }
            }
        }
        let of = waiting.of.map(network);
        let is_open = |other: &&Waiting| other.of.is_some() == of.is_some();
        let same = |other: &&Waiting| of.is_some() && other.of.map(network) == of;
        let full = self.by_name.values().filter(is_open).count() >= MOST
            || self.by_name.values().filter(same).count() >= MOST_OF_ADDRESS;
        if self.order.len() >= 4 * MOST {
            let Self { by_name, order } = self;
            order.retain(|name| by_name.contains_key(name));
        }
        if full {
            return Err(Problem::new(Code::TooManyRequests, "too many passkeys are being asked for")
                .hint("Wait a moment.")
                .retry_after(30));
        }
        self.by_name.insert(name, waiting);
        self.order.push_back(name);
        Ok(())
    }
}

/// The network that an address stands for: whoever has one address of IPv6 has 2^64.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6([a, b, c, d, 0, 0, 0, 0].into())
        }
    }
}

fn gone() -> Problem {
    Problem::new(
        Code::PasskeyRefused,
        "the passkey was not asked for, was answered already, or took too long",
    )
    .hint("Begin again.")
}

/// The answer to an assertion that is not to be believed: for everybody the same.
pub(crate) fn refused() -> Problem {
    Problem::new(Code::PasskeyRefused, "the passkey's answer is not valid for this").hint("Begin again.")
}

/// Why an assertion is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It is not right.
    Wrong,
    /// It is right, but its counter is not beyond the last: there may be a copy of the authenticator.
    Copied,
}

impl Refused {
    fn of(error: &WebauthnError) -> Self {
        tracing::debug!(%error, "an assertion is not believed");
        match error {
            WebauthnError::CredentialPossibleCompromise => Self::Copied,
            _ => Self::Wrong,
        }
    }

    /// What audit calls it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Wrong => "passkey",
            Self::Copied => "passkey_copied",
        }
    }
}

/// A passkey that was used, to be written.
#[derive(Clone, Debug)]
pub(crate) struct Used {
    row: Row,
    after: String,
}

impl Used {
    fn of(
        row: &Row,
        mut key: Passkey,
        result: &webauthn_rs::prelude::AuthenticationResult,
    ) -> Result<Self, Refused> {
        if !result.user_verified() || key.update_credential(result).is_none() {
            return Err(Refused::Wrong);
        }
        let after = serde_json::to_string(&key).map_err(|_| Refused::Wrong)?;
        Ok(Self { row: row.clone(), after })
    }

    /// Whose it is.
    pub fn person(&self) -> Uuid {
        self.row.person_id
    }

    /// Writes the counter; another use meanwhile makes this one void.
    pub fn write(&self, tx: &mut Tx<'_>, now: Micros) -> Result<(), Problem> {
        if passkey::used(tx, &self.row, &self.after, now)? { Ok(()) } else { Err(refused()) }
    }
}

/// What is stored of a passkey.
pub(crate) fn stored(key: &Passkey) -> Result<String, Problem> {
    serde_json::to_string(key).map_err(|error| Problem::internal(&error))
}

fn read(row: &Row) -> Result<Passkey, Problem> {
    serde_json::from_str(&row.credential).map_err(|error| Problem::internal(&error))
}

fn read_all(rows: &[Row]) -> Result<Vec<Passkey>, Problem> {
    rows.iter().map(read).collect()
}

fn value(options: &impl serde::Serialize) -> Result<Value, Problem> {
    serde_json::to_value(options).map_err(|error| Problem::internal(&error))
}
