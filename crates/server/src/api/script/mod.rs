//! The library of scripts, as the API shows it.

mod add;
mod list;
mod show;
mod version;

use quell_store::script;
use quell_wire::digest::hex;
use serde::Serialize;
use utoipa::ToSchema;

use super::export::Cells;
use super::route::Route;
use super::time;

/// The routes of the library.
pub(crate) fn routes() -> Vec<Route> {
    vec![add::route(), list::route(), show::route(), version::route()]
}

/// A script of the library.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Script {
    /// Its name.
    name: String,
    /// What it is for.
    description: String,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// Its versions, newest first, without bodies.
    versions: Vec<ScriptVersion>,
}

/// One version of a script. Versions are added, never changed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ScriptVersion {
    /// The script.
    name: String,
    /// From 1 upward.
    version: i64,
    /// What runs it: `bash`, `sh`, `python` or `powershell`.
    interpreter: String,
    /// Bytes.
    size: i64,
    /// SHA-256 of the body, lower-case hex. Orders name the script by it.
    sha256: String,
    /// Who added it.
    created_by: String,
    /// When.
    #[schema(format = DateTime)]
    created_at: String,
    /// The script itself; only where one version is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
}

impl ScriptVersion {
    fn of(name: &str, row: script::Version, with_body: bool) -> Self {
        Self {
            name: name.to_owned(),
            version: row.version,
            interpreter: row.interpreter,
            size: row.size,
            sha256: hex(&row.sha256),
            created_by: row.created_by,
            created_at: time::text(row.created_at),
            body: with_body.then(|| String::from_utf8_lossy(&row.body).into_owned()),
        }
    }
}

impl Script {
    fn of(row: script::Script, versions: Vec<script::Version>) -> Self {
        let versions =
            versions.into_iter().map(|version| ScriptVersion::of(&row.name, version, false)).collect();
        Self {
            name: row.name,
            description: row.description,
            created_at: time::text(row.created_at),
            versions,
        }
    }
}

impl Cells for Script {
    const COLUMNS: &'static [&'static str] =
        &["name", "description", "created_at", "latest_version", "latest_sha256"];

    fn cells(&self) -> Vec<String> {
        let latest = self.versions.first();
        vec![
            self.name.clone(),
            self.description.clone(),
            self.created_at.clone(),
            latest.map(|version| version.version.to_string()).unwrap_or_default(),
            latest.map(|version| version.sha256.clone()).unwrap_or_default(),
        ]
    }
}
