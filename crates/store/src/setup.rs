//! The first set-up, which closes itself for good: once its row stands, nothing takes it away.

use crate::{Error, Micros, Tx, tx::sql};

sql! {
    CLOSE = "INSERT INTO setup (id, closed_at, closed_by) VALUES (1, $1, $2) ON CONFLICT DO NOTHING";
    CLOSED = "SELECT closed_at FROM setup WHERE id = 1";
}

/// Closes it. `false` when it was closed before: of two who do it at once, one is told so.
pub fn close(tx: &mut Tx<'_>, now: Micros, by: &str) -> Result<bool, Error> {
    tx.execute(CLOSE, &[&now, &by]).map(|rows| rows == 1)
}

/// When it was closed.
pub fn closed_at(tx: &mut Tx<'_>) -> Result<Option<Micros>, Error> {
    tx.query_opt(CLOSED, &[], |mut row| row.take())
}
