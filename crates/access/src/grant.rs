//! What somebody may do in a tenant: the grants of all their roles together.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Actions, Permission, Permissions, Reach, Role, policy::Class};

/// Longest list in a stored grant.
const MOST: usize = 256;

/// A grant as it is stored and shown: the body of a custom role, and the scope of an API key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Grants {
    /// Names of permissions; `*` for all.
    pub permissions: Vec<String>,
    /// Ids of actions, `group.*`, or `*`.
    #[serde(default = "everything")]
    pub actions: Vec<String>,
    /// Tags of the endpoints that it reaches; every endpoint where absent.
    #[serde(default)]
    pub tags: Option<Vec<String>>,
    /// Whether its members are an outside team, whose requests the managed-services settings decide about.
    #[serde(default)]
    pub outside: bool,
}

fn everything() -> Vec<String> {
    vec![crate::reach::ALL.to_owned()]
}

/// What is wrong with a grant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// Not a permission.
    #[error("there is no permission {0:?}")]
    Permission(String),
    /// Fits no action.
    #[error("there is no action {0:?}")]
    Action(String),
    /// Too many entries.
    #[error("more than {MOST} entries")]
    TooMany,
}

/// Permissions for some actions on some endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// What may be asked of the API.
    pub permissions: Permissions,
    /// Which actions may be requested.
    pub actions: Actions,
    /// On which endpoints.
    pub reach: Reach,
    /// Whether it is that of an outside team.
    pub is_outside: bool,
}

impl Grant {
    /// Reads a stored grant.
    pub fn read(stored: &Grants) -> Result<Self, GrantError> {
        let tags = stored.tags.as_deref();
        if [stored.permissions.len(), stored.actions.len(), tags.map_or(0, <[String]>::len)]
            .iter()
            .any(|n| *n > MOST)
        {
            return Err(GrantError::TooMany);
        }
        let mut list = Vec::new();
        for name in &stored.permissions {
            match Permission::from_name(name) {
                Some(permission) => list.push(permission),
                None if name == crate::reach::ALL => list.extend(Permission::ALL),
                None => return Err(GrantError::Permission(name.clone())),
            }
        }
        Ok(Self {
            permissions: Permissions::of(&list),
            actions: Actions::read(&stored.actions).map_err(GrantError::Action)?,
            reach: tags.map_or(Reach::All, |tags| Reach::Tags(tags.iter().cloned().collect())),
            is_outside: stored.outside,
        })
    }

    /// What a role that comes with Quell grants.
    pub fn of_role(role: Role) -> Self {
        Self {
            permissions: role.permissions(),
            actions: Actions::All,
            reach: Reach::All,
            is_outside: role == Role::Operations,
        }
    }

    /// What both grant.
    fn and(&self, other: &Self) -> Self {
        Self {
            permissions: self.permissions.and(other.permissions),
            actions: both(&self.actions, &other.actions),
            reach: match (&self.reach, &other.reach) {
                (Reach::All, reach) | (reach, Reach::All) => reach.clone(),
                (Reach::Tags(one), Reach::Tags(two)) => Reach::Tags(one & two),
            },
            is_outside: self.is_outside || other.is_outside,
        }
    }
}

fn both(one: &Actions, two: &Actions) -> Actions {
    match (one, two) {
        (Actions::All, actions) | (actions, Actions::All) => actions.clone(),
        (Actions::Only(first), Actions::Only(second)) => Actions::Only(
            first
                .iter()
                .filter(|name| two.has(name) || second.contains(*name))
                .chain(second.iter().filter(|name| one.has(name)))
                .cloned()
                .collect(),
        ),
    }
}

/// What somebody may do in a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    roles: BTreeSet<String>,
    grants: Vec<Grant>,
}

impl Access {
    /// That of one role that comes with Quell.
    pub fn of(role: Role) -> Self {
        let mut access = Self::default();
        access.add(role.as_str(), Grant::of_role(role));
        access
    }

    /// Adds a role, by its name (of one that comes with Quell) or its id, with what it grants.
    pub fn add(&mut self, role: &str, grant: Grant) {
        self.roles.insert(role.to_owned());
        self.grants.push(grant);
    }

    /// The same, but nothing beyond the scope.
    #[must_use]
    pub fn narrowed(&self, scope: &Grant) -> Self {
        Self { roles: self.roles.clone(), grants: self.grants.iter().map(|grant| grant.and(scope)).collect() }
    }

    /// What both may do: a program has never more than its owner.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let pairs = self.grants.iter().flat_map(|one| other.grants.iter().map(move |two| one.and(two)));
        Self { roles: self.roles.clone(), grants: pairs.collect() }
    }

    /// Names and ids of the roles.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.roles.iter().map(String::as_str)
    }

    /// What each of the roles grants.
    pub fn grants(&self) -> &[Grant] {
        &self.grants
    }

    /// Whether one of the roles is this one.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.contains(role)
    }

    /// Whether any grant has the permission.
    pub fn allows(&self, permission: Permission) -> bool {
        self.grants.iter().any(|grant| grant.permissions.has(permission))
    }

    /// Every permission that any grant has.
    pub fn permissions(&self) -> Permissions {
        self.grants.iter().fold(Permissions::default(), |all, grant| all.or(grant.permissions))
    }

    /// The endpoints on which this permission may be used, for this action where one is meant.
    pub fn reach(&self, permission: Permission, action: Option<&str>) -> Reach {
        self.grants
            .iter()
            .filter(|grant| grant.permissions.has(permission))
            .filter(|grant| action.is_none_or(|action| grant.actions.has(action)))
            .fold(Reach::NOTHING, |reach, grant| reach.or(&grant.reach))
    }

    /// Whether any grant with this permission covers the action.
    pub fn allows_action(&self, permission: Permission, action: &str) -> bool {
        self.grants.iter().any(|grant| grant.permissions.has(permission) && grant.actions.has(action))
    }

    /// Whether whoever has this may hand out the grant: nobody gives what they do not have.
    pub fn covers(&self, grant: &Grant) -> bool {
        // An outside team lets in none but its like.
        let is_outside = self.grants.iter().any(|own| own.is_outside);
        (!is_outside || grant.is_outside)
            && grant.permissions.iter().all(|permission| {
                self.grants.iter().any(|own| {
                    own.permissions.has(permission)
                        && match (&own.actions, &grant.actions) {
                            (Actions::All, _) => true,
                            (Actions::Only(_), Actions::All) => false,
                            (own, Actions::Only(names)) => {
                                names.iter().all(|name| own.has(name) || own.names().contains(name))
                            }
                        }
                        && match (&own.reach, &grant.reach) {
                            (Reach::All, _) => true,
                            (Reach::Tags(_), Reach::All) => false,
                            (Reach::Tags(own), Reach::Tags(tags)) => tags.is_subset(own),
                        }
                })
            })
    }

    /// As whom the approval policy sees a person with this access.
    pub fn class(&self) -> Class {
        if self.grants.iter().any(|grant| grant.is_outside) { Class::Operations } else { Class::Staff }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use serde_json::json;

    fn grant(value: serde_json::Value) -> Grant {
        Grant::read(&serde_json::from_value(value).unwrap()).unwrap()
    }

    #[test]
    fn grants_add_up_but_do_not_mix() {
        let mut access = Access::default();
        access.add(
            "a",
            grant(
                json!({ "permissions": ["task.submit"], "actions": ["endpoint.isolate"], "tags": ["web"] }),
            ),
        );
        access.add("b", grant(json!({ "permissions": ["task.submit"], "actions": ["file.collect"] })));
        assert!(access.reach(Permission::TaskSubmit, Some("endpoint.isolate")).has(["web"]));
        assert!(!access.reach(Permission::TaskSubmit, Some("endpoint.isolate")).has(["db"]));
        assert!(access.reach(Permission::TaskSubmit, Some("file.collect")).has(["db"]));
        assert_eq!(access.reach(Permission::TaskSubmit, Some("process.terminate")), Reach::NOTHING);
        assert_eq!(access.reach(Permission::TaskCancel, None), Reach::NOTHING);
        assert!(!access.allows_action(Permission::TaskSubmit, "process.terminate"));
    }

    #[test]
    fn a_scope_only_takes_away() {
        let scope = grant(
            json!({ "permissions": ["task.submit", "key.manage"], "actions": ["endpoint.*"], "tags": ["web"] }),
        );
        let key = Access::of(Role::Analyst).narrowed(&scope);
        assert!(
            key.allows(Permission::TaskSubmit)
                && !key.allows(Permission::KeyManage)
                && !key.allows(Permission::TaskRead)
        );
        assert!(key.allows_action(Permission::TaskSubmit, "endpoint.isolate"));
        assert!(!key.allows_action(Permission::TaskSubmit, "file.collect"));
        assert!(!key.reach(Permission::TaskSubmit, Some("endpoint.isolate")).has(["db"]));
    }

    #[test]
    fn a_program_has_no_more_than_its_owner() {
        let owner = Access::of(Role::Operations);
        let key = Access::of(Role::Administrator).and(&owner);
        assert!(key.allows(Permission::TaskSubmit) && !key.allows(Permission::SecretRead));
        assert_eq!(key.class(), Class::Operations);
        assert!(!Access::of(Role::Administrator).and(&Access::default()).allows(Permission::TaskRead));
    }

    #[test]
    fn nobody_gives_what_they_do_not_have() {
        let officer = Access::of(Role::SecurityOfficer);
        assert!(officer.covers(&Grant::of_role(Role::Analyst)));
        assert!(!officer.covers(&Grant::of_role(Role::Administrator)));
        let narrow = officer
            .narrowed(&grant(json!({ "permissions": ["*"], "actions": ["endpoint.*"], "tags": ["web"] })));
        assert!(!narrow.covers(&Grant::of_role(Role::Analyst)));
        assert!(narrow.covers(&grant(
            json!({ "permissions": ["task.submit"], "actions": ["endpoint.isolate"], "tags": ["web"] })
        )));
        assert!(narrow.covers(&grant(
            json!({ "permissions": ["task.submit"], "actions": ["endpoint.*"], "tags": ["web"] })
        )));
    }

    #[test]
    fn what_is_not_known_is_refused() {
        let read = |value| Grant::read(&serde_json::from_value(value).unwrap());
        assert_eq!(read(json!({ "permissions": ["all"] })), Err(GrantError::Permission("all".to_owned())));
        assert_eq!(
            read(json!({ "permissions": [], "actions": ["x.y"] })),
            Err(GrantError::Action("x.y".to_owned()))
        );
        assert_eq!(read(json!({ "permissions": [], "tags": vec!["t"; 257] })), Err(GrantError::TooMany));
        assert!(serde_json::from_value::<Grants>(json!({ "permissions": [], "tag": [] })).is_err());
    }
}
