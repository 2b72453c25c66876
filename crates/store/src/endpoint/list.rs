//! Lists of endpoints, of which there may be tens of thousands: sorted, searched, counted, a page at a time.
//!
//! A page is found by its keys first, in rows that are short; only what is shown is read whole.

use uuid::Uuid;

use super::{Endpoint, get};
use crate::{Error, Micros, Row, Tx, page, pattern, tx::sql};

/// Tags that one filter may name.
pub const MOST_TAGS: usize = 4;
/// Endpoints that are looked at for one page, or counted, where something decides about each that the database does not know.
const MOST_LOOKED_AT: i64 = 200_000;

/// Which endpoints to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only those in this state.
    pub state: Option<String>,
    /// Only those with this exact name.
    pub name: Option<String>,
    /// Only those of this operating system.
    pub os: Option<String>,
    /// Only those isolated (`true`), or not (`false`).
    pub isolated: Option<bool>,
    /// Only those with an alarm (`true`), or without (`false`).
    pub alarm: Option<bool>,
    /// Only those with this text in name, tags, host name, addresses, people logged on or system, upper and lower case
    /// alike.
    pub text: Option<String>,
    /// Only those that carry all of these tags; beyond [`MOST_TAGS`] nothing is found.
    pub tags: Vec<String>,
}

/// By what a list is sorted; what is equal is sorted by id.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum By {
    /// The time of enrolment.
    #[default]
    Enrolled,
    /// The name, upper and lower case alike.
    Name,
    /// When it was last heard; those that never were count as heard first of all.
    LastSeen,
}

/// How a list is sorted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Order {
    /// By what.
    pub by: By,
    /// Upwards: the first in the alphabet, the earliest. Downwards otherwise.
    pub upwards: bool,
}

/// The last row of a page: where the next one goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its id.
    pub id: Uuid,
    /// Its name in lower case, in a list by name; empty otherwise.
    pub name: String,
    /// When it was last heard, in a list by that; 0 otherwise.
    pub seen: Micros,
}

/// What decides about an endpoint beside the filter: whether it is connected, say, which no row tells.
pub type Keep<'a> = &'a dyn Fn(Uuid) -> bool;

/// The rows of a page, and where the next begins.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The rows.
    pub rows: Vec<Endpoint>,
    /// Give this as `after` for the next page; `None` when this was the last.
    pub next: Option<Place>,
}

macro_rules! filter {
    () => {
        "FROM endpoint e WHERE e.tenant_id = $1 AND (e.state = $2 OR CAST($2 AS TEXT) IS NULL) \
        AND (e.name = $3 OR CAST($3 AS TEXT) IS NULL) AND (e.os = $4 OR CAST($4 AS TEXT) IS NULL) \
        AND (CAST($5 AS BIGINT) IS NULL OR CASE WHEN e.isolation IS NULL THEN 0 ELSE 1 END = CAST($5 AS BIGINT)) \
        AND (CAST($6 AS BIGINT) IS NULL OR CASE WHEN e.alarm IS NULL THEN 0 ELSE 1 END = CAST($6 AS BIGINT)) \
        AND (CAST($7 AS TEXT) IS NULL OR e.search LIKE CAST($7 AS TEXT) ESCAPE '!') \
        AND (CAST($8 AS TEXT) IS NULL OR EXISTS (SELECT 1 FROM endpoint_tag t WHERE t.tenant_id = e.tenant_id \
        AND t.tag = $8 AND t.endpoint_id = e.id)) \
        AND (CAST($9 AS TEXT) IS NULL OR EXISTS (SELECT 1 FROM endpoint_tag t WHERE t.tenant_id = e.tenant_id \
        AND t.tag = $9 AND t.endpoint_id = e.id)) \
        AND (CAST($10 AS TEXT) IS NULL OR EXISTS (SELECT 1 FROM endpoint_tag t WHERE t.tenant_id = e.tenant_id \
        AND t.tag = $10 AND t.endpoint_id = e.id)) \
        AND (CAST($11 AS TEXT) IS NULL OR EXISTS (SELECT 1 FROM endpoint_tag t WHERE t.tenant_id = e.tenant_id \
        AND t.tag = $11 AND t.endpoint_id = e.id)) "
    };
}

/// The keys of a page: what is read of a row, where it goes on, how it is sorted.
///
/// `e.id >= ''` is always so. It leads the database to walk the rows as they lie, by their ids, where it has to look at them
/// all; and so does an order by an expression, where few rows are expected of a walk by name, which jumps for each.
macro_rules! keys {
    ($key:literal, $after:literal, $order:literal) => {
        concat!("SELECT e.id, ", $key, " ", filter!(), $after, "ORDER BY ", $order, " LIMIT $12")
    };
}

sql! {
    COUNT = concat!("SELECT COUNT(*) ", filter!(), "AND e.id >= ''");
    BY_AGE_UP = keys!("'', 0", "", "e.id");
    BY_AGE_UP_AFTER = keys!("'', 0", "AND e.id > $13 ", "e.id");
    BY_AGE_DOWN = keys!("'', 0", "", "e.id DESC");
    BY_AGE_DOWN_AFTER = keys!("'', 0", "AND e.id < $13 ", "e.id DESC");
    BY_NAME_UP = keys!("e.name_key, 0", "", "e.name_key, e.id");
    BY_NAME_UP_AFTER = keys!("e.name_key, 0", "AND (e.name_key, e.id) > ($14, $13) ", "e.name_key, e.id");
    BY_NAME_DOWN = keys!("e.name_key, 0", "", "e.name_key DESC, e.id DESC");
    BY_NAME_DOWN_AFTER =
        keys!("e.name_key, 0", "AND (e.name_key, e.id) < ($14, $13) ", "e.name_key DESC, e.id DESC");
    SOUGHT_BY_NAME_UP = keys!("e.name_key, 0", "AND e.id >= '' ", "COALESCE(e.name_key, ''), e.id");
    SOUGHT_BY_NAME_UP_AFTER = keys!("e.name_key, 0", "AND e.id >= '' AND (COALESCE(e.name_key, ''), e.id) > ($14, $13) ",
        "COALESCE(e.name_key, ''), e.id");
    SOUGHT_BY_NAME_DOWN = keys!("e.name_key, 0", "AND e.id >= '' ", "COALESCE(e.name_key, '') DESC, e.id DESC");
    SOUGHT_BY_NAME_DOWN_AFTER = keys!("e.name_key, 0", "AND e.id >= '' AND (COALESCE(e.name_key, ''), e.id) < ($14, $13) ",
        "COALESCE(e.name_key, '') DESC, e.id DESC");
    BY_SEEN_UP = keys!("'', COALESCE(e.last_seen_at, 0)", "AND e.id >= '' ", "COALESCE(e.last_seen_at, 0), e.id");
    BY_SEEN_UP_AFTER = keys!("'', COALESCE(e.last_seen_at, 0)",
        "AND e.id >= '' AND (COALESCE(e.last_seen_at, 0), e.id) > ($14, $13) ", "COALESCE(e.last_seen_at, 0), e.id");
    BY_SEEN_DOWN = keys!("'', COALESCE(e.last_seen_at, 0)", "AND e.id >= '' ", "COALESCE(e.last_seen_at, 0) DESC, e.id DESC");
    BY_SEEN_DOWN_AFTER = keys!("'', COALESCE(e.last_seen_at, 0)",
        "AND e.id >= '' AND (COALESCE(e.last_seen_at, 0), e.id) < ($14, $13) ", "COALESCE(e.last_seen_at, 0) DESC, e.id DESC");
}

/// A page of a tenant's endpoints, at most `limit` (1 to 1000).
pub fn list(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    filter: &Filter,
    order: Order,
    after: Option<&Place>,
    limit: u32,
    keep: Option<Keep<'_>>,
) -> Result<Listed, Error> {
    let wanted = limit.clamp(1, page::MAX) as usize;
    let (kept, next) = match keep {
        None => {
            let mut kept = keys(tx, tenant, filter, order, after, wanted as i64 + 1)?;
            let next = cut(&mut kept, wanted);
            (kept, next)
        }
        Some(keep) => kept(tx, tenant, (filter, order), after, wanted, keep)?,
    };
    let mut rows = Vec::with_capacity(kept.len());
    for place in kept {
        rows.extend(get(tx, tenant, place.id)?);
    }
    Ok(Listed { rows, next })
}

/// Cuts to the page; the place where the next goes on, if there was more.
fn cut(places: &mut Vec<Place>, wanted: usize) -> Option<Place> {
    (places.len() > wanted).then(|| {
        places.truncate(wanted);
        places.last().cloned()
    })?
}

/// The places of a page of those that `keep` keeps: ever more are looked at, since nobody knows how many it takes.
fn kept(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    (filter, order): (&Filter, Order),
    after: Option<&Place>,
    wanted: usize,
    keep: Keep<'_>,
) -> Result<(Vec<Place>, Option<Place>), Error> {
    let (mut kept, mut from) = (Vec::new(), after.cloned());
    let (mut looked_at, mut turn) = (0, wanted as i64 * 2);
    while looked_at < MOST_LOOKED_AT {
        let places = keys(tx, tenant, filter, order, from.as_ref(), turn)?;
        let is_last = (places.len() as i64) < turn;
        from = places.last().cloned();
        kept.extend(places.into_iter().filter(|place| keep(place.id)));
        if kept.len() > wanted || is_last {
            let next = cut(&mut kept, wanted);
            return Ok((kept, next));
        }
        looked_at += turn;
        turn *= 4;
    }
    Ok((kept, from))
}

/// How many endpoints of the tenant the filter lets through.
pub fn count(tx: &mut Tx<'_>, tenant: Uuid, filter: &Filter, keep: Option<Keep<'_>>) -> Result<u64, Error> {
    if let Some(keep) = keep {
        let all = keys(tx, tenant, filter, Order::default(), None, MOST_LOOKED_AT)?;
        return Ok(all.iter().filter(|place| keep(place.id)).count() as u64);
    }
    let Some(given) = Given::of(filter) else { return Ok(0) };
    let count = tx.query_opt(COUNT, &given.params(&tenant), |mut row| row.take::<i64>())?;
    Ok(count.unwrap_or(0).unsigned_abs())
}

fn keys(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    filter: &Filter,
    order: Order,
    after: Option<&Place>,
    limit: i64,
) -> Result<Vec<Place>, Error> {
    let Some(given) = Given::of(filter) else { return Ok(Vec::new()) };
    let mut params = given.params(&tenant).to_vec();
    params.push(&limit);
    if let Some(after) = after {
        params.push(&after.id);
        match order.by {
            By::Enrolled => {}
            By::Name => params.push(&after.name),
            By::LastSeen => params.push(&after.seen),
        }
    }
    let is_sought = filter.text.is_some() || !filter.tags.is_empty();
    let sql = match (order.by, order.upwards, after.is_some()) {
        (By::Name, true, false) if is_sought => SOUGHT_BY_NAME_UP,
        (By::Name, true, true) if is_sought => SOUGHT_BY_NAME_UP_AFTER,
        (By::Name, false, false) if is_sought => SOUGHT_BY_NAME_DOWN,
        (By::Name, false, true) if is_sought => SOUGHT_BY_NAME_DOWN_AFTER,
        (By::Enrolled, true, false) => BY_AGE_UP,
        (By::Enrolled, true, true) => BY_AGE_UP_AFTER,
        (By::Enrolled, false, false) => BY_AGE_DOWN,
        (By::Enrolled, false, true) => BY_AGE_DOWN_AFTER,
        (By::Name, true, false) => BY_NAME_UP,
        (By::Name, true, true) => BY_NAME_UP_AFTER,
        (By::Name, false, false) => BY_NAME_DOWN,
        (By::Name, false, true) => BY_NAME_DOWN_AFTER,
        (By::LastSeen, true, false) => BY_SEEN_UP,
        (By::LastSeen, true, true) => BY_SEEN_UP_AFTER,
        (By::LastSeen, false, false) => BY_SEEN_DOWN,
        (By::LastSeen, false, true) => BY_SEEN_DOWN_AFTER,
    };
    tx.query(sql, &params, place)
}

fn place(mut row: Row) -> Result<Place, Error> {
    Ok(Place { id: row.take()?, name: row.take()?, seen: row.take()? })
}

/// A filter as the statements take it.
struct Given<'a> {
    filter: &'a Filter,
    pattern: Option<String>,
    tags: [Option<&'a str>; MOST_TAGS],
}

impl<'a> Given<'a> {
    /// `None` where nothing can fit.
    fn of(filter: &'a Filter) -> Option<Self> {
        if filter.tags.len() > MOST_TAGS {
            return None;
        }
        let mut tags = [None; MOST_TAGS];
        for (place, tag) in tags.iter_mut().zip(&filter.tags) {
            *place = Some(tag.as_str());
        }
        Some(Self { filter, pattern: filter.text.as_deref().map(pattern::of), tags })
    }

    fn params<'b>(&'b self, tenant: &'b Uuid) -> [&'b dyn crate::Param; 11] {
        let Filter { state, name, os, isolated, alarm, .. } = self.filter;
        let [first, second, third, fourth] = &self.tags;
        [tenant, state, name, os, isolated, alarm, &self.pattern, first, second, third, fourth]
    }
}
