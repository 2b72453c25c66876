//! One's own account: who one is, the password, the one-time codes, what one set for oneself.

mod password;
mod setting;
mod show;
mod totp;

use super::route::Route;

/// The routes of one's own account.
pub(crate) fn routes() -> Vec<Route> {
    [vec![show::route(), password::route()], totp::routes(), setting::routes()]
        .into_iter()
        .flatten()
        .collect()
}
