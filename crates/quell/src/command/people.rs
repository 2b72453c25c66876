//! `quell people`: who has an account, and what they are here.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::Context;
use crate::client::{Client, segment};
use crate::command::login;
use crate::failure::Failure;
use crate::output::table::{Column, field};
use crate::output::{self, moment, prompt, terminal, text};

const COLUMNS: &[Column] = &[
    Column { heading: "ID", cell: |row| field(row, "/id") },
    Column { heading: "NAME", cell: |row| field(row, "/name") },
    Column { heading: "E-MAIL", cell: |row| field(row, "/email") },
    Column { heading: "STATE", cell: |row| field(row, "/state") },
    Column { heading: "ROLES", cell: roles },
    Column { heading: "AT HOME", cell: |row| yes(row, "/at_home") },
    Column { heading: "CODES", cell: |row| yes(row, "/totp") },
    Column { heading: "LAST SEEN", cell: |row| moment::of(row, "/last_login_at") },
];

fn yes(row: &Value, pointer: &str) -> String {
    if row.pointer(pointer) == Some(&Value::Bool(true)) { "yes" } else { "no" }.to_owned()
}

fn roles(row: &Value) -> String {
    let held = row.pointer("/roles").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    held.iter().map(|held| field(held, "/role")).collect::<Vec<_>>().join(" ")
}

/// What to do with people.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the people of this tenant
    List,
    /// Invite a person; the link is shown this once
    Invite(Invite),
    /// Let somebody in who is at home in another tenant of this server
    Admit(Admit),
    /// Set your password with a link that you were given
    Redeem,
    /// Say what a person is here, in place of what they were
    Roles(Roles),
    /// Let an account be used no more; its sessions and keys end at once
    Disable(One),
    /// Let it be used again
    Enable(One),
    /// Give a person a new way in; their password is good no more, the link is shown this once
    Reset(Reset),
    /// Say that two accounts are one human's; it cannot be taken back
    Link(Link),
}

/// Somebody to invite.
#[derive(Debug, Args)]
pub struct Invite {
    /// Their name
    name: String,
    /// Their e-mail address
    #[arg(long, value_name = "ADDRESS")]
    email: String,
    /// A role, by its name or id (several times for several)
    #[arg(long, value_name = "ROLE")]
    role: Vec<String>,
}

/// Somebody to let in.
#[derive(Debug, Args)]
pub struct Admit {
    /// The exact e-mail address of their account
    email: String,
    /// A role, by its name or id (several times for several)
    #[arg(long, value_name = "ROLE", required = true)]
    role: Vec<String>,
}

/// What somebody is to be.
#[derive(Debug, Args)]
pub struct Roles {
    /// Id or e-mail address of the person
    person: String,
    /// Roles, by name or id; none takes all away
    roles: Vec<String>,
}

/// One person.
#[derive(Debug, Args)]
pub struct One {
    /// Id or e-mail address of the person
    person: String,
}

/// Who needs a new way in.
#[derive(Debug, Args)]
pub struct Reset {
    /// Id or e-mail address of the person
    person: String,
    /// Take the one-time codes away too
    #[arg(long)]
    totp: bool,
}

/// Two accounts.
#[derive(Debug, Args)]
pub struct Link {
    /// Id or e-mail address of the one
    person: String,
    /// Id or e-mail address of the other
    other: String,
}

/// Does it.
pub async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    if matches!(command, Command::Redeem) {
        return redeem(context).await;
    }
    let client = context.client()?;
    match command {
        Command::List => {
            let items = client.list("/api/v1/people", &[], 1000).await?;
            output::list(context.format, &items, COLUMNS)
        }
        Command::Invite(Invite { name, email, role }) => {
            let body = json!({ "name": name, "email": email, "roles": role });
            let made = client.post("/api/v1/people", &body, None).await?;
            output::one(context.format, &made, handed)
        }
        Command::Admit(Admit { email, role }) => {
            let body = json!({ "email": email, "roles": role });
            let made = client.post("/api/v1/members", &body, None).await?;
            output::list(context.format, &[made], COLUMNS)
        }
        Command::Roles(Roles { person, roles }) => {
            let path = format!("{}/roles", path(&client, &person).await?);
            let changed = client.put(&path, &json!({ "roles": roles })).await?;
            output::list(context.format, &[changed], COLUMNS)
        }
        Command::Disable(One { person }) => state(&client, context, &person, "disabled").await,
        Command::Enable(One { person }) => state(&client, context, &person, "active").await,
        Command::Reset(Reset { person, totp }) => {
            let path = format!("{}/reset", path(&client, &person).await?);
            let made = client.post(&path, &json!({ "totp": totp }), None).await?;
            output::one(context.format, &made, handed)
        }
        Command::Link(Link { person, other }) => {
            let other = id(&client, &other).await?;
            let path = format!("{}/link", path(&client, &person).await?);
            let linked = client.post(&path, &json!({ "person": other }), None).await?;
            output::list(context.format, &[linked], COLUMNS)
        }
        Command::Redeem => Ok(()),
    }
}

async fn state(client: &Client, context: &Context, person: &str, state: &str) -> Result<(), Failure> {
    let path = path(client, person).await?;
    let changed = client.patch(&path, &json!({ "state": state })).await?;
    output::list(context.format, &[changed], COLUMNS)
}

/// What a person is handed: the link where there is one, and the text for `quell people redeem`.
fn handed(made: &Value) -> String {
    let mut lines = vec![
        format!("{} ({})", field(made, "/name"), field(made, "/email")),
        format!("token   {}", field(made, "/ticket/token")),
    ];
    let link = field(made, "/ticket/link");
    if !link.is_empty() {
        lines.push(format!("link    {link}"));
    }
    lines.push(format!("until   {}", moment::of(made, "/ticket/expires_at")));
    lines.push("shown this once: hand it on by a way that only they read".to_owned());
    lines.iter().map(|line| text::visible(line).into_owned()).collect::<Vec<_>>().join("\n")
}

async fn redeem(context: &Context) -> Result<(), Failure> {
    let profile = login::empty(context)?;
    let client = Client::new(&profile)?;
    let token = prompt::secret("Token of the invitation")?;
    let token = token.rsplit_once('#').map_or(token.as_str(), |(_, token)| token);
    let password = prompt::new_password()?;
    let body = json!({ "token": token.trim(), "password": password });
    client.post_open("/api/v1/tickets/redeem", &body).await?;
    terminal::say("the password is set; sign in with `quell login --email …`")
}

/// The id of a person, who may be named by their address.
async fn id(client: &Client, person: &str) -> Result<String, Failure> {
    if !person.contains('@') {
        return Ok(person.to_owned());
    }
    let people = client.list("/api/v1/people", &[], 10_000).await?;
    let found = people.iter().find(|row| field(row, "/email").eq_ignore_ascii_case(person));
    found.map(|row| field(row, "/id")).ok_or_else(|| {
        Failure::new(format!("nobody here has the address {}", text::visible(person)))
            .hint("quell people list")
    })
}

async fn path(client: &Client, person: &str) -> Result<String, Failure> {
    Ok(format!("/api/v1/people/{}", segment(&id(client, person).await?)))
}
