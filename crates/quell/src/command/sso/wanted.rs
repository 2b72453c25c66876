//! How a provider is described on the command line.

use std::io::Read as _;

use clap::Args;
use serde_json::{Map, Value, json};

use crate::failure::Failure;

/// The longest secret, bytes.
const MOST: u64 = 4096;

/// A provider to add.
#[derive(Debug, Args)]
pub struct Add {
    /// Name in lower case, part of the address at which signing in begins
    name: String,
    /// The issuer's URL, exactly as its discovery document says it
    issuer: String,
    /// What Quell is called there
    #[arg(long, value_name = "ID")]
    client_id: String,
    #[command(flatten)]
    more: More,
}

/// A provider as it is to be.
#[derive(Debug, Args)]
pub struct Change {
    /// Name of the provider
    pub name: String,
    /// Another issuer; who signed in through the old one is forgotten
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// What Quell is called there
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// Let nobody sign in through it
    #[arg(long, conflicts_with = "on")]
    off: bool,
    /// Let people sign in through it again
    #[arg(long)]
    on: bool,
    #[command(flatten)]
    more: More,
}

/// What may be said of both.
#[derive(Debug, Args)]
pub struct More {
    /// Read the client's secret from standard input
    #[arg(long)]
    secret_stdin: bool,
    /// A group that gives a role, `ir-lead=analyst` (several times for several)
    #[arg(long, value_name = "GROUP=ROLE")]
    group: Vec<String>,
    /// The claim that names the groups; dots lead deeper
    #[arg(long, value_name = "CLAIM")]
    group_claim: Option<String>,
    /// What is asked for (several times for several); openid, email and profile where never named
    #[arg(long, value_name = "SCOPE")]
    scope: Vec<String>,
    /// Let only addresses of this domain in (several times for several)
    #[arg(long, value_name = "DOMAIN")]
    domain: Vec<String>,
    /// Give whoever is unknown, and has a role by their groups, an account: yes or no
    #[arg(long, value_name = "YES", value_parser = yes)]
    make_accounts: Option<bool>,
    /// Believe addresses that the provider does not call verified: yes or no
    #[arg(long, value_name = "YES", value_parser = yes)]
    trust_email: Option<bool>,
    /// Name it on the sign-in page, to everybody who opens that: yes or no
    #[arg(long, value_name = "YES", value_parser = yes)]
    offer: Option<bool>,
}

fn yes(text: &str) -> Result<bool, String> {
    match text {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("yes or no".to_owned()),
    }
}

impl Add {
    /// The body of the request.
    pub fn body(&self) -> Result<Value, Failure> {
        let mut body = Map::new();
        body.insert("name".to_owned(), json!(self.name));
        body.insert("issuer".to_owned(), json!(self.issuer));
        body.insert("client_id".to_owned(), json!(self.client_id));
        self.more.put(&mut body)?;
        Ok(body.into())
    }
}

impl Change {
    /// The body of the request: the provider as it is, but for what is named.
    pub fn over(&self, before: &Value) -> Result<Value, Failure> {
        let mut body = Map::new();
        for name in [
            "name",
            "issuer",
            "client_id",
            "scopes",
            "group_claim",
            "mapping",
            "make_accounts",
            "domains",
            "trust_email",
            "offered",
        ] {
            body.insert(name.to_owned(), before[name].clone());
        }
        let is_active = self.on || before["state"] == "active" && !self.off;
        body.insert("enabled".to_owned(), json!(is_active));
        for (name, value) in [("issuer", &self.issuer), ("client_id", &self.client_id)] {
            if let Some(value) = value {
                body.insert(name.to_owned(), json!(value));
            }
        }
        self.more.put(&mut body)?;
        Ok(body.into())
    }
}

impl More {
    fn put(&self, body: &mut Map<String, Value>) -> Result<(), Failure> {
        if self.secret_stdin {
            let mut secret = String::new();
            std::io::stdin().lock().take(MOST).read_to_string(&mut secret)?;
            body.insert("client_secret".to_owned(), json!(secret.trim_end_matches(['\r', '\n'])));
        }
        if !self.group.is_empty() {
            let mapping: Result<Vec<Value>, Failure> = self.group.iter().map(|pair| mapping(pair)).collect();
            body.insert("mapping".to_owned(), mapping?.into());
        }
        for (name, list) in [("scopes", &self.scope), ("domains", &self.domain)] {
            if !list.is_empty() {
                body.insert(name.to_owned(), json!(list));
            }
        }
        if let Some(claim) = &self.group_claim {
            body.insert("group_claim".to_owned(), json!(claim));
        }
        for (name, value) in [
            ("make_accounts", self.make_accounts),
            ("trust_email", self.trust_email),
            ("offered", self.offer),
        ] {
            if let Some(value) = value {
                body.insert(name.to_owned(), json!(value));
            }
        }
        Ok(())
    }
}

/// Names of groups may hold `=` themselves; those of roles do not.
fn mapping(pair: &str) -> Result<Value, Failure> {
    let (group, role) = pair.rsplit_once('=').ok_or_else(|| {
        Failure::new(format!("`{pair}` is not GROUP=ROLE")).hint("for example ir-lead=analyst")
    })?;
    Ok(json!({ "group": group, "role": role }))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_is_not_named_stays() {
        let before = json!({
            "id": "x", "name": "staff", "issuer": "https://a", "client_id": "c", "has_secret": true,
            "scopes": ["openid"], "group_claim": "g", "mapping": [{ "group": "a", "role": "b" }],
            "make_accounts": true, "domains": ["d.example"], "trust_email": false, "offered": false, "state": "active",
        });
        let more = More {
            secret_stdin: false,
            group: vec!["CN=ir,DC=x=analyst".to_owned()],
            group_claim: None,
            scope: Vec::new(),
            domain: Vec::new(),
            make_accounts: Some(false),
            trust_email: None,
            offer: Some(true),
        };
        let change =
            Change { name: "staff".to_owned(), issuer: None, client_id: None, off: true, on: false, more };
        let body = change.over(&before).unwrap();
        assert_eq!(body["mapping"], json!([{ "group": "CN=ir,DC=x", "role": "analyst" }]));
        assert_eq!((&body["enabled"], &body["make_accounts"]), (&json!(false), &json!(false)));
        assert_eq!(body["offered"], json!(true));
        assert_eq!((&body["domains"], &body["issuer"]), (&json!(["d.example"]), &json!("https://a")));
        assert!(body.get("client_secret").is_none() && body.get("id").is_none());
        assert!(mapping("nothing").is_err());
    }
}
