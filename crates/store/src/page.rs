//! Keyset pages: a page is asked for by the id after which it starts, never by an offset.

use uuid::Uuid;

/// Most rows that one page may hold, whatever the caller asks.
pub const MAX: u32 = 1000;

/// Which page of a list, newest first.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// The last id of the page before; `None` for the first page.
    pub after: Option<Uuid>,
    /// How many rows; between 1 and 1000, silently brought there.
    pub limit: u32,
}

impl Default for Page {
    fn default() -> Self {
        Self { after: None, limit: 50 }
    }
}

impl Page {
    /// One row more than asked, so that the answer knows whether another page follows.
    pub(crate) fn fetch(self) -> i64 {
        i64::from(self.limit.clamp(1, MAX)) + 1
    }

    /// The page of several lists together, each newest first and read by [`Page::fetch`].
    pub(crate) fn merge<T>(self, lists: Vec<Vec<T>>, id: impl Fn(&T) -> Uuid) -> Paged<T> {
        let mut rows: Vec<T> = lists.into_iter().flatten().collect();
        rows.sort_by_key(|row| std::cmp::Reverse(id(row)));
        self.cut(rows, id)
    }

    pub(crate) fn cut<T>(self, mut rows: Vec<T>, id: impl Fn(&T) -> Uuid) -> Paged<T> {
        let limit = self.limit.clamp(1, MAX) as usize;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = if more { rows.last().map(id) } else { None };
        Paged { rows, next }
    }
}

/// The rows of a page, and where the next begins.
#[derive(Debug, Clone)]
pub struct Paged<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Give this as [`Page::after`] for the next page; `None` when this was the last.
    pub next: Option<Uuid>,
}

/// The last row of a page of a list that is sorted by a number, and by id where that is equal: where the next one goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// What it is sorted by; of a list that is sorted by id alone of no meaning.
    pub key: i64,
    /// Its id.
    pub id: Uuid,
}

impl Place {
    /// Where a list begins: before its first row.
    pub(crate) const fn start(upwards: bool) -> Self {
        if upwards {
            Self { key: i64::MIN, id: Uuid::nil() }
        } else {
            Self { key: i64::MAX, id: Uuid::max() }
        }
    }
}

/// Cuts rows, of which one more was read than a page holds, to the page; the place of its last, where there was more.
pub(crate) fn more<T, P>(rows: &mut Vec<T>, limit: u32, place: impl Fn(&T) -> P) -> Option<P> {
    if rows.len() <= limit as usize {
        return None;
    }
    rows.truncate(limit as usize);
    rows.last().map(place)
}
