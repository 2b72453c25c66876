//! The library, as the API shows it: items of several kinds, their versions, and the bodies that orders name by digest.

mod add;
mod change;
mod check;
mod content;
mod list;
mod named;
mod show;
mod upload;
mod version;

use quell_catalog::library::Kind;
use quell_store::{Error, Tx, library};
use quell_wire::digest::hex;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::export::Cells;
use super::route::Route;
use super::time;
use crate::problem::Problem;

/// The routes of the library.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        list::route(),
        add::route(),
        check::route(),
        named::route(),
        show::route(),
        change::route(),
        upload::route(),
        version::route(),
        content::route(),
    ]
}

/// The kind that a path names; what is none names nothing.
fn kind(name: &str) -> Result<Kind, Problem> {
    Kind::from_name(name).ok_or_else(|| {
        let kinds: Vec<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
        Problem::not_found("kind of the library").hint(format!("The kinds are {}.", kinds.join(", ")))
    })
}

fn item(tx: &mut Tx<'_>, tenant: Uuid, kind: Kind, name: &str) -> Result<library::Item, Error> {
    library::by_name(tx, tenant, kind.as_str(), name)?.ok_or(Error::NotFound("item of the library"))
}

/// Something of the library.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LibraryItem {
    /// What it is: `script`, `yara`, `query`, `evidence`, `kit`, `indicators` or `sigma`.
    kind: String,
    /// Its name, unique among those of its kind.
    name: String,
    /// What it is for.
    description: String,
    /// It came with Quell: versions of it come with newer programs.
    built_in: bool,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was archived: no new task names it since, and pickers leave it out.
    #[schema(format = DateTime)]
    archived_at: Option<String>,
    /// By whom.
    archived_by: Option<String>,
    /// Its newest version.
    latest: Option<LibraryVersion>,
    /// All its versions, newest first; only where one item is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    versions: Option<Vec<LibraryVersion>>,
}

/// One version. Versions are added, never changed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LibraryVersion {
    /// What it is.
    kind: String,
    /// The item.
    name: String,
    /// From 1 upward.
    version: i64,
    /// What is known of the body: `interpreter` of a script, `title` of a query, counts of what is in it.
    #[schema(value_type = Object)]
    facts: Value,
    /// Why it was added.
    note: String,
    /// Bytes.
    size: i64,
    /// SHA-256 of the body, lower-case hex. Orders name it by this.
    sha256: String,
    /// Who added it.
    created_by: String,
    /// When.
    #[schema(format = DateTime)]
    created_at: String,
    /// The body itself; only where one version is asked for whose body is text of at most 1 MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
}

impl LibraryVersion {
    fn of(name: &str, row: library::Version, body: Option<String>) -> Self {
        Self {
            kind: row.kind,
            name: name.to_owned(),
            version: row.version,
            facts: serde_json::from_str(&row.facts).unwrap_or_default(),
            note: row.note,
            size: row.size,
            sha256: hex(&row.sha256),
            created_by: row.created_by,
            created_at: time::text(row.created_at),
            body,
        }
    }
}

impl LibraryItem {
    fn of(row: library::Item, latest: Option<library::Version>) -> Self {
        let latest = latest.map(|version| LibraryVersion::of(&row.name, version, None));
        Self {
            kind: row.kind,
            name: row.name,
            description: row.description,
            built_in: row.built_in,
            created_at: time::text(row.created_at),
            archived_at: time::maybe(row.archived_at),
            archived_by: row.archived_by,
            latest,
            versions: None,
        }
    }

    /// With all versions.
    fn whole(row: library::Item, versions: Vec<library::Version>) -> Self {
        let name = row.name.clone();
        let mut item = Self::of(row, versions.first().cloned());
        item.versions =
            Some(versions.into_iter().map(|version| LibraryVersion::of(&name, version, None)).collect());
        item
    }
}

impl Cells for LibraryItem {
    const COLUMNS: &'static [&'static str] =
        &["kind", "name", "description", "created_at", "archived_at", "latest_version", "latest_sha256"];

    fn cells(&self) -> Vec<String> {
        let latest = self.latest.as_ref();
        vec![
            self.kind.clone(),
            self.name.clone(),
            self.description.clone(),
            self.created_at.clone(),
            self.archived_at.clone().unwrap_or_default(),
            latest.map(|version| version.version.to_string()).unwrap_or_default(),
            latest.map(|version| version.sha256.clone()).unwrap_or_default(),
        ]
    }
}
