//! Sends a request, and waits for its end.

use serde_json::{Map, Value, json};

use crate::act::Request;
use crate::cli::Context;
use crate::command::tasks;
use crate::failure::Failure;
use crate::output::{self, terminal, text};
use crate::wait;

/// Submits the request; shows the task, or with `--wait` its end.
pub async fn run(request: Request, context: &Context) -> Result<(), Failure> {
    let doing = format!("submitting {} for {}", request.action.id(), request.targets.words());
    check(&request).map_err(|failure| failure.during(&doing))?;
    let client = context.client()?;
    // With a key of its own the request may be sent again when no answer comes.
    let key = request.idempotency_key.clone().unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
    let task = client
        .post_confirmed("/api/v1/tasks", &body(&request), Some(&key), request.confirmation)
        .await
        .map_err(|failure| failure.during(&doing))?;
    let id = output::table::field(&task, "/id");
    let Some(limit) = request.wait else {
        return tasks::show_accepted(context, &client, &task).await;
    };
    terminal::remark(&format!("task {}", text::visible(&id)));
    let task = wait::until_ended(&client, &id, limit, context.format).await?;
    tasks::show_ended(context, &client, &task).await
}

/// What the catalogue of this build refuses, without asking the server.
fn check(request: &Request) -> Result<(), Failure> {
    let params = Value::Object(request.params.clone());
    let declared = request.action.declared();
    (declared.check_params)(&params).map(drop).map_err(|error| {
        let problem =
            if error.field == "." { error.problem } else { format!("{}: {}", error.field, error.problem) };
        Failure::new(problem).hint(format!(
            "quell act {} {} --help describes the parameters",
            request.action.spec().group(),
            super::verb_name(request.action)
        ))
    })
}

/// The body as the API takes it; what was not given is left out.
pub fn body(request: &Request) -> Value {
    let mut body = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        body.extend(value.map(|value| (name.to_owned(), value)));
    };
    put("action", Some(json!(request.action.id())));
    put("params", Some(Value::Object(request.params.clone())));
    put("targets", Some(request.targets.to_json()));
    put("reason", Some(json!(request.reason)));
    put("expires_in_seconds", request.expires_in.map(|span| json!(span.as_secs())));
    put("revert_after_seconds", request.revert_after.map(|span| json!(span.as_secs())));
    put("confirm_count", request.confirm_count.map(|count| json!(count)));
    Value::Object(body)
}
