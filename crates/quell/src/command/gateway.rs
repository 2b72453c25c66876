//! `quell gateway`: where agents are told to connect.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::Context;
use crate::failure::Failure;
use crate::output::table::field;
use crate::output::{self, text};

const PATH: &str = "/api/v1/gateway/addresses";

/// What to do with the gateway's addresses.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List where agents are told to connect
    List,
    /// Tell agents to connect elsewhere; connected ones are told at once
    Set(Set),
}

/// Where agents are to connect.
#[derive(Debug, Args)]
pub struct Set {
    /// `host:port`, in the order in which they are tried
    #[arg(required_unless_present = "reset", value_name = "ADDRESS")]
    addresses: Vec<String>,
    /// Go back to what the server was started with
    #[arg(long, conflicts_with = "addresses")]
    reset: bool,
}

/// Does it.
pub async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    let client = context.client()?;
    let addresses = match command {
        Command::List => client.get(PATH, &[]).await?,
        Command::Set(set) => client.put(PATH, &json!({ "addresses": set.addresses })).await?,
    };
    output::one(context.format, &addresses, lines)
}

fn lines(answer: &Value) -> String {
    let source = field(answer, "/source");
    let listed = answer.get("addresses").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if listed.is_empty() {
        return "agents stay with the address that they dialled".to_owned();
    }
    let listed = listed.iter().filter_map(Value::as_str);
    listed.map(|address| format!("{}  ({source})", text::visible(address))).collect::<Vec<_>>().join("\n")
}
