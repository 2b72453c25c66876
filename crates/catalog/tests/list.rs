//! Tests over the list: what must hold for every action, whoever adds it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::HashSet;

use quell_catalog::{ActionKind, Effect, Secret};
use serde_json::{Value, json};

#[test]
fn ids_are_unique_and_well_formed() {
    let mut seen = HashSet::new();
    for kind in ActionKind::ALL {
        let spec = kind.spec();
        assert!(seen.insert(spec.id), "{} stands twice", spec.id);
        assert_eq!(ActionKind::from_id(spec.id), Some(*kind));
        assert!(!spec.group().is_empty() && !spec.verb().is_empty());
        assert!(spec.id.chars().all(|c| c.is_ascii_lowercase() || c == '.' || c == '_'), "{}", spec.id);
        assert!(spec.revision >= 1 && !spec.title.is_empty() && spec.summary.ends_with('.'), "{}", spec.id);
        assert!(spec.time_limit.default_s > 0 && spec.time_limit.default_s <= spec.time_limit.max_s);
    }
}

#[test]
fn what_undoes_an_action_exists_and_changes_something() {
    for kind in ActionKind::ALL {
        if let Some(by) = kind.spec().effect.undone_by() {
            let back =
                ActionKind::from_id(by).unwrap_or_else(|| panic!("{by} undoes {kind:?} but is not declared"));
            assert_ne!(back.spec().effect, Effect::ReadOnly, "{by} cannot undo anything");
        }
    }
}

#[test]
fn every_field_is_documented_and_unknown_ones_are_refused() {
    for kind in ActionKind::ALL {
        let declared = kind.declared();
        for schema in [(declared.params_schema)(), (declared.outcome_schema)()] {
            assert_documented(kind.id(), &schema);
        }
        let error = (declared.check_params)(&json!({"surprise": 1})).unwrap_err();
        assert!(error.problem.contains("surprise") || error.problem.contains("missing field"), "{error}");
        assert!((declared.check_outcome)(&json!([1])).is_err());
        assert!((declared.check_params)(&json!([])).is_err());
        assert!((declared.check_params)(&Value::Null).is_err());
    }
}

#[test]
fn every_parameter_has_its_place_in_the_order_of_asking() {
    for kind in ActionKind::ALL {
        let schema = (kind.declared().params_schema)();
        let mut known: Vec<&str> =
            schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        let Some(order) = schema["x-quell-order"].as_array() else {
            assert!(known.len() < 2, "{} has no order", kind.id());
            continue;
        };
        let mut order: Vec<&str> = order.iter().map(|name| name.as_str().unwrap()).collect();
        known.sort_unstable();
        order.sort_unstable();
        assert_eq!(order, known, "{}", kind.id());
    }
    let collect = (ActionKind::from_id("file.collect").unwrap().declared().params_schema)();
    assert_eq!(collect["x-quell-order"][0], "path");
}

#[test]
fn redacted_parameters_are_declared_and_hidden() {
    for kind in ActionKind::ALL {
        let declared = kind.declared();
        let schema = (declared.params_schema)();
        for name in declared.spec.redact {
            assert!(schema["properties"].get(name).is_some(), "{} redacts unknown `{name}`", kind.id());
            assert_eq!(declared.redacted(&json!({*name: ["secret"]}))[name], "***");
        }
    }
}

fn example(kind: ActionKind) -> Value {
    serde_json::from_str(kind.spec().example).unwrap_or_else(|error| panic!("{}: {error}", kind.id()))
}

#[test]
fn examples_are_taken_and_survive_a_second_check_unchanged() {
    for kind in ActionKind::ALL {
        let check = kind.declared().check_params;
        let once = check(&example(*kind)).unwrap_or_else(|error| panic!("{}: {error}", kind.id()));
        assert_eq!(check(&once).unwrap(), once);
    }
}

#[test]
fn whoever_sends_an_archive_says_how_large_it_may_be() {
    for kind in ActionKind::ALL {
        let declared = kind.declared();
        let most = (declared.archive_bytes)(&(declared.check_params)(&example(*kind)).unwrap()).unwrap();
        let has_password = declared.spec.secrets.contains(&Secret::ArchivePassword);
        assert_eq!(most.is_some(), has_password, "{}", kind.id());
    }
}

fn assert_documented(id: &str, schema: &Value) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    assert_eq!(schema["additionalProperties"], false, "{id}: unknown fields must be refused in {schema}");
    for (name, property) in properties {
        assert!(property.get("description").is_some(), "{id}: `{name}` has no documentation");
        assert_documented(id, property);
        if let Some(items) = property.get("items") {
            assert_documented(id, items);
        }
    }
}
