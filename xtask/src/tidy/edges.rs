//! Crates that must never know each other, not even through a third.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::cargo::{cargo, output};

/// Anything of ours.
const OURS: &str = "*";

/// From, to, and why not.
const FORBIDDEN: &[(&str, &[&str], &str)] = &[
    ("quell-catalog", &[OURS], "what can be done depends on nobody who does it"),
    ("quell-wire", &[OURS], "both ends share it, so it knows neither"),
    ("quell-host", &[OURS], "facts and levers of a system, without opinions"),
    (
        "quell-engine",
        &["quell-server", "quell-connect", "quell-agent", "quell-host"],
        "it knows neither HTTP nor providers",
    ),
    (
        "quell-agent",
        &["quell-engine", "quell-store", "quell-server"],
        "an endpoint carries nothing of the server",
    ),
    (
        "quell-access",
        &["quell-store", "quell-engine", "quell-server", "quell-agent", "quell-host"],
        "rights are decided without I/O",
    ),
    (
        "quell-incident",
        &["quell-store", "quell-engine", "quell-server", "quell-agent", "quell-host", "quell-access"],
        "incidents are judged without I/O",
    ),
    ("quell-ingest", &[OURS], "it reads what others wrote, and knows none of us"),
    ("quell-sigma", &[OURS], "rules are matched over records of anybody"),
    ("quell-notify", &[OURS], "it sends what it is given, and asks nobody"),
    ("quell-connect", &["quell-server"], "a connector is used by the server, not the other way"),
    (
        "quell-signer",
        &["quell-engine", "quell-store", "quell-server", "quell-agent", "quell-host", "quell-access"],
        "it believes none of those whose orders it checks",
    ),
    ("quell-store", &["quell-catalog", "quell-wire", "quell-engine", "quell-server"], "rows know no rules"),
];

type Graph = BTreeMap<String, BTreeSet<String>>;

/// Every forbidden edge that is there.
pub fn check() -> Result<Vec<String>> {
    let text = output(&mut cargo(&["metadata", "--format-version", "1", "--no-deps"]))?;
    let metadata: Value = serde_json::from_str(&text).context("reading cargo's metadata")?;
    Ok(violations(&graph(&metadata)))
}

/// Which crate of ours uses which; what only tests use does not count.
fn graph(metadata: &Value) -> Graph {
    let packages = metadata["packages"].as_array().map_or(&[][..], Vec::as_slice);
    let names: BTreeSet<&str> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    let uses = |package: &Value| -> BTreeSet<String> {
        let dependencies = package["dependencies"].as_array().map_or(&[][..], Vec::as_slice);
        dependencies
            .iter()
            .filter(|dependency| dependency["kind"].as_str() != Some("dev"))
            .filter_map(|dependency| dependency["name"].as_str())
            .filter(|name| names.contains(name))
            .map(str::to_owned)
            .collect()
    };
    packages
        .iter()
        .filter_map(|package| Some((package["name"].as_str()?.to_owned(), uses(package))))
        .collect()
}

fn violations(graph: &Graph) -> Vec<String> {
    let mut found = Vec::new();
    for (from, forbidden, why) in FORBIDDEN {
        for reached in reach(graph, from) {
            if forbidden.contains(&OURS) || forbidden.contains(&reached.as_str()) {
                found.push(format!("{from} uses {reached}: {why}"));
            }
        }
    }
    found
}

fn reach(graph: &Graph, from: &str) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut open = vec![from.to_owned()];
    while let Some(name) = open.pop() {
        for next in graph.get(&name).into_iter().flatten() {
            if seen.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_edge_through_a_third_crate_is_found_and_one_of_tests_is_not() {
        let metadata = json!({"packages": [
            {"name": "quell-agent", "dependencies": [{"name": "quell-lab", "kind": null}, {"name": "quell-server", "kind": "dev"}]},
            {"name": "quell-lab", "dependencies": [{"name": "quell-store", "kind": null}, {"name": "serde", "kind": null}]},
            {"name": "quell-store", "dependencies": []},
            {"name": "quell-server", "dependencies": []},
        ]});
        let found = violations(&graph(&metadata));
        assert_eq!(found, ["quell-agent uses quell-store: an endpoint carries nothing of the server"]);
    }
}
