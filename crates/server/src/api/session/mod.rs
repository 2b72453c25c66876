//! Sessions of people: their beginning, their list, their end.

mod begin;
mod end;
mod list;
mod move_on;

use super::route::Route;

/// The routes of sessions.
pub(crate) fn routes() -> Vec<Route> {
    [vec![begin::route(), list::route()], end::routes(), move_on::routes()].into_iter().flatten().collect()
}
