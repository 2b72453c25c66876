//! Single sign-on: a tenant's identity providers, and the way in through them.

mod callback;
mod change;
mod create;
mod finish;
mod list;
mod offered;
mod page;
mod remove;
mod show;
mod start;
mod wanted;

use quell_store::identity_provider::IdentityProvider;
use serde::Serialize;
use utoipa::ToSchema;

use super::export::Cells;
use super::route::Route;
use super::time;
use crate::auth::oidc::{Mapping, Settings};
use crate::problem::{Code, Problem};
use crate::public::Public;
use crate::state::App;

/// The routes of single sign-on.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        list::route(),
        offered::route(),
        create::route(),
        show::route(),
        change::route(),
        remove::route(),
        start::route(),
        callback::route(),
        finish::route(),
    ]
}

/// Where providers send browsers back to.
pub(crate) const CALLBACK: &str = "/api/v1/sso/callback";

/// For which purpose the secret of a provider's client is sealed.
pub(crate) fn purpose(provider: uuid::Uuid) -> String {
    format!("sso.client/{provider}")
}

/// The address of the server, which a provider must know.
pub(crate) fn public(app: &App) -> Result<&Public, Problem> {
    app.public.as_ref().ok_or_else(|| {
        Problem::new(Code::Unavailable, "the server does not know the address at which people find it")
            .hint("Start it with --public-url https://HOST.")
    })
}

/// An identity provider. The secret of its client is never shown.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = IdentityProvider)]
pub(crate) struct Provider {
    /// Its id.
    #[schema(format = Uuid)]
    id: String,
    /// Its name, unique in the tenant.
    name: String,
    /// The issuer.
    issuer: String,
    /// What Quell is called there.
    client_id: String,
    /// Whether the client has a secret.
    has_secret: bool,
    /// What is asked for.
    scopes: Vec<String>,
    /// The claim that names the groups; dots lead deeper.
    group_claim: String,
    /// Which groups give which roles.
    mapping: Vec<Mapping>,
    /// Whether somebody unknown, whose groups give a role, gets an account.
    make_accounts: bool,
    /// Only people with an address of these domains may come; everybody where empty.
    domains: Vec<String>,
    /// Whether an address counts of which the provider does not say that it is verified.
    trust_email: bool,
    /// Whether the sign-in page names it to everybody.
    offered: bool,
    /// `active` or `disabled`.
    state: String,
    /// Where browsers begin.
    start_url: String,
    /// Where the provider must be allowed to send browsers back to.
    redirect_uri: String,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was last changed.
    #[schema(format = DateTime)]
    updated_at: String,
}

impl Provider {
    fn of(app: &App, row: IdentityProvider) -> Result<Self, Problem> {
        let settings: Settings =
            serde_json::from_str(&row.settings).map_err(|error| Problem::internal(&error))?;
        let link = |path: &str| app.public.as_ref().map(|public| public.link(path)).unwrap_or_default();
        Ok(Self {
            start_url: link(&format!("/api/v1/sso/start/{}/{}", row.tenant_id, row.name)),
            redirect_uri: link(CALLBACK),
            id: row.id.to_string(),
            name: row.name,
            issuer: row.issuer,
            client_id: row.client_id,
            has_secret: row.client_secret.is_some(),
            scopes: settings.scopes,
            group_claim: settings.group_claim,
            mapping: settings.mapping,
            make_accounts: settings.make_accounts,
            domains: settings.domains,
            trust_email: settings.trust_email,
            offered: settings.offered,
            state: row.state,
            created_at: time::text(row.created_at),
            updated_at: time::text(row.updated_at),
        })
    }
}

impl Cells for Provider {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "name",
        "issuer",
        "client_id",
        "has_secret",
        "scopes",
        "group_claim",
        "mapping",
        "make_accounts",
        "domains",
        "trust_email",
        "offered",
        "state",
        "start_url",
        "redirect_uri",
        "created_at",
        "updated_at",
    ];

    fn cells(&self) -> Vec<String> {
        let mapping: Vec<String> =
            self.mapping.iter().map(|mapping| format!("{}={}", mapping.group, mapping.role)).collect();
        vec![
            self.id.clone(),
            self.name.clone(),
            self.issuer.clone(),
            self.client_id.clone(),
            self.has_secret.to_string(),
            self.scopes.join(" "),
            self.group_claim.clone(),
            mapping.join(" "),
            self.make_accounts.to_string(),
            self.domains.join(" "),
            self.trust_email.to_string(),
            self.offered.to_string(),
            self.state.clone(),
            self.start_url.clone(),
            self.redirect_uri.clone(),
            self.created_at.clone(),
            self.updated_at.clone(),
        ]
    }
}
