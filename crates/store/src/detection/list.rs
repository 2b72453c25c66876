//! Lists of detections: filtered, sorted, counted, a page at a time.

use uuid::Uuid;

use super::{Detection, columns, read};
use crate::{Error, Micros, Place, Tx, page, pattern, tx::sql, value::Param};

/// Which detections to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this incident.
    pub incident: Option<Uuid>,
    /// In an incident (`true`) or in none.
    pub is_joined: Option<bool>,
    /// On this endpoint.
    pub endpoint: Option<Uuid>,
    /// `endpoint` or `product`.
    pub origin: Option<String>,
    /// Of these sources, with spaces between and around.
    pub sources: Option<String>,
    /// Of these severities, with spaces between and around.
    pub severities: Option<String>,
    /// With these verdicts, with spaces between and around.
    pub verdicts: Option<String>,
    /// That name this technique, or a part of it.
    pub technique: Option<String>,
    /// With this text, upper and lower case alike.
    pub text: Option<String>,
    /// At this time or later.
    pub since: Option<Micros>,
    /// Before this time.
    pub until: Option<Micros>,
}

/// By what a list is sorted; what is equal is sorted by id.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum By {
    /// When it happened.
    #[default]
    At,
    /// How bad it is.
    Severity,
    /// When it came.
    Received,
}

/// An incident is named by a statement of its own: the index by incident serves only one that always names one.
macro_rules! filter {
    (any) => {
        filter!("CAST($2 AS TEXT) IS NULL")
    };
    (one) => {
        filter!("d.incident_id = $2")
    };
    ($incident:literal) => {
        concat!("FROM detection d WHERE d.tenant_id = $1 AND ", $incident, " AND (CAST($3 AS BIGINT) IS NULL OR CASE WHEN d.incident_id IS NULL THEN 0 ELSE 1 END = CAST($3 AS BIGINT)) \
        AND (CAST($4 AS TEXT) IS NULL OR d.endpoint_id = CAST($4 AS TEXT)) \
        AND (CAST($5 AS TEXT) IS NULL OR d.origin = CAST($5 AS TEXT)) \
        AND (CAST($6 AS TEXT) IS NULL OR CAST($6 AS TEXT) LIKE '% ' || d.source || ' %') \
        AND (CAST($7 AS TEXT) IS NULL OR CAST($7 AS TEXT) LIKE '% ' || CAST(d.severity AS TEXT) || ' %') \
        AND (CAST($8 AS TEXT) IS NULL OR CAST($8 AS TEXT) LIKE '% ' || d.verdict || ' %') \
        AND (CAST($9 AS TEXT) IS NULL OR d.techniques LIKE CAST($9 AS TEXT)) \
        AND (CAST($10 AS TEXT) IS NULL OR d.search LIKE CAST($10 AS TEXT) ESCAPE '!') \
        AND (CAST($11 AS BIGINT) IS NULL OR d.at >= CAST($11 AS BIGINT)) \
        AND (CAST($12 AS BIGINT) IS NULL OR d.at < CAST($12 AS BIGINT)) ")
    };
}

macro_rules! page {
    ($of:ident, $after:literal, $order:literal) => {
        concat!("SELECT ", columns!(), " ", filter!($of), "AND ", $after, " ORDER BY ", $order, " LIMIT $13")
    };
}

sql! {
    COUNT = concat!("SELECT COUNT(*) ", filter!(any));
    BY_AT_UP = page!(any, "(d.at, d.id) > ($14, $15)", "d.at, d.id");
    BY_AT_DOWN = page!(any, "(d.at, d.id) < ($14, $15)", "d.at DESC, d.id DESC");
    BY_SEVERITY_UP = page!(any, "(d.severity, d.id) > ($14, $15)", "d.severity, d.id");
    BY_SEVERITY_DOWN = page!(any, "(d.severity, d.id) < ($14, $15)", "d.severity DESC, d.id DESC");
    BY_ARRIVAL_UP = page!(any, "d.id > $14", "d.id");
    BY_ARRIVAL_DOWN = page!(any, "d.id < $14", "d.id DESC");
    OF_ONE_COUNT = concat!("SELECT COUNT(*) ", filter!(one));
    OF_ONE_BY_AT_UP = page!(one, "(d.at, d.id) > ($14, $15)", "d.at, d.id");
    OF_ONE_BY_AT_DOWN = page!(one, "(d.at, d.id) < ($14, $15)", "d.at DESC, d.id DESC");
    OF_ONE_BY_SEVERITY_UP = page!(one, "(d.severity, d.id) > ($14, $15)", "d.severity, d.id");
    OF_ONE_BY_SEVERITY_DOWN = page!(one, "(d.severity, d.id) < ($14, $15)", "d.severity DESC, d.id DESC");
    OF_ONE_BY_ARRIVAL_UP = page!(one, "d.id > $14", "d.id");
    OF_ONE_BY_ARRIVAL_DOWN = page!(one, "d.id < $14", "d.id DESC");
}

/// Values as the statements take them.
struct Given {
    technique: Option<String>,
    text: Option<String>,
}

impl Given {
    fn of(filter: &Filter) -> Self {
        Self {
            technique: filter.technique.as_ref().map(|technique| format!("%\"{technique}%")),
            text: filter.text.as_deref().map(pattern::of),
        }
    }

    fn params<'a>(&'a self, tenant: &'a Uuid, filter: &'a Filter) -> [&'a dyn Param; 12] {
        let Filter { incident, is_joined, endpoint, origin, sources, severities, verdicts, .. } = filter;
        let Self { technique, text } = self;
        [
            tenant,
            incident,
            is_joined,
            endpoint,
            origin,
            sources,
            severities,
            verdicts,
            technique,
            text,
            &filter.since,
            &filter.until,
        ]
    }
}

/// A page of a tenant's detections, at most `limit` (1 to 1000), and where the next goes on.
pub fn list(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    filter: &Filter,
    (by, upwards): (By, bool),
    after: Option<Place>,
    limit: u32,
) -> Result<(Vec<Detection>, Option<Place>), Error> {
    let limit = limit.clamp(1, page::MAX);
    let fetch = i64::from(limit) + 1;
    let Place { key, id } = after.unwrap_or(Place::start(upwards));
    let given = Given::of(filter);
    let mut params = given.params(&tenant, filter).to_vec();
    params.push(&fetch);
    if by != By::Received {
        params.push(&key);
    }
    params.push(&id);
    let sql = statement(by, upwards, filter.incident.is_some());
    let mut rows = tx.query(sql, &params, read)?;
    let next = page::more(&mut rows, limit, |row| {
        let key = match by {
            By::At => row.at,
            By::Severity => row.severity,
            By::Received => 0,
        };
        Place { key, id: row.id }
    });
    Ok((rows, next))
}

fn statement(by: By, upwards: bool, is_of_one: bool) -> &'static str {
    match (by, upwards, is_of_one) {
        (By::At, true, false) => BY_AT_UP,
        (By::At, false, false) => BY_AT_DOWN,
        (By::Severity, true, false) => BY_SEVERITY_UP,
        (By::Severity, false, false) => BY_SEVERITY_DOWN,
        (By::Received, true, false) => BY_ARRIVAL_UP,
        (By::Received, false, false) => BY_ARRIVAL_DOWN,
        (By::At, true, true) => OF_ONE_BY_AT_UP,
        (By::At, false, true) => OF_ONE_BY_AT_DOWN,
        (By::Severity, true, true) => OF_ONE_BY_SEVERITY_UP,
        (By::Severity, false, true) => OF_ONE_BY_SEVERITY_DOWN,
        (By::Received, true, true) => OF_ONE_BY_ARRIVAL_UP,
        (By::Received, false, true) => OF_ONE_BY_ARRIVAL_DOWN,
    }
}

/// How many detections of the tenant the filter lets through.
pub fn count(tx: &mut Tx<'_>, tenant: Uuid, filter: &Filter) -> Result<u64, Error> {
    let given = Given::of(filter);
    let sql = if filter.incident.is_some() { OF_ONE_COUNT } else { COUNT };
    let count = tx.query_opt(sql, &given.params(&tenant, filter), |mut row| row.take::<i64>())?;
    Ok(count.unwrap_or(0).unsigned_abs())
}
