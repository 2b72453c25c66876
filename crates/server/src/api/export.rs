//! Lists as files: CSV that no spreadsheet takes for a formula, and JSON lines.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, header};
use serde::Serialize;

use super::body::Json;
use super::cursor::{Page, Turn};
use crate::problem::{Code, Problem};

/// The format of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// One page.
    Json,
    /// Everything, RFC 4180 with a header line.
    Csv,
    /// Everything, one JSON object a line.
    JsonLines,
}

impl Format {
    /// What the request asks for.
    pub fn asked(turn: &Turn, headers: &HeaderMap) -> Result<Self, Problem> {
        match turn.format.as_deref() {
            Some("json") => return Ok(Self::Json),
            Some("csv") => return Ok(Self::Csv),
            Some("jsonl") => return Ok(Self::JsonLines),
            Some(other) => {
                return Err(Problem::new(Code::NotAcceptable, format!("there is no format {other:?}"))
                    .hint("Use json, csv or jsonl."));
            }
            None => {}
        }
        let Some(accept) = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()) else {
            return Ok(Self::Json);
        };
        for kind in accept.split(',').filter_map(|part| part.split(';').next()) {
            match kind.trim() {
                "text/csv" => return Ok(Self::Csv),
                "application/x-ndjson" | "application/jsonl" => return Ok(Self::JsonLines),
                "application/json" | "application/*" | "*/*" | "" => return Ok(Self::Json),
                _ => {}
            }
        }
        Err(Problem::new(
            Code::NotAcceptable,
            "lists come as application/json, text/csv or application/x-ndjson",
        ))
    }
}

/// A row of a CSV file.
pub(crate) trait Cells {
    /// The header line.
    const COLUMNS: &'static [&'static str];

    /// The cells, as many as columns.
    fn cells(&self) -> Vec<String>;
}

/// A list in the format that was asked for. `fetch` reads the page of a turn.
pub(crate) async fn list<T, F, W>(
    turn: Turn,
    headers: &HeaderMap,
    name: &'static str,
    fetch: F,
) -> Result<Response, Problem>
where
    T: Serialize + Cells + Send + 'static,
    F: Fn(Turn) -> W + Send + 'static,
    W: Future<Output = Result<Page<T>, Problem>> + Send,
{
    let format = Format::asked(&turn, headers)?;
    if format == Format::Json {
        return Ok(Json(fetch(turn).await?).into_response());
    }
    // The first page before the answer begins, so that a problem is still told as one.
    let turn = Turn { limit: Some(500), ..turn };
    let first = fetch(turn.clone()).await?;
    let head = if format == Format::Csv { header_line::<T>() } else { Vec::new() };
    let rows = stream::try_unfold(
        (fetch, turn, Some(first), Some(head)),
        move |(fetch, turn, page, head)| async move {
            let Some(page) = page else { return Ok(None) };
            let mut chunk = head.unwrap_or_default();
            for item in &page.items {
                write(format, item, &mut chunk);
            }
            let following = match page.next {
                None => None,
                Some(cursor) => {
                    let turn = Turn { cursor: Some(cursor), ..turn.clone() };
                    Some(fetch(turn).await.map_err(|problem| std::io::Error::other(format!("{problem:?}")))?)
                }
            };
            Ok::<_, std::io::Error>(Some((Bytes::from(chunk), (fetch, turn, following, None))))
        },
    );
    let (kind, extension) = match format {
        Format::Json => ("application/json", "json"),
        Format::Csv => ("text/csv; charset=utf-8; header=present", "csv"),
        Format::JsonLines => ("application/x-ndjson", "jsonl"),
    };
    let mut response = Body::from_stream(rows).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}.{extension}\"")) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

fn header_line<T: Cells>() -> Vec<u8> {
    let mut line = T::COLUMNS.join(",").into_bytes();
    line.extend_from_slice(b"\r\n");
    line
}

fn write<T: Serialize + Cells>(format: Format, item: &T, out: &mut Vec<u8>) {
    match format {
        Format::Csv => {
            let cells: Vec<String> = item.cells().iter().map(|text| cell(text)).collect();
            out.extend_from_slice(cells.join(",").as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        Format::Json | Format::JsonLines => {
            out.extend(serde_json::to_vec(item).unwrap_or_default());
            out.push(b'\n');
        }
    }
}

/// A cell that stays text wherever it is opened: quoted, and with an apostrophe before what spreadsheets run.
/// (OWASP, "CSV Injection": `=`, `+`, `-`, `@`, tab and carriage return begin formulas, full-width forms too.)
pub(crate) fn cell(text: &str) -> String {
    let begins_formula = text
        .trim_start_matches([' ', '"', '\''])
        .starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}']);
    let mark = if begins_formula { "'" } else { "" };
    format!("\"{mark}{}\"", text.replace('"', "\"\"").replace('\0', ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =cmd|' /C calc'!A0", "\"=1", "＝1"] {
            let cell = cell(text);
            assert!(cell.starts_with("\"'"), "{cell}");
        }
        assert_eq!(cell("say \"hi\", twice"), "\"say \"\"hi\"\", twice\"");
        assert_eq!(cell("plain"), "\"plain\"");
    }

    #[test]
    fn the_format_is_taken_from_query_or_accept() {
        let asked = |format: Option<&str>, accept: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            }
            Format::asked(&Turn { format: format.map(str::to_owned), ..Turn::default() }, &headers).ok()
        };
        assert_eq!(asked(None, None), Some(Format::Json));
        assert_eq!(asked(None, Some("text/csv, */*;q=0.1")), Some(Format::Csv));
        assert_eq!(asked(None, Some("application/x-ndjson")), Some(Format::JsonLines));
        assert_eq!(asked(Some("csv"), Some("application/json")), Some(Format::Csv));
        assert_eq!(asked(None, Some("image/png")), None);
        assert_eq!(asked(Some("xml"), None), None);
    }
}
