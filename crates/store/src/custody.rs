//! Where a record of the audit trail stands under its checkpoint: what a receipt is made of.

use uuid::Uuid;

use crate::audit::Record;
use crate::{Error, Tx, tx::sql};

sql! {
    PLACE = "SELECT batch, leaf FROM audit WHERE tenant_id = $1 AND id = $2";
}

/// The number of the checkpoint over a record, and its place under it; `None` while it has none.
pub fn place(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid) -> Result<Option<(i64, i64)>, Error> {
    let found = tx.query_opt(PLACE, &[&tenant, &id], |mut row| {
        let (batch, leaf): (Option<i64>, Option<i64>) = (row.take()?, row.take()?);
        Ok(batch.zip(leaf))
    })?;
    Ok(found.flatten())
}

/// The newest record of this verb about an object.
pub fn newest(tx: &mut Tx<'_>, tenant: Uuid, object: &str, verb: &str) -> Result<Option<Record>, Error> {
    let filter = crate::audit::Filter {
        object_id: Some(object.to_owned()),
        verb: Some(verb.to_owned()),
        ..crate::audit::Filter::default()
    };
    let page = crate::Page { after: None, limit: 1 };
    Ok(crate::audit::list(tx, tenant, &filter, page)?.rows.into_iter().next())
}
