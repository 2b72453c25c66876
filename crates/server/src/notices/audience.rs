//! Who is told of a notice by mail: those whose business it is, and those whom the settings name.

use std::collections::BTreeSet;

use quell_access::{Access, Permission, policy::People, quorum};
use quell_notify::{Kind, Notice, mail::Address};
use quell_store::{Error, Tx, api_key, approval, membership, person, response_plan};
use uuid::Uuid;

use super::settings::Mail;
use super::told::PLAN;

/// The most people of one tenant that are looked at, a line a role.
const MEMBERS: i64 = 2000;
/// The most that one notice is mailed to.
const MOST: usize = 200;

/// Somebody to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reader {
    /// Where.
    pub address: String,
    /// The person, where it is one.
    pub person: Option<Uuid>,
}

/// A member with all their roles.
struct Member {
    id: Uuid,
    human: Uuid,
    email: String,
    access: Access,
}

/// Everybody to tell, each address once.
pub(super) fn audience(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    notice: &Notice,
    mail: &Mail,
) -> Result<Vec<Reader>, Error> {
    let mut readers = Readers::default();
    match notice.kind {
        Kind::ApprovalRequested => deciders(tx, tenant, notice, &mut readers)?,
        Kind::ApprovalDecided | Kind::TaskEnded | Kind::TaskFailed => {
            requester(tx, tenant, notice, &mut readers)?;
        }
        Kind::BreakGlass => {
            let loud = [Permission::ApprovalDecide, Permission::BreakGlassReview];
            readers.all(tx, tenant, |access| loud.iter().any(|permission| access.allows(*permission)))?;
        }
        Kind::IncidentOpened => {
            readers.all(tx, tenant, |access| access.allows(Permission::IncidentWrite))?;
        }
        Kind::PersonLocked => {
            readers.all(tx, tenant, |access| access.allows(Permission::PersonManage))?;
            person_by(tx, &notice.object.id, &mut readers)?;
        }
        Kind::WebhookDisabled => {
            readers.all(tx, tenant, |access| access.allows(Permission::WebhookManage))?;
        }
        Kind::AutoApproved | Kind::Test => {}
    }
    if mail.wants(notice.kind) {
        for address in &mail.recipients {
            readers.add(address, None);
        }
    }
    Ok(readers.list)
}

/// Those who may decide about the request now; never who asked, under whatever account or address.
fn deciders(tx: &mut Tx<'_>, tenant: Uuid, notice: &Notice, readers: &mut Readers) -> Result<(), Error> {
    let Some(request) = requests(tx, tenant, notice)?.into_iter().next() else { return Ok(()) };
    let roles = serde_json::from_str(&request.roles)
        .map_err(|_| Error::Corrupt("the roles of a request".to_owned()))?;
    let people = People { quorum: u32::try_from(request.quorum).unwrap_or(1), roles };
    for member in members(tx, tenant)? {
        let vote = quorum::Vote {
            human: member.human,
            is_approval: true,
            is_standing: true,
            may_decide: member.access.allows(Permission::ApprovalDecide),
            roles: member.access.roles().map(str::to_owned).collect(),
        };
        if quorum::eligible(&people, request.requester_human, &vote).is_ok() {
            readers.add(&member.email, Some(member.id));
        } else if member.human == request.requester_human {
            readers.exclude(&member.email);
        }
    }
    Ok(())
}

/// The requests that a notice asks people to decide about: of one task, or of the steps of a response plan.
pub(super) fn requests(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    notice: &Notice,
) -> Result<Vec<approval::Request>, Error> {
    let Ok(id) = notice.object.id.parse() else { return Ok(Vec::new()) };
    if notice.object.kind != PLAN {
        return Ok(approval::get(tx, tenant, id)?.into_iter().collect());
    }
    let mut found = Vec::new();
    for step in response_plan::steps(tx, tenant, id)? {
        found.extend(approval::get(tx, tenant, step.task_id)?.filter(|request| request.state == "pending"));
    }
    Ok(found)
}

/// The person who asked, or the one whose program asked.
fn requester(tx: &mut Tx<'_>, tenant: Uuid, notice: &Notice, readers: &mut Readers) -> Result<(), Error> {
    let Some(requester) = &notice.requester else { return Ok(()) };
    match requester.kind.as_str() {
        "person" => person_by(tx, &requester.id, readers),
        "api_key" => {
            let Ok(id) = requester.id.parse() else { return Ok(()) };
            match api_key::get(tx, tenant, id)?.and_then(|key| key.owner) {
                Some(owner) => person_by(tx, &owner.to_string(), readers),
                None => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

fn person_by(tx: &mut Tx<'_>, id: &str, readers: &mut Readers) -> Result<(), Error> {
    let Ok(id) = id.parse() else { return Ok(()) };
    if let Some(person) = person::get(tx, id)?
        && person.state == "active"
    {
        readers.add(&person.email, Some(person.id));
    }
    Ok(())
}

fn members(tx: &mut Tx<'_>, tenant: Uuid) -> Result<Vec<Member>, Error> {
    let mut members: Vec<Member> = Vec::new();
    for line in membership::members(tx, tenant, MEMBERS)? {
        if members.last().is_none_or(|last| last.id != line.person_id) {
            let (id, human) = (line.person_id, line.human);
            members.push(Member { id, human, email: line.email, access: Access::default() });
        }
        if let Some(member) = members.last_mut() {
            quell_engine::access::add(&mut member.access, &line.held);
        }
    }
    Ok(members)
}

/// Addresses, each once and none that is left out on purpose.
#[derive(Default)]
struct Readers {
    list: Vec<Reader>,
    known: BTreeSet<String>,
}

impl Readers {
    /// Every member whose roles are as wished.
    fn all(&mut self, tx: &mut Tx<'_>, tenant: Uuid, is: impl Fn(&Access) -> bool) -> Result<(), Error> {
        for member in members(tx, tenant)?.iter().filter(|member| is(&member.access)) {
            self.add(&member.email, Some(member.id));
        }
        Ok(())
    }

    fn add(&mut self, address: &str, person: Option<Uuid>) {
        // What stands in an account was checked there; it is checked again where it meets a mail.
        if self.list.len() < MOST && Address::parse(address).is_ok() && self.known.insert(folded(address)) {
            self.list.push(Reader { address: address.to_owned(), person });
        }
    }

    fn exclude(&mut self, address: &str) {
        self.known.insert(folded(address));
    }
}

fn folded(address: &str) -> String {
    address.to_lowercase()
}
