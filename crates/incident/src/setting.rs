//! What is known beside a chain when it is judged: the endpoint as it stands now, and what must stay reachable.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use quell_catalog::ActionKind;
use serde::Serialize;

use crate::chain::View;
use crate::text;

/// An endpoint as it stands now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// Its id.
    pub id: String,
    /// Its name, as it may be shown.
    pub name: String,
    /// The boot that it runs now; `None` where it did not say.
    pub boot_id: Option<String>,
    /// Ids of the actions that its agent announces.
    pub actions: BTreeSet<String>,
    /// Its agent is connected.
    pub is_connected: bool,
    /// It is cut off the network already.
    pub is_isolated: bool,
    /// Its own addresses, as far as they are known.
    pub addresses: Vec<IpAddr>,
}

impl Endpoint {
    /// Whether its agent can do this.
    pub fn can(&self, action: ActionKind) -> bool {
        self.actions.contains(action.id())
    }
}

/// What all chains of an incident share.
#[derive(Clone, Debug, Default)]
pub struct Setting {
    /// The endpoints by their ids.
    pub endpoints: BTreeMap<String, Endpoint>,
    /// Addresses of the gateway, of the server and of whatever must never be blocked.
    pub kept_addresses: Vec<IpAddr>,
    /// Names of the same.
    pub kept_names: Vec<String>,
    /// Contents that packages bring, by their SHA-256 (lower-case hex), as far as they are known.
    pub packaged: BTreeSet<String>,
    /// On how many endpoints of the tenant a content was seen, by its SHA-256 (lower-case hex), where that is known.
    pub seen_on: BTreeMap<String, u32>,
}

impl Setting {
    /// The endpoint of an id.
    pub fn endpoint(&self, id: &str) -> Option<&Endpoint> {
        self.endpoints.get(id)
    }

    /// Whether a content is a package's, as far as a chain or the server knows: then a hash accuses nobody.
    pub fn is_packaged(&self, view: &View<'_>, sha256: &[u8]) -> bool {
        !sha256.is_empty()
            && (view.packaged.contains_key(sha256) || self.packaged.contains(&text::hex(sha256)))
    }

    /// Its name, as a sentence shows it; its id where it has none.
    pub fn name_of(&self, id: &str) -> String {
        let name = self.endpoint(id).map_or(id, |endpoint| &endpoint.name);
        text::shown(if name.is_empty() { id } else { name }.as_bytes(), text::NAME)
    }
}

/// Something said of an action, for programs and for people.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Told {
    /// A stable code.
    pub code: &'static str,
    /// One sentence without its full stop.
    pub text: String,
}

impl Told {
    /// A code and its sentence.
    pub fn new(code: &'static str, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }
}
