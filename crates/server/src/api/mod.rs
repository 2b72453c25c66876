//! `/api/v1`: every route of people and programs, one operation a file.
//!
//! A route is made by [`route::permit`] alone, which takes the permission that it needs: so there is no route
//! without one, the OpenAPI document names it, and a test walks over all of them.

mod action;
mod approval;
mod approval_link;
mod approval_policy;
mod artifact;
mod audit;
mod blocklist;
pub(crate) mod body;
mod break_glass;
mod command;
mod cursor;
mod detection;
mod endpoint;
mod events;
mod explain;
mod export;
mod gateway;
mod incident;
mod ingest;
mod key;
mod kit_key;
mod layers;
mod library;
mod mail;
mod me;
mod member;
mod notice;
mod overview;
mod passkey;
mod person;
mod protection;
pub(crate) mod query;
mod refuse;
mod response_plan;
mod role;
pub(crate) mod route;
mod scan;
pub(crate) mod secret;
mod session;
mod setup;
mod shell;
mod sso;
mod step_up;
mod targets;
mod task;
mod tenant;
mod text;
pub(crate) mod time;
mod token;
mod trust;
mod webhook;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use utoipa_axum::router::OpenApiRouter;

pub(crate) use artifact::Listings;
pub(crate) use ingest::Pace;

use crate::approve;
use crate::auth;
use crate::console;
use crate::openapi;
use crate::problem::{Code, Problem};
use crate::state::App;
use crate::{health, install, metrics};

/// Where the API lives.
pub(crate) const ROOT: &str = "/api/v1";

/// Every route of the API with its part of the OpenAPI document.
pub(crate) fn described() -> OpenApiRouter<App> {
    let mut router = OpenApiRouter::with_openapi(openapi::frame());
    let routes = [
        action::routes(),
        task::routes(),
        command::routes(),
        endpoint::routes(),
        token::routes(),
        gateway::routes(),
        trust::routes(),
        artifact::routes(),
        library::routes(),
        blocklist::routes(),
        detection::routes(),
        incident::routes(),
        ingest::routes(),
        protection::routes(),
        shell::routes(),
        audit::routes(),
        key::routes(),
        kit_key::routes(),
        session::routes(),
        setup::routes(),
        me::routes(),
        step_up::routes(),
        person::routes(),
        member::routes(),
        response_plan::routes(),
        role::routes(),
        tenant::routes(),
        sso::routes(),
        passkey::routes(),
        approval::routes(),
        approval_link::routes(),
        approval_policy::routes(),
        break_glass::routes(),
        overview::routes(),
        mail::routes(),
        webhook::routes(),
        notice::routes(),
        events::routes(),
        explain::routes(),
    ];
    for route in routes.into_iter().flatten() {
        router = router.routes(route);
    }
    OpenApiRouter::new().nest(ROOT, router)
}

/// The whole of the people's port.
pub(crate) fn router(app: App) -> Router {
    let (api, _) = described().split_for_parts();
    api.route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::show))
        .merge(approve::routes())
        .merge(install::routes())
        .route("/api/v1/openapi.json", get(openapi::show))
        .fallback(console::show)
        .method_not_allowed_fallback(async || {
            Problem::new(Code::MethodNotAllowed, "the resource does not take this method")
        })
        .layer(from_fn_with_state(app.clone(), auth::guard))
        .layer(from_fn(layers::without_nul))
        .layer(from_fn_with_state(app.clone(), layers::in_time))
        .layer(from_fn_with_state(app.clone(), layers::finish))
        .with_state(app)
}
