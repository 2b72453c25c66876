//! What is under way already, on many endpoints at once.

use std::collections::HashMap;

use uuid::Uuid;

use super::is_twin;
use crate::{Error, Tx, many::many, value::Param};

many! {
    TWINS = concat!("SELECT endpoint_id, MIN(task_id) FROM command WHERE tenant_id = $1 AND action = $2", is_twin!(),
        " AND endpoint_id IN ("), ("", "") 3 1, ") GROUP BY endpoint_id";
}

/// By endpoint the task that [`super::twin`] answers.
pub fn twins(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    endpoints: &[Uuid],
    action: &str,
) -> Result<HashMap<Uuid, Uuid>, Error> {
    let mut found = HashMap::new();
    TWINS.each(endpoints, |text, piece| {
        let mut params: Vec<&dyn Param> = vec![&tenant, &action];
        params.extend(piece.iter().map(|id| id as &dyn Param));
        found.extend(tx.query(text, &params, |mut row| Ok((row.take::<Uuid>()?, row.take::<Uuid>()?)))?);
        Ok(())
    })?;
    Ok(found)
}
