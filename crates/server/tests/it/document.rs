//! The OpenAPI document.

use serde_json::Value;

pub fn document() -> Value {
    serde_json::from_str(&quell_server::openapi::document()).unwrap()
}

/// Every operation: method, path, permission.
pub fn operations() -> Vec<(String, String, String)> {
    let document = document();
    let mut found = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let permission = operation["x-quell-permission"].as_str().unwrap_or("NONE");
            found.push((method.to_uppercase(), path.clone(), permission.to_owned()));
        }
    }
    found
}

#[test]
fn the_paths_are_these() {
    let lines: Vec<String> = operations()
        .iter()
        .map(|(method, path, permission)| format!("{method:6} {path}  ({permission})"))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn it_is_openapi_3_1_and_every_reference_leads_somewhere() {
    let document = document();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert_eq!(document["info"]["title"], "Quell");
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 50);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                match (name.as_str(), value) {
                    ("$ref", Value::String(reference)) => found.push(reference.clone()),
                    _ => collect(value, found),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|value| collect(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn every_action_has_its_schemas_in_it() {
    let document = document();
    for kind in quell_catalog::ActionKind::ALL {
        let named = &document["x-quell-actions"][kind.id()];
        for part in ["params", "outcome"] {
            let reference = named[part]["$ref"].as_str().unwrap();
            let schema = document.pointer(reference.strip_prefix('#').unwrap()).unwrap();
            assert_eq!(schema["type"], "object", "{reference}");
        }
    }
    let params = &document["components"]["schemas"]["NewTask"]["properties"]["params"]["anyOf"];
    assert_eq!(params.as_array().unwrap().len(), quell_catalog::ActionKind::ALL.len());
}

#[test]
fn every_operation_answers_problems_and_has_words_and_an_id_of_its_own() {
    let document = document();
    let mut ids = std::collections::BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let name = format!("{method} {path}");
            assert!(operation["responses"]["default"].is_object(), "{name}");
            assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{name}");
            assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{name}");
        }
    }
}

/// Of two schemas with one name the document has one, and nothing says so.
#[test]
fn no_two_schemas_have_one_name() {
    let mut found = std::collections::BTreeMap::new();
    let mut waiting = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|end| end == "rs") {
            for name in schemas(&std::fs::read_to_string(&path).unwrap()) {
                let other = found.insert(name.clone(), path.clone());
                assert!(other.is_none(), "{name}: {} and {}", other.unwrap().display(), path.display());
            }
        }
    }
    assert!(found.len() > 150, "{}", found.len());
}

/// Names of the schemas that a source file declares.
fn schemas(source: &str) -> Vec<String> {
    let mut names = Vec::new();
    let parts: Vec<&str> = source.split("#[derive(").skip(1).collect();
    for part in parts.into_iter().filter(|part| part.split(')').next().unwrap().contains("ToSchema")) {
        let called = |text: &'static str| {
            let place = part.find(text)? + text.len();
            let end = part[place..].find(|letter: char| !letter.is_alphanumeric() && letter != '_')?;
            Some((place, part[place..place + end].to_owned()))
        };
        let own = ["struct ", "enum "].into_iter().filter_map(called).min().unwrap();
        let given = called("schema(as = ").filter(|given| given.0 < own.0);
        names.push(given.unwrap_or(own).1);
    }
    names
}
