//! The approval policy of a tenant: who must agree to what, and why.
//!
//! Decided in this order, and the answer carries the trace: a rule of the tenant that names action and requester; else
//! the managed-services settings, where an outside team asks; else nothing is asked. Then what is protected asks for
//! more, and an open break-glass for less. The strictest target decides for the whole task.

mod decide;

use quell_catalog::{ActionKind, ManagedServices};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use decide::{Question, TargetFacts, Verdict, decide};

use crate::{Role, reach};

/// The most rules, names and tags that a policy holds.
const MOST: usize = 256;
/// The most roles that people may be asked of.
const MOST_ROLES: usize = 32;
/// Kinds of requesters.
const CLASSES: usize = 4;
/// The most rules about how long an approval is good.
const MOST_VALIDITIES: usize = 64;
/// The shortest and the longest that an approval can be good, seconds: an order waits 30 days at most.
const VALID_FOR: std::ops::RangeInclusive<u32> = 60..=30 * 24 * 3600;
/// The most people that may have to agree.
pub const MOST_PEOPLE: u32 = 10;

/// As whom a requester is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// A person of the tenant.
    Staff,
    /// An outside operations team: a person or a program with such a role.
    Operations,
    /// A program of the tenant.
    Automation,
    /// The server itself: a timer that takes an effect back.
    System,
}

impl Class {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Staff => "staff",
            Self::Operations => "operations",
            Self::Automation => "automation",
            Self::System => "system",
        }
    }
}

/// How many people, and of which roles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct People {
    /// How many must agree, each another human; at least one.
    #[serde(default = "one")]
    pub quorum: u32,
    /// Names (or ids) of roles of which each of them has one; anybody who may decide where empty.
    #[serde(default)]
    pub roles: Vec<String>,
}

const fn one() -> u32 {
    1
}

impl Default for People {
    fn default() -> Self {
        Self { quorum: 1, roles: Vec::new() }
    }
}

/// What is asked for before an action is carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Requirement {
    /// Nothing.
    Nothing,
    /// The settings approve it, and somebody is told.
    Auto,
    /// People agree.
    People(People),
    /// Nobody may.
    Refused,
}

impl Requirement {
    /// How it is stored with a task.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Nothing => "none",
            Self::Auto => "auto",
            Self::People(_) => "people",
            Self::Refused => "refused",
        }
    }
}

/// One line of the tenant's own policy. The first that fits decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Ids of actions, `group.*`, or `*`.
    pub actions: Vec<String>,
    /// Whose requests; everybody's where empty.
    #[serde(default)]
    pub requesters: Vec<Class>,
    /// What they need.
    pub require: Requirement,
}

/// On which endpoints the managed-services settings may approve by themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// On all of them but those on the list of exceptions.
    #[default]
    All,
    /// On those of the list of selected ones.
    Selected,
}

/// What an outside operations team may do without a person of the tenant agreeing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Managed {
    /// Whether anything is approved by the settings. Off: a person agrees to each request.
    #[serde(default)]
    pub auto_approve: bool,
    /// Which actions: of those that the catalogue calls critical or recommended.
    #[serde(default = "Managed::offered")]
    pub actions: Vec<String>,
    /// On which endpoints.
    #[serde(default)]
    pub scope: Scope,
    /// Who agrees to everything else.
    #[serde(default)]
    pub people: People,
}

impl Managed {
    /// Every action that may be approved by the settings: all are ticked until somebody unticks one.
    pub fn offered() -> Vec<String> {
        ActionKind::ALL
            .iter()
            .map(|kind| kind.spec())
            .filter(|spec| {
                matches!(spec.managed_services, ManagedServices::Critical | ManagedServices::Recommended)
            })
            .map(|spec| spec.id.to_owned())
            .collect()
    }
}

impl Default for Managed {
    fn default() -> Self {
        Self { auto_approve: false, actions: Self::offered(), scope: Scope::All, people: People::default() }
    }
}

/// What asks for more people than others: endpoints on the list of protected ones, those with these tags, and the machine
/// that the server runs on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Protected {
    /// Tags whose endpoints are protected.
    #[serde(default = "Protected::tags")]
    pub tags: Vec<String>,
    /// Who agrees to what changes them.
    #[serde(default)]
    pub people: People,
}

impl Protected {
    fn tags() -> Vec<String> {
        ["protected", "domain-controller"].map(str::to_owned).into()
    }
}

impl Default for Protected {
    fn default() -> Self {
        Self { tags: Self::tags(), people: People::default() }
    }
}

/// How long an approval is good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Validity {
    /// Ids of actions, `group.*`, or `*`.
    pub actions: Vec<String>,
    /// How long what was approved may begin and go on at most, seconds, 60 to 2 592 000. Who approves may ask for less.
    pub seconds: u32,
}

/// The approval policy of a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The tenant's own rules.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// For an outside team.
    #[serde(default)]
    pub managed: Managed,
    /// For what must not be touched lightly.
    #[serde(default)]
    pub protected: Protected,
    /// Actions that the person confirms at the moment of asking, beside those that always ask for it.
    #[serde(default)]
    pub step_up: Vec<String>,
    /// How long approvals are good at most. The first that names the action decides; until the task's own end where none
    /// does.
    #[serde(default)]
    pub valid_for: Vec<Validity>,
}

/// What is wrong with a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct PolicyError {
    /// Where.
    pub field: String,
    /// What.
    pub problem: String,
}

fn wrong(field: impl Into<String>, problem: impl Into<String>) -> PolicyError {
    PolicyError { field: field.into(), problem: problem.into() }
}

impl Policy {
    /// Checks what the types do not say. `is_role` tells whether a role is known beside those that come with Quell.
    pub fn check(&self, is_role: impl Fn(&str) -> bool) -> Result<(), PolicyError> {
        let people = |field: &str, people: &People| {
            if !(1..=MOST_PEOPLE).contains(&people.quorum) {
                return Err(wrong(format!("{field}.quorum"), format!("must be 1 to {MOST_PEOPLE}")));
            }
            if people.roles.len() > MOST_ROLES {
                return Err(wrong(format!("{field}.roles"), format!("more than {MOST_ROLES}")));
            }
            let unknown = people.roles.iter().find(|role| Role::from_name(role).is_none() && !is_role(role));
            unknown.map_or(Ok(()), |role| {
                Err(wrong(format!("{field}.roles"), format!("there is no role {role:?}")))
            })
        };
        if self.rules.len() > MOST || self.step_up.len() > MOST || self.protected.tags.len() > MOST {
            return Err(wrong(".", format!("a list has more than {MOST} entries")));
        }
        for (index, rule) in self.rules.iter().enumerate() {
            let field = format!("rules[{index}]");
            actions(&format!("{field}.actions"), &rule.actions)?;
            if rule.requesters.len() > CLASSES {
                return Err(wrong(format!("{field}.requesters"), format!("there are {CLASSES} kinds")));
            }
            if let Requirement::People(wanted) = &rule.require {
                people(&format!("{field}.require.people"), wanted)?;
            }
        }
        actions("step_up", &self.step_up)?;
        self.check_validity()?;
        let offered = Managed::offered();
        if self.managed.actions.is_empty() {
            return Err(wrong(
                "managed.actions",
                "at least one stays ticked; turn `auto_approve` off instead",
            ));
        }
        if let Some(other) = self.managed.actions.iter().find(|action| !offered.contains(action)) {
            return Err(wrong("managed.actions", format!("{other:?} is none that settings may approve")));
        }
        people("managed.people", &self.managed.people)?;
        people("protected.people", &self.protected.people)
    }

    fn check_validity(&self) -> Result<(), PolicyError> {
        if self.valid_for.len() > MOST_VALIDITIES {
            return Err(wrong("valid_for", format!("more than {MOST_VALIDITIES} entries")));
        }
        for (index, validity) in self.valid_for.iter().enumerate() {
            let field = format!("valid_for[{index}]");
            if validity.actions.is_empty() {
                return Err(wrong(format!("{field}.actions"), "names no action"));
            }
            actions(&format!("{field}.actions"), &validity.actions)?;
            if !VALID_FOR.contains(&validity.seconds) {
                let (least, most) = (VALID_FOR.start(), VALID_FOR.end());
                return Err(wrong(format!("{field}.seconds"), format!("must be {least} to {most}")));
            }
        }
        Ok(())
    }

    /// How long an approval of this action is good at most, seconds; until the task's own end where nothing is said.
    pub fn valid_for(&self, action: &str) -> Option<u32> {
        self.valid_for
            .iter()
            .find(|validity| covers(&validity.actions, action))
            .map(|validity| validity.seconds)
    }

    /// Whether the person confirms this action at the moment of asking.
    pub fn asks_step_up(&self, spec: &quell_catalog::Spec) -> bool {
        spec.step_up || covers(&self.step_up, spec.id)
    }
}

fn actions(field: &str, names: &[String]) -> Result<(), PolicyError> {
    if names.len() > MOST {
        return Err(wrong(field, format!("more than {MOST} entries")));
    }
    let is_named = |name: &String| reach::is_known(name) || name == reach::ALL;
    let unknown = names.iter().find(|name| !is_named(name));
    unknown.map_or(Ok(()), |name| Err(wrong(field, format!("there is no action {name:?}"))))
}

/// Whether a list of ids, groups and stars names the action.
fn covers(names: &[String], action: &str) -> bool {
    names.iter().any(|name| {
        name == reach::ALL
            || name == action
            || name.strip_suffix(".*").is_some_and(|group| action.split('.').next() == Some(group))
    })
}
