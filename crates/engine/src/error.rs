//! What the engine answers when it does not do what it was asked. Nothing was changed.

use uuid::Uuid;

/// Why one target cannot be acted on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The endpoint.
    pub endpoint: Uuid,
    /// `unknown`, `revoked`, `unsupported_system`, `incapable` or `conflict`.
    pub code: &'static str,
    /// The same for people.
    pub message: String,
}

/// Why a request was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The catalogue has no such action.
    #[error("there is no action {0}")]
    UnknownAction(String),
    /// The parameters do not fit the action.
    #[error("the parameters do not fit: {0}")]
    Params(#[from] quell_catalog::CheckError),
    /// A field of the request beside the parameters is out of bounds.
    #[error("{field}: {problem}")]
    Request {
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The selector matches nothing.
    #[error("no endpoint matches")]
    NoTargets,
    /// Some targets cannot be acted on; all of them are named, and none was acted on.
    #[error("{} of the targets cannot be acted on", .0.len())]
    Targets(Vec<Problem>),
    /// The requester must state the number of targets, and did not, or it is another.
    #[error("this acts on {count} endpoints; confirm the number")]
    Confirm {
        /// How many there are now.
        count: u64,
    },
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request, which made {0}")]
    KeyReused(Uuid),
    /// The approval policy does not let anybody do this.
    #[error("not allowed: {message}")]
    Refused {
        /// A stable code.
        code: String,
        /// For people.
        message: String,
    },
    /// The requester's rights do not reach it.
    #[error("not allowed: {0}")]
    Beyond(String),
    /// The person has to confirm it at the moment of asking, and did not.
    #[error("{0} asks for the person's own confirmation")]
    StepUp(&'static str),
    /// The decision of this person would not count.
    #[error("this decision does not count: {0}")]
    NotEligible(String),
    /// Not there, or another tenant's.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// The task is not in a state for this.
    #[error("the task is {0}")]
    State(String),
    /// There is nothing to take back, or no way to.
    #[error("cannot be undone: {0}")]
    NoUndo(String),
    /// Another task undoes this one.
    #[error("task {0} undoes it already")]
    Undone(Uuid),
    /// It is a step of a response plan, which is decided about as a whole.
    #[error("it is a step of response plan {0}, which is decided about as a whole")]
    PartOfPlan(Uuid),
    /// One step of a response plan; nothing was done about any.
    #[error("step {}: {error}", .step + 1)]
    Step {
        /// Which, from 0.
        step: usize,
        /// What is wrong with it.
        error: Box<Error>,
    },
    /// Somebody approved something else than what is stored.
    #[error("the digest is not that of the stored intent")]
    Digest,
    /// The order could not be signed.
    #[error("orders cannot be signed")]
    Signer(#[from] crate::signer::Error),
    /// No randomness.
    #[error("the system gave no randomness")]
    Entropy,
    /// The database.
    #[error("the database did not do it")]
    Store(#[source] quell_store::Error),
    /// What is stored does not fit this program.
    #[error("a stored {0} cannot be understood")]
    Corrupt(&'static str),
    /// The state changed while it was looked at; asked again, it may go well.
    #[error("changed by somebody else at the same time")]
    Raced,
}

impl From<quell_store::Error> for Error {
    fn from(error: quell_store::Error) -> Self {
        match error {
            quell_store::Error::NotFound(what) => Self::NotFound(what),
            other => Self::Store(other),
        }
    }
}

impl Error {
    /// A problem with a field of the request.
    pub(crate) fn request(field: &'static str, problem: impl Into<String>) -> Self {
        Self::Request { field, problem: problem.into() }
    }

    /// The same, of one step of a response plan.
    pub(crate) fn of_step(self, step: usize) -> Self {
        Self::Step { step, error: Box::new(self) }
    }

    /// Whether the same may go well when it is tried again.
    pub fn retry(&self) -> bool {
        match self {
            Self::Step { error, .. } => error.retry(),
            Self::Store(error) => error.retry(),
            Self::Raced => true,
            _ => false,
        }
    }

    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownAction(_) => "unknown_action",
            Self::Params(_) => "invalid_params",
            Self::Request { .. } => "invalid_request",
            Self::NoTargets => "no_targets",
            Self::Targets(_) => "targets_refused",
            Self::Confirm { .. } => "confirm_count",
            Self::KeyReused(_) => "idempotency_key_reused",
            Self::Refused { .. } => "refused",
            Self::Beyond(_) => "beyond_reach",
            Self::StepUp(_) => "step_up_needed",
            Self::NotEligible(_) => "not_eligible",
            Self::NotFound(_) => "not_found",
            Self::State(_) => "wrong_state",
            Self::NoUndo(_) => "no_undo",
            Self::Undone(_) => "already_undone",
            Self::PartOfPlan(_) => "part_of_plan",
            Self::Step { error, .. } => error.code(),
            Self::Digest => "digest_mismatch",
            Self::Signer(_) => "signer_unavailable",
            Self::Entropy => "no_randomness",
            Self::Store(_) | Self::Raced => "database_unavailable",
            Self::Corrupt(_) => "corrupt",
        }
    }
}
