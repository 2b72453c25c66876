//! What a route asks for.

/// Declares the permissions with their names.
macro_rules! permissions {
    ($($(#[doc = $doc:literal])* $variant:ident => $name:literal),+ $(,)?) => {
        /// What a route asks for. Declared where the route is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Permission { $($(#[doc = $doc])* $variant),+ }

        impl Permission {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its name in documents, roles and answers.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// What it allows, as its documentation here says it.
            pub const fn about(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),*).trim_ascii()),+ }
            }
        }
    };
}

permissions! {
    /// Read the catalogue.
    ActionRead => "action.read",
    /// Read tasks and commands.
    TaskRead => "task.read",
    /// Request an action, also the undoing of one.
    TaskSubmit => "task.submit",
    /// Stop a task.
    TaskCancel => "task.cancel",
    /// Read archive passwords and release codes.
    SecretRead => "secret.read",
    /// Read endpoints.
    EndpointRead => "endpoint.read",
    /// Set the tags of endpoints, by which requests choose them and roles reach them.
    EndpointTag => "endpoint.tag",
    /// Say that the alarm of an endpoint was looked at.
    EndpointAcknowledge => "endpoint.acknowledge",
    /// End an endpoint's identity.
    EndpointRevoke => "endpoint.revoke",
    /// See enrolment tokens (never their text).
    TokenRead => "token.read",
    /// Make and revoke enrolment tokens.
    TokenManage => "token.manage",
    /// See where agents are told to connect.
    GatewayRead => "gateway.read",
    /// Change where agents are told to connect.
    GatewayManage => "gateway.manage",
    /// See which files were collected.
    ArtifactRead => "artifact.read",
    /// Download collected files.
    ArtifactDownload => "artifact.download",
    /// Read the library: scripts, rules, queries, evidence definitions, kits, indicators.
    LibraryRead => "library.read",
    /// Add to the library, and put things of it out of use.
    LibraryWrite => "library.write",
    /// Read the block list, and who enforces it.
    BlocklistRead => "blocklist.read",
    /// Change what is never blocked.
    BlocklistManage => "blocklist.manage",
    /// Read incidents, what was detected, and the chains of what led to it.
    IncidentRead => "incident.read",
    /// Work on incidents: state, assignment, notes, merging.
    IncidentWrite => "incident.write",
    /// Respond from an incident: ask for what it offers.
    IncidentRespond => "incident.respond",
    /// Hand in what other products detected.
    IngestWrite => "ingest.write",
    /// See what is recorded, detected and prevented on endpoints, and where it holds.
    ProtectionRead => "protection.read",
    /// Change what is recorded, detected and prevented.
    ProtectionWrite => "protection.write",
    /// Read the audit trail.
    AuditRead => "audit.read",
    /// See API keys (never their text).
    KeyRead => "key.read",
    /// Make and revoke API keys.
    KeyManage => "key.manage",
    /// See requests for approval, and what was decided.
    ApprovalRead => "approval.read",
    /// Decide about requests of others. Only people do.
    ApprovalDecide => "approval.decide",
    /// See the approval settings.
    PolicyRead => "policy.read",
    /// Change the approval settings. Only people do.
    PolicyManage => "policy.manage",
    /// Act without the approval that is asked for, for a time, and be reviewed. Only people do.
    BreakGlass => "break_glass.use",
    /// Review what was done that way. Only people do.
    BreakGlassReview => "break_glass.review",
    /// See people, what they are here, and roles.
    PersonRead => "person.read",
    /// Invite people, give and take roles, make roles.
    PersonManage => "person.manage",
    /// See the identity providers.
    SsoRead => "sso.read",
    /// Change the identity providers.
    SsoManage => "sso.manage",
    /// See the trust bundle that endpoints pin.
    TrustRead => "trust.read",
    /// Publish one that its root key signed.
    TrustManage => "trust.manage",
    /// See the mail settings and templates.
    MailRead => "mail.read",
    /// Change the mail settings and templates.
    MailManage => "mail.manage",
    /// See webhooks (never their secrets).
    WebhookRead => "webhook.read",
    /// Change webhooks, and try them.
    WebhookManage => "webhook.manage",
    /// See what was told to whom, and what could not be.
    NoticeRead => "notice.read",
    /// Make tenants, and see all of them. Only in the tenant that runs the server.
    TenantManage => "tenant.manage",
    /// One's own account: sessions, password, passkeys. Everybody who is signed in.
    SelfManage => "self.manage",
}

impl Permission {
    /// The permission of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|permission| permission.as_str() == name)
    }

    /// Whether only a person can use it: a program that holds it is refused all the same.
    pub const fn is_personal(self) -> bool {
        matches!(
            self,
            Self::ApprovalDecide
                | Self::BreakGlass
                | Self::BreakGlassReview
                | Self::PolicyManage
                | Self::SelfManage
        )
    }

    const fn bit(self) -> u64 {
        1 << self as u64
    }
}

const _: () = assert!(Permission::ALL.len() <= 64, "a set of permissions is 64 bits");

/// A set of permissions.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Permissions(u64);

impl Permissions {
    /// All there are.
    pub const ALL: Self = Self(u64::MAX >> (64 - Permission::ALL.len()));

    /// These.
    pub const fn of(list: &[Permission]) -> Self {
        let (mut bits, mut index) = (0, 0);
        while index < list.len() {
            bits |= list[index].bit();
            index += 1;
        }
        Self(bits)
    }

    /// Whether it is one of them.
    pub const fn has(self, permission: Permission) -> bool {
        self.0 & permission.bit() != 0
    }

    /// Those in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those in either.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// All but those.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether all of these are in the other.
    pub const fn is_within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// One by one, in the order of the list.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.iter().copied().filter(move |permission| self.has(*permission))
    }
}

impl std::fmt::Debug for Permissions {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_set().entries(self.iter().map(Permission::as_str)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_to_one() {
        for permission in Permission::ALL {
            assert_eq!(Permission::from_name(permission.as_str()), Some(*permission));
            assert!(permission.as_str().split_once('.').is_some_and(|(a, b)| !a.is_empty() && !b.is_empty()));
        }
        assert_eq!(Permission::from_name("task"), None);
    }

    #[test]
    fn sets_hold_what_was_put_in() {
        let set = Permissions::of(&[Permission::TaskRead, Permission::SelfManage]);
        assert!(set.has(Permission::TaskRead) && set.has(Permission::SelfManage));
        assert!(!set.has(Permission::TaskSubmit));
        assert_eq!(set.iter().count(), 2);
        assert_eq!(Permissions::ALL.iter().count(), Permission::ALL.len());
        assert!(set.is_within(Permissions::ALL) && !Permissions::ALL.is_within(set));
        assert_eq!(Permissions::ALL.without(set).and(set), Permissions::default());
    }
}
