//! The packs that are known from the start: files of the project, embedded.

use std::sync::OnceLock;

use crate::pack::Pack;

/// Their texts.
const TEXTS: &[&str] = &[
    include_str!("../../../packs/ingest/falco.yaml"),
    include_str!("../../../packs/ingest/generic.yaml"),
    include_str!("../../../packs/ingest/ocsf.yaml"),
    include_str!("../../../packs/ingest/suricata.yaml"),
    include_str!("../../../packs/ingest/wazuh.yaml"),
];

pub fn packs() -> &'static [Pack] {
    static PACKS: OnceLock<Vec<Pack>> = OnceLock::new();
    // A test sees to it that each of them loads.
    PACKS.get_or_init(|| TEXTS.iter().filter_map(|text| Pack::load(text).ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pack_loads_and_has_a_name_of_its_own() {
        let problems: Vec<_> = TEXTS.iter().filter_map(|text| Pack::load(text).err()).collect();
        assert!(problems.is_empty(), "{problems:?}");
        let mut names: Vec<&str> = packs().iter().map(Pack::source).collect();
        names.dedup();
        assert_eq!(names, ["falco", "generic", "ocsf", "suricata", "wazuh"]);
    }
}
