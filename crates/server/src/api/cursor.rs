//! Pages of lists, and the opaque cursors that lead from one to the next.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use quell_store::Place;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::query::bad;
use crate::problem::{Code, Problem};

/// Rows of a page, unless the request says otherwise.
const DEFAULT: u32 = 50;
/// Most rows of a page.
const MOST: u32 = 1000;

/// A page of a list, newest first unless the route says otherwise.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page<T> {
    /// The rows. A page may hold fewer than asked for and still be followed by another.
    pub items: Vec<T>,
    /// Give this as `cursor` for the next page; `null` on the last.
    pub next: Option<String>,
}

/// Which page.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Turn {
    /// `next` of the page before.
    #[param(max_length = 1400)]
    pub cursor: Option<String>,
    /// Rows of a page, 1 to 1000; 50 where absent. Of no meaning to `csv` and `jsonl`, which are not cut into pages.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// `json`, `csv` or `jsonl`; goes before the `Accept` header. The last two list everything from `cursor` on, whatever
    /// the `limit`.
    pub format: Option<String>,
}

/// Most bytes of the key in a cursor of a sorted list: a name's.
const KEY: usize = 1024;

/// The row that a cursor of a sorted list names: its id, and the key that it is sorted by.
type Sorted = (Uuid, Vec<u8>);

/// The list that a cursor belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum List {
    Tasks = 1,
    Commands,
    Endpoints,
    Tokens,
    Artifacts,
    Library,
    Audit,
    Keys,
    Checkpoints,
    Sessions,
    People,
    Roles,
    Providers,
    Approvals,
    BreakGlass,
    Webhooks,
    Notices,
    ArtifactEntries,
    Blocked,
    Shells = 40,
    KitKeys,
    ResponsePlans,
    Detections = 50,
    Incidents,
    Activity,
    Notes,
}

/// The cursor that goes on after this row.
pub(crate) fn write(list: List, after: Uuid) -> String {
    let mut bytes = [0; 17];
    bytes[0] = list as u8;
    bytes[1..].copy_from_slice(after.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

fn read(list: List, text: &str) -> Option<Uuid> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (kind, id) = bytes.split_first()?;
    (*kind == list as u8).then(|| Uuid::from_slice(id).ok()).flatten()
}

/// The cursor that goes on after this row in a list that can be sorted in several ways. `order` says in which.
pub(crate) fn write_sorted(list: List, order: u8, after: Uuid, key: &[u8]) -> String {
    let mut bytes = vec![list as u8, order];
    bytes.extend_from_slice(after.as_bytes());
    bytes.extend_from_slice(key);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The row after which a list goes on that is sorted in this way; `None` where the cursor is not one of it.
fn read_sorted(list: List, order: u8, text: &str) -> Option<Sorted> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() <= KEY + 18)?;
    let ([kind, sorted], rest) = bytes.split_first_chunk()?;
    let (id, key) = rest.split_at_checked(16)?;
    (*kind == list as u8 && *sorted == order).then(|| Some((Uuid::from_slice(id).ok()?, key.to_vec())))?
}

/// The same for a list that is sorted by a number.
pub(crate) fn write_place(list: List, order: u8, after: Place) -> String {
    write_sorted(list, order, after.id, &after.key.to_be_bytes())
}

/// A number in the key of a cursor.
pub(crate) fn number(bytes: &[u8]) -> Result<i64, Problem> {
    bytes.try_into().map(i64::from_be_bytes).map_err(|_| bad("cursor", "not a cursor of this list"))
}

impl Turn {
    /// The place after which a list goes on that is sorted by a number in this way, and the rows of a page.
    pub fn place(&self, list: List, order: u8) -> Result<(Option<Place>, u32), Problem> {
        let (after, limit) = self.sorted(list, order)?;
        let after = after.map(|(id, key)| number(&key).map(|key| Place { key, id })).transpose()?;
        Ok((after, limit))
    }

    /// The row after which a list goes on that is sorted in this way, with its key, and the rows of a page.
    pub fn sorted(&self, list: List, order: u8) -> Result<(Option<Sorted>, u32), Problem> {
        let limit = Self { cursor: None, ..self.clone() }.page(list)?.limit;
        let Some(text) = &self.cursor else { return Ok((None, limit)) };
        let after = read_sorted(list, order, text)
            .ok_or_else(|| bad("cursor", "not a cursor of this list, sorted in this way"))?;
        Ok((Some(after), limit))
    }

    /// The page as the store takes it.
    pub fn page(&self, list: List) -> Result<quell_store::Page, Problem> {
        let limit = self.limit.unwrap_or(DEFAULT);
        if limit == 0 || limit > MOST {
            return Err(Problem::new(Code::InvalidQuery, format!("limit: must be 1 to {MOST}"))
                .field("limit", "out of range"));
        }
        let after = match &self.cursor {
            None => None,
            Some(text) => Some(read(list, text).ok_or_else(|| bad("cursor", "not a cursor of this list"))?),
        };
        Ok(quell_store::Page { after, limit })
    }
}

impl Turn {
    /// The number after which a list by number goes on (-1 for its beginning), and the rows of a page.
    pub fn numbers(&self, list: List) -> Result<(i64, i64), Problem> {
        let page = self.page(list)?;
        let after = page.after.map_or(-1, |after| i64::try_from(after.as_u128()).unwrap_or(i64::MAX));
        Ok((after, i64::from(page.limit)))
    }
}

/// Cuts rows, of which one more was read than a page holds, to the page; the cursor that goes on after its last number.
pub(crate) fn cut<R>(
    list: List,
    rows: &mut Vec<R>,
    limit: i64,
    number: impl Fn(&R) -> i64,
) -> Option<String> {
    (rows.len() as i64 > limit).then(|| {
        rows.truncate(limit as usize);
        after_number(list, rows.last().map_or(0, number))
    })
}

/// The cursor that goes on after this number.
pub(crate) fn after_number(list: List, last: i64) -> String {
    write(list, Uuid::from_u128(u128::from(last.unsigned_abs())))
}

impl<T> Page<T> {
    /// A page of the API from a page of the store.
    pub fn of<R>(list: List, paged: quell_store::Paged<R>, view: impl FnMut(R) -> T) -> Self {
        Self { items: paged.rows.into_iter().map(view).collect(), next: paged.next.map(|id| write(list, id)) }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_cursor_leads_back_to_its_row_in_its_list_only() {
        let id = Uuid::now_v7();
        let turn = Turn { cursor: Some(write(List::Tasks, id)), ..Turn::default() };
        assert_eq!(turn.page(List::Tasks).unwrap().after, Some(id));
        assert!(turn.page(List::Audit).is_err());
        for text in ["", "x", "!!", &"A".repeat(23), &"A".repeat(4096)] {
            let turn = Turn { cursor: Some(text.to_owned()), ..Turn::default() };
            assert!(turn.page(List::Tasks).is_err(), "{text}");
        }
        for limit in [0, 1001, u32::MAX] {
            assert!(Turn { limit: Some(limit), ..Turn::default() }.page(List::Tasks).is_err());
        }
    }
}
