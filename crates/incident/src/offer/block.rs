//! The block list: what a connection or a question says of the other end.

use std::net::IpAddr;

use quell_catalog::ActionKind;
use quell_catalog::blocklist::add::{Object as Listed, Params};
use quell_catalog::blocklist::{Action, Kind, RiskLevel, Value};

use super::Offer;
use crate::chain::{Object, View};
use crate::setting::{Setting, Told};
use crate::{system, text};

/// Days for which what an incident lists counts.
const DAYS: u32 = 30;
/// Bytes of a note, as the catalogue bounds it.
const NOTE: usize = 500;

/// `blocklist.add` of the address or name that an activity event is about.
pub fn block_list(view: &View<'_>, object: Object<'_>, at_us: i64, setting: &Setting) -> Offer {
    let value = match (object.address(), object.dns) {
        (Some(address), _) => {
            kept_address(address, view, setting).map_or_else(|| fit(Kind::Ip, &address.to_string()), Err)
        }
        (None, Some(dns)) => kept_name(&dns.name, setting)
            .map_or_else(|| fit(Kind::Domain, dns.name.trim_end_matches('.')), Err),
        (None, None) => Err(Told::new("no_address", "the address of the other end is not known")),
    };
    let note =
        format!("{} on {}, {}", object.label(), setting.name_of(&view.chain.endpoint), text::moment(at_us));
    let params = value.and_then(|value| listed(vec![value], &note));
    let warning = match (object.address(), object.dns) {
        (Some(address), _) => system::inner(address).map(|why| Told::new("private", why)),
        (None, Some(dns)) => system::is_served_by_many(&dns.name).then(|| {
            Told::new("many_serve", "many serve from this name: all of them are blocked, on all endpoints")
        }),
        (None, None) => None,
    };
    let mut offer = Offer::made(ActionKind::BlocklistAdd, object.label(), params);
    if offer.refused.is_none() {
        offer.warnings.push(Told::new("all_endpoints", "the block list is for all endpoints of the tenant"));
        offer = offer.warn(warning);
    }
    offer
}

/// The parameters that list these.
pub(crate) fn listed(values: Vec<Value>, note: &str) -> Result<serde_json::Value, Told> {
    let object = |value: Value| Listed {
        kind: Some(value.kind()),
        value: value.to_string(),
        action: None,
        risk: None,
        expires_in_days: None,
        note: None,
    };
    let mut note = text::shown(note.as_bytes(), NOTE);
    while note.len() > NOTE {
        note.pop();
    }
    serde_json::to_value(Params {
        objects: values.into_iter().map(object).collect(),
        list: None,
        action: Action::Block,
        risk: RiskLevel::High,
        expires_in_days: DAYS,
        note: Some(note),
        restore: None,
    })
    .map_err(|error| Told::new("unfit", error.to_string()))
}

/// A value that can be listed.
pub(crate) fn fit(kind: Kind, value: &str) -> Result<Value, Told> {
    let value = Value::parse(Some(kind), value)
        .map_err(|unfit| Told::new("unfit", format!("it cannot be listed: {unfit}")))?;
    match value.built_in_exception() {
        Some(why) => Err(Told::new("never_blocked", why)),
        None => Ok(value),
    }
}

/// Why an address is never listed.
pub(crate) fn kept_address(address: IpAddr, view: &View<'_>, setting: &Setting) -> Option<Told> {
    let plain = |address: &IpAddr| address.to_canonical();
    let own = setting.endpoint(&view.chain.endpoint).map_or(&[][..], |endpoint| &endpoint.addresses);
    if setting.kept_addresses.iter().map(plain).any(|kept| kept == address.to_canonical()) {
        Some(Told::new("kept", "the endpoints need this address to reach their server"))
    } else if own.iter().map(plain).any(|own| own == address.to_canonical()) {
        Some(Told::new("own_address", "it is an address of the endpoint itself"))
    } else {
        None
    }
}

/// Why a name is never listed.
pub(crate) fn kept_name(name: &str, setting: &Setting) -> Option<Told> {
    let plain = |name: &str| name.trim_end_matches('.').to_ascii_lowercase();
    let is_kept = setting.kept_names.iter().any(|kept| plain(kept) == plain(name));
    is_kept.then(|| Told::new("kept", "the endpoints need this name to reach their server"))
}
