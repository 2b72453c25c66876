//! An endpoint as lists show it: a few words, so that a thousand of them are a small answer.

use quell_store::endpoint;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::api::export::Cells;
use crate::api::time;
use crate::state::Inner;

/// Addresses and people that a row names.
const ADDRESSES: usize = 2;
const PEOPLE: usize = 3;
/// Characters of a text that an agent says.
const TEXT: usize = 80;

/// An endpoint in a few words.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EndpointRow {
    /// Its id.
    #[schema(format = Uuid)]
    id: String,
    /// What people call it.
    name: String,
    /// `active` or `revoked`.
    state: String,
    /// Its agent holds a session now.
    connected: bool,
    /// Whether it is isolated.
    isolated: bool,
    /// What a person should look at; absent where there is nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    alarm: Option<String>,
    /// `linux`, `windows` or `macos`.
    os: String,
    /// Name and version of the system, as it calls itself: `Debian GNU/Linux 12`.
    system: String,
    /// The first of its addresses, those first that reach far.
    addresses: Vec<String>,
    /// The first of those who were logged on when its agent last said so; absent where nobody was.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    logged_on: Vec<String>,
    /// Tags, set by people.
    tags: Vec<String>,
    /// Version of its agent.
    agent_version: String,
    /// When it was last heard, within some seconds.
    #[schema(format = DateTime)]
    last_seen_at: Option<String>,
    /// When it was enrolled.
    #[schema(format = DateTime)]
    enrolled_at: Option<String>,
}

impl EndpointRow {
    /// The view of a row.
    pub fn of(app: &Inner, row: endpoint::Endpoint) -> Self {
        let facts: Value = super::stored_json(&row.facts);
        let word = |key: &str| facts.get(key).and_then(Value::as_str).map(clip).unwrap_or_default();
        Self {
            connected: app.is_connected(row.id),
            id: row.id.to_string(),
            name: row.name,
            state: row.state,
            isolated: row.isolation.is_some(),
            alarm: row.alarm,
            os: row.os,
            system: system(&word("os_name"), &word("os_version")),
            addresses: addresses(&facts),
            logged_on: texts(&facts, "logged_on").take(PEOPLE).map(clip).collect(),
            tags: serde_json::from_str(&row.tags).unwrap_or_default(),
            agent_version: row.agent_version,
            last_seen_at: row.last_seen_at.map(time::seconds),
            enrolled_at: Some(time::seconds(row.enrolled_at)),
        }
    }

    /// The same for somebody who may not read endpoints: what they named, and no more.
    pub fn named_only(self) -> Self {
        Self {
            alarm: None,
            system: String::new(),
            addresses: Vec::new(),
            logged_on: Vec::new(),
            tags: Vec::new(),
            last_seen_at: None,
            enrolled_at: None,
            ..self
        }
    }
}

/// A name that says its version already is not followed by it once more.
fn system(name: &str, version: &str) -> String {
    if name.contains(version) { name.to_owned() } else { format!("{name} {version}").trim().to_owned() }
}

fn texts<'a>(facts: &'a Value, key: &str) -> impl Iterator<Item = &'a str> {
    facts.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn clip(text: &str) -> String {
    text.chars().take(TEXT).collect()
}

/// What reaches far goes first; of what reaches its own link alone (RFC 3927, RFC 4291) nothing is told.
fn addresses(facts: &Value) -> Vec<String> {
    let is_link_local =
        |text: &&str| text.starts_with("169.254.") || text.to_ascii_lowercase().starts_with("fe80:");
    let mut told: Vec<&str> = texts(facts, "addresses").filter(|text| !is_link_local(text)).collect();
    told.sort_by_key(|text| text.contains(':'));
    told.into_iter().take(ADDRESSES).map(clip).collect()
}

impl Cells for EndpointRow {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "name",
        "state",
        "connected",
        "isolated",
        "alarm",
        "os",
        "system",
        "addresses",
        "logged_on",
        "tags",
        "agent_version",
        "last_seen_at",
        "enrolled_at",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            self.name.clone(),
            self.state.clone(),
            self.connected.to_string(),
            self.isolated.to_string(),
            self.alarm.clone().unwrap_or_default(),
            self.os.clone(),
            self.system.clone(),
            self.addresses.join(" "),
            self.logged_on.join(" "),
            self.tags.join(" "),
            self.agent_version.clone(),
            self.last_seen_at.clone().unwrap_or_default(),
            self.enrolled_at.clone().unwrap_or_default(),
        ]
    }
}
