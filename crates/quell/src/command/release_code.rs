//! `quell release-code`: for an isolated endpoint that cannot reach the server any more.

use clap::Args;
use serde_json::{Value, json};

use crate::cli::Context;
use crate::client::segment;
use crate::failure::Failure;
use crate::output::table::field;
use crate::output::{self, terminal, text};

/// Which isolation.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Id of the isolation's command (`quell tasks show` names it), or of its task where that has one target
    command: String,
}

/// Shows the code; that it was read stands in the audit log.
pub async fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let client = context.client()?;
    let id = segment(&arguments.command);
    // People have the task's id at hand; of one target it names the command as well.
    let command = match client.get(&format!("/api/v1/tasks/{id}"), &[]).await {
        Ok(task) if task.get("target_count").and_then(Value::as_u64) == Some(1) => {
            field(&task, "/commands/items/0/id")
        }
        Ok(_) => {
            return Err(Failure::new("the task has several targets, each with a code of its own")
                .hint(format!("quell tasks show {id} names the commands")));
        }
        Err(failure) if failure.advice.code.as_deref() == Some("not_found") => arguments.command.clone(),
        Err(failure) => return Err(failure),
    };
    let path = format!("/api/v1/commands/{}/release-code", segment(&command));
    let answer = client
        .post(&path, &json!({}), None)
        .await
        .map_err(|failure| failure.during("reading the release code"))?;
    output::one(context.format, &answer, |answer| {
        text::visible(&field(answer, "/release_code")).into_owned()
    })?;
    terminal::remark("works once; on the endpoint: quell-agent release");
    Ok(())
}
