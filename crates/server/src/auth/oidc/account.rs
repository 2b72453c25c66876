//! Who somebody is here who comes from an identity provider, and what they may do: decided in one transaction.
//!
//! A subject is recognised by provider and subject alone. An account that is there already is never taken over because
//! an address is the same: whoever runs a provider could write any address. The address only says that two accounts are
//! one human, which takes rights away (nobody approves their own request) and gives none.

use quell_access::email;
use quell_engine::access::access_of;
use quell_store::identity::{self, Identity};
use quell_store::membership::{self, Membership};
use quell_store::person::{self, Person};
use quell_store::{Micros, Tx, audit, tenant};
use serde_json::json;
use uuid::Uuid;

use super::Settings;
use crate::auth::identify;
use crate::auth::origin::Origin;
use crate::first_key;
use crate::problem::Problem;

/// Longest name that is taken over.
const NAME: usize = 100;

/// Somebody who showed at the provider who they are.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub tenant: Uuid,
    pub provider: Uuid,
    pub provider_name: String,
    pub issuer: String,
    pub subject: String,
    /// The address that the provider vouches for.
    pub email: Option<String>,
    pub name: Option<String>,
    pub groups: Vec<String>,
    pub settings: Settings,
}

/// What becomes of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// They are this person and may come in.
    In(Uuid),
    /// Nobody here, and no account is to be made.
    Unknown,
    /// None of their groups gives a role, and nobody gave them one.
    NoRole,
    /// Their address is not of a domain that may come.
    Domain,
    /// No address is vouched for, and an account needs one.
    NoEmail,
    /// The account is disabled.
    Disabled,
}

/// The decision, and whether what they may do is something else now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Admitted {
    pub admission: Admission,
    pub roles_changed: bool,
}

impl Admission {
    /// What audit calls it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::In(_) => "in",
            Self::Unknown => "unknown",
            Self::NoRole => "no_role",
            Self::Domain => "domain",
            Self::NoEmail => "no_email",
            Self::Disabled => "disabled",
        }
    }

    /// What the person is told.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::In(_) => "You are signed in.",
            Self::Unknown => {
                "There is no account for you here. An administrator can let the provider make accounts."
            }
            Self::NoRole => {
                "You have no role here: none of your groups at the provider is mapped to one, and nobody gave you one."
            }
            Self::Domain => "Your e-mail address is not of a domain that may sign in here.",
            Self::NoEmail => "The provider does not vouch for your e-mail address, and an account needs one.",
            Self::Disabled => "Your account is disabled.",
        }
    }
}

/// Decides, makes the account where there is none and one is to be made, and gives and takes the roles of the groups.
pub(crate) fn admit(
    tx: &mut Tx<'_>,
    arrival: &Arrival,
    origin: &Origin,
    now: Micros,
) -> Result<Admitted, Problem> {
    // Two first arrivals of one subject would make two accounts.
    tx.serialise(arrival.tenant, arrival.provider)?;
    if !arrival.settings.lets_in(arrival.email.as_deref()) {
        return refuse(tx, arrival, origin, Admission::Domain, now);
    }
    let mut roles = arrival.settings.roles(&arrival.groups);
    let mut known = Vec::with_capacity(roles.len());
    for role in roles.drain(..) {
        // One that was removed since is nothing.
        if identify::of_role(tx, arrival.tenant, &role)?.is_some() {
            known.push(role);
        }
    }
    let found = identity::get(tx, arrival.tenant, arrival.provider, &arrival.subject)?;
    let person = match found {
        Some(identity) => person::get(tx, identity.person_id)?,
        None if !arrival.settings.make_accounts => None,
        None if known.is_empty() => return refuse(tx, arrival, origin, Admission::NoRole, now),
        None => match make(tx, arrival, origin, now)? {
            Some(person) => Some(person),
            None => return refuse(tx, arrival, origin, Admission::NoEmail, now),
        },
    };
    let Some(person) = person else { return refuse(tx, arrival, origin, Admission::Unknown, now) };
    if person.state != "active" {
        return refuse(tx, arrival, origin, Admission::Disabled, now);
    }
    identity::logged_in(tx, arrival.tenant, arrival.provider, &arrival.subject, now)?;
    let roles_changed = synchronise(tx, arrival, &person, &known, origin, now)?;
    if access_of(tx, arrival.tenant, person.id)?.roles().next().is_none() {
        let refused = refuse(tx, arrival, origin, Admission::NoRole, now)?;
        return Ok(Admitted { roles_changed, ..refused });
    }
    Ok(Admitted { admission: Admission::In(person.id), roles_changed })
}

/// A refusal is kept in the trail; what was changed before it (roles that were lost) stays changed.
fn refuse(
    tx: &mut Tx<'_>,
    arrival: &Arrival,
    origin: &Origin,
    why: Admission,
    now: Micros,
) -> Result<Admitted, Problem> {
    let detail = json!({ "method": "sso", "provider": arrival.provider_name, "subject": arrival.subject, "why": why.as_str() });
    let actor = (arrival.tenant, Uuid::nil(), arrival.subject.as_str());
    let id = arrival.provider.to_string();
    let mut record = origin.record(actor, now, "session.refused", ("identity_provider", &id), &detail);
    "identity".clone_into(&mut record.actor_kind);
    arrival.subject.clone_into(&mut record.actor_id);
    "forbidden".clone_into(&mut record.outcome);
    audit::append(tx, &record)?;
    Ok(Admitted { admission: why, roles_changed: false })
}

/// The account of somebody who was never here. It has no way in but this one.
fn make(tx: &mut Tx<'_>, arrival: &Arrival, origin: &Origin, now: Micros) -> Result<Option<Person>, Problem> {
    let Some(address) = arrival.email.as_deref().map(str::trim).filter(|text| email::is_address(text)) else {
        return Ok(None);
    };
    let email_key = email::fold(address);
    let id = Uuid::now_v7();
    let human = match identity::human(tx, &arrival.issuer, &arrival.subject)? {
        Some(human) => Some(human),
        None => person::human_by_email(tx, &email_key)?,
    };
    let named = arrival.name.as_deref().map(clean).filter(|name| !name.is_empty());
    let person = Person {
        tenant_id: arrival.tenant,
        id,
        human: human.unwrap_or(id),
        name: named.unwrap_or_else(|| clean(address)),
        email: address.to_owned(),
        email_key,
        local_key: None,
        password: None,
        password_changed_at: None,
        totp: None,
        totp_step: None,
        recovery: None,
        state: "active".to_owned(),
        created_at: now,
        last_login_at: None,
    };
    person::insert(tx, &person)?;
    let row = Identity {
        tenant_id: arrival.tenant,
        provider_id: arrival.provider,
        subject: arrival.subject.clone(),
        person_id: id,
        created_at: now,
        last_login_at: now,
    };
    identity::insert(tx, &row)?;
    let detail = json!({ "name": person.name, "email": person.email, "provider": arrival.provider_name, "subject": arrival.subject, "human": person.human });
    let actor = (arrival.tenant, id, person.name.as_str());
    let object = id.to_string();
    audit::append(tx, &origin.record(actor, now, "person.create", ("person", &object), &detail))?;
    Ok(Some(person))
}

/// A name as others may see it.
fn clean(text: &str) -> String {
    let plain: String =
        text.chars().filter(|c| quell_catalog::is_clean_text(c.encode_utf8(&mut [0; 4]))).collect();
    plain.trim().chars().take(NAME).collect()
}

/// Gives the roles of the groups and takes those that the groups gave before and give no more. Roles that a person gave
/// are not touched.
fn synchronise(
    tx: &mut Tx<'_>,
    arrival: &Arrival,
    person: &Person,
    roles: &[String],
    origin: &Origin,
    now: Micros,
) -> Result<bool, Problem> {
    let source = arrival.provider.to_string();
    let had: Vec<String> = membership::of_person(tx, arrival.tenant, person.id)?
        .into_iter()
        .filter(|row| row.source == source)
        .map(|row| row.role)
        .collect();
    let given: Vec<&String> = roles.iter().filter(|role| !had.contains(role)).collect();
    let taken: Vec<&String> = had.iter().filter(|role| !roles.contains(role)).collect();
    if given.is_empty() && taken.is_empty() {
        return Ok(false);
    }
    for role in &given {
        let row = Membership {
            tenant_id: arrival.tenant,
            person_id: person.id,
            role: (*role).clone(),
            source: source.clone(),
            granted_at: now,
            granted_by: arrival.provider_name.clone(),
        };
        membership::insert(tx, &row)?;
    }
    for role in &taken {
        membership::delete(tx, arrival.tenant, person.id, role, &source)?;
    }
    let detail = json!({ "provider": arrival.provider_name, "given": given, "taken": taken });
    let actor = (arrival.tenant, person.id, person.name.as_str());
    let object = person.id.to_string();
    audit::append(tx, &origin.record(actor, now, "person.roles", ("person", &object), &detail))?;
    Ok(true)
}

/// The tenant that a path names, by id or name.
pub(crate) fn tenant_named(
    tx: &mut Tx<'_>,
    text: &str,
) -> Result<Option<tenant::Tenant>, quell_store::Error> {
    match Uuid::parse_str(text) {
        Ok(id) => tenant::get(tx, id),
        // The first tenant goes by the name of a new server's too, whatever it is called now: no other may have it.
        Err(_) if text == first_key::TENANT => tenant::by_setting(tx, first_key::FIRST),
        Err(_) => tenant::by_name(tx, text),
    }
}
