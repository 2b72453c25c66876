//! `POST /scripts`.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use quell_catalog::endpoint::run_script::Interpreter;
use quell_store::{Error, Tx, audit, script};
use quell_wire::digest::{hex, sha256};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use super::ScriptVersion;
use crate::api::body::{Json, JsonUpTo, created};
use crate::api::route::{Route, permit};
use crate::api::{ROOT, text};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

/// 1 MiB.
const MOST_BYTES: usize = 1 << 20;
/// A body of 1 MiB may grow in JSON: escapes take up to six bytes.
const MOST_JSON: usize = 6 * MOST_BYTES + (16 << 10);

pub(super) fn route() -> Route {
    permit(Permission::ScriptWrite, routes!(add_script))
}

/// A script, or a new version of one.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewScript {
    /// Its name: letters, digits, `.`, `_` and `-`, at most 100.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    name: String,
    /// What runs it: `bash`, `sh`, `python` or `powershell`.
    #[schema(value_type = String)]
    interpreter: Interpreter,
    /// The script, at most 1 MiB of UTF-8.
    body: String,
    /// What it is for. Kept from the first version.
    #[serde(default)]
    #[schema(max_length = 1000)]
    description: String,
}

/// Add a script to the library
///
/// The first body under a name makes the script; another body makes its next version; a body that the library has
/// under this name already changes nothing.
#[utoipa::path(post, path = "/scripts", tag = "library", request_body = NewScript, responses(
    (status = 201, body = ScriptVersion),
    (status = 200, description = "The library has this body under this name already", body = ScriptVersion)))]
pub(super) async fn add_script(
    State(app): State<App>,
    caller: Caller,
    JsonUpTo(wanted): JsonUpTo<NewScript, MOST_JSON>,
) -> Result<Response, Problem> {
    check(&wanted)?;
    let description = text::bounded("description", &wanted.description, 1000)?;
    let now = app.now();
    let name = wanted.name.clone();
    let (is_new, version) = app.store.write(move |tx| add(tx, &caller, &wanted, &description, now)).await?;
    let location = format!("{ROOT}/scripts/{name}/versions/{}", version.version);
    let view = ScriptVersion::of(&name, version, false);
    Ok(if is_new { created(&location, view) } else { Json(view).into_response() })
}

fn check(wanted: &NewScript) -> Result<(), Problem> {
    let named = !wanted.name.is_empty()
        && wanted.name.len() <= 100
        && wanted.name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && wanted.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if !named {
        return Err(Problem::bad_field(
            "name",
            "must be letters, digits, `.`, `_`, `-`, at most 100, beginning with a letter or digit",
        ));
    }
    if wanted.body.is_empty() || wanted.body.len() > MOST_BYTES {
        return Err(Problem::bad_field("body", "must have 1 byte to 1 MiB"));
    }
    if wanted.body.contains('\0') {
        return Err(Problem::bad_field("body", "contains NUL"));
    }
    Ok(())
}

/// What went wrong within the transaction.
enum Failed {
    Store(Error),
    /// The same body is in the library under another name.
    Elsewhere(String),
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
            Failed::Elsewhere(name) => Self::new(
                crate::problem::Code::Conflict,
                format!("the library has the same body already, as {name}"),
            )
            .hint("Use that script: orders name a body by its digest, so it is in the library once."),
        }
    }
}

fn add(
    tx: &mut Tx<'_>,
    caller: &Caller,
    wanted: &NewScript,
    description: &str,
    now: i64,
) -> Result<(bool, script::Version), Failed> {
    let tenant = caller.tenant;
    let digest = sha256(&[wanted.body.as_bytes()]);
    let known = script::by_name(tx, tenant, &wanted.name)?;
    if let Some(version) = script::by_digest(tx, tenant, &digest)? {
        if known.is_some_and(|known| known.id == version.script_id)
            && version.interpreter == wanted.interpreter.as_str()
        {
            return Ok((false, version));
        }
        let other = script::get(tx, tenant, version.script_id)?.map_or_else(String::new, |other| other.name);
        return Err(Failed::Elsewhere(format!("{other}@{} ({})", version.version, version.interpreter)));
    }
    let script_id = if let Some(known) = known {
        known.id
    } else {
        let row = script::Script {
            tenant_id: tenant,
            id: Uuid::now_v7(),
            name: wanted.name.clone(),
            description: description.to_owned(),
            created_at: now,
        };
        script::insert(tx, &row)?;
        row.id
    };
    let mut version = script::Version {
        tenant_id: tenant,
        script_id,
        version: 0,
        interpreter: wanted.interpreter.as_str().to_owned(),
        size: wanted.body.len() as i64,
        body: wanted.body.clone().into_bytes(),
        sha256: digest,
        created_by: caller.name().to_owned(),
        created_at: now,
    };
    version.version = script::add_version(tx, &version)?;
    let detail = serde_json::json!({
        "name": wanted.name, "version": version.version, "interpreter": version.interpreter,
        "size": version.size, "sha256": hex(&digest),
    });
    audit::append(tx, &caller.record(now, "script.add", "script", &script_id.to_string(), &detail))?;
    Ok((true, version))
}
