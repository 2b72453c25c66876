//! `GET`, `PUT` and `DELETE /mail/templates/{kind}`, and `POST …/preview`.

use axum::extract::State;
use http::StatusCode;
use quell_notify::Kind;
use quell_notify::template::{Letter, Template};
use quell_store::{audit, setting};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::api::body::Json;
use crate::api::query::Name;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::notices::settings;
use crate::problem::Problem;
use crate::state::App;

pub(super) fn show_route() -> Route {
    permit(Permission::MailRead, routes!(get_mail_template))
}

pub(super) fn set_route() -> Route {
    permit(Permission::MailManage, routes!(set_mail_template))
}

pub(super) fn preview_route() -> Route {
    permit(Permission::MailManage, routes!(preview_mail_template))
}

pub(super) fn reset_route() -> Route {
    permit(Permission::MailManage, routes!(reset_mail_template))
}

/// The words of a kind of notice.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MailTemplate {
    /// Which kind.
    kind: &'static str,
    /// Which parts are the organisation's own: `subject`, `text`, `html`.
    own: Vec<&'static str>,
    /// The subject, as it is used.
    subject: String,
    /// The plain text, as it is used.
    text: String,
    /// The HTML, as it is used.
    html: String,
}

/// Words instead of those that come with Quell; a part that is absent stays as it comes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewMailTemplate {
    /// The subject, one line.
    #[schema(max_length = 500)]
    subject: Option<String>,
    /// The plain text.
    #[schema(max_length = 32768)]
    text: Option<String>,
    /// The HTML.
    #[schema(max_length = 32768)]
    html: Option<String>,
}

impl MailTemplate {
    fn of(kind: Kind, own: Template) -> Self {
        let default = Template::default_of(kind);
        let parts =
            [("subject", own.subject.is_some()), ("text", own.text.is_some()), ("html", own.html.is_some())];
        Self {
            kind: kind.as_str(),
            own: parts.into_iter().filter(|(_, is_own)| *is_own).map(|(name, _)| name).collect(),
            subject: own.subject.or(default.subject).unwrap_or_default(),
            text: own.text.or(default.text).unwrap_or_default(),
            html: own.html.or(default.html).unwrap_or_default(),
        }
    }
}

fn kind(name: &str) -> Result<Kind, Problem> {
    Kind::from_name(name).ok_or_else(|| Problem::not_found("kind of notice"))
}

/// The words of a kind of notice
#[utoipa::path(get, path = "/mail/templates/{kind}", tag = "notices", params(("kind" = String, Path)),
    responses((status = 200, body = MailTemplate)))]
pub(super) async fn get_mail_template(
    State(app): State<App>,
    caller: Caller,
    Name(name): Name,
) -> Result<Json<MailTemplate>, Problem> {
    let kind = kind(&name)?;
    let own = app.store.read(move |tx| settings::template(tx, caller.tenant, kind)).await?;
    Ok(Json(MailTemplate::of(kind, own)))
}

/// A mail as a template makes it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MailPreview {
    /// The subject.
    subject: String,
    /// The plain text.
    text: String,
    /// The HTML.
    html: String,
}

/// The template, and what it makes of made-up values.
fn tried(wanted: NewMailTemplate, kind: Kind) -> Result<(Template, Letter), Problem> {
    let own = Template { subject: wanted.subject, text: wanted.text, html: wanted.html };
    let letter = own.check(kind).map_err(|bad| {
        let place = bad.line.map(|line| format!(" (line {line})")).unwrap_or_default();
        Problem::bad_field(bad.part, format!("{}{place}", bad.problem))
    })?;
    Ok((own, letter))
}

/// See what words would make of made-up values
///
/// Nothing is kept, nothing is sent; what is wrong is named with its line.
#[utoipa::path(post, path = "/mail/templates/{kind}/preview", tag = "notices", params(("kind" = String, Path)),
    request_body = NewMailTemplate, responses((status = 200, body = MailPreview)))]
pub(super) async fn preview_mail_template(
    Name(name): Name,
    Json(wanted): Json<NewMailTemplate>,
) -> Result<Json<MailPreview>, Problem> {
    let (_, Letter { subject, text, html }) = tried(wanted, kind(&name)?)?;
    Ok(Json(MailPreview { subject, text, html }))
}

/// Change the words of a kind of notice
///
/// They are tried with made-up values first; what is wrong is named with its line.
#[utoipa::path(put, path = "/mail/templates/{kind}", tag = "notices", params(("kind" = String, Path)),
    request_body = NewMailTemplate, responses((status = 200, body = MailTemplate)))]
pub(super) async fn set_mail_template(
    State(app): State<App>,
    caller: Caller,
    Name(name): Name,
    Json(wanted): Json<NewMailTemplate>,
) -> Result<Json<MailTemplate>, Problem> {
    let kind = kind(&name)?;
    let (own, _) = tried(wanted, kind)?;
    let value = serde_json::to_string(&own).map_err(|error| Problem::internal(&error))?;
    let (now, tenant, shown) = (app.now(), caller.tenant, MailTemplate::of(kind, own));
    let detail = json!({ "kind": kind.as_str(), "own": shown.own });
    let setting = settings::template_name(kind);
    let record = caller.record(now, "mail.set_template", "setting", &setting, &detail);
    app.store
        .write(move |tx| {
            setting::set(tx, tenant, &setting, &value, now)?;
            audit::append(tx, &record)
        })
        .await?;
    Ok(Json(shown))
}

/// Go back to the words that come with Quell
#[utoipa::path(delete, path = "/mail/templates/{kind}", tag = "notices", params(("kind" = String, Path)),
    responses((status = 204)))]
pub(super) async fn reset_mail_template(
    State(app): State<App>,
    caller: Caller,
    Name(name): Name,
) -> Result<StatusCode, Problem> {
    let kind = kind(&name)?;
    let tenant = caller.tenant;
    let setting = settings::template_name(kind);
    let detail = json!({ "kind": kind.as_str() });
    let record = caller.record(app.now(), "mail.reset_template", "setting", &setting, &detail);
    app.store
        .write(move |tx| {
            setting::delete(tx, tenant, &setting)?;
            audit::append(tx, &record)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
