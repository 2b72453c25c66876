//! Lists of incidents: filtered, sorted, counted, a page at a time.

use uuid::Uuid;

use super::{Incident, columns, read};
use crate::{Error, Micros, Place, Tx, page, pattern, tx::sql, value::Param};

/// Which incidents to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// In these states, with spaces between and around.
    pub states: Option<String>,
    /// Of these severities, with spaces between and around.
    pub severities: Option<String>,
    /// Closed with these resolutions, with spaces between and around.
    pub resolutions: Option<String>,
    /// The work of this person.
    pub assignee: Option<Uuid>,
    /// Somebody's work (`true`), or nobody's.
    pub is_assigned: Option<bool>,
    /// On this endpoint.
    pub endpoint: Option<Uuid>,
    /// With this technique, or a part of it.
    pub technique: Option<String>,
    /// With this text, upper and lower case alike.
    pub text: Option<String>,
    /// That went on at this time or later.
    pub since: Option<Micros>,
    /// That began before this time.
    pub until: Option<Micros>,
}

/// By what a list is sorted; what is equal is sorted by id.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum By {
    /// When it went on last.
    #[default]
    Last,
    /// How bad it is.
    Severity,
    /// Its number.
    Number,
}

macro_rules! filter {
    () => {
        "FROM incident i WHERE i.tenant_id = $1 \
        AND (CAST($2 AS TEXT) IS NULL OR CAST($2 AS TEXT) LIKE '% ' || i.state || ' %') \
        AND (CAST($3 AS TEXT) IS NULL OR CAST($3 AS TEXT) LIKE '% ' || CAST(i.severity AS TEXT) || ' %') \
        AND (CAST($4 AS TEXT) IS NULL OR CAST($4 AS TEXT) LIKE '% ' || i.resolution || ' %') \
        AND (CAST($5 AS TEXT) IS NULL OR i.assignee_id = CAST($5 AS TEXT)) \
        AND (CAST($6 AS BIGINT) IS NULL OR CASE WHEN i.assignee_id IS NULL THEN 0 ELSE 1 END = CAST($6 AS BIGINT)) \
        AND (CAST($7 AS TEXT) IS NULL OR EXISTS (SELECT 1 FROM incident_endpoint e WHERE e.tenant_id = i.tenant_id \
        AND e.endpoint_id = CAST($7 AS TEXT) AND e.incident_id = i.id)) \
        AND (CAST($8 AS TEXT) IS NULL OR EXISTS (SELECT 1 FROM incident_technique t WHERE t.tenant_id = i.tenant_id \
        AND t.incident_id = i.id AND t.technique LIKE CAST($8 AS TEXT))) \
        AND (CAST($9 AS TEXT) IS NULL OR i.search LIKE CAST($9 AS TEXT) ESCAPE '!') \
        AND (CAST($10 AS BIGINT) IS NULL OR i.last_at >= CAST($10 AS BIGINT)) \
        AND (CAST($11 AS BIGINT) IS NULL OR i.first_at < CAST($11 AS BIGINT)) "
    };
}

macro_rules! page {
    ($after:literal, $order:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            " ",
            filter!(),
            "AND ",
            $after,
            " ($13, $14) ORDER BY ",
            $order,
            " LIMIT $12"
        )
    };
}

sql! {
    COUNT = concat!("SELECT COUNT(*) ", filter!());
    UNCLOSED = "SELECT severity, COUNT(*) FROM incident WHERE tenant_id = $1 AND state <> 'closed' \
        GROUP BY severity ORDER BY severity DESC";
    BY_LAST_UP = page!("(i.last_at, i.id) >", "i.last_at, i.id");
    BY_LAST_DOWN = page!("(i.last_at, i.id) <", "i.last_at DESC, i.id DESC");
    BY_SEVERITY_UP = page!("(i.severity, i.id) >", "i.severity, i.id");
    BY_SEVERITY_DOWN = page!("(i.severity, i.id) <", "i.severity DESC, i.id DESC");
    BY_NUMBER_UP = page!("(i.number, i.id) >", "i.number, i.id");
    BY_NUMBER_DOWN = page!("(i.number, i.id) <", "i.number DESC, i.id DESC");
}

/// Values as the statements take them.
struct Given {
    technique: Option<String>,
    text: Option<String>,
}

impl Given {
    fn of(filter: &Filter) -> Self {
        Self {
            technique: filter.technique.as_ref().map(|technique| format!("{technique}%")),
            text: filter.text.as_deref().map(pattern::of),
        }
    }

    fn params<'a>(&'a self, tenant: &'a Uuid, filter: &'a Filter) -> [&'a dyn Param; 11] {
        let Filter { states, severities, resolutions, assignee, is_assigned, endpoint, since, until, .. } =
            filter;
        let Self { technique, text } = self;
        [
            tenant,
            states,
            severities,
            resolutions,
            assignee,
            is_assigned,
            endpoint,
            technique,
            text,
            since,
            until,
        ]
    }
}

/// A page of a tenant's incidents, at most `limit` (1 to 1000), and where the next goes on.
pub fn list(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    filter: &Filter,
    (by, upwards): (By, bool),
    after: Option<Place>,
    limit: u32,
) -> Result<(Vec<Incident>, Option<Place>), Error> {
    let limit = limit.clamp(1, page::MAX);
    let fetch = i64::from(limit) + 1;
    let Place { key, id } = after.unwrap_or(Place::start(upwards));
    let given = Given::of(filter);
    let mut params = given.params(&tenant, filter).to_vec();
    params.extend([&fetch as &dyn Param, &key, &id]);
    let sql = match (by, upwards) {
        (By::Last, true) => BY_LAST_UP,
        (By::Last, false) => BY_LAST_DOWN,
        (By::Severity, true) => BY_SEVERITY_UP,
        (By::Severity, false) => BY_SEVERITY_DOWN,
        (By::Number, true) => BY_NUMBER_UP,
        (By::Number, false) => BY_NUMBER_DOWN,
    };
    let mut rows = tx.query(sql, &params, read)?;
    let next = page::more(&mut rows, limit, |row| {
        let key = match by {
            By::Last => row.last_at,
            By::Severity => row.severity,
            By::Number => row.number,
        };
        Place { key, id: row.id }
    });
    Ok((rows, next))
}

/// How many incidents of the tenant the filter lets through.
pub fn count(tx: &mut Tx<'_>, tenant: Uuid, filter: &Filter) -> Result<u64, Error> {
    let given = Given::of(filter);
    let count = tx.query_opt(COUNT, &given.params(&tenant, filter), |mut row| row.take::<i64>())?;
    Ok(count.unwrap_or(0).unsigned_abs())
}

/// How many incidents of the tenant are not closed, by severity, the worst first; no row for none.
pub fn unclosed(tx: &mut Tx<'_>, tenant: Uuid) -> Result<Vec<(i64, u64)>, Error> {
    tx.query(UNCLOSED, &[&tenant], |mut row| Ok((row.take()?, row.take::<i64>()?.unsigned_abs())))
}
