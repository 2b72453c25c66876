//! The OpenAPI 3.1 document, generated from the routes and the catalogue.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;
use quell_access::{Grants, Policy};
use quell_catalog::{ActionKind, object_schema};
use serde_json::{Map, Value, json};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Components, Info, License, OpenApi, OpenApiBuilder, Ref, SecurityRequirement};
use utoipa::{PartialSchema, ToSchema};

use crate::api;
use crate::problem::{Document, Field};
use crate::state::App;

const SECURITY: &str = "api_key";

/// What stands around the routes.
pub(crate) fn frame() -> OpenApi {
    let mut info = Info::new("Quell", env!("CARGO_PKG_VERSION"));
    info.description = Some(
        "Response management: every act is asked for once, carried out once, verified, recorded and reversible. \
         Errors are problem documents (RFC 9457); lists are pages with cursors, and whole as CSV or JSON lines. \
         A request may say with what it is made, by the header `Quell-Client`: `cli`, `console`, or `console/` and the screen \
         (1 to 32 of a-z and -); tasks keep it as `created_from`. Nothing is allowed or refused by it. \
         A request may say for which tenant it is meant, by the header `Quell-Tenant` (its id): where the session or key stands \
         for another one, it is refused (`tenant_changed`)."
            .to_owned(),
    );
    info.license = Some(License::new("Apache-2.0"));
    let mut components = Components::new();
    let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    components.add_security_scheme(SECURITY, scheme);
    components.schemas.insert(Field::name().into_owned(), Field::schema());
    components.schemas.insert("Problem".to_owned(), Document::schema());
    OpenApiBuilder::new()
        .info(info)
        .components(Some(components))
        .security(Some([SecurityRequirement::new(SECURITY, Vec::<String>::new())]))
        .build()
}

/// The document, as `openapi/v1.json` holds it: indented, keys in order, a newline at the end.
pub fn document() -> String {
    let (_, mut described) = api::described().split_for_parts();
    // Merging routes takes what their own, unnamed documents say of themselves.
    described.info = frame().info;
    let mut document = serde_json::to_value(&described).unwrap_or(Value::Null);
    add_catalogue(&mut document);
    add_problems(&mut document);
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}

/// The names under which an action's schemas stand: `EndpointIsolateParams`, `EndpointIsolateOutcome`.
fn schema_name(kind: ActionKind, part: &str) -> String {
    let words = kind.id().split(['.', '_']).map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        format!("{}{rest}", first.to_ascii_uppercase())
    });
    words.chain([part.to_owned()]).collect()
}

fn add_catalogue(document: &mut Value) {
    let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) else {
        return;
    };
    let mut of_params = Vec::new();
    let mut by_action = Map::new();
    schemas.insert("ApprovalPolicy".to_owned(), object_schema::<Policy>());
    schemas.insert("Grants".to_owned(), object_schema::<Grants>());
    for kind in ActionKind::ALL.iter().copied() {
        let declared = kind.declared();
        let (params, outcome) = (schema_name(kind, "Params"), schema_name(kind, "Outcome"));
        let reference = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
        of_params.push(reference(&params));
        by_action.insert(
            kind.id().to_owned(),
            json!({ "params": reference(&params), "outcome": reference(&outcome) }),
        );
        for (name, mut schema) in
            [(params, (declared.params_schema)()), (outcome, (declared.outcome_schema)())]
        {
            if let Some(object) = schema.as_object_mut() {
                object.insert("title".to_owned(), Value::from(name.clone()));
            }
            schemas.insert(name, schema);
        }
    }
    if let Some(params) = schemas.get_mut("NewTask").and_then(|task| task.pointer_mut("/properties/params")) {
        let description = params.get("description").cloned().unwrap_or_default();
        *params = json!({ "description": description, "anyOf": of_params });
    }
    if let Some(root) = document.as_object_mut() {
        root.insert("x-quell-actions".to_owned(), Value::Object(by_action));
    }
}

/// Every operation answers problems; said once here instead of on each.
fn add_problems(document: &mut Value) {
    let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) else { return };
    for operations in paths.values_mut().filter_map(Value::as_object_mut) {
        for operation in operations.values_mut().filter_map(Value::as_object_mut) {
            let responses = operation.entry("responses").or_insert_with(|| json!({}));
            if let Some(responses) = responses.as_object_mut() {
                let schema = Ref::from_schema_name("Problem");
                responses.insert(
                    "default".to_owned(),
                    json!({
                        "description": "What was asked was not done",
                        "content": { "application/problem+json": { "schema": schema } },
                    }),
                );
            }
        }
    }
}

/// `GET /api/v1/openapi.json`.
pub(crate) async fn show(State(app): State<App>) -> Response {
    let text = app.openapi.get_or_init(document).clone();
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}
