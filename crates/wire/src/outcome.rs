//! What an agent says of an order in the end, signed with its own key.

use prost::Message;

use crate::keys::{Domain, SigningKey, verify};
use crate::limits;

/// How an order ended on the agent. Whether the effect is there is judged by the server, from the evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Status {
    /// Not said; refused by the checks.
    Unspecified = 0,
    /// Carried out; the result holds the evidence.
    Done = 1,
    /// Tried, and not achieved; the result, if any, says what remains.
    Failed = 2,
    /// Not tried: nothing was changed.
    Refused = 3,
    /// It may have happened and nobody can know.
    Indeterminate = 4,
    /// Stopped on request; the result says what was already done.
    Canceled = 5,
}

/// The end of one order.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Outcome {
    /// Whose endpoint.
    #[prost(string, tag = "1")]
    pub tenant_id: String,
    /// Which agent.
    #[prost(string, tag = "2")]
    pub endpoint_id: String,
    /// Which order.
    #[prost(string, tag = "3")]
    pub order_id: String,
    /// The digest of the intent that the agent acted on.
    #[prost(bytes = "vec", tag = "4")]
    pub intent_digest: Vec<u8>,
    /// How it ended.
    #[prost(enumeration = "Status", tag = "5")]
    pub status: i32,
    /// A stable code where it is not `Done`.
    #[prost(string, tag = "6")]
    pub reason_code: String,
    /// A sentence for a person where it is not `Done`.
    #[prost(string, tag = "7")]
    pub message: String,
    /// The catalogue's outcome struct, JSON; empty where there is none.
    #[prost(bytes = "vec", tag = "8")]
    pub result: Vec<u8>,
    /// When the agent started it, its clock, microseconds since 1970; 0 where it never did.
    #[prost(int64, tag = "9")]
    pub started_at_us: i64,
    /// When it ended, its clock, microseconds since 1970.
    #[prost(int64, tag = "10")]
    pub ended_at_us: i64,
}

/// An outcome on its way.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct SignedOutcome {
    /// An encoded [`Outcome`].
    #[prost(bytes = "vec", tag = "1")]
    pub outcome: Vec<u8>,
    /// Signature of the agent's key in [`Domain::Outcome`].
    #[prost(bytes = "vec", tag = "2")]
    pub signature: Vec<u8>,
}

/// An outcome that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutcomeError {
    /// The signature is not of this agent.
    #[error("the outcome is not signed by this agent's key")]
    BadSignature,
    /// The bytes are no outcome, or a field is beyond its limit.
    #[error("the outcome is malformed")]
    Malformed,
}

impl SignedOutcome {
    /// Signs.
    pub fn sign(key: &SigningKey, outcome: &Outcome) -> Self {
        let outcome = outcome.encode_to_vec();
        let signature = key.sign(Domain::Outcome, &outcome);
        Self { outcome, signature }
    }

    /// Reads it if `public` signed it. Whose order it is must still be checked by the caller.
    pub fn open(&self, public: &[u8]) -> Result<Outcome, OutcomeError> {
        if !verify(public, Domain::Outcome, &self.outcome, &self.signature) {
            return Err(OutcomeError::BadSignature);
        }
        let outcome = Outcome::decode(self.outcome.as_slice()).map_err(|_| OutcomeError::Malformed)?;
        let fits = outcome.tenant_id.len() <= limits::ID
            && outcome.endpoint_id.len() <= limits::ID
            && outcome.order_id.len() <= limits::ID
            && outcome.intent_digest.len() == 32
            && outcome.reason_code.len() <= limits::CODE
            && outcome.message.len() <= limits::MESSAGE
            && outcome.result.len() <= limits::RESULT
            && !matches!(Status::try_from(outcome.status), Err(_) | Ok(Status::Unspecified));
        fits.then_some(outcome).ok_or(OutcomeError::Malformed)
    }
}
