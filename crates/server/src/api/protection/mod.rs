//! What a tenant wants recorded, detected and prevented, as the API shows it.

mod preview;
mod rules;
mod set;
mod show;

use quell_access::Reach;
use quell_store::{Tx, protection as rows};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::approval_policy::tag;
use super::route::Route;
use super::time;
use crate::auth::{Caller, Permission};
use crate::problem::{Code, Problem};
use crate::protection::coverage::Coverage;
use crate::protection::rules::Rule;
use crate::protection::settings::Settings;
use crate::protection::version;
use crate::state::App;

/// Versions that are shown.
const CHANGES: i64 = 20;

/// The routes of protection.
pub(crate) fn routes() -> Vec<Route> {
    vec![show::route(), set::route(), preview::route(), rules::route()]
}

/// What is recorded, detected and prevented, and where it holds.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Protection {
    /// Rises with each change.
    version: i64,
    /// As they are set: what `PUT` takes.
    settings: Settings,
    /// Who changed them last.
    changed_by: String,
    /// When.
    #[schema(format = DateTime)]
    changed_at: String,
    /// Whether agents can have this version. Where it is not signed, they keep an older one until it is.
    published: bool,
    /// The version that agents are given; `null` where none is.
    published_version: Option<i64>,
    /// Why it is not published.
    problem: Option<String>,
    /// Rules in force.
    rules: RuleCounts,
    /// Sets of rules of which the library has a newer version.
    newer: Vec<NewerSet>,
    /// Where it holds.
    endpoints: Coverage,
    /// The newest versions, newest first; at most 20.
    changes: Vec<ProtectionChange>,
}

/// Rules in force.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = ProtectionRuleCounts)]
pub(crate) struct RuleCounts {
    behaviour: usize,
    yara: usize,
    /// Rules of behaviour that are disabled.
    disabled: usize,
    /// Of those in force, how many prevent: their source does, and they are severe enough.
    prevent: usize,
}

/// A set of rules of which the library has a newer version.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NewerRules)]
pub(crate) struct NewerSet {
    /// `sigma` or `yara`.
    kind: &'static str,
    /// As it is set.
    set: String,
    /// The newest version.
    latest: i64,
    /// Whether the item was archived.
    archived: bool,
}

/// A version.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProtectionChange {
    version: i64,
    /// Who made it.
    changed_by: String,
    /// When.
    #[schema(format = DateTime)]
    changed_at: String,
    /// Whether the signer signed it.
    signed: bool,
}

/// What stands in the database.
struct Stored {
    row: rows::Version,
    settings: Settings,
    newer: Vec<NewerSet>,
    changes: Vec<rows::Change>,
}

impl Stored {
    fn read(tx: &mut Tx<'_>, tenant: Uuid, row: rows::Version) -> Result<Self, Problem> {
        let settings = version::settings(&row)?;
        let newer = show::newer(tx, tenant, &settings)?;
        Ok(Self { row, settings, newer, changes: rows::changes(tx, tenant, CHANGES)? })
    }

    fn tag(&self) -> Result<String, Problem> {
        tag_of(&self.row)
    }

    /// With what agents say.
    async fn view(self, app: &App, tenant: Uuid) -> Result<Protection, Problem> {
        let newest = app.protections.newest(tenant);
        let given = newest.map(|newest| newest.version);
        Ok(Protection {
            version: self.row.version,
            changed_by: self.row.changed_by.clone(),
            changed_at: time::text(self.row.changed_at),
            published: given == Some(self.row.version),
            published_version: given,
            problem: app.protections.problem(tenant),
            rules: RuleCounts::of(&self.row, &self.settings),
            newer: self.newer,
            endpoints: app.protections.coverage(tenant).await?,
            changes: self.changes.into_iter().map(ProtectionChange::of).collect(),
            settings: self.settings,
        })
    }
}

impl RuleCounts {
    fn of(row: &rows::Version, settings: &Settings) -> Self {
        let mut counts = Self::default();
        for rule in version::rules(row) {
            counts.count(&rule, settings);
        }
        counts
    }

    fn count(&mut self, rule: &Rule, settings: &Settings) {
        match (rule.enabled, rule.source.as_str()) {
            (false, _) => self.disabled += 1,
            (true, "yara") => self.yara += 1,
            (true, _) => self.behaviour += 1,
        }
        self.prevent += usize::from(settings.prevents(rule));
    }
}

impl ProtectionChange {
    fn of(row: rows::Change) -> Self {
        let rows::Change { version, changed_by, changed_at, signed } = row;
        Self { version, changed_by, changed_at: time::text(changed_at), signed }
    }
}

/// The tag of a version.
fn tag_of(row: &rows::Version) -> Result<String, Problem> {
    tag::of(&(row.version, &row.settings))
}

/// One document holds on every endpoint: it is for who reaches all of them.
fn reaches_all(caller: &Caller) -> Result<(), Problem> {
    if caller.access().reach(Permission::ProtectionWrite, None) == Reach::All {
        return Ok(());
    }
    let detail = "what is protected holds on every endpoint, and your roles reach some alone";
    Err(Problem::new(Code::Forbidden, detail).hint(
        "A role with protection.write and without tags is needed; `quell whoami` shows what yours reach.",
    ))
}
