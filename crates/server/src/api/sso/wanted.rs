//! What somebody wants of an identity provider, checked: once for making one and once for changing one.

use quell_store::Tx;
use quell_store::identity_provider::IdentityProvider;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::purpose;
use crate::api::text;
use crate::auth::oidc::{Mapping, Settings, checked};
use crate::auth::{Caller, give, identify};
use crate::problem::{Code, Problem};
use crate::seal;
use crate::state::App;

/// Longest list.
const MOST: usize = 256;

/// An identity provider as it should be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedProvider {
    /// Its name, in lower case; part of the address at which signing in begins.
    #[schema(min_length = 1, max_length = 40, pattern = "^[a-z0-9][a-z0-9-]*$", example = "keycloak")]
    name: String,
    /// The issuer's URL, exactly as its discovery document says it.
    #[schema(example = "https://login.example/realms/main")]
    issuer: String,
    /// What Quell is called there.
    #[schema(min_length = 1, max_length = 255)]
    client_id: String,
    /// The client's secret. Where absent it stays as it is; empty: a public client, without one.
    #[schema(max_length = 1024, write_only)]
    client_secret: Option<String>,
    /// What is asked for; `openid`, `email` and `profile` where absent.
    #[serde(default = "scopes")]
    scopes: Vec<String>,
    /// The claim that names the groups; dots lead deeper.
    #[serde(default = "group_claim")]
    group_claim: String,
    /// Which groups give which roles. Nobody can give a role that may more than they.
    #[serde(default)]
    mapping: Vec<Mapping>,
    /// Whether somebody unknown, whose groups give a role, gets an account.
    #[serde(default)]
    make_accounts: bool,
    /// Only people with an address of these domains may come; everybody where empty.
    #[serde(default)]
    domains: Vec<String>,
    /// Whether an address counts of which the provider does not say that it is verified.
    #[serde(default)]
    trust_email: bool,
    /// Whether the sign-in page names it, with the tenant, to everybody who opens that page.
    #[serde(default)]
    offered: bool,
    /// Whether anybody can sign in through it.
    #[serde(default = "enabled")]
    enabled: bool,
}

impl std::fmt::Debug for WantedProvider {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("WantedProvider").field("name", &self.name).finish_non_exhaustive()
    }
}

fn scopes() -> Vec<String> {
    ["openid", "email", "profile"].map(str::to_owned).to_vec()
}

fn group_claim() -> String {
    "groups".to_owned()
}

const fn enabled() -> bool {
    true
}

/// A provider that may be written.
pub(super) struct Checked {
    pub row: IdentityProvider,
    settings: Settings,
    /// Whether the secret is another one.
    pub new_secret: bool,
}

impl WantedProvider {
    /// Checks all of it. `before` is the row that it changes.
    pub fn check(
        self,
        app: &App,
        tenant: Uuid,
        before: Option<&IdentityProvider>,
    ) -> Result<Checked, Problem> {
        let name = name(&self.name)?;
        checked(&self.issuer, app.destinations)
            .map_err(|error| Problem::bad_field("issuer", error.to_string()))?;
        if self.issuer.contains(['?', '#']) {
            return Err(Problem::bad_field("issuer", "must not hold a query or fragment"));
        }
        let client_id = text::checked("client_id", &self.client_id, 255)?;
        let settings = Settings {
            scopes: clean_scopes(self.scopes)?,
            group_claim: text::checked("group_claim", &self.group_claim, 128)?,
            mapping: clean_mapping(self.mapping)?,
            make_accounts: self.make_accounts,
            domains: clean_domains(self.domains)?,
            trust_email: self.trust_email,
            offered: self.offered,
        };
        let now = app.now();
        let id = before.map_or_else(Uuid::now_v7, |row| row.id);
        let new_secret = self.client_secret.is_some();
        let client_secret = match self.client_secret.as_deref() {
            None => before.and_then(|row| row.client_secret.clone()),
            Some("") => None,
            Some(text) if text.len() > 1024 => {
                return Err(Problem::bad_field("client_secret", "longer than 1024 bytes"));
            }
            Some(text) => {
                let sealed = seal::seal(&app.secrets, &purpose(id), text.as_bytes());
                Some(sealed.ok_or_else(|| {
                    Problem::new(Code::Unavailable, "the system gave no randomness").retry_after(1)
                })?)
            }
        };
        // A secret goes to the issuer that it was given for.
        if before.is_some_and(|row| row.issuer != self.issuer) && !new_secret && client_secret.is_some() {
            return Err(Problem::bad_field("client_secret", "must be given again for another issuer"));
        }
        let row = IdentityProvider {
            tenant_id: tenant,
            id,
            name,
            issuer: self.issuer,
            client_id,
            client_secret,
            settings: serde_json::to_string(&settings).map_err(|error| Problem::internal(&error))?,
            state: if self.enabled { "active" } else { "disabled" }.to_owned(),
            created_at: before.map_or(now, |row| row.created_at),
            updated_at: now,
        };
        Ok(Checked { row, settings, new_secret })
    }
}

impl Checked {
    /// Nobody gives what they do not have, not through a group either.
    pub fn covered(&self, tx: &mut Tx<'_>, caller: &Caller) -> Result<(), Problem> {
        for (index, mapping) in self.settings.mapping.iter().enumerate() {
            let granted = identify::of_role(tx, caller.tenant, &mapping.role)?.ok_or_else(|| {
                Problem::bad_field(format!("mapping[{index}].role"), "there is no such role in this tenant")
            })?;
            give::may_give(caller, &granted, &format!("the role {}", mapping.role)).map_err(|problem| {
                problem.field(format!("mapping[{index}].role"), "beyond your own roles")
            })?;
        }
        Ok(())
    }

    /// What the audit trail says of it: everything but the secret.
    pub fn detail(&self) -> Value {
        let row = &self.row;
        json!({
            "name": row.name, "issuer": row.issuer, "client_id": row.client_id, "new_secret": self.new_secret,
            "settings": self.settings, "state": row.state,
        })
    }
}

fn name(text: &str) -> Result<String, Problem> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if text.is_empty() || text.len() > 40 || text.starts_with('-') || !text.chars().all(is_plain) {
        return Err(Problem::bad_field("name", "must be 1 to 40 of a-z, 0-9 and -, not beginning with -"));
    }
    Ok(text.to_owned())
}

fn clean_scopes(mut scopes: Vec<String>) -> Result<Vec<String>, Problem> {
    let is_scope = |scope: &String| {
        (1..=128).contains(&scope.len())
            && scope.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
    };
    if scopes.len() > 32 || !scopes.iter().all(is_scope) {
        return Err(Problem::bad_field("scopes", "must be up to 32 words without spaces"));
    }
    if !scopes.iter().any(|scope| scope == "openid") {
        scopes.insert(0, "openid".to_owned());
    }
    Ok(scopes)
}

fn clean_mapping(mapping: Vec<Mapping>) -> Result<Vec<Mapping>, Problem> {
    if mapping.len() > MOST {
        return Err(Problem::bad_field("mapping", format!("more than {MOST} entries")));
    }
    for (index, entry) in mapping.iter().enumerate() {
        text::checked(&format!("mapping[{index}].group"), &entry.group, 256)?;
    }
    Ok(mapping)
}

fn clean_domains(domains: Vec<String>) -> Result<Vec<String>, Problem> {
    let is_domain = |domain: &String| quell_access::email::is_address(&format!("a@{domain}"));
    if domains.len() > MOST || !domains.iter().all(is_domain) {
        return Err(Problem::bad_field("domains", format!("must be up to {MOST} names of domains")));
    }
    Ok(domains)
}
