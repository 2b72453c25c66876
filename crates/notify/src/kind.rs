//! What there is to tell: one entry a kind, and nothing about any of them elsewhere but who gets it.

use serde::{Deserialize, Serialize};

/// How loud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Somebody is to do something.
    Action,
    /// Something went otherwise than wanted.
    Warning,
    /// To be read at once.
    Critical,
}

/// A kind of notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A request waits for people.
    ApprovalRequested,
    /// People decided, took it back, or it expired.
    ApprovalDecided,
    /// The tenant's settings approved a request at once.
    AutoApproved,
    /// A task ended, and well.
    TaskEnded,
    /// A task ended otherwise than wanted.
    TaskFailed,
    /// Somebody set the approval policy aside, stopped doing so, or reviewed it.
    BreakGlass,
    /// An incident of high severity or above was made.
    IncidentOpened,
    /// A person was locked out after failed tries.
    PersonLocked,
    /// A webhook was switched off since its receiver is gone.
    WebhookDisabled,
    /// A test, asked for by a person.
    Test,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::ApprovalRequested,
        Self::ApprovalDecided,
        Self::AutoApproved,
        Self::TaskEnded,
        Self::TaskFailed,
        Self::BreakGlass,
        Self::IncidentOpened,
        Self::PersonLocked,
        Self::WebhookDisabled,
        Self::Test,
    ];

    /// Its name in the store, the API and settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApprovalRequested => "approval_requested",
            Self::ApprovalDecided => "approval_decided",
            Self::AutoApproved => "auto_approved",
            Self::TaskEnded => "task_ended",
            Self::TaskFailed => "task_failed",
            Self::BreakGlass => "break_glass",
            Self::IncidentOpened => "incident_opened",
            Self::PersonLocked => "person_locked",
            Self::WebhookDisabled => "webhook_disabled",
            Self::Test => "test",
        }
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// When it is told, in a few words.
    pub const fn about(self) -> &'static str {
        match self {
            Self::ApprovalRequested => "a request waits for people",
            Self::ApprovalDecided => "people decided a request, took it back, or it expired",
            Self::AutoApproved => "the approval settings approved a request at once",
            Self::TaskEnded => "a task that was to be approved ended, and well",
            Self::TaskFailed => "a task ended otherwise than wanted",
            Self::BreakGlass => {
                "approvals were set aside, are asked for again, or what was done was reviewed"
            }
            Self::IncidentOpened => "an incident of high severity or above was made",
            Self::PersonLocked => "somebody is locked out after failed tries",
            Self::WebhookDisabled => "a webhook was switched off, since its receiver is gone",
            Self::Test => "a person wanted to see whether it arrives",
        }
    }

    /// Its `type` in the body of a webhook.
    pub const fn event(self) -> &'static str {
        match self {
            Self::ApprovalRequested => "approval.requested",
            Self::ApprovalDecided => "approval.decided",
            Self::AutoApproved => "approval.auto_approved",
            Self::TaskEnded => "task.ended",
            Self::TaskFailed => "task.failed",
            Self::BreakGlass => "break_glass",
            Self::IncidentOpened => "incident.opened",
            Self::PersonLocked => "person.locked",
            Self::WebhookDisabled => "webhook.disabled",
            Self::Test => "test",
        }
    }

    /// How loud it is.
    pub const fn severity(self) -> Severity {
        match self {
            Self::ApprovalRequested => Severity::Action,
            Self::ApprovalDecided | Self::AutoApproved | Self::TaskEnded | Self::Test => Severity::Info,
            Self::TaskFailed | Self::PersonLocked | Self::WebhookDisabled => Severity::Warning,
            Self::BreakGlass | Self::IncidentOpened => Severity::Critical,
        }
    }

    /// Whether many of it may become one mail, and an hour's bound may hold it back. What somebody has to act on may not.
    pub const fn may_fold(self) -> bool {
        match self {
            Self::ApprovalRequested | Self::BreakGlass | Self::Test => false,
            Self::ApprovalDecided
            | Self::AutoApproved
            | Self::TaskEnded
            | Self::TaskFailed
            | Self::IncidentOpened
            | Self::PersonLocked
            | Self::WebhookDisabled => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_found_by_its_name_and_json_agrees() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_name(kind.as_str()), Some(kind));
            assert_eq!(serde_json::to_value(kind).ok(), Some(kind.as_str().into()));
        }
        assert_eq!(Kind::from_name("x"), None);
    }
}
