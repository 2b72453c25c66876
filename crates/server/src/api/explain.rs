//! `GET /problems/{code}`.

use axum::response::{IntoResponse as _, Response};
use http::header;
use utoipa_axum::routes;

use super::query::Name;
use super::route::{Route, permit};
use crate::auth::Permission;
use crate::problem::{Problem, explain};

/// The route of the pages of advice.
pub(crate) fn routes() -> Vec<Route> {
    vec![permit(Permission::ActionRead, routes!(explain_problem))]
}

/// The page of advice on an error code
#[utoipa::path(get, path = "/problems/{code}", tag = "catalogue", params(("code" = String, Path)),
    responses((status = 200, content_type = "text/markdown", body = String)))]
async fn explain_problem(Name(code): Name) -> Result<Response, Problem> {
    let page = explain(&code).ok_or_else(|| Problem::not_found("error code"))?;
    Ok(([(header::CONTENT_TYPE, "text/markdown; charset=utf-8")], page).into_response())
}
