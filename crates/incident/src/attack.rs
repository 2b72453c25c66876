//! Names of ATT&CK's techniques and tactics, for those that rules for Linux name. Version and licence terms stand in
//! `packs/attack/linux.json`.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

const TEXT: &str = include_str!("../../../packs/attack/linux.json");

/// A technique, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Technique {
    /// Its name, that of the whole first: `Command and Scripting Interpreter: Unix Shell`.
    pub name: String,
    /// Short names of its tactics, in the order of an intrusion: `execution`.
    pub tactics: Vec<String>,
}

/// A tactic.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Tactic(
    /// Short name: `command-and-control`.
    pub String,
    /// Name: `Command and Control`.
    pub String,
);

#[derive(Deserialize)]
struct File {
    attack_version: String,
    licence: String,
    tactics: Vec<Tactic>,
    techniques: BTreeMap<String, (String, Vec<String>)>,
}

struct Table {
    version: String,
    licence: String,
    tactics: Vec<Tactic>,
    techniques: BTreeMap<String, Technique>,
}

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        // The file is part of the program, and a test reads it: where it could not be read, techniques have their ids alone.
        let empty = File {
            attack_version: String::new(),
            licence: String::new(),
            tactics: Vec::new(),
            techniques: BTreeMap::new(),
        };
        let file: File = serde_json::from_str(TEXT).unwrap_or(empty);
        let whole =
            |id: &str| file.techniques.get(id.split_once('.')?.0).map(|(name, _)| format!("{name}: "));
        let named = file.techniques.iter().map(|(id, (name, tactics))| {
            let name = format!("{}{name}", whole(id).unwrap_or_default());
            (id.clone(), Technique { name, tactics: tactics.clone() })
        });
        let techniques = named.collect();
        Table { version: file.attack_version, licence: file.licence, tactics: file.tactics, techniques }
    })
}

/// The technique of an id; a part that is not known goes by its whole.
pub fn technique(id: &str) -> Option<&'static Technique> {
    let known = &table().techniques;
    known.get(id).or_else(|| known.get(id.split_once('.')?.0))
}

/// All tactics, in the order of an intrusion.
pub fn tactics() -> &'static [Tactic] {
    &table().tactics
}

/// The version of ATT&CK that the names are from.
pub fn version() -> &'static str {
    &table().version
}

/// Terms under which the names are used.
pub fn licence() -> &'static str {
    &table().licence
}

/// Where a technique is described.
pub fn address(id: &str) -> String {
    format!("https://attack.mitre.org/techniques/{}", id.replace('.', "/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_what_rules_name() {
        assert_eq!(version(), "18.1");
        assert!(licence().contains("MITRE"));
        assert_eq!(tactics().len(), 14);
        let shell = technique("T1059.004");
        assert_eq!(
            shell.map(|shell| shell.name.as_str()),
            Some("Command and Scripting Interpreter: Unix Shell")
        );
        assert_eq!(shell.map(|shell| shell.tactics.clone()), Some(vec!["execution".to_owned()]));
        assert_eq!(technique("T1059.999"), technique("T1059"));
        assert!(technique("T9999").is_none() && technique("").is_none());
        for (id, technique) in &table().techniques {
            assert!(quell_wire::activity::is_technique(id) && !technique.tactics.is_empty(), "{id}");
            assert!(technique.tactics.iter().all(|own| tactics().iter().any(|all| all.0 == *own)), "{id}");
        }
        assert_eq!(address("T1059.004"), "https://attack.mitre.org/techniques/T1059/004");
    }
}
