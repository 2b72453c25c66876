//! `quell mail`: the relay, who is told besides, and the words.

mod set;
mod template;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::Context;
use crate::failure::Failure;
use crate::output::table::field;
use crate::output::{self, text};

const PATH: &str = "/api/v1/mail";

/// What to do with mail.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show how mail is sent
    Show,
    /// Change how mail is sent; what is not named stays
    Set(set::Set),
    /// Send a mail to see whether it arrives
    Test(Test),
    /// Show, change or reset the words of a kind of notice
    #[command(subcommand)]
    Template(template::Command),
}

/// To whom.
#[derive(Debug, Args)]
pub struct Test {
    /// The address; one's own, or the first of the recipients, where absent
    to: Option<String>,
}

/// Does it.
pub async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Show => output::one(context.format, &context.client()?.get(PATH, &[]).await?, lines),
        Command::Set(set) => set.run(context).await,
        Command::Test(test) => {
            let answer =
                context.client()?.post(&format!("{PATH}/test"), &json!({ "to": test.to }), None).await?;
            tried(context, &answer)
        }
        Command::Template(command) => command.run(context).await,
    }
}

/// Shows how a try went. One that failed is a problem of whoever called.
pub fn tried(context: &Context, answer: &Value) -> Result<(), Failure> {
    output::one(context.format, answer, |answer| {
        if answer["sent"] == json!(true) { "it was taken".to_owned() } else { "it was not taken".to_owned() }
    })?;
    if answer["sent"] == json!(true) {
        return Ok(());
    }
    Err(Failure::new(text::visible(&field(answer, "/problem")).into_owned()))
}

fn lines(mail: &Value) -> String {
    if mail["smtp"].is_null() {
        return "mail is not set up: quell mail set --from ADDRESS --host HOST".to_owned();
    }
    let list = |name: &str| {
        let items = mail[name].as_array().into_iter().flatten().filter_map(Value::as_str);
        items.collect::<Vec<_>>().join(", ")
    };
    let login = match (field(mail, "/smtp/username"), mail["smtp"]["has_password"] == json!(true)) {
        (name, _) if name.is_empty() => "none".to_owned(),
        (name, true) => format!("{name}, with a password"),
        (name, false) => format!("{name}, without a password"),
    };
    let kinds = list("kinds");
    [
        ("sent", if mail["enabled"] == json!(true) { "yes".to_owned() } else { "no".to_owned() }),
        ("from", format!("{} <{}>", field(mail, "/from_name"), field(mail, "/from"))),
        (
            "relay",
            format!(
                "{}:{} ({})",
                field(mail, "/smtp/host"),
                field(mail, "/smtp/port"),
                field(mail, "/smtp/tls")
            ),
        ),
        ("login", login),
        ("recipients", list("recipients")),
        ("told of", if kinds.is_empty() { "everything".to_owned() } else { kinds }),
    ]
    .map(|(name, value)| format!("{name:11} {}", text::visible(&value)))
    .join("\n")
}
