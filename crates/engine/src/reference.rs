//! Parameters that name something of the library are resolved when the task is made, so that the order carries
//! the digest of what was meant, and a later version of the library changes nothing.
//!
//! Which parameters these are, and of which kind, the action's schema says (`x-quell-reference`): a text, or a list
//! whose items say it. What the library knows of a body fills parameters of the same name that the request left open.

use std::{collections::HashMap, sync::LazyLock};

use quell_catalog::library::{Kind, digest};
use quell_catalog::{ActionKind, CheckError};
use quell_store::{Tx, kit_key, library, task::Task};
use quell_wire::digest::{hex, unhex};
use serde_json::Value;
use uuid::Uuid;

use crate::Error;

/// Resolves every reference in checked parameters.
pub(crate) fn resolve(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    action: ActionKind,
    mut params: Value,
) -> Result<Value, Error> {
    let Some(marked) = REFERENCES.get(&action) else { return Ok(params) };
    let mut facts = serde_json::Map::new();
    for (name, kind) in marked {
        let one = |text: &mut Value, field: &str, tx: &mut Tx<'_>| -> Result<Value, Error> {
            let Some(asked) = text.as_str() else { return Ok(Value::Null) };
            let version = find(tx, tenant, *kind, asked, field)?;
            still_trusted(tx, tenant, *kind, &version, field)?;
            *text = Value::from(format!("sha256:{}", hex(&version.sha256)));
            Ok(serde_json::from_str(&version.facts).unwrap_or_default())
        };
        match params.get_mut(name) {
            Some(Value::Array(items)) => {
                for (index, item) in items.iter_mut().enumerate() {
                    one(item, &format!("{name}[{index}]"), tx)?;
                }
            }
            Some(text) => {
                if let Value::Object(known) = one(text, name, tx)? {
                    facts.extend(known);
                }
            }
            None => {}
        }
        if *kind == Kind::Kit {
            same_signer(&params, &facts)?;
        }
    }
    if let Some(params) = params.as_object_mut() {
        for (name, value) in facts {
            params.entry(name).and_modify(|given| {
                if given.is_null() {
                    *given = value;
                }
            });
        }
    }
    // The library's words must fit the declaration as well as the requester's.
    Ok((action.declared().check_params)(&params)?)
}

/// The digests of the library that parameters of a task name, lower-case hex, each with its kind.
pub fn named(action: ActionKind, params: &Value) -> Vec<(Kind, String)> {
    let marked = REFERENCES.get(&action).map(Vec::as_slice).unwrap_or_default();
    let mut found = Vec::new();
    for (name, kind) in marked {
        let mut note = |value: &Value| {
            found.extend(value.as_str().and_then(digest).map(|digest| (*kind, digest.to_owned())));
        };
        match params.get(name) {
            Some(Value::Array(items)) => items.iter().for_each(note),
            Some(value) => note(value),
            None => {}
        }
    }
    found
}

/// Parameters that name something of the library, by action; making a schema is too slow to do it for each request.
static REFERENCES: LazyLock<HashMap<ActionKind, Vec<(String, Kind)>>> = LazyLock::new(|| {
    let kind_of =
        |schema: &Value| schema.get("x-quell-reference").and_then(Value::as_str).and_then(Kind::from_name);
    let names = |action: ActionKind| -> Vec<(String, Kind)> {
        let schema = (action.declared().params_schema)();
        let properties = schema.get("properties").and_then(Value::as_object);
        properties
            .into_iter()
            .flatten()
            .filter_map(|(name, property)| {
                let kind = kind_of(property).or_else(|| kind_of(property.get("items")?))?;
                Some((name.clone(), kind))
            })
            .collect()
    };
    let all = ActionKind::ALL.iter().map(|action| (*action, names(*action)));
    all.filter(|(_, names)| !names.is_empty()).collect()
});

/// A kit is named by no new task once the key that signed it is registered no more.
fn still_trusted(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    kind: Kind,
    version: &library::Version,
    field: &str,
) -> Result<(), Error> {
    if kind != Kind::Kit {
        return Ok(());
    }
    let facts: Value = serde_json::from_str(&version.facts).unwrap_or_default();
    match distrusted(tx, tenant, &facts)? {
        None => Ok(()),
        Some(words) => Err(CheckError::new(field, words).into()),
    }
}

/// Whoever asks may say which key they expect; the endpoint unpacks nothing that another key signed.
fn same_signer(params: &Value, facts: &serde_json::Map<String, Value>) -> Result<(), CheckError> {
    let given = params.get("signer").filter(|given| !given.is_null());
    match (given, facts.get("signer")) {
        (Some(given), Some(known)) if given != known => {
            let known = known.as_str().unwrap_or_default();
            Err(CheckError::new("signer", format!("the kit was signed by {known}")))
        }
        _ => Ok(()),
    }
}

/// Why the kit with this `signer` runs no more, in words.
fn distrusted(tx: &mut Tx<'_>, tenant: Uuid, of: &Value) -> Result<Option<String>, Error> {
    let signer = of.get("signer").and_then(Value::as_str).unwrap_or_default();
    let known = kit_key::by_public(tx, tenant, signer)?;
    Ok(known.is_none().then(|| format!("it was signed by the key {signer}, whose kits are taken no more")))
}

/// Why what a task names may be carried out no more, in words: a key may have been taken away since it was asked for.
pub(crate) fn lapsed(tx: &mut Tx<'_>, task: &Task) -> Result<Option<String>, Error> {
    let marked = ActionKind::from_id(&task.action).and_then(|action| REFERENCES.get(&action));
    if !marked.is_some_and(|names| names.iter().any(|(_, kind)| *kind == Kind::Kit)) {
        return Ok(None);
    }
    let params: Value = serde_json::from_str(&task.params).map_err(|_| Error::Corrupt("parameters"))?;
    distrusted(tx, task.tenant_id, &params)
}

/// The version that is meant by `name`, `name@version` or `sha256:<hex>`. What is out of use is named by no new task.
pub fn find(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    kind: Kind,
    text: &str,
    field: &str,
) -> Result<library::Version, Error> {
    let unknown = || CheckError::new(field, format!("the library has no {} {text:?}", kind.as_str()));
    let (item, version) = if text.starts_with("sha256:") {
        let digest = digest(text).and_then(unhex).ok_or_else(unknown)?;
        let version = library::by_digest(tx, tenant, kind.as_str(), &digest)?.ok_or_else(unknown)?;
        (library::get(tx, tenant, version.item_id)?.ok_or_else(unknown)?, version)
    } else {
        let (name, number) = match text.rsplit_once('@') {
            Some((name, number)) => match number.parse::<i64>() {
                Ok(number) => (name, Some(number)),
                Err(_) => (text, None),
            },
            None => (text, None),
        };
        let item = library::by_name(tx, tenant, kind.as_str(), name)?.ok_or_else(unknown)?;
        let version = match number {
            Some(number) => library::version(tx, tenant, item.id, number)?,
            None => library::latest(tx, tenant, item.id)?,
        };
        (item, version.ok_or_else(unknown)?)
    };
    if item.archived_at.is_some() {
        let words =
            format!("{} {:?} is archived: put it into use again, or name another", kind.as_str(), item.name);
        return Err(CheckError::new(field, words).into());
    }
    Ok(version)
}
