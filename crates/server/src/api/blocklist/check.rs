//! `POST /blocklist/check`: what a file of indicators would list.

use std::collections::BTreeMap;

use axum::extract::{Request, State};
use quell_catalog::blocklist::import::{self, Format, Problem as Unread};
use quell_store::blocklist as rows;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::api::body::{self, Json};
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::blocklist::change;
use crate::blocklist::protect::Protected;
use crate::library::read_indicators;
use crate::problem::Problem;
use crate::state::App;

/// Objects that are told.
const SHOWN: usize = 200;

pub(super) fn route() -> Route {
    permit(Permission::BlocklistRead, routes!(check_indicators))
}

/// A file of indicators, as it is understood.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CheckedIndicators {
    /// `lines`, `csv` or `stix`.
    format: String,
    /// Objects that it names, each once.
    objects: usize,
    /// The same by kind.
    by_kind: BTreeMap<&'static str, usize>,
    /// Objects that it names more than once.
    duplicates: u64,
    /// Those of them that are listed already.
    listed: usize,
    /// Those of them that would not be listed now: exceptions, what is protected, and what is over or not yet valid.
    refused: usize,
    /// Places that are not understood.
    problem_count: u64,
    /// The first 200 of those, by line.
    problems: Vec<CheckedProblem>,
    /// The first 200 objects.
    first: Vec<CheckedObject>,
}

/// A place that is not understood.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CheckedProblem {
    /// The line, from 1; of a STIX bundle, the number of the object.
    line: u64,
    /// What stands there.
    text: String,
    /// What is wrong with it.
    problem: String,
}

/// An object of a file.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CheckedObject {
    /// What it is.
    kind: &'static str,
    /// In the one form in which it would be listed.
    value: String,
    /// Why it would not be listed.
    refused: Option<String>,
    /// Whether it is listed already.
    listed: bool,
}

/// See what a file of indicators would list
///
/// One value a line, CSV with a header, or a STIX 2.1 bundle; at most 64 MiB and 100,000 objects. Nothing is listed: to list
/// them, put the file into the library (kind `indicators`) and request `blocklist.add` with it.
#[utoipa::path(post, path = "/blocklist/check", tag = "block list",
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = CheckedIndicators)))]
pub(super) async fn check_indicators(
    State(app): State<App>,
    caller: Caller,
    request: Request,
) -> Result<Json<CheckedIndicators>, Problem> {
    let body = body::raw(request, import::MAX_BYTES).await?;
    let read = read_indicators(body).await?;
    let (tenant, now, gateways) = (caller.tenant, app.now(), app.addresses.current().to_vec());
    let view = app.store.read(move |tx| {
        let protected = Protected::read(tx, tenant, &gateways)?;
        let keys: Vec<_> = read.entries.iter().map(|entry| change::key(&entry.value)).collect();
        let listed = rows::listed(tx, tenant, &keys)?;
        let (mut refused, mut first) = (0, Vec::new());
        let mut by_kind: BTreeMap<&'static str, usize> = BTreeMap::new();
        for (entry, key) in read.entries.iter().zip(&keys) {
            *by_kind.entry(entry.value.kind().as_str()).or_default() += 1;
            let why = protected.why(&entry.value).map(|(_, why)| why);
            let why = why.or_else(|| entry.why_not_now(now).map(|(_, why)| why.to_owned()));
            refused += usize::from(why.is_some());
            if first.len() < SHOWN {
                let kind = entry.value.kind().as_str();
                let value = entry.value.to_string();
                first.push(CheckedObject { kind, value, refused: why, listed: listed.contains(key) });
            }
        }
        Ok::<_, Problem>(CheckedIndicators {
            format: match read.format {
                Format::Lines => "lines",
                Format::Csv => "csv",
                Format::Stix => "stix",
            }
            .to_owned(),
            objects: read.entries.len(),
            by_kind,
            duplicates: read.duplicates,
            listed: listed.len(),
            refused,
            problem_count: read.problem_count,
            problems: read
                .problems
                .iter()
                .map(|Unread { line, text, problem }| CheckedProblem {
                    line: *line,
                    text: text.clone(),
                    problem: problem.clone(),
                })
                .collect(),
            first,
        })
    });
    Ok(Json(view.await?))
}
