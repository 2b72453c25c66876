//! Migrations: embedded, forward only, each recorded with the digest of its text.

use sha2::{Digest, Sha256};

use crate::{
    Error, Micros,
    tx::{Connection, Control},
    value::Value,
};

struct Migration {
    version: i64,
    name: &'static str,
    text: &'static str,
}

const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "foundation",
        text: include_str!("../../../migrations/0001_foundation.sql"),
    },
    Migration {
        version: 2,
        name: "audit_checkpoints",
        text: include_str!("../../../migrations/0002_audit_checkpoints.sql"),
    },
    Migration { version: 3, name: "people", text: include_str!("../../../migrations/0003_people.sql") },
    Migration { version: 4, name: "approval", text: include_str!("../../../migrations/0004_approval.sql") },
    Migration { version: 5, name: "notice", text: include_str!("../../../migrations/0005_notice.sql") },
    Migration { version: 6, name: "trust", text: include_str!("../../../migrations/0006_trust.sql") },
    Migration { version: 7, name: "console", text: include_str!("../../../migrations/0007_console.sql") },
    Migration {
        version: 8,
        name: "endpoint_list",
        text: include_str!("../../../migrations/0008_endpoint_list.sql"),
    },
    Migration {
        version: 9,
        name: "approval_validity",
        text: include_str!("../../../migrations/0009_approval_validity.sql"),
    },
];

/// The schema version that this program writes.
pub const LATEST: i64 = MIGRATIONS[MIGRATIONS.len() - 1].version;

const RECORD: &str =
    "INSERT INTO schema_migration (version, name, checksum, applied_at) VALUES ($1, $2, $3, $4)";
const APPLIED: &str = "SELECT version, name, checksum FROM schema_migration ORDER BY version";

/// Brings the schema up to [`LATEST`]; refuses a database that a newer program wrote, and one whose applied
/// migrations are not those of this program.
pub(crate) fn run(connection: &mut dyn Connection, lock: Option<&str>, now: Micros) -> Result<(), Error> {
    connection.control(Control::BeginWrite)?;
    let result = apply(connection, lock, now);
    match result {
        Ok(()) => connection.control(Control::Commit),
        Err(error) => {
            if connection.in_transaction() {
                connection.control(Control::Rollback)?;
            }
            Err(error)
        }
    }
}

fn apply(connection: &mut dyn Connection, lock: Option<&str>, now: Micros) -> Result<(), Error> {
    // Nodes that start together must not migrate together; SQLite's write lock is held already.
    if let Some(lock) = lock {
        connection.batch(lock)?;
    }
    connection.batch(
        "CREATE TABLE IF NOT EXISTS schema_migration (
            version BIGINT PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at BIGINT NOT NULL)",
    )?;
    let mut applied: Vec<Result<(i64, String, String), Error>> = Vec::new();
    connection.query(APPLIED, &[], &mut |mut row| {
        applied.push((|| Ok((row.take()?, row.take()?, row.take()?)))());
    })?;
    let applied = applied.into_iter().collect::<Result<Vec<_>, _>>()?;
    for (version, name, checksum) in &applied {
        let Some(known) = MIGRATIONS.iter().find(|migration| migration.version == *version) else {
            return Err(Error::Schema(format!(
                "it has migration {version} ({name}), this program knows up to {LATEST}: run a newer program"
            )));
        };
        if digest(known.text) != *checksum {
            return Err(Error::Schema(format!("migration {version} ({name}) was applied with another text")));
        }
    }
    let last = applied.last().map_or(0, |(version, _, _)| *version);
    for migration in MIGRATIONS.iter().filter(|migration| migration.version > last) {
        connection.batch(migration.text)?;
        let checksum = digest(migration.text);
        connection.execute(
            RECORD,
            &[
                Value::Int(migration.version),
                Value::Text(migration.name),
                Value::Text(&checksum),
                Value::Int(now),
            ],
        )?;
    }
    Ok(())
}

fn digest(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().fold(String::with_capacity(64), |mut hex, byte| {
        hex.extend([byte >> 4, byte & 15].map(|half| char::from_digit(half.into(), 16).unwrap_or('0')));
        hex
    })
}
