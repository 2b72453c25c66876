//! `GET` and `PUT /approval-policy/lists/{list}`: endpoints by CSV, pinned by id when they are imported.
//!
//! Endpoints name themselves, so a name on a list would be a promise of whoever names a machine. What stands on a list
//! is the endpoint that bore the name when a person looked.

use axum::extract::State;
use axum::response::IntoResponse;
use bytes::Bytes;
use http::HeaderMap;
use quell_store::{Tx, approval_list, audit, endpoint};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;
use uuid::Uuid;

use super::tag::{self, IfMatch};
use crate::api::body::Json;
use crate::api::query::{Name, Query, parse_id};
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::{Code, Problem};
use crate::state::App;

/// The lists that there are.
pub(super) const LISTS: [&str; 3] = ["except", "only", "protected"];
/// Endpoints on a list.
pub(super) const MOST: usize = 20_000;
/// Lines that are named when they are wrong.
const NAMED: usize = 100;
/// Longest name of an endpoint, bytes.
const LONGEST: usize = 253;
/// What the first line may be called, and is then no endpoint.
const HEADINGS: [&str; 6] = ["endpoint", "endpoints", "name", "hostname", "host", "id"];

pub(super) fn show_route() -> Route {
    permit(Permission::PolicyRead, routes!(show_approval_list))
}

pub(super) fn import_route() -> Route {
    permit(Permission::PolicyManage, routes!(import_approval_list))
}

/// A list of endpoints.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ApprovalList {
    /// `except`, `only` or `protected`.
    list: String,
    /// What stands on it.
    endpoints: Vec<Listed>,
    /// Lines of the import that name no endpoint. Then nothing was changed.
    errors: Vec<LineError>,
    /// Whether the list was replaced.
    is_stored: bool,
}

impl ApprovalList {
    /// Of which endpoints stand on it, and how they were written; what they are called now is their own.
    fn tag(&self) -> Result<String, Problem> {
        let rows: Vec<_> = self.endpoints.iter().map(|row| (&row.id, &row.written)).collect();
        tag::of(&rows)
    }
}

/// An endpoint on a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Listed {
    /// Its id: this is what counts.
    #[schema(format = Uuid)]
    id: String,
    /// What it is called now.
    name: String,
    /// How it was written when it was imported.
    written: String,
}

/// A line that names no endpoint.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LineError {
    /// Which, from 1.
    line: u64,
    /// What stands there.
    text: String,
    /// What is wrong.
    problem: String,
}

/// How to import.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Import {
    /// Only say what the lines stand for, and change nothing.
    #[serde(default)]
    check: bool,
    /// Store what was understood, also when lines were not.
    #[serde(default)]
    skip_errors: bool,
}

/// A list of the approval settings
///
/// `except`: what the settings never approve by themselves. `only`: what they approve where their scope is `selected`.
/// `protected`: what asks for the people of protected targets.
#[utoipa::path(get, path = "/approval-policy/lists/{name}", tag = "approvals", params(("name" = String, Path)),
    responses((status = 200, body = ApprovalList, headers(("ETag" = String, description = "Of what stands on it, for `If-Match`")))))]
pub(super) async fn show_approval_list(
    State(app): State<App>,
    caller: Caller,
    Name(list): Name,
) -> Result<impl IntoResponse, Problem> {
    let list = known(&list)?;
    let view = app.store.read(move |tx| read(tx, caller.tenant, list)).await?;
    Ok((tag::header(&view.tag()?), Json(view)))
}

/// Replace a list of the approval settings
///
/// CSV: the first column of each line is the id of an endpoint, or a name that one active endpoint has now. A heading and
/// empty lines are passed over; an empty body empties the list. Where a line names none, nothing is changed and the lines
/// are named, unless `skip_errors`. With `If-Match` nothing is changed where another list stands there than the one that
/// was read.
#[utoipa::path(put, path = "/approval-policy/lists/{name}", tag = "approvals",
    params(("name" = String, Path), Import,
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the list that is changed")),
    request_body(content = String, content_type = "text/csv"), responses((status = 200, body = ApprovalList)))]
pub(super) async fn import_approval_list(
    State(app): State<App>,
    caller: Caller,
    Name(list): Name,
    Query(import): Query<Import>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<ApprovalList>, Problem> {
    let list = known(&list)?;
    let seen = IfMatch::read(&headers)?;
    let lines = lines(&body)?;
    let now = app.now();
    let view = app.store.write(move |tx| {
        let tenant = caller.tenant;
        let (found, errors) = resolve(tx, tenant, &lines)?;
        let is_stored = !import.check && (errors.is_empty() || import.skip_errors);
        if is_stored {
            seen.check(Some(&read(tx, tenant, list)?.tag()?), "the list")?;
            approval_list::clear(tx, tenant, list)?;
            for (id, _, written) in &found {
                let entry = approval_list::Entry {
                    tenant_id: tenant,
                    list: list.to_owned(),
                    endpoint_id: *id,
                    written: written.clone(),
                    added_at: now,
                };
                approval_list::insert(tx, &entry)?;
            }
            let names: Vec<_> = found.iter().take(NAMED).map(|(id, name, _)| json!([id, name])).collect();
            let detail =
                json!({ "list": list, "endpoints": found.len(), "first": names, "skipped": errors.len() });
            audit::append(tx, &caller.record(now, "approval_list.import", "setting", list, &detail))?;
        }
        let endpoints =
            found.into_iter().map(|(id, name, written)| Listed { id: id.to_string(), name, written });
        Ok::<_, Problem>(ApprovalList {
            list: list.to_owned(),
            endpoints: endpoints.collect(),
            errors,
            is_stored,
        })
    });
    Ok(Json(view.await?))
}

fn known(name: &str) -> Result<&'static str, Problem> {
    LISTS.into_iter().find(|list| *list == name).ok_or_else(|| Problem::not_found("list"))
}

fn read(tx: &mut Tx<'_>, tenant: Uuid, list: &str) -> Result<ApprovalList, quell_store::Error> {
    let mut endpoints = Vec::new();
    for entry in approval_list::all(tx, tenant, list, MOST as i64)? {
        let name = endpoint::get(tx, tenant, entry.endpoint_id)?.map_or_else(String::new, |row| row.name);
        endpoints.push(Listed { id: entry.endpoint_id.to_string(), name, written: entry.written });
    }
    Ok(ApprovalList { list: list.to_owned(), endpoints, errors: Vec::new(), is_stored: true })
}

/// The first column of each line, with the line's number.
fn lines(body: &[u8]) -> Result<Vec<(u64, String)>, Problem> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    // The reader ends a line at the carriage return, and counts at the line feed.
    let body: Vec<u8> = body.iter().copied().filter(|byte| *byte != b'\r').collect();
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(body.as_slice());
    let mut lines = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| {
            Problem::new(Code::InvalidField, format!("the body is not CSV: {error}"))
                .field(".", "not CSV in UTF-8")
        })?;
        let number = record.position().map_or(0, csv::Position::line);
        let text = record.get(0).unwrap_or_default();
        let is_heading = lines.is_empty() && number == 1 && HEADINGS.contains(&text.to_lowercase().as_str());
        if text.is_empty() || is_heading {
            continue;
        }
        if lines.len() == MOST {
            return Err(Problem::bad_field(".", format!("more than {MOST} endpoints")));
        }
        lines.push((number, text.to_owned()));
    }
    Ok(lines)
}

type Resolved = (Vec<(Uuid, String, String)>, Vec<LineError>);

/// What the lines stand for now: id, name, and how it was written.
fn resolve(tx: &mut Tx<'_>, tenant: Uuid, lines: &[(u64, String)]) -> Result<Resolved, quell_store::Error> {
    let (mut found, mut errors) = (Vec::new(), Vec::new());
    let mut seen = std::collections::HashSet::new();
    for (line, text) in lines {
        let ids = match parse_id(text) {
            Some(id) => vec![id],
            None if text.len() <= LONGEST => endpoint::by_name(tx, tenant, text)?,
            None => Vec::new(),
        };
        let row = match ids.as_slice() {
            [one] => endpoint::get(tx, tenant, *one)?
                .filter(|row| row.state == "active")
                .ok_or("no active endpoint"),
            [] => Err("no active endpoint has this name"),
            _ => Err("several active endpoints have this name: use the id of the one that is meant"),
        };
        match row {
            Ok(row) if seen.insert(row.id) => found.push((row.id, row.name, text.clone())),
            Err(problem) if errors.len() < NAMED => errors.push(LineError {
                line: *line,
                text: text.chars().filter(|c| !c.is_control()).take(80).collect(),
                problem: problem.to_owned(),
            }),
            Ok(_) | Err(_) => {}
        }
    }
    Ok((found, errors))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_first_column_counts_and_a_heading_does_not() {
        let body = b"\xef\xbb\xbfHostname,comment\r\nweb-1,\"the, shop\"\r\n\r\n\" db-1 \"\nname\n";
        let lines = lines(body).unwrap();
        let texts: Vec<&str> = lines.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, ["web-1", "db-1", "name"]);
        assert_eq!(lines[0].0, 2);
        assert!(super::lines(b"").unwrap().is_empty());
        assert!(super::lines(b"\xff\xfe").is_err());
        assert!(super::lines("x\n".repeat(MOST + 1).as_bytes()).is_err());
    }
}
