//! `GET /audit/verification`.

use axum::extract::State;
use quell_audit::verify::Report;
use quell_wire::digest::hex;
use quell_wire::keys::key_id;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::api::body::Json;
use crate::api::route::{Route, permit};
use crate::api::time;
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;
use crate::verification::{Found, Seen, look};

pub(super) fn route() -> Route {
    permit(Permission::AuditRead, routes!(verify_audit))
}

/// What the server finds when it verifies its own audit trail.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuditVerification {
    /// `intact`; `broken`: see the problems; `incomplete`: not walked to its end, yet or at all, see `why`.
    state: &'static str,
    /// Why it is incomplete, in words.
    why: Option<&'static str>,
    /// Records under a checkpoint that were looked at.
    records: u64,
    /// Checkpoints that were looked at.
    checkpoints: u64,
    /// Records that no checkpoint covers yet; new ones are covered within a second.
    waiting: i64,
    /// The last checkpoint, `number:sha256`. Kept elsewhere, it shows a later cut: `quell audit verify --kept`.
    last_checkpoint: Option<String>,
    /// The number of the last checkpoint: the trail is sealed through it.
    sealed_through: Option<i64>,
    /// When that checkpoint was made.
    #[schema(format = DateTime)]
    sealed_at: Option<String>,
    /// How many problems there are.
    wrong: u64,
    /// The first hundred of them.
    problems: Vec<AuditProblem>,
    /// The public key that was believed, lower-case hex: the server's own.
    public_key: String,
    /// Its fingerprint: the first 16 hex digits of its SHA-256.
    key_id: String,
    /// When the verification began. A result is told again for some seconds.
    #[schema(format = DateTime)]
    verified_at: String,
    /// How long it took, milliseconds; absent while it goes on.
    took_ms: Option<u64>,
}

/// Something that is wrong with the trail.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuditProblem {
    /// The number of the checkpoint that it is about.
    checkpoint: Option<i64>,
    /// Where it is and what is wrong.
    problem: String,
}

/// Verify the audit trail
///
/// Walks every checkpoint and every record, as `quell audit verify` does. A long trail is `incomplete` at first: ask again,
/// the verification goes on. It is the server's own word; a proof to whoever does not trust the server is
/// `quell audit verify` with a public key and a checkpoint that were kept elsewhere.
#[utoipa::path(get, path = "/audit/verification", tag = "audit",
    responses((status = 200, body = AuditVerification)))]
pub(super) async fn verify_audit(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<AuditVerification>, Problem> {
    let seen = look(&app, caller.tenant).await;
    let public = app.sealer.public();
    let mut view = AuditVerification {
        state: "incomplete",
        why: None,
        records: 0,
        checkpoints: 0,
        waiting: 0,
        last_checkpoint: None,
        sealed_through: None,
        sealed_at: None,
        wrong: 0,
        problems: Vec::new(),
        key_id: key_id(&public),
        public_key: hex(&public),
        verified_at: String::new(),
        took_ms: None,
    };
    match seen {
        Seen::Running { records, began_at } => {
            view.records = records;
            view.why = Some("the verification goes on; ask again in a while");
            view.verified_at = time::text(began_at);
        }
        Seen::Done(done) => {
            view.verified_at = time::text(done.began_at);
            view.took_ms = Some(u64::try_from(done.took.as_millis()).unwrap_or(u64::MAX));
            match &done.found {
                Found::Report(report) => view.tell(report),
                Found::TooLong => {
                    view.why = Some("the trail is too long to be verified here; run `quell audit verify`");
                }
                Found::Unreadable => view.why = Some("the database could not be read; ask again in a while"),
            }
        }
    }
    Ok(Json(view))
}

impl AuditVerification {
    fn tell(&mut self, report: &Report) {
        self.state = if report.is_intact() { "intact" } else { "broken" };
        self.records = report.records;
        self.checkpoints = report.checkpoints;
        self.waiting = report.waiting;
        self.last_checkpoint = report.head.map(|(number, digest)| format!("{number}:{}", hex(&digest)));
        self.sealed_through = report.head.map(|(number, _)| number);
        self.sealed_at = time::maybe(report.sealed_at);
        self.wrong = report.wrong;
        let problems = report.problems.iter();
        self.problems = problems
            .map(|problem| AuditProblem { checkpoint: problem.checkpoint(), problem: problem.to_string() })
            .collect();
    }
}
