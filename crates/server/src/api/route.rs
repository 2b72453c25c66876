//! The one way to write a route down: with the permission that it needs.

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::Operation;
use utoipa::openapi::path::PathItem;
use utoipa_axum::router::{UtoipaMethodRouter, UtoipaMethodRouterExt as _};

use crate::auth::{Caller, Permission};
use crate::problem::{Code, Problem};
use crate::state::App;

/// A route of the API.
pub(crate) type Route = UtoipaMethodRouter<App>;

/// The name of the extension that tells the permission in the OpenAPI document.
pub(crate) const EXTENSION: &str = "x-quell-permission";

/// The route, for callers with this permission only.
pub(crate) fn permit(permission: Permission, mut route: Route) -> Route {
    for item in route.1.paths.values_mut() {
        for operation in operations(item) {
            let named = Extensions::builder().add(EXTENSION, permission.as_str()).build();
            operation.extensions.get_or_insert_default().merge(named);
        }
    }
    route.layer(from_fn(move |request: Request, next: Next| check(permission, request, next)))
}

async fn check(permission: Permission, request: Request, next: Next) -> Response {
    match request.extensions().get::<Caller>() {
        Some(caller) if caller.role.allows(permission) => next.run(request).await,
        Some(caller) => Problem::new(
            Code::Forbidden,
            format!("the role {} does not have the permission {}", caller.role.as_str(), permission.as_str()),
        )
        .hint("Use a key of a role that has it.")
        .into_response(),
        None => Problem::new(Code::Unauthenticated, "the request has no valid API key").into_response(),
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch].into_iter().flatten()
}
