//! The one way to write a route down: with the permission that it needs.

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::Operation;
use utoipa::openapi::path::PathItem;
use utoipa_axum::router::{UtoipaMethodRouter, UtoipaMethodRouterExt as _};

use crate::auth::{Caller, Permission, Principal, only_people};
use crate::problem::{Code, Problem};
use crate::state::App;

/// A route of the API.
pub(crate) type Route = UtoipaMethodRouter<App>;

/// The name of the extension that tells the permission in the OpenAPI document.
pub(crate) const EXTENSION: &str = "x-quell-permission";
/// What stands there where none is needed.
const OPEN: &str = "none";
/// What stands there where any credential will do.
const ANY: &str = "any";

/// The route, for callers with this permission only.
pub(crate) fn permit(permission: Permission, mut route: Route) -> Route {
    name(&mut route, permission.as_str());
    route.layer(from_fn(move |request: Request, next: Next| check(permission, request, next)))
}

/// The route, for whoever has a credential: it tells them of themselves.
pub(crate) fn signed_in(mut route: Route) -> Route {
    name(&mut route, ANY);
    route
}

/// The route, for everybody: whoever signs in has no credential yet. Its path stands in [`crate::auth::OPEN`].
pub(crate) fn open(mut route: Route) -> Route {
    name(&mut route, OPEN);
    for item in route.1.paths.values_mut() {
        operations(item).for_each(|operation| operation.security = Some(Vec::new()));
    }
    route
}

/// Says in the OpenAPI document what the route asks for.
fn name(route: &mut Route, permission: &str) {
    for item in route.1.paths.values_mut() {
        for operation in operations(item) {
            let named = Extensions::builder().add(EXTENSION, permission).build();
            operation.extensions.get_or_insert_default().merge(named);
        }
    }
}

async fn check(permission: Permission, request: Request, next: Next) -> Response {
    let Some(caller) = request.extensions().get::<Caller>() else {
        return Problem::new(Code::Unauthenticated, "the request has no valid API key or session")
            .into_response();
    };
    // Whoever is signed in may look after their own account, whatever their roles grant.
    let is_own = permission == Permission::SelfManage && caller.identity.principal != Principal::Key;
    if !is_own && !caller.access().allows(permission) {
        let roles: Vec<&str> = caller.access().roles().collect();
        let detail = format!("{} does not have the permission {}", said(&roles), permission.as_str());
        return Problem::new(Code::Forbidden, detail)
            .hint("Somebody with a role that has it can do it, or an administrator can give you one.")
            .into_response();
    }
    if permission.is_personal() && caller.identity.principal == Principal::Key {
        return only_people().into_response();
    }
    next.run(request).await
}

fn said(roles: &[&str]) -> String {
    match roles {
        [one] => format!("the role {one}"),
        several => format!("none of the roles {}", several.join(", ")),
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch].into_iter().flatten()
}
