//! What the engine refuses, as people and programs see it.

use quell_engine::{Error, Problem as Target};

use crate::problem::{Code, Problem};

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::UnknownAction(id) => Self::new(Code::UnknownAction, format!("there is no action {id:?}"))
                .field("action", "unknown")
                .hint("`GET /api/v1/actions` lists what there is."),
            Error::Params(wrong) => {
                let field =
                    if wrong.field == "." { "params".to_owned() } else { format!("params.{}", wrong.field) };
                Self::new(Code::InvalidParams, format!("{field}: {}", wrong.problem))
                    .field(field, wrong.problem)
            }
            Error::Request { field, problem } => Self::bad_field(named(field), problem),
            Error::NoTargets => {
                Self::new(Code::NoTargets, "the request names no endpoint, or its selector matches none")
            }
            Error::Targets(problems) => targets(&problems),
            Error::Confirm { count } => Self::new(
                Code::CountNotConfirmed,
                format!("this acts on {count} endpoints, and the request does not confirm that number"),
            )
            .field("confirm_count", format!("must be {count}"))
            .hint(format!("Look at who would be acted on, then repeat with \"confirm_count\": {count}.")),
            Error::KeyReused(made) => Self::new(
                Code::IdempotencyConflict,
                format!("the idempotency key made {made}, from another request"),
            )
            .hint("Use a new key for a new request."),
            Error::Refused { code, message } => Self::new(Code::PolicyRefused, format!("{message} ({code})")),
            Error::Beyond(why) => Self::new(Code::Forbidden, why)
                .hint("`quell whoami` shows what your roles reach; somebody with a wider role can do it."),
            Error::StepUp(action) => {
                Self::new(Code::StepUpNeeded, format!("{action} asks for your own confirmation at this moment"))
                    .hint("`POST /api/v1/step-up`, then repeat the request with its proof in `Quell-Step-Up`. Programs cannot.")
            }
            Error::NotEligible(why) => {
                Self::new(Code::NotEligible, format!("your decision would not count: {why}"))
            }
            Error::NotFound(what) => Self::not_found(what),
            Error::State(state) => Self::new(Code::Conflict, format!("the task is {state}")),
            Error::NoUndo(why) => Self::new(Code::NotUndoable, why),
            Error::Undone(task) => Self::new(Code::NotUndoable, format!("task {task} undoes it already")),
            Error::PartOfPlan(plan) => Self::new(
                Code::Conflict,
                format!("it is a step of response plan {plan}, which is decided about as a whole"),
            )
            .hint(format!("`POST /api/v1/response-plans/{plan}/approve` or `…/reject`, after a look at all of its steps.")),
            Error::Step { step, error } => {
                Self::from(*error).within(&format!("steps[{step}]"), &format!("step {}", step + 1))
            }
            Error::Digest => Self::new(Code::Conflict, "the digest is not that of the stored intent"),
            Error::Raced => {
                Self::new(Code::Unavailable, "somebody else changed it at the same time; nothing was done")
                    .hint("Repeat it.")
                    .retry_after(1)
            }
            Error::Store(error) => error.into(),
            Error::Signer(_) | Error::Entropy => {
                tracing::error!(%error, "the engine lacks what it needs");
                Self::new(Code::Unavailable, "the server cannot do it now; nothing was done").retry_after(10)
            }
            Error::Corrupt(_) => Self::internal(&error),
        }
    }
}

/// The engine's fields as the API names them.
fn named(field: &str) -> &str {
    match field {
        "expires_in" => "expires_in_seconds",
        "revert_after" => "revert_after_seconds",
        other => other,
    }
}

fn targets(problems: &[Target]) -> Problem {
    let code = if problems.iter().all(|problem| problem.code == "unknown") {
        Code::UnknownTarget
    } else {
        Code::TargetRefused
    };
    let first = problems.first().map_or("", |problem| problem.message.as_str());
    let detail = match problems.len() {
        1 => first.to_owned(),
        count => format!("{first}, and {} more endpoints cannot take it", count - 1),
    };
    let problem = Problem::new(code, detail)
        .hint("Nothing was begun on any target. Leave out those that are named, or wait.");
    problems.iter().take(100).fold(problem, |problem, target| {
        problem.field(format!("targets.{}", target.endpoint), format!("{}: {}", target.code, target.message))
    })
}
