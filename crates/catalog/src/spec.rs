//! The facts about an action that hold for every request of it.

use serde::Serialize;

/// What a request of the action points at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetKind {
    /// A machine with our agent.
    Endpoint,
    /// A service as a whole: one command for it, and it carries the effect to whatever it serves.
    Service,
}

/// An operating system that the agent runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum System {
    /// Linux 5.10 or later.
    Linux,
    /// Windows 10 or Server 2016, or later.
    Windows,
    /// macOS 13 or later.
    Macos,
}

/// Who carries the action out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Runner {
    /// The endpoint's agent, on these systems.
    Agent {
        /// Systems on which the action is implemented.
        systems: &'static [System],
    },
    /// A service of the server.
    Service {
        /// Its name: [`AGENTS`].
        name: &'static str,
    },
}

/// The service that all agents of a tenant are together: what is asked of it is asked of each of them, now or when it
/// connects.
pub const AGENTS: &str = "agents";

/// What remains of the action once it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Effect {
    /// Nothing on the target changes.
    ReadOnly,
    /// The target changes, and the named action changes it back.
    Reversible {
        /// The id of the action that undoes this one.
        by: &'static str,
    },
    /// The target changes where the parameters ask for that alone ([`crate::Action::effect`] tells), and the named action then
    /// takes back each thing that was done, one request for each.
    Piecewise {
        /// The id of the action that does.
        by: &'static str,
    },
    /// The target changes for good.
    Irreversible,
}

impl Effect {
    /// Its name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "read_only",
            Self::Reversible { .. } => "reversible",
            Self::Piecewise { .. } => "piecewise",
            Self::Irreversible => "irreversible",
        }
    }

    /// The action that takes it back, at once or piece by piece.
    pub const fn undone_by(self) -> Option<&'static str> {
        match self {
            Self::Reversible { by } | Self::Piecewise { by } => Some(by),
            Self::ReadOnly | Self::Irreversible => None,
        }
    }
}

/// How much harm a mistaken request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// Looking only; no sensitive content leaves the endpoint.
    Low,
    /// Sensitive content may leave the endpoint, or work is disturbed for a moment.
    Medium,
    /// Work on the target stops, or arbitrary code runs.
    High,
}

/// What the customer is asked when an outside operations team requests the action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ManagedServices {
    /// May be auto-approved as one of the critical actions.
    Critical,
    /// May be auto-approved as one of the recommended actions.
    Recommended,
    /// No approval is asked.
    NotNeeded,
    /// Always a person.
    Always,
}

/// Commands of one group on one endpoint run one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Exclusion {
    /// Changes to the endpoint's network rules.
    Network,
}

impl Exclusion {
    /// The name that is stored with a command.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Network => "network",
        }
    }
}

/// What happens to a half-done effect when the action fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// It stays, and the outcome says what was done.
    Keep,
    /// The service takes it back before it answers.
    Undo,
}

/// What an agent does with an order that it had begun when it died.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnCrash {
    /// Begin again: a second run has the same effect as one.
    Repeat,
    /// Take up the work that outlived the agent; where none did, the end is `indeterminate`.
    Adopt,
}

/// A secret that the order carries for the agent and that is never stored: the server derives it again
/// for a person who may see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Secret {
    /// The password of the archives of one task.
    ArchivePassword,
    /// The code that ends one isolation at the endpoint itself, without a network.
    ReleaseCode,
}

impl Secret {
    /// The key under which an order carries it, and the domain from which it is derived.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ArchivePassword => "archive_password",
            Self::ReleaseCode => "release_code",
        }
    }
}

/// What the list of endpoints shows of an endpoint from the moment that the action was verified on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It is isolated, by this command.
    Isolated,
    /// It is isolated no more.
    Restored,
}

/// How long carrying the action out may take on the target, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TimeLimit {
    /// Where the request says nothing.
    pub default_s: u32,
    /// What a request may ask for at most.
    pub max_s: u32,
}

/// Everything about an action that is the same for every request.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Spec {
    /// `<group>.<verb>`, stable for ever.
    pub id: &'static str,
    /// Raised when parameters or meaning change; an agent announces the revisions that it speaks.
    pub revision: u32,
    /// The name shown to people.
    pub title: &'static str,
    /// One sentence: what it does and what proves it.
    pub summary: &'static str,
    /// What it points at.
    pub target: TargetKind,
    /// Who carries it out.
    pub runner: Runner,
    /// What remains of it.
    pub effect: Effect,
    /// How much harm a mistake does.
    pub risk: Risk,
    /// Default of the managed-services approval settings.
    pub managed_services: ManagedServices,
    /// The requester confirms with their own password at the moment of asking.
    pub step_up: bool,
    /// How long it may take on the target.
    pub time_limit: TimeLimit,
    /// The group of commands that never run at the same time on one endpoint.
    pub exclusion: Option<Exclusion>,
    /// 0 goes first: containment before collection before scans.
    pub priority: u8,
    /// What happens to a half-done effect.
    pub on_failure: OnFailure,
    /// What an agent does with it after its own crash.
    pub on_crash: OnCrash,
    /// What it changes in how the endpoint stands; `None` where that stays as it is.
    pub standing: Option<Standing>,
    /// Secrets that its orders carry.
    pub secrets: &'static [Secret],
    /// Top-level parameter names whose values are replaced by `***` outside the order.
    pub redact: &'static [&'static str],
    /// Parameters of a sensible request, JSON: for documents and for the tests over the list.
    pub example: &'static str,
    /// MITRE D3FEND technique (<https://d3fend.mitre.org>), where one fits.
    pub d3fend: Option<&'static str>,
    /// Task name in the Vision One v3.0 response API, where it has one.
    pub vision_one: Option<&'static str>,
    /// OpenC2 action and target (OASIS OpenC2 Language 1.0), where a pair fits.
    pub openc2: Option<(&'static str, &'static str)>,
}

impl Spec {
    /// Systems whose agents carry it out; none where no agent does.
    pub const fn systems(&self) -> &'static [System] {
        match self.runner {
            Runner::Agent { systems } => systems,
            Runner::Service { .. } => &[],
        }
    }

    /// The service that carries it out; `None` where the endpoint's agent does.
    pub const fn service(&self) -> Option<&'static str> {
        match self.runner {
            Runner::Agent { .. } => None,
            Runner::Service { name } => Some(name),
        }
    }

    /// The part of the id before the dot.
    pub fn group(&self) -> &'static str {
        self.id.split_once('.').map_or(self.id, |(group, _)| group)
    }

    /// The part of the id after the dot.
    pub fn verb(&self) -> &'static str {
        self.id.split_once('.').map_or("", |(_, verb)| verb)
    }
}
