//! What the library of every tenant has from the beginning: the queries that come with the program.
//!
//! They are written down as the tenant's own items are, so that orders name them by digest, and marked. A newer program adds
//! their next versions; what a tenant put out of use stays so, and a name that it uses itself stays its own.

use std::sync::LazyLock;

use quell_catalog::library::Kind;
use quell_store::{Error, Micros, Tx, library, setting};
use quell_wire::digest::{hex, sha256};
use serde_json::Value;
use uuid::Uuid;

/// Who added them.
const WHO: &str = "Quell";
/// The setting that says which of them a tenant has.
const HAS: &str = "library.built_in";

macro_rules! queries {
    ($($name:literal,)*) => {
        &[$(($name, include_str!(concat!("../../../../packs/queries/", $name, ".yaml"))),)*]
    };
}

const QUERIES: &[(&str, &str)] = queries![
    "account-administrators",
    "account-authorized-keys",
    "account-empty-password",
    "account-last-logins",
    "account-logged-in",
    "account-ssh-targets",
    "account-sudo-without-password",
    "account-unprotected-keys",
    "account-user-id-zero",
    "account-with-shell",
    "autostart-cron",
    "autostart-cron-suspicious",
    "autostart-preload-file",
    "autostart-session",
    "autostart-shell-profiles",
    "autostart-timers",
    "autostart-units-odd-place",
    "autostart-units-recent",
    "file-capabilities",
    "file-changed-system-programs",
    "file-executable-in-temporary",
    "file-suid",
    "file-suid-without-package",
    "file-world-writable-config",
    "history-covering-tracks",
    "history-downloads",
    "kernel-modules",
    "kernel-settings",
    "machine-overview",
    "network-hosts-file",
    "network-listening",
    "network-neighbours-same-mac",
    "network-outgoing",
    "network-promiscuous",
    "network-raw-sockets",
    "network-resolvers",
    "network-routes",
    "package-sources",
    "package-tools-of-intruders",
    "process-deleted-executable",
    "process-deleted-library",
    "process-hash-of-running",
    "process-kernel-thread-imitated",
    "process-library-from-odd-place",
    "process-memory-only",
    "process-much-processor-time",
    "process-of-root-with-shell-interpreter",
    "process-other-root",
    "process-preloaded-library",
    "process-recent",
    "process-reverse-shell",
    "process-shell-of-service",
    "process-temporary-directory",
    "process-writable-and-executable-memory",
];

struct BuiltIn {
    name: &'static str,
    description: String,
    facts: Value,
    sha256: [u8; 32],
    body: &'static [u8],
}

/// Those that can be read; a test says that all can.
static ALL: LazyLock<Vec<BuiltIn>> = LazyLock::new(|| {
    let read = |(name, text): &(&'static str, &'static str)| {
        let query = quell_tables::query::parse(text).ok()?;
        let facts = super::query(text).ok()?;
        let description = query.description.chars().take(1000).collect();
        Some(BuiltIn { name, description, facts, sha256: sha256(&[text.as_bytes()]), body: text.as_bytes() })
    };
    QUERIES.iter().filter_map(read).collect()
});

/// Which these are: another program has others.
static MARK: LazyLock<String> = LazyLock::new(|| {
    let all: Vec<&[u8]> = ALL.iter().flat_map(|one| [one.name.as_bytes(), &one.sha256]).collect();
    hex(&sha256(&all))
});

/// Adds to a tenant's library what it does not have yet.
pub(crate) fn ensure(tx: &mut Tx<'_>, tenant: Uuid, now: Micros) -> Result<(), Error> {
    if setting::get(tx, tenant, HAS)?.is_some_and(|has| has == *MARK) {
        return Ok(());
    }
    let kind = Kind::Query.as_str();
    for one in ALL.iter() {
        // The tenant may have imported them itself.
        if library::by_digest(tx, tenant, kind, &one.sha256)?.is_some() {
            continue;
        }
        let item_id = match library::by_name(tx, tenant, kind, one.name)? {
            Some(known) if !known.built_in => continue,
            Some(known) => known.id,
            None => {
                let row = library::Item {
                    tenant_id: tenant,
                    id: Uuid::now_v7(),
                    kind: kind.to_owned(),
                    name: one.name.to_owned(),
                    description: one.description.clone(),
                    built_in: true,
                    created_at: now,
                    archived_at: None,
                    archived_by: None,
                };
                library::insert(tx, &row)?;
                row.id
            }
        };
        let version = library::Version {
            tenant_id: tenant,
            item_id,
            version: 0,
            kind: kind.to_owned(),
            facts: one.facts.to_string(),
            note: String::new(),
            size: 0,
            sha256: one.sha256,
            created_by: WHO.to_owned(),
            created_at: now,
        };
        library::add_version(tx, &version, one.body)?;
    }
    setting::set(tx, tenant, HAS, &MARK, now)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn every_query_of_the_pack_is_built_in() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../packs/queries");
        let mut there: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap().replace(".yaml", ""))
            .collect();
        there.sort();
        let known: Vec<&str> = ALL.iter().map(|one| one.name).collect();
        assert_eq!(known, there);
        for (name, text) in QUERIES {
            assert!(crate::library::look(Kind::Query, text.as_bytes()).is_ok(), "{name}");
        }
    }
}
