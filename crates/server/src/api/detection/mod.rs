//! What was detected, as the API shows it: the rows of the Events section.

pub(super) mod list;
mod show;

use quell_incident::text::hex;
use quell_store::{Error, Tx, detection, endpoint, incident};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::export::Cells;
use super::route::Route;
use super::time;
use crate::incident::word;

/// The routes of detections.
pub(crate) fn routes() -> Vec<Route> {
    vec![list::route(), show::route()]
}

/// Something that was detected: by an agent of ours, or by another product.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Detection {
    /// Its id.
    #[schema(format = Uuid)]
    id: String,
    /// `endpoint` for what an agent detected, `product` for what another product told.
    origin: String,
    /// What found it: `block_list`, `yara`, `behaviour`, `asked`; or the product: `falco`, `wazuh`, `suricata` …
    source: String,
    /// What its source calls it.
    source_id: String,
    /// Id of the rule.
    rule: String,
    /// What happened, in a line.
    title: String,
    /// `informational`, `low`, `medium`, `high` or `critical`.
    severity: &'static str,
    /// `detected`, `prevented` or `not_prevented`; `null` where the source does not say.
    verdict: Option<String>,
    /// Techniques of ATT&CK.
    techniques: Vec<String>,
    /// When it happened.
    #[schema(format = DateTime)]
    at: String,
    /// The time as its source told it, where that could not be; else `null`.
    #[schema(format = DateTime)]
    told_at: Option<String>,
    /// When it came here.
    #[schema(format = DateTime)]
    received_at: String,
    /// Where it happened.
    endpoint: Option<Named>,
    /// What a product says of where it happened.
    endpoint_hint: Option<String>,
    /// The incident that it belongs to.
    incident: Option<Numbered>,
    /// Why it belongs to that one, where it joined others.
    joined: Option<String>,
    /// The chain that was built for it.
    #[schema(format = Uuid)]
    chain: Option<String>,
    /// The key activity event of that chain.
    activity: Option<i64>,
    /// An agent's protection registered it and built a chain: response actions are offered.
    is_edr: bool,
    /// Path of what was detected.
    path: Option<String>,
    /// The same as hex of its bytes, where it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    path_hex: Option<String>,
    /// SHA-256 of what was detected.
    sha256: Option<String>,
    /// As whom it was done.
    user: Option<String>,
    /// A sentence of who found it.
    note: Option<String>,
}

/// Something by its id and name.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Named {
    /// Its id.
    #[schema(format = Uuid)]
    pub id: String,
    /// Its name now.
    pub name: String,
}

/// An incident by its id and number.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Numbered {
    /// Its id.
    #[schema(format = Uuid)]
    pub id: String,
    /// What people call it.
    pub number: i64,
}

impl Named {
    /// The endpoint with this id.
    pub fn endpoint(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid) -> Result<Self, Error> {
        let name = endpoint::get(tx, tenant, id)?.map_or_else(String::new, |row| row.name);
        Ok(Self { id: id.to_string(), name })
    }
}

impl Numbered {
    /// The incident with this id.
    pub fn read(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid) -> Result<Option<Self>, Error> {
        let row = incident::get(tx, tenant, id)?;
        Ok(row.map(|row| Self { id: id.to_string(), number: row.number }))
    }
}

/// Bytes as text, and as hex where they are not UTF-8.
pub(crate) fn text(bytes: &[u8]) -> (String, Option<String>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), None),
        Err(_) => (String::from_utf8_lossy(bytes).into_owned(), Some(hex(bytes))),
    }
}

/// Text, where there is any.
pub(crate) fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

impl Detection {
    /// The view of a row.
    pub fn read(tx: &mut Tx<'_>, row: detection::Detection) -> Result<Self, Error> {
        let endpoint = row.endpoint_id.map(|id| Named::endpoint(tx, row.tenant_id, id)).transpose()?;
        let incident = match row.incident_id {
            Some(id) => Numbered::read(tx, row.tenant_id, id)?,
            None => None,
        };
        let (path, path_hex) = row.path.as_deref().map(text).unzip();
        Ok(Self {
            id: row.id.to_string(),
            origin: row.origin,
            source: row.source,
            source_id: row.source_id,
            rule: row.rule,
            title: row.title,
            severity: word::severity(row.severity),
            verdict: row.verdict,
            techniques: serde_json::from_str(&row.techniques).unwrap_or_default(),
            at: time::text(row.at),
            told_at: (row.told_at != row.at).then(|| time::text(row.told_at)).and_then(some),
            received_at: time::text(row.received_at),
            endpoint,
            endpoint_hint: row.hint,
            incident,
            joined: row.joined,
            is_edr: row.chain_id.is_some(),
            chain: row.chain_id.map(|id| id.to_string()),
            activity: row.activity,
            path,
            path_hex: path_hex.flatten(),
            sha256: row.sha256.as_deref().map(hex),
            user: row.user_name,
            note: some(row.note),
        })
    }
}

impl Cells for Detection {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "at",
        "origin",
        "source",
        "severity",
        "verdict",
        "title",
        "rule",
        "techniques",
        "endpoint",
        "endpoint_hint",
        "incident",
        "user",
        "path",
        "sha256",
        "note",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            self.at.clone(),
            self.origin.clone(),
            self.source.clone(),
            self.severity.to_owned(),
            self.verdict.clone().unwrap_or_default(),
            self.title.clone(),
            self.rule.clone(),
            self.techniques.join(" "),
            self.endpoint.as_ref().map(|endpoint| endpoint.name.clone()).unwrap_or_default(),
            self.endpoint_hint.clone().unwrap_or_default(),
            self.incident.as_ref().map(|incident| incident.number.to_string()).unwrap_or_default(),
            self.user.clone().unwrap_or_default(),
            self.path.clone().unwrap_or_default(),
            self.sha256.clone().unwrap_or_default(),
            self.note.clone().unwrap_or_default(),
        ]
    }
}
