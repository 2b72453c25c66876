//! Endpoints: machines with our agent.

pub mod list;
pub mod place;
mod search;
pub(crate) mod some;

use uuid::Uuid;

pub use list::Filter;
pub use some::some;

use crate::{Error, Micros, Page, Paged, Row, Tx, tx::sql};

/// An endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Whose.
    pub tenant_id: Uuid,
    /// Its id.
    pub id: Uuid,
    /// What people call it: the host name that it said when it was enrolled, or what people chose since. No other
    /// active endpoint of the tenant has it, and nothing that an agent says later changes it.
    pub name: String,
    /// `active` or `revoked`.
    pub state: String,
    /// The agent's Ed25519 key that signs outcomes.
    pub public_key: Vec<u8>,
    /// Serial of its certificate, hex.
    pub cert_serial: String,
    /// End of its certificate.
    pub cert_not_after: Micros,
    /// Digest that binds the identity to the machine.
    pub fingerprint: String,
    /// `linux`, `windows`, `macos`.
    pub os: String,
    /// `x86_64`, `aarch64`.
    pub arch: String,
    /// Version of its agent.
    pub agent_version: String,
    /// JSON: what it says about itself.
    pub facts: String,
    /// JSON: what its agent can do.
    pub capabilities: String,
    /// JSON while it is isolated.
    pub isolation: Option<String>,
    /// JSON list of tags; set by people, never by the endpoint.
    pub tags: String,
    /// When it was enrolled.
    pub enrolled_at: Micros,
    /// When it was last heard, written in batches.
    pub last_seen_at: Option<Micros>,
    /// What a person should look at: a copied identity, a drifted isolation …
    pub alarm: Option<String>,
}

/// What an agent says of itself when it connects.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// Version of the agent.
    pub agent_version: &'a str,
    /// JSON.
    pub facts: &'a str,
    /// JSON.
    pub capabilities: &'a str,
}

/// What is said of an endpoint whose rules its agent could not put back. It is the one alarm that events end: see
/// [`isolation_broken`] and [`isolation_mended`].
pub const BROKEN: &str = "its isolation is broken and could not be repaired";

/// What stands between alarms of one endpoint.
const AND: &str = "; ";

/// An endpoint's columns, in the order in which they are read, and where they are.
macro_rules! rows {
    () => {
        "SELECT e.tenant_id, e.id, e.name, e.state, e.public_key, e.cert_serial, e.cert_not_after, e.fingerprint, e.os, \
        e.arch, e.agent_version, f.facts, f.capabilities, e.isolation, e.tags, e.enrolled_at, e.last_seen_at, e.alarm \
        FROM endpoint e JOIN endpoint_facts f ON f.tenant_id = e.tenant_id AND f.endpoint_id = e.id WHERE e.tenant_id = $1"
    };
}
use rows;

sql! {
    INSERT = "INSERT INTO endpoint (tenant_id, id, name, state, public_key, cert_serial, cert_not_after, fingerprint, os, arch, \
        agent_version, isolation, tags, enrolled_at, last_seen_at, alarm, name_key, search) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)";
    INSERT_FACTS = "INSERT INTO endpoint_facts (tenant_id, endpoint_id, facts, capabilities) VALUES ($1, $2, $3, $4)";
    GET = concat!(rows!(), " AND e.id = $2");
    SEARCHED = "SELECT e.name, e.tags, f.facts FROM endpoint e JOIN endpoint_facts f ON f.tenant_id = e.tenant_id \
        AND f.endpoint_id = e.id WHERE e.tenant_id = $1 AND e.id = $2";
    SET_SEARCH = "UPDATE endpoint SET name_key = $3, search = $4 WHERE tenant_id = $1 AND id = $2 \
        AND (name_key <> $3 OR search <> $4)";
    ISOLATIONS = "SELECT isolation FROM endpoint WHERE tenant_id = $1 AND isolation IS NOT NULL";
    ALARM = "SELECT alarm FROM endpoint WHERE tenant_id = $1 AND id = $2";
    ACTIVE_IDS = "SELECT id FROM endpoint WHERE tenant_id = $1 AND state = 'active' ORDER BY id LIMIT $2";
    TAGGED_IDS = "SELECT e.id FROM endpoint_tag t JOIN endpoint e ON e.tenant_id = t.tenant_id AND e.id = t.endpoint_id \
        WHERE t.tenant_id = $1 AND t.tag = $2 AND e.state = 'active' ORDER BY e.id LIMIT $3";
    BY_NAME = "SELECT id FROM endpoint WHERE tenant_id = $1 AND name = $2 AND state = 'active' ORDER BY id LIMIT 100";
    BY_FINGERPRINT = "SELECT id FROM endpoint WHERE tenant_id = $1 AND fingerprint = $2 AND state = 'active' \
        ORDER BY id LIMIT 100";
    SET_VERSION = "UPDATE endpoint SET agent_version = $3, last_seen_at = $4 WHERE tenant_id = $1 AND id = $2";
    SET_FACTS = "UPDATE endpoint_facts SET facts = $3, capabilities = $4 WHERE tenant_id = $1 AND endpoint_id = $2";
    SET_NAME = "UPDATE endpoint SET name = $3 WHERE tenant_id = $1 AND id = $2";
    SET_CERTIFICATE = "UPDATE endpoint SET cert_serial = $3, cert_not_after = $4 \
        WHERE tenant_id = $1 AND id = $2 AND state = 'active'";
    SET_ISOLATION = "UPDATE endpoint SET isolation = $3 WHERE tenant_id = $1 AND id = $2";
    SET_ALARM = "UPDATE endpoint SET alarm = $3 WHERE tenant_id = $1 AND id = $2";
    ACKNOWLEDGE = "UPDATE endpoint SET alarm = NULL WHERE tenant_id = $1 AND id = $2 AND alarm = $3";
    SET_TAGS = "UPDATE endpoint SET tags = $3 WHERE tenant_id = $1 AND id = $2";
    CLEAR_TAGS = "DELETE FROM endpoint_tag WHERE tenant_id = $1 AND endpoint_id = $2";
    ADD_TAG = "INSERT INTO endpoint_tag (tenant_id, tag, endpoint_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    SEEN = "UPDATE endpoint SET last_seen_at = $3 WHERE tenant_id = $1 AND id = $2";
    PLACES_OF = "SELECT place FROM endpoint_place WHERE tenant_id = $1 AND endpoint_id = $2";
    ADD_PLACE = "INSERT INTO endpoint_place (tenant_id, place, endpoint_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    DROP_PLACE = "DELETE FROM endpoint_place WHERE tenant_id = $1 AND place = $2 AND endpoint_id = $3";
    REVOKE = "UPDATE endpoint SET state = 'revoked' WHERE tenant_id = $1 AND id = $2 AND state = 'active'";
}

fn read(mut row: Row) -> Result<Endpoint, Error> {
    Ok(Endpoint {
        tenant_id: row.take()?,
        id: row.take()?,
        name: row.take()?,
        state: row.take()?,
        public_key: row.take()?,
        cert_serial: row.take()?,
        cert_not_after: row.take()?,
        fingerprint: row.take()?,
        os: row.take()?,
        arch: row.take()?,
        agent_version: row.take()?,
        facts: row.take()?,
        capabilities: row.take()?,
        isolation: row.take()?,
        tags: row.take()?,
        enrolled_at: row.take()?,
        last_seen_at: row.take()?,
        alarm: row.take()?,
    })
}

/// What transactions that give names wait for, one after another in each tenant.
const NAMES: Uuid = Uuid::nil();
/// Longest name, bytes: a host name's (RFC 1035).
const NAME: usize = 253;

const ABSENT: Error = Error::NotFound("endpoint");

/// Adds an endpoint; its tags are set by [`set_tags`].
pub fn insert(tx: &mut Tx<'_>, endpoint: &Endpoint) -> Result<(), Error> {
    tx.execute(
        INSERT,
        &[
            &endpoint.tenant_id,
            &endpoint.id,
            &endpoint.name,
            &endpoint.state,
            &endpoint.public_key,
            &endpoint.cert_serial,
            &endpoint.cert_not_after,
            &endpoint.fingerprint,
            &endpoint.os,
            &endpoint.arch,
            &endpoint.agent_version,
            &endpoint.isolation,
            &endpoint.tags,
            &endpoint.enrolled_at,
            &endpoint.last_seen_at,
            &endpoint.alarm,
            &endpoint.name.to_lowercase(),
            &search::text(&endpoint.name, &endpoint.tags, &endpoint.facts),
        ],
    )?;
    let Endpoint { tenant_id, id, facts, capabilities, .. } = endpoint;
    tx.execute(INSERT_FACTS, &[tenant_id, id, facts, capabilities])?;
    place::put(tx, *tenant_id, *id, facts)
}

/// Brings up to date what lists sort and search by.
fn index(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid) -> Result<(), Error> {
    let found = tx.query_opt(SEARCHED, &[&tenant, &id], |mut row| {
        let (name, tags, facts): (String, String, String) = (row.take()?, row.take()?, row.take()?);
        Ok((name.to_lowercase(), search::text(&name, &tags, &facts)))
    })?;
    let Some((key, text)) = found else { return Ok(()) };
    tx.execute(SET_SEARCH, &[&tenant, &id, &key, &text]).map(drop)
}

/// The endpoint with this id.
pub fn get(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid) -> Result<Option<Endpoint>, Error> {
    tx.query_opt(GET, &[&tenant, &id], read)
}

/// A page of a tenant's endpoints, latest enrolled first.
pub fn list(tx: &mut Tx<'_>, tenant: Uuid, filter: &Filter, page: Page) -> Result<Paged<Endpoint>, Error> {
    let after = page.after.map(|id| list::Place { id, name: String::new(), seen: 0 });
    let listed = list::list(tx, tenant, filter, list::Order::default(), after.as_ref(), page.limit, None)?;
    Ok(Paged { rows: listed.rows, next: listed.next.map(|place| place.id) })
}

/// The isolations that stand, JSON, of all endpoints of the tenant: revoked ones too, which nobody can restore.
pub fn isolations(tx: &mut Tx<'_>, tenant: Uuid) -> Result<Vec<String>, Error> {
    tx.query(ISOLATIONS, &[&tenant], |mut row| row.take())
}

/// Ids of all active endpoints, at most `limit`.
pub fn active_ids(tx: &mut Tx<'_>, tenant: Uuid, limit: i64) -> Result<Vec<Uuid>, Error> {
    tx.query(ACTIVE_IDS, &[&tenant, &limit], |mut row| row.take())
}

/// Ids of the active endpoints that carry this tag, at most `limit`.
pub fn tagged_ids(tx: &mut Tx<'_>, tenant: Uuid, tag: &str, limit: i64) -> Result<Vec<Uuid>, Error> {
    tx.query(TAGGED_IDS, &[&tenant, &tag, &limit], |mut row| row.take())
}

/// Ids of the active endpoints with this name: one, but for those that were enrolled before names were unique.
pub fn by_name(tx: &mut Tx<'_>, tenant: Uuid, name: &str) -> Result<Vec<Uuid>, Error> {
    tx.query(BY_NAME, &[&tenant, &name], |mut row| row.take())
}

/// Ids of the active endpoints on this machine: more than one says that an identity was copied or made anew.
pub fn by_fingerprint(tx: &mut Tx<'_>, tenant: Uuid, fingerprint: &str) -> Result<Vec<Uuid>, Error> {
    tx.query(BY_FINGERPRINT, &[&tenant, &fingerprint], |mut row| row.take())
}

/// Notes what the agent says of itself.
pub fn set_facts(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    id: Uuid,
    facts: &Facts<'_>,
    now: Micros,
) -> Result<(), Error> {
    let Facts { agent_version, facts, capabilities } = facts;
    tx.change(SET_VERSION, &[&tenant, &id, agent_version, &now], ABSENT)?;
    tx.change(SET_FACTS, &[&tenant, &id, facts, capabilities], ABSENT)?;
    place::put(tx, tenant, id, facts)?;
    index(tx, tenant, id)
}

/// Gives the endpoint the name that a person chose; [`Error::Conflict`] where another active one has it.
pub fn set_name(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid, name: &str) -> Result<(), Error> {
    tx.serialise(tenant, NAMES)?;
    if by_name(tx, tenant, name)?.iter().any(|other| *other != id) {
        return Err(Error::Conflict(format!("endpoint name {name}")));
    }
    tx.change(SET_NAME, &[&tenant, &id, &name], ABSENT)?;
    index(tx, tenant, id)
}

/// The wanted name if no active endpoint has it, or else with a number that makes it unlike any other: `web-1-2`.
/// It stays free until the transaction ends.
pub fn free_name(tx: &mut Tx<'_>, tenant: Uuid, wanted: &str) -> Result<String, Error> {
    tx.serialise(tenant, NAMES)?;
    if by_name(tx, tenant, wanted)?.is_empty() {
        return Ok(wanted.to_owned());
    }
    let numbered = |number: u64| {
        let suffix = format!("-{number}");
        let room = wanted.floor_char_boundary(NAME.saturating_sub(suffix.len()));
        format!("{}{suffix}", &wanted[..room])
    };
    // Doubled and then halved: a thousand machines of one name must not cost the next a thousand looks.
    let (mut taken, mut free) = (1, 2);
    while !by_name(tx, tenant, &numbered(free))?.is_empty() {
        (taken, free) = (free, free * 2);
    }
    while free - taken > 1 {
        let middle = taken + (free - taken) / 2;
        if by_name(tx, tenant, &numbered(middle))?.is_empty() { free = middle } else { taken = middle }
    }
    Ok(numbered(free))
}

/// Notes a renewed certificate; refused for a revoked endpoint.
pub fn set_certificate(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    id: Uuid,
    serial: &str,
    not_after: Micros,
) -> Result<(), Error> {
    tx.change(SET_CERTIFICATE, &[&tenant, &id, &serial, &not_after], Error::NotFound("active endpoint"))
}

/// Notes that the endpoint is isolated (JSON), or no longer (`None`). Either way it was looked at, and an isolation that
/// was broken before is not any more.
pub fn set_isolation(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid, isolation: Option<&str>) -> Result<(), Error> {
    tx.change(SET_ISOLATION, &[&tenant, &id, &isolation], ABSENT)?;
    isolation_mended(tx, tenant, id)
}

/// Takes this alarm away, and no other that was raised meanwhile.
pub fn acknowledge(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid, alarm: &str) -> Result<(), Error> {
    tx.change(ACKNOWLEDGE, &[&tenant, &id, &alarm], Error::Conflict("alarm".to_owned()))
}

/// Raises the alarm of a broken isolation, beside what stands there: an agent must not push out with it what is said
/// of its identity.
pub fn isolation_broken(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid) -> Result<(), Error> {
    match alarm(tx, tenant, id)? {
        Some(before) if before.contains(BROKEN) => Ok(()),
        Some(before) => set_alarm(tx, tenant, id, Some(&format!("{before}{AND}{BROKEN}"))),
        None => set_alarm(tx, tenant, id, Some(BROKEN)),
    }
}

/// Raises an alarm before what stands there; `false` where it stands there already.
pub fn raise(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid, text: &str) -> Result<bool, Error> {
    let all = match alarm(tx, tenant, id)? {
        Some(before) if before.contains(text) => return Ok(false),
        Some(before) => format!("{text}{AND}{before}"),
        None => text.to_owned(),
    };
    set_alarm(tx, tenant, id, Some(&all))?;
    Ok(true)
}

/// Takes back the alarm of a broken isolation, and no other.
pub fn isolation_mended(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid) -> Result<(), Error> {
    let Some(before) = alarm(tx, tenant, id)? else { return Ok(()) };
    let Some(rest) = before.strip_suffix(BROKEN) else { return Ok(()) };
    let rest = rest.strip_suffix(AND).unwrap_or(rest);
    set_alarm(tx, tenant, id, Some(rest).filter(|rest| !rest.is_empty()))
}

fn alarm(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid) -> Result<Option<String>, Error> {
    Ok(tx.query_opt(ALARM, &[&tenant, &id], |mut row| row.take())?.flatten())
}

/// Raises or clears the alarm.
pub fn set_alarm(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid, alarm: Option<&str>) -> Result<(), Error> {
    tx.change(SET_ALARM, &[&tenant, &id, &alarm], ABSENT)
}

/// Replaces the endpoint's tags. `json` is the same list as JSON text.
pub fn set_tags(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid, tags: &[String], json: &str) -> Result<(), Error> {
    tx.change(SET_TAGS, &[&tenant, &id, &json], ABSENT)?;
    tx.execute(CLEAR_TAGS, &[&tenant, &id])?;
    for tag in tags {
        tx.execute(ADD_TAG, &[&tenant, tag, &id])?;
    }
    index(tx, tenant, id)
}

/// Writes when endpoints were last heard, many at a time.
pub fn seen(tx: &mut Tx<'_>, seen: &[(Uuid, Uuid, Micros)]) -> Result<(), Error> {
    for (tenant, id, at) in seen {
        tx.execute(SEEN, &[tenant, id, at])?;
    }
    Ok(())
}

/// Ends the endpoint's identity.
pub fn revoke(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid) -> Result<(), Error> {
    tx.change(REVOKE, &[&tenant, &id], Error::NotFound("active endpoint"))
}
