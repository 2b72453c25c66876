//! `POST /library/{kind}`, and what both ways of adding share.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use quell_catalog::library::Kind;
use quell_store::{Error, Tx, audit, library};
use quell_wire::digest::{hex, sha256};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use super::{LibraryVersion, kind};
use crate::api::body::{Json, JsonUpTo, created};
use crate::api::query::Name;
use crate::api::route::{Route, permit};
use crate::api::{ROOT, text};
use crate::auth::{Caller, Permission};
use crate::library::{self as check, Said};
use crate::problem::{Code, Problem};
use crate::state::App;

/// 1 MiB.
const MOST_BYTES: usize = 1 << 20;
/// A body of 1 MiB may grow in JSON: escapes take up to six bytes.
const MOST_JSON: usize = 6 * MOST_BYTES + (16 << 10);

pub(super) fn route() -> Route {
    permit(Permission::LibraryWrite, routes!(add_to_library))
}

/// Something for the library, or a new version of it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewVersion {
    /// Its name: letters, digits, `.`, `_` and `-`, at most 100.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    name: String,
    /// The body, at most 1 MiB of UTF-8. Larger ones, and those that are no text, are uploaded as they are.
    body: String,
    /// What it is for. Kept from the first version.
    #[serde(default)]
    #[schema(max_length = 1000)]
    description: String,
    /// Why this version is added.
    #[serde(default)]
    #[schema(max_length = 1000)]
    note: String,
    /// What runs a script: `bash`, `sh`, `python` or `powershell`. Scripts alone have one.
    #[serde(default)]
    interpreter: Option<String>,
}

/// What is added, however it came.
pub(super) struct Addition {
    pub kind: Kind,
    pub name: String,
    pub body: Bytes,
    pub description: String,
    pub note: String,
    pub said: Said,
}

/// Add to the library
///
/// The first body under a name makes the item; another body makes its next version; a body that the library has under
/// this name already changes nothing. The body is checked for what it is, and refused with the line and column of each
/// fault.
#[utoipa::path(post, path = "/library/{kind}", tag = "library", params(("kind" = String, Path)),
    request_body = NewVersion, responses(
    (status = 201, body = LibraryVersion),
    (status = 200, description = "The library has this body under this name already", body = LibraryVersion)))]
pub(super) async fn add_to_library(
    State(app): State<App>,
    caller: Caller,
    Name(of): Name,
    JsonUpTo(wanted): JsonUpTo<NewVersion, MOST_JSON>,
) -> Result<Response, Problem> {
    let NewVersion { name, body, description, note, interpreter } = wanted;
    if body.len() > MOST_BYTES {
        return Err(Problem::bad_field("body", "must have 1 byte to 1 MiB here; larger ones are uploaded"));
    }
    let kind = kind(&of)?;
    let said = Said { interpreter };
    add(&app, caller, Addition { kind, name, body: body.into(), description, note, said }).await
}

/// Checks it and adds it.
pub(super) async fn add(app: &App, caller: Caller, wanted: Addition) -> Result<Response, Problem> {
    check_name(&wanted.name)?;
    if wanted.kind == Kind::Script && wanted.said.interpreter.is_none() {
        return Err(Problem::bad_field("interpreter", "a script says what runs it"));
    }
    let description = text::bounded("description", &wanted.description, 1000)?;
    let note = text::bounded("note", &wanted.note, 1000)?;
    let facts = check::checked(wanted.kind, &wanted.said, wanted.body.clone()).await?;
    let now = app.now();
    let (kind, name) = (wanted.kind.as_str(), wanted.name.clone());
    let (is_new, version) =
        app.store.write(move |tx| write(tx, &caller, &wanted, (&description, &note), &facts, now)).await?;
    let location = format!("{ROOT}/library/{kind}/{name}/versions/{}", version.version);
    let view = LibraryVersion::of(&name, version, None);
    Ok(if is_new { created(&location, view) } else { Json(view).into_response() })
}

fn check_name(name: &str) -> Result<(), Problem> {
    let named = !name.is_empty()
        && name.len() <= 100
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if named {
        return Ok(());
    }
    Err(Problem::bad_field(
        "name",
        "must be letters, digits, `.`, `_`, `-`, at most 100, beginning with a letter or digit",
    ))
}

/// What went wrong within the transaction.
enum Failed {
    Store(Error),
    /// The same body is in the library under another name.
    Elsewhere(String),
    /// A kit of nobody who is known here.
    Foreign(String),
    /// The item takes no version.
    Closed(&'static str),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl From<Failed> for Problem {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Store(error) => error.into(),
            Failed::Elsewhere(name) => {
                Self::new(Code::Conflict, format!("the library has the same body already, as {name}"))
                    .hint("Use that: orders name a body by its digest, so it is in the library once.")
            }
            Failed::Foreign(why) => foreign(why),
            Failed::Closed(why) => Self::new(Code::Conflict, why),
        }
    }
}

/// A kit that nobody known here has signed.
pub(super) fn foreign(why: String) -> Problem {
    Problem::bad_field("body", why)
        .hint("An administrator registers keys whose kits are taken: `quell kit trust NAME PUBLIC`.")
}

fn write(
    tx: &mut Tx<'_>,
    caller: &Caller,
    wanted: &Addition,
    (description, note): (&str, &str),
    facts: &Value,
    now: i64,
) -> Result<(bool, library::Version), Failed> {
    let (tenant, kind) = (caller.tenant, wanted.kind.as_str());
    if let Some(why) = check::kit::foreign(tx, tenant, wanted.kind, facts)? {
        return Err(Failed::Foreign(why));
    }
    let digest = sha256(&[&wanted.body]);
    let known = library::by_name(tx, tenant, kind, &wanted.name)?;
    if let Some(version) = library::by_digest(tx, tenant, kind, &digest)? {
        let has = serde_json::from_str::<Value>(&version.facts).unwrap_or_default();
        if known.is_some_and(|known| known.id == version.item_id) && has == *facts {
            return Ok((false, version));
        }
        let other = library::get(tx, tenant, version.item_id)?.map_or_else(String::new, |other| other.name);
        let runs = has.get("interpreter").and_then(Value::as_str);
        let runs = runs.map(|runs| format!(" ({runs})")).unwrap_or_default();
        return Err(Failed::Elsewhere(format!("{other}@{}{runs}", version.version)));
    }
    let item_id = match known {
        Some(known) if known.built_in => {
            return Err(Failed::Closed("it comes with Quell: add yours under another name"));
        }
        Some(known) if known.archived_at.is_some() => {
            return Err(Failed::Closed("it is archived: put it into use again first"));
        }
        Some(known) => known.id,
        None => {
            let row = library::Item {
                tenant_id: tenant,
                id: Uuid::now_v7(),
                kind: kind.to_owned(),
                name: wanted.name.clone(),
                description: description.to_owned(),
                built_in: false,
                created_at: now,
                archived_at: None,
                archived_by: None,
            };
            library::insert(tx, &row)?;
            row.id
        }
    };
    let mut version = library::Version {
        tenant_id: tenant,
        item_id,
        version: 0,
        kind: kind.to_owned(),
        facts: facts.to_string(),
        note: note.to_owned(),
        size: wanted.body.len() as i64,
        sha256: digest,
        created_by: caller.name().to_owned(),
        created_at: now,
    };
    version.version = library::add_version(tx, &version, &wanted.body)?;
    let detail = json!({
        "kind": kind, "name": wanted.name, "version": version.version, "facts": facts, "size": version.size,
        "sha256": hex(&digest), "note": note,
    });
    audit::append(tx, &caller.record(now, "library.add", "library", &item_id.to_string(), &detail))?;
    Ok((true, version))
}
