//! An approver reads a deed and signs for it, on their own machine, with a key that the server never sees.

use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use quell_wire::digest::{Digest, hex};
use quell_wire::{ApproverSignature, Intent, approver, intent, keys};
use serde_json::{Value, json};

use super::{deed, keyfile};
use crate::cli::Context;
use crate::client::segment;
use crate::failure::Failure;
use crate::output::{self, terminal};

/// A deed to sign for.
#[derive(Debug, Args)]
pub struct Sign {
    /// The task's id
    #[arg(required_unless_present = "intent")]
    task: Option<String>,
    /// The approver's private key
    #[arg(long, value_name = "FILE", required_unless_present_any = ["to_sign", "signature"])]
    key: Option<PathBuf>,
    /// A file with the intent (base64), instead of asking the server for a task's
    #[arg(long, value_name = "FILE", conflicts_with = "task")]
    intent: Option<PathBuf>,
    /// Sign without asking
    #[arg(long)]
    yes: bool,
    /// Write what is to be signed to this file, for a key that another program or a device holds
    #[arg(long = "to-sign", value_name = "FILE", conflicts_with = "key", id = "to_sign")]
    message: Option<PathBuf>,
    /// A file with the signature (64 bytes) that such a key made
    #[arg(long, value_name = "FILE", conflicts_with_all = ["key", "to_sign"], requires = "public")]
    signature: Option<PathBuf>,
    /// The public part of such a key
    #[arg(long, value_name = "PUBLIC")]
    public: Option<String>,
    /// Hand the signature in as one's approval
    #[arg(long, conflicts_with_all = ["intent", "to_sign"])]
    approve: bool,
    /// Why, with --approve
    #[arg(long, default_value = "", requires = "approve")]
    note: String,
}

impl Sign {
    pub(super) async fn run(&self, context: &Context) -> Result<(), Failure> {
        let bytes = self.bytes(context).await?;
        let digest = intent::digest(&bytes);
        let intent = Intent::read(&bytes).ok_or_else(|| Failure::new("this is no intent; do not sign it"))?;
        if self.task.as_ref().is_some_and(|task| *task != intent.task_id) {
            return Err(Failure::new("the server answered with another task's intent; do not sign it"));
        }
        let targets = match &self.task {
            Some(task) => Some(targets(context, task, &intent).await?),
            None => None,
        };
        terminal::complain(&deed::describe(&intent, &digest, targets.as_deref())?)?;
        if let Some(path) = &self.message {
            return keyfile::write_new(path, &approver::message(&digest))
                .map_err(|error| keyfile::failed("writing", path, &error));
        }
        let signature = self.sign(&digest)?;
        let shown = to_json(&signature);
        if self.approve {
            let path = format!("/api/v1/approvals/{}/approve", segment(&intent.task_id));
            let body = json!({ "digest": hex(&digest), "note": self.note, "signature": shown });
            let answer = context.client()?.post(&path, &body, None).await;
            let answer = answer.map_err(|failure| failure.during("approving"))?;
            return output::one(context.format, &answer, |_| "approved".to_owned());
        }
        // For the API as it stands, whatever the form of other results.
        output::say_json(&shown, context.format != output::Format::Jsonl)
    }

    async fn bytes(&self, context: &Context) -> Result<Vec<u8>, Failure> {
        let text = match (&self.intent, &self.task) {
            (Some(path), _) => keyfile::read_text(path)?,
            (None, Some(task)) => {
                let path = format!("/api/v1/tasks/{}/intent", segment(task));
                let answer = context.client()?.get(&path, &[]).await?;
                answer.get("intent").and_then(Value::as_str).unwrap_or_default().to_owned()
            }
            (None, None) => return Err(Failure::new("a task or --intent is needed")),
        };
        STANDARD.decode(text.trim()).map_err(|_| Failure::new("the intent is not base64"))
    }

    fn sign(&self, digest: &Digest) -> Result<ApproverSignature, Failure> {
        if let (Some(path), Some(public)) = (&self.signature, &self.public) {
            let signature = std::fs::read(path).map_err(|error| keyfile::failed("reading", path, &error))?;
            let public = keyfile::read_public(public)?;
            if !keys::verify(&public, keys::Domain::Approval, digest, &signature) {
                return Err(Failure::new("the signature does not fit this intent and this key"));
            }
            return Ok(ApproverSignature {
                key_id: keys::key_id(&public),
                kind: approver::ED25519.to_owned(),
                signature,
                ..ApproverSignature::default()
            });
        }
        let path = self.key.as_ref().ok_or_else(|| Failure::new("--key is needed"))?;
        let key = keyfile::read(path)?;
        if !self.yes {
            agreed()?;
        }
        Ok(approver::sign(&key, digest))
    }
}

/// As the API takes it.
fn to_json(signature: &ApproverSignature) -> Value {
    json!({
        "key_id": signature.key_id,
        "kind": signature.kind,
        "signature": STANDARD.encode(&signature.signature),
    })
}

/// Ids and names of the endpoints of the task, once they are the very ones that the intent binds. The names are the server's
/// word; the ids are what is signed.
async fn targets(context: &Context, task: &str, intent: &Intent) -> Result<Vec<(String, String)>, Failure> {
    let path = format!("/api/v1/tasks/{}/commands", segment(task));
    let (mut found, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let mut query = vec![("limit", "500".to_owned())];
        query.extend(cursor.take().map(|cursor| ("cursor", cursor)));
        let page = context.client()?.get(&path, &query).await?;
        let text = |item: &Value, field: &str| item[field].as_str().unwrap_or_default().to_owned();
        let items = page["items"].as_array().cloned().unwrap_or_default();
        found.extend(items.iter().map(|item| (text(item, "endpoint_id"), text(item, "endpoint_name"))));
        cursor = page["next"].as_str().map(str::to_owned);
        if cursor.is_none() || found.len() as u64 > intent.target_count {
            break;
        }
    }
    let ids: Vec<String> = found.iter().map(|(id, _)| id.clone()).collect();
    if intent::binds(intent, &ids) {
        return Ok(found);
    }
    Err(Failure::new("the server's list of endpoints is not the one that the intent binds; do not sign it"))
}

fn agreed() -> Result<(), Failure> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Err(Failure::new("nobody is there to say yes").hint("read the deed above, then give --yes"));
    }
    terminal::complain("Sign for this deed? Type yes:")?;
    let mut answer = String::new();
    input.lock().read_line(&mut answer)?;
    if answer.trim() == "yes" { Ok(()) } else { Err(Failure::new("not signed")) }
}
