//! Filters that the database has no index for: rows are read page by page and looked at here, a bounded number.
//!
//! Ids are UUIDs of version 7, so a time bounds the ids, and a list by time needs no other index.

use quell_store::{Error, Micros, Page, Paged};
use uuid::Uuid;

/// Rows that are looked at for one page at most.
const MOST: usize = 5_000;

/// Bounds of the time at which rows were made.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Span {
    /// Not before.
    pub since: Option<Micros>,
    /// Before.
    pub until: Option<Micros>,
}

impl Span {
    /// The page, begun no later than `until`.
    fn begin(self, page: Page) -> Page {
        // One millisecond later than asked, since ids know no more; `keep` cuts exactly.
        let bound = self.until.map(|until| first_id(until.saturating_add(1_000)));
        let after = match (page.after, bound) {
            (Some(after), Some(bound)) => Some(after.min(bound)),
            (after, bound) => after.or(bound),
        };
        Page { after, ..page }
    }
}

fn first_id(at: Micros) -> Uuid {
    let millis = u64::try_from(at / 1_000).unwrap_or(0).min((1 << 48) - 1);
    Uuid::from_u128(u128::from(millis) << 80)
}

/// A page of the rows within `span` that `keep` keeps; `fetch` reads pages of all rows, newest first.
pub(crate) fn scan<R>(
    page: Page,
    span: Span,
    made_at: impl Fn(&R) -> Micros,
    id: impl Fn(&R) -> Uuid,
    keep: impl Fn(&R) -> bool,
    mut fetch: impl FnMut(Page) -> Result<Paged<R>, Error>,
) -> Result<Paged<R>, Error> {
    let wanted = page.limit as usize;
    let mut rows = Vec::new();
    let mut seen = 0;
    let mut turn = span.begin(page);
    loop {
        let Paged { rows: found, next } = fetch(turn)?;
        let mut found = found.into_iter().peekable();
        while let Some(row) = found.next() {
            if span.since.is_some_and(|since| made_at(&row) < since) {
                return Ok(Paged { rows, next: None });
            }
            seen += 1;
            let last = id(&row);
            if span.until.is_none_or(|until| made_at(&row) < until) && keep(&row) {
                rows.push(row);
            }
            if rows.len() == wanted || seen >= MOST {
                let is_more = found.peek().is_some() || next.is_some();
                return Ok(Paged { rows, next: is_more.then_some(last) });
            }
        }
        let Some(next) = next else { return Ok(Paged { rows, next: None }) };
        turn = Page { after: Some(next), limit: 500 };
    }
}
