//! `GET /tasks/{id}/rows`.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, header};
use quell_access::Reach;
use quell_catalog::rows::ColumnType;
use quell_store::{Error, audit, task};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;
use uuid::Uuid;

use crate::api::body::Json;
use crate::api::export::{Format, cell};
use crate::api::query::{Id, Listing, looked_for, parse_id};
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::{Code, Problem};
use crate::rows::merge::{Found, Merged, Position, Source, Wanted, page};
use crate::rows::words;
use crate::state::App;

/// Rows of a page, unless the request says otherwise.
const DEFAULT: u32 = 100;
/// Most rows of a page, and those of an export's steps.
const MOST: u32 = 1000;
/// What a cursor begins with; no other list has it.
const CURSOR: u8 = 0xd0;

pub(super) fn route() -> Route {
    permit(Permission::TaskRead, routes!(list_task_rows))
}

/// Which rows.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    /// Of this command alone.
    command: Option<String>,
    /// With this in any value, in upper or lower case.
    #[param(max_length = 200)]
    text: Option<String>,
    /// With this value in this column, `column=value`, in upper or lower case.
    #[param(rename = "where", max_length = 1000)]
    #[serde(rename = "where")]
    column: Option<String>,
}

/// Rows that the commands of a task found.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TaskRows {
    /// Columns of the rows of this page, in the order in which they are shown.
    columns: Vec<RowColumn>,
    /// The rows, in the order of the task's targets.
    items: Vec<TaskRow>,
    /// Give this as `cursor` for the next page; `null` on the last. A page may hold fewer rows than asked for, or none, and
    /// still be followed by another.
    next: Option<String>,
    /// The commands that this page looked at.
    commands: Vec<RowsOfCommand>,
}

/// A column.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RowColumn {
    /// Its name: the key in each row.
    name: String,
    /// `text`, `integer`, `real` or `blob` (lower-case hex).
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    kind: ColumnType,
}

/// One row.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TaskRow {
    /// Its place, the same as long as the task is kept.
    key: String,
    /// Where it was found: the endpoint's name now.
    endpoint: String,
    /// The endpoint.
    #[schema(format = Uuid)]
    endpoint_id: String,
    /// By which command.
    #[schema(format = Uuid)]
    command_id: String,
    /// Its values by the names of the columns.
    #[schema(value_type = Object)]
    row: Map<String, Value>,
}

/// What is known of the rows of one command.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RowsOfCommand {
    /// The command.
    #[schema(format = Uuid)]
    command_id: String,
    /// Its endpoint.
    #[schema(format = Uuid)]
    endpoint_id: String,
    /// That endpoint's name now.
    endpoint: String,
    /// The command's state.
    state: String,
    /// Rows in all, once it has ended.
    count: Option<u64>,
    /// It has ended, and all its rows are here.
    complete: bool,
    /// There were more, beyond a limit.
    truncated: bool,
    /// What of its rows cannot be read, and why.
    fault: Option<String>,
}

/// What the commands of a task found
///
/// Rows of queries, matches of rules, processes: of all the task's commands together, in the order of its targets, as they
/// come in. `csv` and `jsonl` give all of them, and are recorded. What stands in files that the endpoints sent is content of
/// theirs: whoever lacks `artifact.download` over an endpoint gets what its outcome shows, and `fault` says so; that somebody
/// was shown such rows is recorded, once for whoever reads on within ten minutes.
#[utoipa::path(get, path = "/tasks/{id}/rows", tag = "tasks",
    params(("id" = Uuid, Path), crate::api::cursor::Turn, Filter), responses((status = 200, body = TaskRows)))]
pub(super) async fn list_task_rows(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Id(id): Id,
    Listing { turn, filter }: Listing<Filter>,
) -> Result<Response, Problem> {
    let tenant = caller.tenant;
    let wanted = filter.read(caller.access().reach(Permission::ArtifactDownload, None))?;
    if app.store.read(move |tx| task::get(tx, tenant, id)).await?.is_none() {
        return Err(Problem::not_found("task"));
    }
    let format = Format::asked(&turn, &headers)?;
    let from = match &turn.cursor {
        None => Position::default(),
        Some(text) => read_cursor(text).ok_or_else(|| {
            Problem::new(Code::InvalidQuery, "cursor: not a cursor of this list")
                .field("cursor", "not a cursor of this list")
        })?,
    };
    let limit = turn.limit.unwrap_or(DEFAULT);
    if limit == 0 || limit > MOST {
        return Err(Problem::new(Code::InvalidQuery, format!("limit: must be 1 to {MOST}"))
            .field("limit", "out of range"));
    }
    if format == Format::Json {
        let merged = page(&app.store, &app.artifacts, (tenant, id), &wanted, from, limit as usize).await?;
        let (now, look) = (app.now(), (tenant, caller.identity.id, id, wanted.command));
        if merged.is_of_files && app.looks.is_new(&look, now) {
            let detail = serde_json::json!({ "command": wanted.command });
            let record = caller.record(now, "task.rows.view", "task", &id.to_string(), &detail);
            app.store.write::<_, _, Error>(move |tx| audit::append(tx, &record)).await?;
            app.looks.recorded(look, now);
        }
        return Ok(Json(TaskRows::of(merged)).into_response());
    }
    let detail = serde_json::json!({ "command": wanted.command });
    let record = caller.record(app.now(), "task.rows.export", "task", &id.to_string(), &detail);
    app.store.write::<_, _, Error>(move |tx| audit::append(tx, &record)).await?;
    export(app, (tenant, id), wanted, from, format).await
}

impl Filter {
    fn read(self, reach: Reach) -> Result<Wanted, Problem> {
        let bad = |name: &str, words: &str| {
            Problem::new(Code::InvalidQuery, format!("{name}: {words}")).field(name, words)
        };
        let command = match self.command {
            None => None,
            Some(text) => Some(parse_id(&text).ok_or_else(|| bad("command", "not an id"))?),
        };
        let column = match &self.column {
            None => None,
            Some(text) if text.chars().count() > 1000 => {
                return Err(bad("where", "longer than 1000 characters"));
            }
            Some(text) => {
                let (name, value) =
                    text.split_once('=').ok_or_else(|| bad("where", "must be `column=value`"))?;
                Some((name.to_owned(), value.to_lowercase()))
            }
        };
        Ok(Wanted { reach, command, text: looked_for(self.text)?, column })
    }
}

fn write_cursor(at: Position) -> String {
    let mut bytes = vec![CURSOR];
    bytes.extend(at.leaf.to_be_bytes());
    bytes.extend(at.part.to_be_bytes());
    bytes.extend(at.line.to_be_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

fn read_cursor(text: &str) -> Option<Position> {
    let bytes: [u8; 17] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
    let rest = bytes.strip_prefix(&[CURSOR])?;
    Some(Position {
        leaf: u32::from_be_bytes(rest[..4].try_into().ok()?),
        part: u32::from_be_bytes(rest[4..8].try_into().ok()?),
        line: u64::from_be_bytes(rest[8..].try_into().ok()?),
    })
}

impl TaskRows {
    fn of(merged: Merged) -> Self {
        Self {
            columns: merged
                .columns
                .into_iter()
                .map(|column| RowColumn { name: column.name, kind: column.kind })
                .collect(),
            items: merged.rows.into_iter().map(TaskRow::of).collect(),
            next: merged.next.map(write_cursor),
            commands: merged.sources.into_iter().map(RowsOfCommand::of).collect(),
        }
    }
}

impl TaskRow {
    fn of(found: Found) -> Self {
        Self {
            key: format!("{}.{}.{}", found.command, found.part, found.line),
            endpoint: found.endpoint_name,
            endpoint_id: found.endpoint.to_string(),
            command_id: found.command.to_string(),
            row: found.row,
        }
    }
}

impl RowsOfCommand {
    fn of(source: Source) -> Self {
        Self {
            command_id: source.command.to_string(),
            endpoint_id: source.endpoint.to_string(),
            endpoint: source.endpoint_name,
            state: source.state,
            count: source.count,
            complete: source.is_complete,
            truncated: source.is_truncated,
            fault: source.fault,
        }
    }
}

/// Everything from a position on. The columns of a CSV file are those of its first page; what else comes later stands in
/// its last column as JSON, so that nothing is lost.
async fn export(
    app: App,
    of: (Uuid, Uuid),
    wanted: Wanted,
    from: Position,
    format: Format,
) -> Result<Response, Problem> {
    let first = page(&app.store, &app.artifacts, of, &wanted, from, MOST as usize).await?;
    let columns: Vec<String> = first.columns.iter().map(|column| column.name.clone()).collect();
    let head = if format == Format::Csv { head(&columns) } else { Vec::new() };
    let rows = stream::try_unfold(
        (app, wanted, Some(first), Some(head), columns),
        move |(app, wanted, merged, head, columns)| async move {
            let Some(merged) = merged else { return Ok(None) };
            let mut chunk = head.unwrap_or_default();
            for found in merged.rows {
                write(format, found, &columns, &mut chunk);
            }
            let following = match merged.next {
                None => None,
                Some(at) => Some(
                    page(&app.store, &app.artifacts, of, &wanted, at, MOST as usize)
                        .await
                        .map_err(std::io::Error::other)?,
                ),
            };
            Ok::<_, std::io::Error>(Some((Bytes::from(chunk), (app, wanted, following, None, columns))))
        },
    );
    let (kind, extension) = match format {
        Format::Csv => ("text/csv; charset=utf-8; header=present", "csv"),
        Format::Json | Format::JsonLines => ("application/x-ndjson", "jsonl"),
    };
    let mut response = Body::from_stream(rows).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"rows.{extension}\"")) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

fn head(columns: &[String]) -> Vec<u8> {
    let own = ["endpoint", "endpoint_id", "command_id"].map(str::to_owned);
    let names = own.iter().chain(columns).map(|name| cell(name));
    let mut line = names.chain([cell("other")]).collect::<Vec<_>>().join(",").into_bytes();
    line.extend_from_slice(b"\r\n");
    line
}

fn write(format: Format, found: Found, columns: &[String], out: &mut Vec<u8>) {
    let item = TaskRow::of(found);
    if format != Format::Csv {
        out.extend(serde_json::to_vec(&item).unwrap_or_default());
        out.push(b'\n');
        return;
    }
    let TaskRow { endpoint, endpoint_id, command_id, mut row, .. } = item;
    let mut cells = vec![cell(&endpoint), cell(&endpoint_id), cell(&command_id)];
    cells.extend(
        columns.iter().map(|name| cell(&row.remove(name).map(|value| words(&value)).unwrap_or_default())),
    );
    let other = if row.is_empty() { String::new() } else { Value::Object(row).to_string() };
    cells.push(cell(&other));
    out.extend_from_slice(cells.join(",").as_bytes());
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_to_its_place() {
        let at = Position { leaf: 7, part: 999, line: 1 << 40 };
        assert_eq!(read_cursor(&write_cursor(at)), Some(at));
        for bad in ["", "x", "AAAA", &write_cursor(at)[1..]] {
            assert_eq!(read_cursor(bad), None, "{bad}");
        }
    }
}
