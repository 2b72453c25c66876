//! `GET /permissions`.

use quell_access::Permission;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::api::body::Json;
use crate::api::route::{Route, signed_in};

pub(super) fn route() -> Route {
    signed_in(routes!(list_permissions))
}

/// A permission.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PermissionView {
    /// Its name, for roles and scopes.
    name: &'static str,
    /// What it allows, in a sentence.
    about: &'static str,
    /// Whether only a person can use it: a program that holds it is refused all the same.
    only_people: bool,
}

/// All permissions.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PermissionList {
    items: Vec<PermissionView>,
}

/// What roles are made of
///
/// The same on every server; for whoever wants to read what they may do in words.
#[utoipa::path(get, path = "/permissions", tag = "access", responses((status = 200, body = PermissionList)))]
pub(super) async fn list_permissions() -> Json<PermissionList> {
    let items = Permission::ALL
        .iter()
        .map(|permission| PermissionView {
            name: permission.as_str(),
            about: permission.about(),
            only_people: permission.is_personal(),
        })
        .collect();
    Json(PermissionList { items })
}
