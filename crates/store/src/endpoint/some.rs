//! Many endpoints at once, for what acts on thousands.

use std::collections::HashMap;

use uuid::Uuid;

use super::{Endpoint, read, rows};
use crate::{Error, Tx, many::many, value::Param};

many! {
    SOME = concat!(rows!(), " AND e.id IN ("), ("", "") 2 1, ")";
}

/// The endpoints of these ids, as many of them as there are.
pub fn some(tx: &mut Tx<'_>, tenant: Uuid, ids: &[Uuid]) -> Result<HashMap<Uuid, Endpoint>, Error> {
    let mut found = HashMap::with_capacity(ids.len());
    SOME.each(ids, |text, piece| {
        let mut params: Vec<&dyn Param> = vec![&tenant];
        params.extend(piece.iter().map(|id| id as &dyn Param));
        found.extend(tx.query(text, &params, read)?.into_iter().map(|row| (row.id, row)));
        Ok(())
    })?;
    Ok(found)
}
