//! The roles that come with Quell. Deny by default: a role has what stands here and nothing more.

use serde::{Deserialize, Serialize};

use crate::{Permission, Permissions};

/// What somebody is in a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything.
    Administrator,
    /// Everything but people, keys and the server's own settings; decides about requests of others.
    SecurityOfficer,
    /// Acts, and reads what the acts brought in.
    Analyst,
    /// An outside operations team: asks, but reads neither secrets nor files.
    Operations,
    /// Decides about requests of others; reads what that takes.
    Approver,
    /// Reads records, changes nothing.
    Auditor,
}

use Permission as P;

const EVERYBODY: &[P] = &[P::SelfManage, P::ActionRead];

const OPERATIONS: &[P] = &[
    P::TaskRead,
    P::TaskSubmit,
    P::TaskCancel,
    P::EndpointRead,
    P::ArtifactRead,
    P::LibraryRead,
    P::BlocklistRead,
    P::ApprovalRead,
];

const APPROVER: &[P] = &[
    P::TaskRead,
    P::EndpointRead,
    P::ArtifactRead,
    P::LibraryRead,
    P::BlocklistRead,
    P::IncidentRead,
    P::ApprovalRead,
    P::ApprovalDecide,
    P::PolicyRead,
    P::TrustRead,
];

const ANALYST: &[P] = &[
    P::TaskRead,
    P::TaskSubmit,
    P::TaskCancel,
    P::SecretRead,
    P::EndpointRead,
    P::EndpointAcknowledge,
    P::ArtifactRead,
    P::ArtifactDownload,
    P::LibraryRead,
    P::BlocklistRead,
    P::ProtectionRead,
    P::IncidentRead,
    P::IncidentWrite,
    P::ApprovalRead,
    P::PolicyRead,
];

const AUDITOR: &[P] = &[
    P::TaskRead,
    P::EndpointRead,
    P::TokenRead,
    P::GatewayRead,
    P::ArtifactRead,
    P::LibraryRead,
    P::BlocklistRead,
    P::ProtectionRead,
    P::IncidentRead,
    P::AuditRead,
    P::KeyRead,
    P::ApprovalRead,
    P::PolicyRead,
    P::PersonRead,
    P::SsoRead,
    P::TrustRead,
    P::MailRead,
    P::WebhookRead,
    P::NoticeRead,
    P::BreakGlassReview,
];

const NOT_SECURITY_OFFICER: &[P] = &[
    P::KeyRead,
    P::KeyManage,
    P::GatewayManage,
    P::PersonManage,
    P::SsoManage,
    P::TrustManage,
    P::MailManage,
    P::WebhookManage,
    P::TenantManage,
];

impl Role {
    /// Every role.
    pub const ALL: &'static [Self] = &[
        Self::Administrator,
        Self::SecurityOfficer,
        Self::Analyst,
        Self::Operations,
        Self::Approver,
        Self::Auditor,
    ];

    /// Its name in the store and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::SecurityOfficer => "security_officer",
            Self::Analyst => "analyst",
            Self::Operations => "operations",
            Self::Approver => "approver",
            Self::Auditor => "auditor",
        }
    }

    /// The role of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|role| role.as_str() == name)
    }

    /// What it may do.
    pub const fn permissions(self) -> Permissions {
        const ALL: Permissions = Permissions::ALL;
        match self {
            Self::Administrator => ALL,
            Self::SecurityOfficer => ALL.without(Permissions::of(NOT_SECURITY_OFFICER)),
            Self::Analyst => with_everybody(ANALYST),
            Self::Operations => with_everybody(OPERATIONS),
            Self::Approver => with_everybody(APPROVER),
            Self::Auditor => with_everybody(AUDITOR),
        }
    }
}

const fn with_everybody(list: &[P]) -> Permissions {
    Permissions::of(list).or(Permissions::of(EVERYBODY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_to_one() {
        for role in Role::ALL {
            assert_eq!(Role::from_name(role.as_str()), Some(*role));
            assert_eq!(serde_json::to_value(role).ok(), Some(role.as_str().into()));
        }
    }

    #[test]
    fn who_asks_from_outside_decides_nothing_and_reads_no_secret() {
        let operations = Role::Operations.permissions();
        for permission in
            [P::ApprovalDecide, P::SecretRead, P::ArtifactDownload, P::PolicyManage, P::BreakGlass]
        {
            assert!(!operations.has(permission), "{permission:?}");
        }
    }

    #[test]
    fn only_two_roles_respond_from_an_incident() {
        let may = |role: &&Role| role.permissions().has(P::IncidentRespond);
        let who: Vec<Role> = Role::ALL.iter().filter(may).copied().collect();
        assert_eq!(who, [Role::Administrator, Role::SecurityOfficer]);
    }

    #[test]
    fn who_reads_records_changes_nothing() {
        for permission in Role::Auditor.permissions().iter() {
            let name = permission.as_str();
            assert!(
                name.split_once('.').is_some_and(|(_, verb)| verb == "read")
                    || [P::SelfManage, P::BreakGlassReview].contains(&permission),
                "{name}"
            );
        }
    }
}
