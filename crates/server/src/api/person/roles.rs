//! What a person is in a tenant: choosing, checking and replacing roles, and `PUT /people/{id}/roles`.

use std::collections::BTreeMap;

use axum::extract::State;
use quell_access::Grant;
use quell_access::policy::Class;
use quell_store::membership::{self, MANUAL, Membership};
use quell_store::{Micros, Tx, audit, session};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use super::{PersonView, administrators, find, keep_administrator};
use crate::api::body::Json;
use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission, give, identify};
use crate::problem::{Code, Problem};
use crate::state::App;

/// Most roles of one person in one tenant.
const MOST: usize = 32;

pub(super) fn route() -> Route {
    permit(Permission::PersonManage, routes!(set_person_roles))
}

/// A role that was chosen: as it is stored, with what it grants.
#[derive(Clone, Debug)]
pub(crate) struct Chosen {
    /// Its name or id.
    pub role: String,
    grant: Grant,
}

/// The roles of these names or ids, each once.
pub(crate) fn choose(tx: &mut Tx<'_>, caller: &Caller, wanted: &[String]) -> Result<Vec<Chosen>, Problem> {
    if wanted.len() > MOST {
        return Err(Problem::bad_field("roles", format!("more than {MOST}")));
    }
    let mut chosen = BTreeMap::new();
    for (index, text) in wanted.iter().enumerate() {
        let field = format!("roles[{index}]");
        let found = give::resolve(tx, caller.tenant, text)?;
        let (role, grant) =
            found.ok_or_else(|| Problem::bad_field(field, "there is no such role in this tenant"))?;
        chosen.insert(role.clone(), Chosen { role, grant });
    }
    Ok(chosen.into_values().collect())
}

/// Gives these roles in the caller's tenant and takes the others that people gave. What changes must be the caller's to
/// give. Answers what was given and what was taken.
pub(crate) fn replace(
    tx: &mut Tx<'_>,
    caller: &Caller,
    person: Uuid,
    chosen: &[Chosen],
    now: Micros,
) -> Result<(Vec<String>, Vec<String>), Problem> {
    let held: Vec<String> = membership::of_person(tx, caller.tenant, person)?
        .into_iter()
        .filter(|held| held.source == MANUAL)
        .map(|held| held.role)
        .collect();
    let (mut given, mut taken) = (Vec::new(), Vec::new());
    for Chosen { role, grant } in chosen.iter().filter(|chosen| !held.contains(&chosen.role)) {
        give::may_give(caller, grant, &format!("the role {role}"))?;
        let row = Membership {
            tenant_id: caller.tenant,
            person_id: person,
            role: role.clone(),
            source: MANUAL.to_owned(),
            granted_at: now,
            granted_by: caller.name().to_owned(),
        };
        membership::insert(tx, &row)?;
        given.push(role.clone());
    }
    for role in held.into_iter().filter(|role| !chosen.iter().any(|chosen| chosen.role == *role)) {
        // A role whose grant cannot be read grants nothing, and anybody who manages people may clear it away.
        if let Some(grant) = identify::of_role(tx, caller.tenant, &role)? {
            give::may_give(caller, &grant, &format!("the role {role}"))?;
        }
        membership::delete(tx, caller.tenant, person, &role, MANUAL)?;
        taken.push(role);
    }
    Ok((given, taken))
}

/// What somebody is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRoles {
    /// Names of roles that come with Quell, names or ids of the tenant's own. None takes all away.
    roles: Vec<String>,
}

/// Say what a person is in this tenant
///
/// Replaces the roles that people gave; those that an identity provider's groups gave stay. Takes effect at once.
#[utoipa::path(put, path = "/people/{id}/roles", tag = "access", params(("id" = Uuid, Path)), request_body = NewRoles,
    responses((status = 200, body = PersonView)))]
pub(super) async fn set_person_roles(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Json(wanted): Json<NewRoles>,
) -> Result<Json<PersonView>, Problem> {
    let now = app.now();
    let view = app
        .store
        .write(move |tx| {
            let person = find(tx, caller.tenant, id)?;
            // Who asks as an outside team must not make themselves one of the staff.
            if id == caller.identity.id && caller.class() == Class::Operations {
                return Err(Problem::new(Code::Forbidden, "an outside team does not change its own roles"));
            }
            let (tenants, before) = administrators(tx, id)?;
            let chosen = choose(tx, &caller, &wanted.roles)?;
            let (given, taken) = replace(tx, &caller, id, &chosen, now)?;
            keep_administrator(tx, &tenants, &before)?;
            if membership::of_person(tx, caller.tenant, id)?.is_empty() {
                session::revoke_in(tx, id, caller.tenant, now)?;
            }
            let detail = json!({ "name": person.name, "given": given, "taken": taken });
            audit::append(tx, &caller.record(now, "person.set_roles", "person", &id.to_string(), &detail))?;
            Ok::<_, Problem>(PersonView::read(tx, caller.tenant, person)?)
        })
        .await?;
    app.access_changed();
    Ok(Json(view))
}
