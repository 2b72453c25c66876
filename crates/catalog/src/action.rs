//! The trait that a declaration fills, and its type-erased face for callers that hold JSON.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::evidence::Probe;
use crate::schema::params_schema;
use crate::{ActionKind, Effect, Spec, object_schema};

/// One action: its parameters, its outcome, and how an outcome is judged.
pub trait Action {
    /// What a request says beside its targets.
    type Params: Serialize + DeserializeOwned + JsonSchema;
    /// What the service answers when it carried the action out.
    type Outcome: Serialize + DeserializeOwned + JsonSchema;
    /// The facts that hold for every request.
    const SPEC: Spec;
    /// Who may ask for it, whatever a role or a policy allows.
    const REQUESTERS: Requesters = Requesters::Anyone;

    /// Bounds that the types alone do not express.
    fn validate(params: &Self::Params) -> Result<(), CheckError>;

    /// Decides from the evidence whether the effect is there. Pure.
    fn judge(params: &Self::Params, outcome: &Self::Outcome, observed: &Observed) -> Verdict;

    /// What a request with these parameters leaves: what [`Spec::effect`] says, or less.
    fn effect(_: &Self::Params) -> Effect {
        Self::SPEC.effect
    }

    /// The request that takes this one back; `None` where nothing remains to undo.
    fn undo(params: &Self::Params, outcome: &Self::Outcome) -> Option<Undo>;

    /// Bytes of content that its orders may send as an archive at most; `None` where they send none.
    fn archive_bytes(_: &Self::Params) -> Option<u64> {
        None
    }

    /// Bytes of compressed rows ([`crate::rows`]) that its orders may send at most, all parts together; `None` where
    /// they send none.
    fn rows_bytes(_: &Self::Params) -> Option<u64> {
        None
    }

    /// Bytes of a recorded session that its orders may send at most; `None` where they send none.
    fn recording_bytes(_: &Self::Params) -> Option<u64> {
        None
    }

    /// The probes within an outcome, for display.
    fn probes(outcome: &Self::Outcome) -> &[Probe];
}

/// Who may ask for an action at all. Roles and policies allow no more than this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Requesters {
    /// Whoever may by role and policy.
    Anyone,
    /// An outside operations team alone.
    Operations,
}

/// Parameters or an outcome that do not fit their declaration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct CheckError {
    /// Dotted path of the field, `.` for the whole.
    pub field: String,
    /// What is wrong, in words for a person.
    pub problem: String,
}

impl CheckError {
    /// A problem of one field.
    pub fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into() }
    }
}

/// What the server itself saw of a command, beside the word of the service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Files received completely for this command; hashes taken by the server.
    pub artifacts: Vec<StoredArtifact>,
}

/// A file that the server holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredArtifact {
    /// Its id.
    pub id: String,
    /// Bytes received.
    pub size: u64,
    /// Lower-case hex SHA-256 of the received bytes, taken by the server.
    pub sha256: String,
}

/// What the evidence says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub enum Verdict {
    /// The effect was seen.
    Verified {
        /// Sentences, each naming a probe and what it saw.
        evidence: Vec<String>,
    },
    /// The effect was not seen, or not where it had to be.
    Unverified {
        /// A stable code.
        code: String,
        /// What was seen instead.
        reason: String,
    },
}

impl Verdict {
    /// A refusal to call it done.
    pub fn unverified(code: &str, reason: impl Into<String>) -> Self {
        Self::Unverified { code: code.to_owned(), reason: reason.into() }
    }
}

/// The way back.
#[derive(Clone, Debug, PartialEq)]
pub struct Undo {
    /// The action to request.
    pub action: ActionKind,
    /// Its parameters.
    pub params: Value,
}

/// An action as seen by a caller that holds JSON.
#[derive(Clone, Copy, Debug)]
pub struct Declared {
    /// The facts.
    pub spec: &'static Spec,
    /// Checks parameters and fills in defaults; unknown fields are refused.
    pub check_params: fn(&Value) -> Result<Value, CheckError>,
    /// Checks an outcome's shape.
    pub check_outcome: fn(&Value) -> Result<Value, CheckError>,
    /// Judges an outcome.
    pub judge: fn(&Value, &Value, &Observed) -> Result<Verdict, CheckError>,
    /// What a request with these parameters leaves.
    pub effect: fn(&Value) -> Result<Effect, CheckError>,
    /// The way back.
    pub undo: fn(&Value, &Value) -> Result<Option<Undo>, CheckError>,
    /// Bytes of content that an order with these parameters may send at most; `None` where it sends none.
    pub archive_bytes: fn(&Value) -> Result<Option<u64>, CheckError>,
    /// Bytes of rows that an order with these parameters may send at most; `None` where it sends none.
    pub rows_bytes: fn(&Value) -> Result<Option<u64>, CheckError>,
    /// Bytes of a recording that an order with these parameters may send at most; `None` where it sends none.
    pub recording_bytes: fn(&Value) -> Result<Option<u64>, CheckError>,
    /// JSON Schema (2020-12) of the parameters.
    pub params_schema: fn() -> Value,
    /// JSON Schema (2020-12) of the outcome.
    pub outcome_schema: fn() -> Value,
}

impl Declared {
    /// The erased face of `A`.
    pub const fn of<A: Action>() -> Self {
        Self {
            spec: &A::SPEC,
            check_params: check_params::<A>,
            check_outcome: |value| read::<A::Outcome>(value).and_then(|typed| write(&typed)),
            judge: |params, outcome, observed| {
                Ok(A::judge(&read(params)?, &read::<A::Outcome>(outcome)?, observed))
            },
            effect: |params| Ok(A::effect(&read(params)?)),
            undo: |params, outcome| Ok(A::undo(&read(params)?, &read::<A::Outcome>(outcome)?)),
            archive_bytes: |params| Ok(A::archive_bytes(&read(params)?)),
            rows_bytes: |params| Ok(A::rows_bytes(&read(params)?)),
            recording_bytes: |params| Ok(A::recording_bytes(&read(params)?)),
            params_schema: || params_schema::<A::Params>(),
            outcome_schema: || object_schema::<A::Outcome>(),
        }
    }

    /// Parameters fit to be shown: the values named in `redact` are replaced.
    pub fn redacted(&self, params: &Value) -> Value {
        let mut shown = params.clone();
        if let Some(object) = shown.as_object_mut() {
            for name in self.spec.redact {
                if let Some(value) = object.get_mut(*name)
                    && !value.is_null()
                {
                    *value = Value::from("***");
                }
            }
        }
        shown
    }
}

fn check_params<A: Action>(value: &Value) -> Result<Value, CheckError> {
    let params: A::Params = read(value)?;
    A::validate(&params)?;
    write(&params)
}

fn read<T: DeserializeOwned>(value: &Value) -> Result<T, CheckError> {
    // serde would read an array as a struct, field by field.
    if !value.is_object() {
        return Err(CheckError::new(".", "must be a JSON object"));
    }
    serde_path_to_error::deserialize(value)
        .map_err(|error| CheckError::new(error.path().to_string(), error.into_inner().to_string()))
}

fn write<T: Serialize>(value: &T) -> Result<Value, CheckError> {
    serde_json::to_value(value).map_err(|error| CheckError::new(".", error.to_string()))
}
