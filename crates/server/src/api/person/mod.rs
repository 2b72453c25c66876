//! People, as the API shows them.
//!
//! The tenant where a person is at home manages the account; every tenant says what they are in it.

mod change;
mod invite;
mod link;
mod list;
mod redeem;
mod reset;
mod roles;
mod show;
mod ticket;

use quell_access::email;
use quell_engine::access::access_of;
use quell_store::membership::{self, Membership};
use quell_store::person::{self, Person};
use quell_store::{Tx, tenant};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::export::Cells;
use super::route::Route;
use super::time;
use crate::auth::{Caller, give};
use crate::problem::{Code, Problem};

pub(super) use invite::{invited, taken};
pub(super) use roles::{choose, replace};

/// The routes of people.
pub(crate) fn routes() -> Vec<Route> {
    let routes =
        [invite::route(), list::route(), link::route(), redeem::route(), reset::route(), roles::route()];
    routes.into_iter().chain([show::route(), change::route(), ticket::route()]).collect()
}

/// A role that a person has.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HeldRole {
    /// The name of a role that comes with Quell, or the id of one of the tenant's own.
    role: String,
    /// `manual`, or the id of the identity provider whose groups gave it.
    source: String,
    /// Who gave it.
    granted_by: String,
    /// Since when.
    #[schema(format = DateTime)]
    granted_at: String,
}

/// A person.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PersonView {
    /// Their id.
    #[schema(format = Uuid)]
    id: String,
    /// Their name.
    name: String,
    /// Their e-mail address.
    email: String,
    /// `invited`, `active` or `disabled`.
    state: String,
    /// The human: the same for all accounts of one, who count once where people decide.
    #[schema(format = Uuid)]
    human: String,
    /// Whether this tenant manages the account.
    at_home: bool,
    /// What they are in this tenant.
    roles: Vec<HeldRole>,
    /// Whether they sign in here with a password.
    password: bool,
    /// Whether the account asks for one-time codes.
    totp: bool,
    /// When the account was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When they last signed in, in whatever tenant; known where they are at home.
    #[schema(format = DateTime)]
    last_login_at: Option<String>,
}

impl PersonView {
    /// As the tenant sees them.
    pub fn of(tenant: Uuid, person: Person, roles: Vec<Membership>) -> Self {
        let at_home = person.tenant_id == tenant;
        Self {
            id: person.id.to_string(),
            name: person.name,
            email: person.email,
            state: person.state,
            human: person.human.to_string(),
            at_home,
            roles: roles
                .into_iter()
                .map(|held| HeldRole {
                    role: held.role,
                    source: held.source,
                    granted_by: held.granted_by,
                    granted_at: time::text(held.granted_at),
                })
                .collect(),
            password: person.password.is_some(),
            totp: person.totp.is_some(),
            created_at: time::text(person.created_at),
            last_login_at: time::maybe(person.last_login_at.filter(|_| at_home)),
        }
    }

    /// Reads what the tenant sees of them.
    pub fn read(tx: &mut Tx<'_>, tenant: Uuid, person: Person) -> Result<Self, quell_store::Error> {
        let roles = membership::of_person(tx, tenant, person.id)?;
        Ok(Self::of(tenant, person, roles))
    }
}

impl Cells for PersonView {
    const COLUMNS: &'static [&'static str] =
        &["id", "name", "email", "state", "human", "at_home", "roles", "totp", "created_at", "last_login_at"];

    fn cells(&self) -> Vec<String> {
        let roles: Vec<&str> = self.roles.iter().map(|held| held.role.as_str()).collect();
        vec![
            self.id.clone(),
            self.name.clone(),
            self.email.clone(),
            self.state.clone(),
            self.human.clone(),
            self.at_home.to_string(),
            roles.join(" "),
            self.totp.to_string(),
            self.created_at.clone(),
            self.last_login_at.clone().unwrap_or_default(),
        ]
    }
}

/// An e-mail address as it was written, if it is one.
pub(super) fn address(field: &str, text: &str) -> Result<String, Problem> {
    let text = text.trim();
    if email::is_address(text) && quell_catalog::is_clean_text(text) {
        return Ok(text.to_owned());
    }
    Err(Problem::bad_field(field, "is not an e-mail address"))
}

/// The person, where the tenant has to do with them. Of others it is not told that there are any.
pub(super) fn find(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid) -> Result<Person, Problem> {
    let absent = || Problem::not_found("person");
    let person = person::get(tx, id)?.ok_or_else(absent)?;
    let is_here = person.tenant_id == tenant || !membership::of_person(tx, tenant, id)?.is_empty();
    if is_here { Ok(person) } else { Err(absent()) }
}

/// The person, where the tenant manages the account and the caller may all that they may anywhere in it.
pub(super) fn managed(tx: &mut Tx<'_>, caller: &Caller, id: Uuid) -> Result<Person, Problem> {
    let person = find(tx, caller.tenant, id)?;
    if person.tenant_id != caller.tenant {
        return Err(Problem::new(
            Code::Forbidden,
            "the account is managed by the tenant where the person is at home",
        )
        .hint("Here you give and take roles: `PUT /people/{id}/roles`."));
    }
    // In other tenants too: who takes an account over has all that it may, wherever.
    for tenant in membership::tenants(tx, id)? {
        for grant in access_of(tx, tenant.id, id)?.grants() {
            give::may_give(caller, grant, &person.name)?;
        }
    }
    Ok(person)
}

/// Refuses what would leave a tenant that has an administrator without one. To be asked after the change.
pub(super) fn keep_administrator(tx: &mut Tx<'_>, tenants: &[Uuid], before: &[i64]) -> Result<(), Problem> {
    for (tenant, before) in tenants.iter().zip(before) {
        if *before > 0 && membership::holders(tx, *tenant, ADMINISTRATOR)? == 0 {
            return Err(Problem::new(Code::LastAdministrator, "they are the last administrator of a tenant"));
        }
    }
    Ok(())
}

pub(super) const ADMINISTRATOR: &str = quell_access::Role::Administrator.as_str();

/// The tenants that a person is something in, and how many administrators each has. Holds them: of two changes at once,
/// the second sees what the first did.
pub(super) fn administrators(
    tx: &mut Tx<'_>,
    person: Uuid,
) -> Result<(Vec<Uuid>, Vec<i64>), quell_store::Error> {
    let mut tenants: Vec<Uuid> =
        membership::tenants(tx, person)?.iter().map(|tenant: &tenant::Tenant| tenant.id).collect();
    tenants.sort_unstable();
    for tenant in &tenants {
        tx.serialise(*tenant, *tenant)?;
    }
    let before = tenants
        .iter()
        .map(|tenant| membership::holders(tx, *tenant, ADMINISTRATOR))
        .collect::<Result<_, _>>()?;
    Ok((tenants, before))
}
