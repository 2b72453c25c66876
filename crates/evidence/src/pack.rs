//! The pack of definitions that comes with the agent.

use std::sync::OnceLock;

use crate::definition::{Set, parse};

/// Its text.
pub const LINUX: &str = include_str!("../../../packs/evidence/linux.yaml");
/// What is collected where nothing is named.
pub const DEFAULT_ARTIFACT: &str = "QuellTriageQuick";

/// The pack, read.
pub fn linux() -> &'static Set {
    static SET: OnceLock<Set> = OnceLock::new();
    // A test reads it; a fault in it would be an empty set, and every name in it unknown.
    SET.get_or_init(|| parse(LINUX).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::definition::SourceKind;
    use crate::resolve::{System, resolve};

    #[test]
    fn the_pack_is_whole() {
        let set = parse(LINUX).unwrap();
        assert!(set.warnings.is_empty(), "{:?}", set.warnings);
        assert!(set.definitions().len() >= 60, "{}", set.definitions().len());
        for definition in set.definitions() {
            assert!(!definition.doc.is_empty(), "{}", definition.name);
            for source in &definition.sources {
                if let SourceKind::Command { program, arguments } = &source.kind {
                    crate::allowed(program, arguments).unwrap();
                }
            }
        }
        let all: Vec<String> = set.definitions().iter().map(|known| known.name.clone()).collect();
        assert_eq!(resolve(&set, &all, System::Linux).missed, []);
        let reached = |name: &str| {
            let plan = resolve(&set, &[name.to_owned()], System::Linux);
            plan.steps
                .iter()
                .map(|step| step.definition.name.clone())
                .collect::<std::collections::BTreeSet<_>>()
        };
        let groups = |known: &crate::Definition| {
            known.sources.iter().all(|source| matches!(source.kind, SourceKind::Group { .. }))
        };
        let full = reached("QuellTriageFull");
        for known in set.definitions().iter().filter(|known| !groups(known)) {
            assert!(full.contains(&known.name), "{} is in no group", known.name);
        }
        assert!(reached(DEFAULT_ARTIFACT).len() >= 20);
    }
}
