//! `GET /blocklist/stix`: the list as a STIX 2.1 bundle, for whoever takes indicators.

use axum::extract::State;
use axum::response::Response;
use http::{HeaderValue, header};
use quell_catalog::blocklist::Kind;
use quell_store::blocklist as rows;
use quell_wire::digest::sha256;
use serde_json::{Value, json};
use utoipa_axum::routes;
use uuid::Uuid;

use crate::api::body::Json;
use crate::api::route::{Route, permit};
use crate::api::time;
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;
use axum::response::IntoResponse as _;

/// Objects that are read at a time, and that one bundle holds at most.
const PAGE: i64 = 5000;
const MOST: usize = 100_000;

pub(super) fn route() -> Route {
    permit(Permission::BlocklistRead, routes!(export_block_list_stix))
}

/// The block list as a STIX 2.1 bundle
///
/// An indicator for each object, the first 100,000 in the order of their listing. Ids are the same at each call.
#[utoipa::path(get, path = "/blocklist/stix", tag = "block list", responses((status = 200, body = Object)))]
pub(super) async fn export_block_list_stix(
    State(app): State<App>,
    caller: Caller,
) -> Result<Response, Problem> {
    let tenant = caller.tenant;
    let objects = app.store.read(move |tx| {
        let (mut objects, mut after) = (Vec::new(), Uuid::nil());
        loop {
            let page = rows::all_after(tx, tenant, after, PAGE)?;
            let Some(last) = page.last() else { break };
            after = last.id;
            objects.extend(page.iter().filter_map(indicator));
            if objects.len() >= MOST {
                objects.truncate(MOST);
                break;
            }
        }
        Ok::<_, Problem>(objects)
    });
    let bundle =
        json!({ "type": "bundle", "id": format!("bundle--{}", Uuid::new_v4()), "objects": objects.await? });
    let mut response = Json(bundle).into_response();
    let kind = HeaderValue::from_static("application/stix+json;version=2.1");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

fn indicator(object: &rows::Object) -> Option<Value> {
    let kind = Kind::of_number(i32::try_from(object.kind).ok()?)?;
    let text = object.shown.replace('\\', "\\\\").replace('\'', "\\'");
    let path = match kind {
        Kind::Sha1 => "file:hashes.'SHA-1'",
        Kind::Sha256 => "file:hashes.'SHA-256'",
        Kind::Ip if object.shown.contains(':') => "ipv6-addr:value",
        Kind::Ip => "ipv4-addr:value",
        Kind::Domain => "domain-name:value",
        Kind::Url => "url:value",
        Kind::Sender => "email-addr:value",
    };
    // The same object has the same id in each bundle: version 8, derived from ours.
    let mut id = [0; 16];
    id.copy_from_slice(&sha256(&[b"quell/stix/v1\0", object.id.as_bytes()])[..16]);
    id[6] = id[6] & 0x0f | 0x80;
    id[8] = id[8] & 0x3f | 0x80;
    let confidence = match object.risk {
        1 => 20,
        2 => 50,
        _ => 85,
    };
    let mut indicator = json!({
        "type": "indicator",
        "spec_version": "2.1",
        "id": format!("indicator--{}", Uuid::from_bytes(id)),
        "created": time::text(object.added_at),
        "modified": time::text(object.added_at),
        "valid_from": time::text(object.added_at),
        "pattern": format!("[{path} = '{text}']"),
        "pattern_type": "stix",
        "indicator_types": ["malicious-activity"],
        "confidence": confidence,
        "name": object.note.clone().unwrap_or_else(|| object.shown.clone()),
    });
    if let Some(end) = object.expires_at {
        indicator["valid_until"] = json!(time::text(end));
    }
    Some(indicator)
}
