//! Changes of the root's word. Each is a new bundle with a higher serial; none reaches the server by itself.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use jiff::Timestamp;
use quell_catalog::ActionKind;
use quell_wire::approver::{self, ApproverKey};
use quell_wire::trust::{Rule, TrustBundle, is_pattern};
use serde::Deserialize;

use super::dir::Dir;
use super::{Root, keyfile, show};
use crate::cli::Context;
use crate::failure::Failure;

/// A root to make.
#[derive(Debug, Args)]
pub struct Init {
    #[command(flatten)]
    root: Root,
    /// The tenant's id; `quell trust show --server` says it
    #[arg(long)]
    tenant: String,
}

/// A key to put into the keyring.
#[derive(Debug, Args)]
pub struct Add {
    #[command(flatten)]
    root: Root,
    /// The person's name
    #[arg(long, value_name = "NAME")]
    person: String,
    /// Which human this is, where the name does not say: keys of the same human count once
    #[arg(long, value_name = "LABEL")]
    human: Option<String>,
    /// What this human is on the server as a requester: the id of their account, or of an API key of theirs; what they
    /// ask for, they do not approve. May be repeated
    #[arg(long, value_name = "ID")]
    requester_id: Vec<String>,
    /// The public key that `quell trust approver-key` printed
    #[arg(long, value_name = "PUBLIC", required_unless_present = "webauthn")]
    key: Option<String>,
    /// A file with a passkey: {"public_key": COSE in base64url, "rp_id": …, "origins": […]}
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    webauthn: Option<PathBuf>,
}

/// Keys to take out of the keyring.
#[derive(Debug, Args)]
pub struct Remove {
    #[command(flatten)]
    root: Root,
    /// The key with this id
    #[arg(long, value_name = "ID", required_unless_present = "human")]
    key: Option<String>,
    /// All keys of this human
    #[arg(long, value_name = "LABEL")]
    human: Option<String>,
}

/// Signatures to demand.
#[derive(Debug, Args)]
pub struct Require {
    #[command(flatten)]
    root: Root,
    /// Actions, with commas between: ids, `group.*`, or `*` for all, undoing included
    #[arg(long, value_name = "LIST", value_delimiter = ',', required = true)]
    actions: Vec<String>,
    /// How many humans must sign; 0 takes the demand back
    #[arg(long, value_name = "N")]
    quorum: u32,
}

/// Who may sign kits.
#[derive(Debug, Args)]
pub struct KitKey {
    #[command(flatten)]
    root: Root,
    /// The public key that `quell kit key` printed
    #[arg(long, value_name = "PUBLIC")]
    key: String,
    /// Take it away again
    #[arg(long)]
    remove: bool,
}

/// A root to change.
#[derive(Debug, Args)]
pub struct Rotate {
    #[command(flatten)]
    root: Root,
}

/// A passkey as a file holds it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Passkey {
    public_key: String,
    rp_id: String,
    origins: Vec<String>,
}

#[expect(clippy::disallowed_methods, reason = "a bundle says when a person signed it")]
fn now_us() -> i64 {
    Timestamp::now().as_microsecond()
}

impl Init {
    pub(super) fn run(&self, context: &Context) -> Result<(), Failure> {
        let tenant: uuid::Uuid = self.tenant.parse().map_err(|_| {
            Failure::new(format!("`{}` is no tenant's id", self.tenant))
                .hint("`quell trust show --server` says the id of the tenant of your key")
        })?;
        let dir = Dir::create(&self.root.dir, &tenant.to_string(), now_us())?;
        show::local(context, dir.newest())
    }
}

impl Add {
    pub(super) fn run(&self, context: &Context) -> Result<(), Failure> {
        let key = self.read()?;
        let mut dir = Dir::open(&self.root.dir)?;
        dir.change(now_us(), |bundle| {
            if bundle.keyring.iter().any(|held| held.public == key.public) {
                return Err(Failure::new(format!("the keyring has the key {} already", key.id())));
            }
            bundle.keyring.push(key);
            Ok(())
        })?;
        show::local(context, dir.newest())
    }

    fn read(&self) -> Result<ApproverKey, Failure> {
        let mut key = ApproverKey {
            person: self.person.clone(),
            human: self.human.clone().unwrap_or_else(|| self.person.clone()).trim().to_lowercase(),
            requester_ids: self.requester_id.clone(),
            ..ApproverKey::default()
        };
        match (&self.key, &self.webauthn) {
            (Some(public), _) => {
                approver::ED25519.clone_into(&mut key.kind);
                key.public = keyfile::read_public(public)?;
            }
            (None, Some(path)) => {
                let bad = |why: &str| Failure::new(format!("{}: {why}", path.display()));
                let passkey: Passkey = serde_json::from_str(&keyfile::read_text(path)?)
                    .map_err(|error| bad(&error.to_string()))?;
                let public = URL_SAFE_NO_PAD.decode(passkey.public_key.trim_end_matches('='));
                approver::WEBAUTHN.clone_into(&mut key.kind);
                key.public = public.map_err(|_| bad("public_key is not base64url"))?;
                (key.rp_id, key.origins) = (passkey.rp_id, passkey.origins);
            }
            (None, None) => return Err(Failure::new("--key or --webauthn is needed")),
        }
        if key.is_sound() {
            Ok(key)
        } else {
            Err(Failure::new("the key, or a name or id beside it, is not acceptable"))
        }
    }
}

impl Remove {
    pub(super) fn run(&self, context: &Context) -> Result<(), Failure> {
        let mut dir = Dir::open(&self.root.dir)?;
        dir.change(now_us(), |bundle| {
            let before = bundle.keyring.len();
            let human = self.human.as_ref().map(|human| human.trim().to_lowercase());
            bundle.keyring.retain(|key| Some(key.id()) != self.key && Some(&key.human) != human.as_ref());
            if bundle.keyring.len() == before {
                return Err(Failure::new("the keyring has no such key").hint("quell trust show --dir DIR"));
            }
            can_be_met(bundle)
        })?;
        show::local(context, dir.newest())
    }
}

impl Require {
    pub(super) fn run(&self, context: &Context) -> Result<(), Failure> {
        self.actions.iter().try_for_each(|action| known(action))?;
        let mut dir = Dir::open(&self.root.dir)?;
        dir.change(now_us(), |bundle| {
            for rule in &mut bundle.rules {
                rule.actions.retain(|action| !self.actions.contains(action));
            }
            if self.quorum > 0 {
                bundle.rules.push(Rule { actions: self.actions.clone(), quorum: self.quorum });
            }
            bundle.rules.retain(|rule| !rule.actions.is_empty());
            can_be_met(bundle)
        })?;
        show::local(context, dir.newest())
    }
}

impl KitKey {
    pub(super) fn run(&self, context: &Context) -> Result<(), Failure> {
        let key = keyfile::read_public(&self.key)?;
        let mut dir = Dir::open(&self.root.dir)?;
        dir.change(now_us(), |bundle| {
            let held = bundle.kit_keys.contains(&key);
            if held != self.remove {
                let how = if held { "has the key already" } else { "has no such key" };
                return Err(Failure::new(format!("the bundle {how}")).hint("quell trust show --dir DIR"));
            }
            bundle.kit_keys.retain(|other| *other != key);
            if !self.remove {
                bundle.kit_keys.push(key);
            }
            Ok(())
        })?;
        show::local(context, dir.newest())
    }
}

impl Rotate {
    pub(super) fn run(&self, context: &Context) -> Result<(), Failure> {
        let mut dir = Dir::open(&self.root.dir)?;
        dir.rotate(now_us())?;
        show::local(context, dir.newest())
    }
}

/// A demand for an action that is not there would look like protection and be none.
fn known(pattern: &str) -> Result<(), Failure> {
    let covers = |id: &str| match pattern.strip_suffix('*') {
        Some(group) => id.starts_with(group),
        None => id == pattern,
    };
    if is_pattern(pattern) && ActionKind::ALL.iter().any(|kind| covers(kind.id())) {
        return Ok(());
    }
    Err(Failure::new(format!("`{pattern}` names no action")).hint("an action's id, `group.*` or `*`"))
}

/// Nothing could meet a demand for more humans than there are; the endpoints would refuse for good.
fn can_be_met(bundle: &TrustBundle) -> Result<(), Failure> {
    let humans: std::collections::BTreeSet<&str> =
        bundle.keyring.iter().map(|key| key.human.as_str()).collect();
    match bundle.rules.iter().find(|rule| rule.quorum as usize > humans.len()) {
        Some(rule) => Err(Failure::new(format!(
            "{} would need {} humans, and the keyring has {}",
            rule.actions.join(", "),
            rule.quorum,
            humans.len()
        ))
        .hint("add keys first, or lower the quorum")),
        None => Ok(()),
    }
}
