//! `/incidents/{id}/notes`: what people write about an incident.

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use quell_store::incident::note as store;
use quell_store::{Tx, audit};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use super::named;
use crate::api::body::{Json, created};
use crate::api::cursor::{List, Page, Turn};
use crate::api::query::{Query, parse_id};
use crate::api::route::{Route, permit};
use crate::api::task::Requester;
use crate::api::{ROOT, time};
use crate::auth::{Caller, Permission};
use crate::problem::{Code, Problem};
use crate::state::App;

/// Characters of a note.
const MOST: usize = 10_000;
/// Notes of one incident.
const NOTES: i64 = 1_000;

pub(super) fn list_route() -> Route {
    permit(Permission::IncidentRead, routes!(list_incident_notes))
}

pub(super) fn add_route() -> Route {
    permit(Permission::IncidentWrite, routes!(add_incident_note))
}

pub(super) fn edit_route() -> Route {
    permit(Permission::IncidentWrite, routes!(edit_incident_note))
}

pub(super) fn remove_route() -> Route {
    permit(Permission::IncidentWrite, routes!(remove_incident_note))
}

/// What somebody wrote about an incident.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Note {
    /// Its id.
    #[schema(format = Uuid)]
    id: String,
    /// Who wrote it.
    author: Requester,
    /// What was written, plain text of several lines.
    body: String,
    /// When.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was changed last.
    #[schema(format = DateTime)]
    edited_at: Option<String>,
    /// It is the caller's own: they may change it and take it away.
    is_own: bool,
}

/// What is to be written.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewNote {
    /// Plain text of several lines.
    #[schema(min_length = 1, max_length = 10_000)]
    body: String,
}

impl Note {
    fn of(row: store::Note, caller: &Caller) -> Self {
        Self {
            is_own: is_own(&row, caller),
            id: row.id.to_string(),
            author: Requester::of(row.author_kind, row.author_id, row.author_name),
            body: row.body,
            created_at: time::text(row.created_at),
            edited_at: time::maybe(row.edited_at),
        }
    }
}

fn is_own(row: &store::Note, caller: &Caller) -> bool {
    row.author_kind == caller.identity.principal.kind() && row.author_id == caller.identity.id.to_string()
}

/// What was written about an incident, newest first
#[utoipa::path(get, path = "/incidents/{id}/notes", tag = "incidents",
    params(("id" = String, Path, description = "Id or number of the incident"), Turn),
    responses((status = 200, body = Page<Note>)))]
pub(super) async fn list_incident_notes(
    State(app): State<App>,
    caller: Caller,
    Path(incident): Path<String>,
    Query(turn): Query<Turn>,
) -> Result<Json<Page<Note>>, Problem> {
    let page = turn.page(List::Notes)?;
    let tenant = caller.tenant;
    let read = app.store.read(move |tx| {
        let incident = named(tx, tenant, &incident)?;
        Ok::<_, Problem>(store::list(tx, tenant, incident.id, page)?)
    });
    let rows = read.await?;
    Ok(Json(Page::of(List::Notes, rows, |row| Note::of(row, &caller))))
}

/// Write about an incident
#[utoipa::path(post, path = "/incidents/{id}/notes", tag = "incidents",
    params(("id" = String, Path, description = "Id or number of the incident")), request_body = NewNote,
    responses((status = 201, body = Note)))]
pub(super) async fn add_incident_note(
    State(app): State<App>,
    caller: Caller,
    Path(incident): Path<String>,
    Json(wanted): Json<NewNote>,
) -> Result<Response, Problem> {
    let (body, now) = (checked(&wanted.body)?, app.now());
    let write = app.store.write(move |tx| {
        let incident = named(tx, caller.tenant, &incident)?;
        if store::count(tx, caller.tenant, incident.id)? >= NOTES {
            return Err(Problem::new(
                Code::Conflict,
                format!("the incident has {NOTES} notes, as many as one may"),
            ));
        }
        let row = store::Note {
            tenant_id: caller.tenant,
            incident_id: incident.id,
            id: Uuid::now_v7(),
            author_kind: caller.identity.principal.kind().to_owned(),
            author_id: caller.identity.id.to_string(),
            author_name: caller.name().to_owned(),
            body: body.clone(),
            created_at: now,
            edited_at: None,
        };
        store::insert(tx, &row)?;
        record(tx, &caller, &row, "incident_note.add", now)?;
        Ok(((caller.clone(), incident), row))
    });
    let ((caller, incident), row) = write.await?;
    super::tell(&app, &incident);
    let location = format!("{ROOT}/incidents/{}/notes/{}", incident.id, row.id);
    Ok(created(&location, Note::of(row, &caller)))
}

/// Change a note of one's own
#[utoipa::path(patch, path = "/incidents/{id}/notes/{note}", tag = "incidents",
    params(("id" = String, Path, description = "Id or number of the incident"), ("note" = Uuid, Path)),
    request_body = NewNote, responses((status = 200, body = Note)))]
pub(super) async fn edit_incident_note(
    State(app): State<App>,
    caller: Caller,
    Path((incident, note)): Path<(String, String)>,
    Json(wanted): Json<NewNote>,
) -> Result<Json<Note>, Problem> {
    let (body, now) = (checked(&wanted.body)?, app.now());
    let write = app.store.write(move |tx| {
        let row = own(tx, &caller, &incident, &note)?;
        store::edit(tx, (caller.tenant, row.incident_id), row.id, &body, now)?;
        let after = store::Note { body: body.clone(), edited_at: Some(now), ..row };
        record(tx, &caller, &after, "incident_note.edit", now)?;
        Ok::<_, Problem>(Note::of(after, &caller))
    });
    write.await.map(Json)
}

/// Take away a note of one's own
#[utoipa::path(delete, path = "/incidents/{id}/notes/{note}", tag = "incidents",
    params(("id" = String, Path, description = "Id or number of the incident"), ("note" = Uuid, Path)),
    responses((status = 204)))]
pub(super) async fn remove_incident_note(
    State(app): State<App>,
    caller: Caller,
    Path((incident, note)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let now = app.now();
    let write = app.store.write(move |tx| {
        let row = own(tx, &caller, &incident, &note)?;
        store::remove(tx, caller.tenant, row.incident_id, row.id)?;
        record(tx, &caller, &row, "incident_note.remove", now)
    });
    write.await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The caller's own note of this id.
fn own(tx: &mut Tx<'_>, caller: &Caller, incident: &str, note: &str) -> Result<store::Note, Problem> {
    let incident = named(tx, caller.tenant, incident)?;
    let absent = || Problem::not_found("note");
    let id = parse_id(note).ok_or_else(absent)?;
    let row = store::get(tx, caller.tenant, incident.id, id)?.ok_or_else(absent)?;
    if is_own(&row, caller) {
        return Ok(row);
    }
    Err(Problem::new(
        Code::Forbidden,
        format!("{} wrote this note, and nobody else changes it", row.author_name),
    )
    .hint("Write a note of your own."))
}

/// The trail keeps the words: a note that is changed or taken away is not lost.
fn record(tx: &mut Tx<'_>, caller: &Caller, row: &store::Note, verb: &str, now: i64) -> Result<(), Problem> {
    let detail = json!({ "note": row.id, "body": row.body });
    Ok(audit::append(tx, &caller.record(now, verb, "incident", &row.incident_id.to_string(), &detail))?)
}

/// Several lines of clean text.
fn checked(body: &str) -> Result<String, Problem> {
    let body = body.replace("\r\n", "\n");
    let body = body.trim();
    if body.is_empty() {
        return Err(Problem::bad_field("body", "must not be empty"));
    }
    if body.chars().count() > MOST {
        return Err(Problem::bad_field("body", format!("longer than {MOST} characters")));
    }
    let is_clean = body.split(['\n', '\t']).all(quell_catalog::is_clean_text);
    if !is_clean {
        return Err(Problem::bad_field("body", "contains control characters"));
    }
    Ok(body.to_owned())
}
