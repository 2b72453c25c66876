//! Actions of the catalogue that no endpoint carries out: a service of the server does.

use crate::runner::Ending;

#[expect(clippy::unused_async, reason = "the shape of every handler")]
pub(super) async fn carry() -> Ending {
    Ending::refused("not_here", "this action is carried out by the server, not by an endpoint")
}
