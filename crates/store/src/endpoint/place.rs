//! What endpoints call themselves, and their addresses: by these what others tell of a machine finds it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use uuid::Uuid;

use super::{ADD_PLACE, DROP_PLACE, PLACES_OF};
use crate::{Error, Tx, many::many, value::Param};

/// Addresses of one endpoint by which it is found.
const ADDRESSES: usize = 32;
/// Longest place, bytes: a host name's (RFC 1035).
pub const PLACE: usize = 253;

many! {
    NAMED = "SELECT name, MIN(id), COUNT(*) FROM endpoint WHERE tenant_id = $1 AND state = 'active' AND name IN (",
        ("", "") 2 1, ") GROUP BY name";
    PLACED = "SELECT p.place, MIN(p.endpoint_id), COUNT(*) FROM endpoint_place p JOIN endpoint e ON e.tenant_id = p.tenant_id \
        AND e.id = p.endpoint_id WHERE p.tenant_id = $1 AND e.state = 'active' AND p.place IN (",
        ("", "") 2 1, ") GROUP BY p.place";
}

/// The places in what an agent says: its host name and its addresses, but for those that every machine has.
fn places(facts: &str) -> BTreeSet<String> {
    let facts: Value = serde_json::from_str(facts).unwrap_or_default();
    let addresses = facts.get("addresses").and_then(Value::as_array).into_iter().flatten();
    let is_own = |address: &&str| {
        !address
            .parse()
            .is_ok_and(|address: std::net::IpAddr| address.is_loopback() || address.is_unspecified())
    };
    let addresses = addresses.filter_map(Value::as_str).filter(is_own).take(ADDRESSES);
    let host = facts.get("hostname").and_then(Value::as_str);
    let fits = |place: &String| !place.is_empty() && place.len() <= PLACE;
    host.into_iter().chain(addresses).map(str::to_lowercase).filter(fits).collect()
}

/// Notes by what an endpoint is found from now on. What did not change is not written.
pub(super) fn put(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid, facts: &str) -> Result<(), Error> {
    let wanted = places(facts);
    let known: BTreeSet<String> =
        tx.query(PLACES_OF, &[&tenant, &id], |mut row| row.take())?.into_iter().collect();
    for place in known.difference(&wanted) {
        tx.execute(DROP_PLACE, &[&tenant, place, &id])?;
    }
    for place in wanted.difference(&known) {
        tx.execute(ADD_PLACE, &[&tenant, place, &id])?;
    }
    Ok(())
}

/// The one active endpoint that each of these leads to: the one of this name, else the one that calls itself so or has this
/// address. What leads nowhere, or to several, is left out.
pub fn find(tx: &mut Tx<'_>, tenant: Uuid, names: &[String]) -> Result<BTreeMap<String, Uuid>, Error> {
    let named = look(tx, &NAMED, tenant, names)?;
    let others: Vec<String> =
        names.iter().filter(|name| !named.contains_key(*name)).map(|name| name.to_lowercase()).collect();
    let placed = look(tx, &PLACED, tenant, &others)?;
    let only = |found: &(Uuid, i64)| (found.1 == 1).then_some(found.0);
    let one = |name: &String| match named.get(name) {
        Some(found) => only(found),
        None => placed.get(&name.to_lowercase()).and_then(only),
    };
    Ok(names.iter().filter_map(|name| Some((name.clone(), one(name)?))).collect())
}

fn look(
    tx: &mut Tx<'_>,
    statement: &crate::many::Many,
    tenant: Uuid,
    names: &[String],
) -> Result<BTreeMap<String, (Uuid, i64)>, Error> {
    let mut found = BTreeMap::new();
    statement.each(names, |text, piece| {
        let mut params: Vec<&dyn Param> = vec![&tenant];
        params.extend(piece.iter().map(|name| name as &dyn Param));
        found.extend(tx.query(text, &params, |mut row| Ok((row.take()?, (row.take()?, row.take()?))))?);
        Ok(())
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_agent_says_leads_to_it_within_bounds() {
        let facts = serde_json::json!({ "hostname": "WEB-1.Example",
            "addresses": ["10.0.0.7", 7, "127.0.0.1", "::1", "FE80::1", "x".repeat(300)] });
        let found: Vec<String> = places(&facts.to_string()).into_iter().collect();
        assert_eq!(found, ["10.0.0.7", "fe80::1", "web-1.example"]);
        let many: Vec<String> =
            (0..500).map(|number| format!("10.0.{}.{}", number / 250, number % 250)).collect();
        assert_eq!(places(&serde_json::json!({ "addresses": many }).to_string()).len(), ADDRESSES);
        assert!(places("no json").is_empty());
    }
}
