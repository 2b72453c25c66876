//! The tasks that `blocklist.add` and `blocklist.remove` name: what one listed, or the other took off.

use quell_catalog::{ActionKind, CheckError};
use quell_store::{Tx, task};
use serde_json::Value;
use uuid::Uuid;

use crate::Error;

/// Refuses a task that is not one of those that it can be.
pub(crate) fn check(tx: &mut Tx<'_>, tenant: Uuid, action: ActionKind, params: &Value) -> Result<(), Error> {
    let (field, meant) = if action == ActionKind::BlocklistAdd {
        ("restore", ActionKind::BlocklistRemove)
    } else if action == ActionKind::BlocklistRemove {
        ("task", ActionKind::BlocklistAdd)
    } else {
        return Ok(());
    };
    let Some(text) = params.get(field).and_then(Value::as_str) else { return Ok(()) };
    let named = match text.parse() {
        Ok(id) => task::get(tx, tenant, id)?,
        Err(_) => None,
    };
    if named.is_some_and(|task| task.action == meant.spec().id) {
        return Ok(());
    }
    Err(CheckError::new(field, format!("there is no such task of {}", meant.spec().id)).into())
}
