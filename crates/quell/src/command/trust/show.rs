//! What a trust bundle says.

use clap::Args;
use quell_wire::digest::{hex, sha256};
use quell_wire::trust::{Pin, Pinned, SignedTrustBundle};
use serde_json::{Value, json};

use super::{PATH, dir, keyfile};
use crate::cli::Context;
use crate::failure::Failure;
use crate::output::table::field;
use crate::output::{self, moment, text};

/// A bundle to show.
#[derive(Debug, Args)]
pub struct Show {
    /// The directory of the root key and its bundles
    #[arg(long, value_name = "DIR", required_unless_present = "server")]
    dir: Option<std::path::PathBuf>,
    /// What the server hands on
    #[arg(long, conflicts_with = "dir")]
    server: bool,
}

impl Show {
    pub(super) async fn run(&self, context: &Context) -> Result<(), Failure> {
        if let Some(dir) = &self.dir {
            return local(context, &dir::newest(dir)?);
        }
        let state = context.client()?.get(PATH, &[]).await?;
        let Some(bundle) = state.pointer("/trust/bundle").and_then(Value::as_str) else {
            return output::one(context.format, &state, |state| {
                format!(
                    "tenant  {}\nno trust bundle was published",
                    text::visible(&field(state, "/tenant_id"))
                )
            });
        };
        // From the signed bytes, not from what the server says about them.
        let signed = SignedTrustBundle::from_text(bundle);
        let signed = signed.ok_or_else(|| Failure::new("the server's trust bundle cannot be read"))?;
        let bundle = signed.open().map_err(|error| Failure::of(&error))?;
        let pinned = Pinned::kept(&bundle.tenant_id, signed).map_err(|error| Failure::of(&error))?;
        local(context, &pinned)
    }
}

/// Shows a bundle.
pub(super) fn local(context: &Context, pinned: &Pinned) -> Result<(), Failure> {
    output::one(context.format, &described(pinned), lines)
}

fn described(pinned: &Pinned) -> Value {
    let bundle = pinned.bundle();
    let keys: Vec<Value> = bundle
        .keyring
        .iter()
        .map(|key| {
            json!({
                "key_id": key.id(), "person": key.person, "human": key.human, "requester_ids": key.requester_ids,
                "kind": key.kind, "rp_id": key.rp_id, "origins": key.origins,
            })
        })
        .collect();
    let rules: Vec<Value> =
        bundle.rules.iter().map(|rule| json!({ "actions": rule.actions, "quorum": rule.quorum })).collect();
    let next = (!bundle.next_root.is_empty()).then(|| hex(&sha256(&[&bundle.next_root])));
    json!({
        "tenant_id": bundle.tenant_id, "serial": bundle.serial, "created_at_us": bundle.created_at_us,
        "pin": Pin::of(&bundle.root_key, bundle.serial).to_text(), "next_root_sha256": next,
        "keyring": keys, "rules": rules,
        "kit_keys": bundle.kit_keys.iter().map(|key| keyfile::public_text(key)).collect::<Vec<_>>(),
    })
}

fn lines(value: &Value) -> String {
    let fact = |pointer: &str| text::visible(&field(value, pointer)).into_owned();
    let list = |name: &str| value.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let mut lines = vec![
        format!("tenant  {}", fact("/tenant_id")),
        format!("serial  {}  signed {}", fact("/serial"), moment::of(value, "/created_at_us")),
        format!("pin     {}", fact("/pin")),
    ];
    if value.get("next_root_sha256").is_some_and(|next| !next.is_null()) {
        lines.push(format!("next    {}", fact("/next_root_sha256")));
    }
    for key in list("keyring") {
        let fact = |pointer: &str| text::visible(&field(&key, pointer)).into_owned();
        let human = if fact("/human") == fact("/person").to_lowercase() {
            String::new()
        } else {
            format!(" (human {})", fact("/human"))
        };
        lines.push(format!("key     {}  {}  {}{human}", fact("/key_id"), fact("/kind"), fact("/person")));
    }
    for rule in list("rules") {
        let actions = rule.get("actions").and_then(Value::as_array).cloned().unwrap_or_default();
        let actions: Vec<String> = actions
            .iter()
            .filter_map(Value::as_str)
            .map(|action| text::visible(action).into_owned())
            .collect();
        lines.push(format!("rule    {} must sign  {}", field(&rule, "/quorum"), actions.join(", ")));
    }
    for key in list("kit_keys") {
        lines.push(format!("kits    {}", text::visible(key.as_str().unwrap_or_default())));
    }
    if list("rules").is_empty() {
        lines.push("no action needs an approver's signature".to_owned());
    }
    lines.join("\n")
}
