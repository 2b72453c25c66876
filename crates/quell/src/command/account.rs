//! One's own account: `quell whoami`, `quell sessions`, `quell totp`, `quell password`.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::Context;
use crate::client::segment;
use crate::failure::Failure;
use crate::output::table::{Column, field};
use crate::output::{self, moment, prompt, terminal, text};

const SESSIONS: &[Column] = &[
    Column { heading: "ID", cell: |row| field(row, "/id") },
    Column { heading: "FROM", cell: |row| field(row, "/remote") },
    Column { heading: "WITH", cell: |row| field(row, "/agent") },
    Column { heading: "HOW", cell: |row| field(row, "/method") },
    Column { heading: "BEGAN", cell: |row| moment::of(row, "/created_at") },
    Column { heading: "LAST USED", cell: |row| moment::of(row, "/last_used_at") },
    Column { heading: "UNTIL", cell: |row| moment::of(row, "/expires_at") },
    Column {
        heading: "THIS",
        cell: |row| if row["current"] == Value::Bool(true) { "yes".to_owned() } else { String::new() },
    },
];

/// What to do with your sessions.
#[derive(Debug, Subcommand)]
pub enum Sessions {
    /// List your open sessions
    List,
    /// End one of them
    Revoke(Revoke),
    /// End all but this one
    RevokeOthers,
}

/// A session to end.
#[derive(Debug, Args)]
pub struct Revoke {
    /// Its id
    id: String,
}

/// What to do with your one-time codes.
#[derive(Debug, Subcommand)]
pub enum Totp {
    /// Have one-time codes asked for when you sign in
    Enable,
    /// Have none asked for any more
    Disable,
}

/// Says who asks.
pub async fn whoami(context: &Context) -> Result<(), Failure> {
    let me = context.client()?.get("/api/v1/me", &[]).await?;
    output::one(context.format, &me, |me| {
        let list = |pointer: &str| {
            let items = me.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
        };
        let email = field(me, "/email");
        let lines = [
            format!("{}  {} {}", field(me, "/kind"), field(me, "/name"), email),
            format!("tenant       {}", field(me, "/tenant/name")),
            format!("roles        {}", list("/roles")),
            format!("permissions  {}", list("/permissions")),
            format!("until        {}", moment::of(me, "/expires_at")),
        ];
        lines.iter().map(|line| text::visible(line).into_owned()).collect::<Vec<_>>().join("\n")
    })
}

/// Does it.
pub async fn sessions(command: Sessions, context: &Context) -> Result<(), Failure> {
    let client = context.client()?;
    match command {
        Sessions::List => {
            let items = client.list("/api/v1/sessions", &[], 1000).await?;
            output::list(context.format, &items, SESSIONS)
        }
        Sessions::Revoke(Revoke { id }) => {
            client.delete(&format!("/api/v1/sessions/{}", segment(&id))).await?;
            terminal::say(&format!("session {} is ended", text::visible(&id)))
        }
        Sessions::RevokeOthers => {
            let ended = client.post("/api/v1/sessions/revoke-others", &json!({}), None).await?;
            terminal::say(&format!("sessions ended: {}", ended["ended"]))
        }
    }
}

/// Does it.
pub async fn totp(command: Totp, context: &Context) -> Result<(), Failure> {
    let client = context.client()?;
    let password = prompt::secret("Your password")?;
    match command {
        Totp::Enable => {
            let begun = client.post("/api/v1/me/totp", &json!({ "password": password }), None).await?;
            terminal::say(&format!(
                "secret  {}\nuri     {}",
                text::visible(&field(&begun, "/secret")),
                text::visible(&field(&begun, "/uri"))
            ))?;
            let code = prompt::secret("A code of the app that holds it now")?;
            let body = json!({ "enrolment": begun["enrolment"], "code": code });
            let enabled = client.post("/api/v1/me/totp/confirm", &body, None).await?;
            output::one(context.format, &enabled, |enabled| {
                let codes = enabled["recovery_codes"].as_array().map(Vec::as_slice).unwrap_or_default();
                let codes: Vec<&str> = codes.iter().filter_map(Value::as_str).collect();
                let said = "codes are asked for from now on; each of these signs in once without, and is shown this once:";
                format!("{said}\n{}", text::visible_lines(&codes.join("\n")))
            })
        }
        Totp::Disable => {
            client.post("/api/v1/me/totp/remove", &json!({ "password": password }), None).await?;
            terminal::say("codes are asked for no more")
        }
    }
}

/// Changes the password.
pub async fn password(context: &Context) -> Result<(), Failure> {
    let client = context.client()?;
    let old = prompt::secret("Your password now")?;
    let new = prompt::new_password()?;
    client.post("/api/v1/me/password", &json!({ "old": old, "new": new }), None).await?;
    terminal::say("the password is changed; your other sessions are ended")
}
