//! Roles and what they may do. Deny by default: a role has what stands here and nothing more.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a route asks for. Declared where the route is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Read the catalogue.
    ActionRead,
    /// Read tasks and commands.
    TaskRead,
    /// Request an action, also the undoing of one.
    TaskSubmit,
    /// Stop a task.
    TaskCancel,
    /// Read archive passwords and release codes.
    SecretRead,
    /// Read endpoints.
    EndpointRead,
    /// Set the tags of endpoints, by which requests choose them.
    EndpointTag,
    /// Say that the alarm of an endpoint was looked at.
    EndpointAcknowledge,
    /// End an endpoint's identity.
    EndpointRevoke,
    /// See enrolment tokens (never their text).
    TokenRead,
    /// Make and revoke enrolment tokens.
    TokenManage,
    /// See where agents are told to connect.
    GatewayRead,
    /// Change it.
    GatewayManage,
    /// See which files there are.
    ArtifactRead,
    /// Download them.
    ArtifactDownload,
    /// Read the library.
    ScriptRead,
    /// Add to the library.
    ScriptWrite,
    /// Read the audit trail.
    AuditRead,
    /// See API keys (never their text).
    KeyRead,
    /// Make and revoke API keys.
    KeyManage,
}

impl Permission {
    /// Its name in documents and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ActionRead => "action.read",
            Self::TaskRead => "task.read",
            Self::TaskSubmit => "task.submit",
            Self::TaskCancel => "task.cancel",
            Self::SecretRead => "secret.read",
            Self::EndpointRead => "endpoint.read",
            Self::EndpointTag => "endpoint.tag",
            Self::EndpointAcknowledge => "endpoint.acknowledge",
            Self::EndpointRevoke => "endpoint.revoke",
            Self::TokenRead => "token.read",
            Self::TokenManage => "token.manage",
            Self::GatewayRead => "gateway.read",
            Self::GatewayManage => "gateway.manage",
            Self::ArtifactRead => "artifact.read",
            Self::ArtifactDownload => "artifact.download",
            Self::ScriptRead => "script.read",
            Self::ScriptWrite => "script.write",
            Self::AuditRead => "audit.read",
            Self::KeyRead => "key.read",
            Self::KeyManage => "key.manage",
        }
    }
}

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything.
    Administrator,
    /// Everything but keys and the server's own settings.
    SecurityOfficer,
    /// Acts, and reads what the acts brought in.
    Analyst,
    /// An outside operations team: acts, but reads neither secrets nor files.
    Operations,
    /// Decides about requests of others; reads what that takes.
    Approver,
    /// Reads records, changes nothing.
    Auditor,
}

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

    /// Whether it has the permission.
    pub const fn allows(self, permission: Permission) -> bool {
        use Permission as P;
        match self {
            Self::Administrator => true,
            Self::SecurityOfficer => !matches!(permission, P::KeyRead | P::KeyManage | P::GatewayManage),
            Self::Analyst => match permission {
                P::ActionRead
                | P::TaskRead
                | P::TaskSubmit
                | P::TaskCancel
                | P::SecretRead
                | P::EndpointRead
                | P::EndpointAcknowledge
                | P::ArtifactRead
                | P::ArtifactDownload
                | P::ScriptRead => true,
                P::EndpointTag
                | P::EndpointRevoke
                | P::TokenRead
                | P::TokenManage
                | P::GatewayRead
                | P::GatewayManage
                | P::ScriptWrite
                | P::AuditRead
                | P::KeyRead
                | P::KeyManage => false,
            },
            Self::Operations => matches!(
                permission,
                P::ActionRead
                    | P::TaskRead
                    | P::TaskSubmit
                    | P::TaskCancel
                    | P::EndpointRead
                    | P::ArtifactRead
                    | P::ScriptRead
            ),
            Self::Approver => matches!(
                permission,
                P::ActionRead | P::TaskRead | P::EndpointRead | P::ArtifactRead | P::ScriptRead
            ),
            Self::Auditor => matches!(
                permission,
                P::ActionRead
                    | P::TaskRead
                    | P::EndpointRead
                    | P::TokenRead
                    | P::GatewayRead
                    | P::ArtifactRead
                    | P::ScriptRead
                    | P::AuditRead
                    | P::KeyRead
            ),
        }
    }
}
