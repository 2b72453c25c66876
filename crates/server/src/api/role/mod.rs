//! Roles, as the API shows them: those that come with Quell, and the tenant's own.

mod change;
mod create;
mod list;
mod permissions;
mod remove;

use quell_access::{Grants, Role};
use quell_store::role;
use serde::Serialize;
use utoipa::ToSchema;

use super::route::Route;
use super::{text, time};
use crate::auth::{Caller, give};
use crate::problem::Problem;

/// The routes of roles.
pub(crate) fn routes() -> Vec<Route> {
    vec![list::route(), create::route(), change::route(), remove::route(), permissions::route()]
}

/// What a role grants.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GrantsView {
    /// Names of permissions; `*` for all.
    permissions: Vec<String>,
    /// Ids of actions, `group.*`, or `*`.
    actions: Vec<String>,
    /// Tags of the endpoints that it reaches; every endpoint where absent.
    tags: Option<Vec<String>>,
    /// Whether its members are an outside team, whose requests the managed-services settings decide about.
    outside: bool,
}

/// A role.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RoleView {
    /// The name of one that comes with Quell; the id of one of the tenant's own.
    id: String,
    /// Its name.
    name: String,
    /// What it is for.
    description: String,
    /// Whether it comes with Quell, and cannot be changed.
    built_in: bool,
    /// What it grants.
    grants: GrantsView,
    /// When it was made; absent where it comes with Quell.
    #[schema(format = DateTime)]
    created_at: Option<String>,
    /// When it was last changed.
    #[schema(format = DateTime)]
    updated_at: Option<String>,
}

impl RoleView {
    fn of(row: role::Role) -> Self {
        // What cannot be read grants nothing.
        let grants = serde_json::from_str(&row.grants).ok().map_or_else(
            || GrantsView { permissions: Vec::new(), actions: Vec::new(), tags: None, outside: false },
            |grants: Grants| GrantsView {
                permissions: grants.permissions,
                actions: grants.actions,
                tags: grants.tags,
                outside: grants.outside,
            },
        );
        Self {
            id: row.id.to_string(),
            name: row.name,
            description: row.description,
            built_in: false,
            grants,
            created_at: Some(time::text(row.created_at)),
            updated_at: Some(time::text(row.updated_at)),
        }
    }

    fn built_in(role: Role) -> Self {
        Self {
            id: role.as_str().to_owned(),
            name: role.as_str().to_owned(),
            description: described(role).to_owned(),
            built_in: true,
            grants: GrantsView {
                permissions: role
                    .permissions()
                    .iter()
                    .map(|permission| permission.as_str().to_owned())
                    .collect(),
                actions: vec!["*".to_owned()],
                tags: None,
                outside: role == Role::Operations,
            },
            created_at: None,
            updated_at: None,
        }
    }
}

const fn described(role: Role) -> &'static str {
    match role {
        Role::Administrator => "Everything",
        Role::SecurityOfficer => {
            "Everything but people, keys and the server's own settings; decides about requests of others"
        }
        Role::Analyst => "Acts, and reads what the acts brought in",
        Role::Operations => "An outside operations team: asks, but reads neither secrets nor files",
        Role::Approver => "Decides about requests of others; reads what that takes",
        Role::Auditor => "Reads records, changes nothing",
    }
}

/// The parts of a role that people write.
struct Written {
    name: String,
    description: String,
    grants: String,
}

/// A role as it is to be stored, once it was understood and is the caller's to give.
fn written(caller: &Caller, name: &str, description: &str, grants: &Grants) -> Result<Written, Problem> {
    let name = text::checked("name", name, 100)?;
    if Role::from_name(&name).is_some() || uuid::Uuid::try_parse(&name).is_ok() {
        return Err(Problem::bad_field("name", "is that of another role, or looks like an id"));
    }
    let description = text::bounded("description", description.trim(), 500)?;
    let grant =
        quell_access::Grant::read(grants).map_err(|error| Problem::bad_field("grants", error.to_string()))?;
    if let Some(tags) = &grants.tags {
        super::text::checked_tags(tags)?;
    }
    give::may_give(caller, &grant, &format!("the role {name}"))?;
    let grants = serde_json::to_string(grants).map_err(|error| Problem::internal(&error))?;
    Ok(Written { name, description, grants })
}
