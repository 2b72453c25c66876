//! Parameters that name something of a library are resolved when the task is made, so that the order carries
//! the digest of what was meant, and a later version of the library changes nothing.
//!
//! Which parameters these are, the action's schema says (`x-quell-reference`).

use std::{collections::HashMap, sync::LazyLock};

use quell_catalog::{ActionKind, CheckError};
use quell_store::{Tx, script};
use quell_wire::digest::hex;
use serde_json::Value;
use uuid::Uuid;

use crate::Error;

/// Resolves every reference in checked parameters.
pub(crate) fn resolve(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    kind: ActionKind,
    mut params: Value,
) -> Result<Value, Error> {
    let Some(names) = REFERENCES.get(&kind) else { return Ok(params) };
    for name in names {
        let Some(text) = params.get(name).and_then(Value::as_str) else { continue };
        let version = find(tx, tenant, text)?
            .ok_or_else(|| CheckError::new(name, format!("the library has no script {text:?}")))?;
        params[name] = Value::from(format!("sha256:{}", hex(&version.sha256)));
        if params.get("interpreter").is_some_and(Value::is_null) {
            params["interpreter"] = Value::from(version.interpreter);
        }
    }
    // The library's words must fit the declaration as well as the requester's.
    Ok((kind.declared().check_params)(&params)?)
}

/// Parameters that name a script, by action; making a schema is too slow to do it for each request.
static REFERENCES: LazyLock<HashMap<ActionKind, Vec<String>>> = LazyLock::new(|| {
    let names = |kind: ActionKind| -> Vec<String> {
        let schema = (kind.declared().params_schema)();
        let properties = schema.get("properties").and_then(Value::as_object);
        let marked =
            |property: &Value| property.get("x-quell-reference").and_then(Value::as_str) == Some("script");
        properties
            .into_iter()
            .flatten()
            .filter(|(_, property)| marked(property))
            .map(|(name, _)| name.clone())
            .collect()
    };
    let all = ActionKind::ALL.iter().map(|kind| (*kind, names(*kind)));
    all.filter(|(_, names)| !names.is_empty()).collect()
});

/// `name`, `name@version` or `sha256:<hex>`.
fn find(tx: &mut Tx<'_>, tenant: Uuid, text: &str) -> Result<Option<script::Version>, Error> {
    if let Some(digest) = text.strip_prefix("sha256:") {
        let Some(digest) = parse_digest(digest) else { return Ok(None) };
        return Ok(script::by_digest(tx, tenant, &digest)?);
    }
    let (name, number) = match text.rsplit_once('@') {
        Some((name, number)) => match number.parse::<i64>() {
            Ok(number) => (name, Some(number)),
            Err(_) => (text, None),
        },
        None => (text, None),
    };
    let Some(found) = script::by_name(tx, tenant, name)? else { return Ok(None) };
    let number = match number {
        Some(number) => number,
        None => match script::versions(tx, tenant, found.id)?.first() {
            Some(newest) => newest.version,
            None => return Ok(None),
        },
    };
    Ok(script::version(tx, tenant, found.id, number)?)
}

fn parse_digest(text: &str) -> Option<[u8; 32]> {
    let bytes: Option<Vec<u8>> = (0..32)
        .map(|at| text.get(at * 2..at * 2 + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok()))
        .collect();
    bytes.filter(|_| text.len() == 64)?.try_into().ok()
}
