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
    /// What comes after it, where the two databases need different words for one thing: SQLite's, then PostgreSQL's.
    apart: Option<[&'static str; 2]>,
}

impl Migration {
    const fn of(version: i64, name: &'static str, text: &'static str) -> Self {
        Self { version, name, text, apart: None }
    }

    fn text(&self, is_lite: bool) -> String {
        let apart = self.apart.map(|[lite, postgres]| if is_lite { lite } else { postgres });
        format!("{}{}", self.text, apart.unwrap_or_default())
    }
}

const MIGRATIONS: &[Migration] = &[
    Migration::of(1, "foundation", include_str!("../../../migrations/0001_foundation.sql")),
    Migration::of(2, "audit_checkpoints", include_str!("../../../migrations/0002_audit_checkpoints.sql")),
    Migration::of(3, "people", include_str!("../../../migrations/0003_people.sql")),
    Migration::of(4, "approval", include_str!("../../../migrations/0004_approval.sql")),
    Migration::of(5, "notice", include_str!("../../../migrations/0005_notice.sql")),
    Migration::of(6, "trust", include_str!("../../../migrations/0006_trust.sql")),
    Migration::of(7, "console", include_str!("../../../migrations/0007_console.sql")),
    Migration::of(8, "endpoint_list", include_str!("../../../migrations/0008_endpoint_list.sql")),
    Migration::of(9, "approval_validity", include_str!("../../../migrations/0009_approval_validity.sql")),
    Migration::of(10, "library", include_str!("../../../migrations/0010_library.sql")),
    Migration {
        apart: Some([
            include_str!("../../../migrations/0011_blocklist_sqlite.sql"),
            include_str!("../../../migrations/0011_blocklist_postgres.sql"),
        ]),
        ..Migration::of(11, "blocklist", include_str!("../../../migrations/0011_blocklist.sql"))
    },
    Migration::of(12, "shell", include_str!("../../../migrations/0012_shell.sql")),
    Migration::of(13, "kit_key", include_str!("../../../migrations/0013_kit_key.sql")),
    Migration::of(14, "api_key_scope", include_str!("../../../migrations/0014_api_key_scope.sql")),
    Migration::of(15, "incident", include_str!("../../../migrations/0015_incident.sql")),
    Migration {
        apart: Some([
            include_str!("../../../migrations/0016_protection_sqlite.sql"),
            include_str!("../../../migrations/0016_protection_postgres.sql"),
        ]),
        ..Migration::of(16, "protection", include_str!("../../../migrations/0016_protection.sql"))
    },
    Migration::of(17, "response_plan", include_str!("../../../migrations/0017_response_plan.sql")),
    Migration::of(18, "incident_lookup", include_str!("../../../migrations/0018_incident_lookup.sql")),
    Migration::of(19, "plan_turn", include_str!("../../../migrations/0019_plan_turn.sql")),
    Migration::of(20, "room", include_str!("../../../migrations/0020_room.sql")),
    Migration::of(21, "vanished_files", include_str!("../../../migrations/0021_vanished_files.sql")),
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
    let is_lite = lock.is_none();
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
        if digest(&known.text(is_lite)) != *checksum {
            return Err(Error::Schema(format!("migration {version} ({name}) was applied with another text")));
        }
    }
    let last = applied.last().map_or(0, |(version, _, _)| *version);
    for migration in MIGRATIONS.iter().filter(|migration| migration.version > last) {
        let text = migration.text(is_lite);
        connection.batch(&text)?;
        let checksum = digest(&text);
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::lite::Lite;

    #[test]
    fn what_rights_are_called_anew_is_so_in_roles_and_in_keys() {
        let dir = tempfile::tempdir().unwrap();
        let mut lite = Lite::open_writer(&dir.path().join("quell.db")).unwrap();
        lite.batch(
            "CREATE TABLE schema_migration (
                version BIGINT PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at BIGINT NOT NULL)",
        )
        .unwrap();
        for migration in MIGRATIONS.iter().filter(|migration| migration.version <= 9) {
            let text = migration.text(true);
            lite.batch(&text).unwrap();
            let (name, checksum) = (Value::Text(migration.name), digest(&text));
            let row = [Value::Int(migration.version), name, Value::Text(&checksum), Value::Int(1)];
            lite.execute(RECORD, &row).unwrap();
        }
        lite.batch(
            r#"INSERT INTO tenant (id, name, created_at) VALUES ('t', 't', 1);
            INSERT INTO role (tenant_id, id, name, description, grants, created_at, updated_at) VALUES
                ('t', 'r', 'r', '', '[{"permissions":["script.read","task.read"]}]', 1, 1);
            INSERT INTO api_key (tenant_id, id, name, prefix, hash, role, created_at, scope) VALUES
                ('t', 'k', 'k', 'k', x'00', 'r', 1, '{"permissions":["script.read","script.write","task.read"]}'),
                ('t', 'l', 'l', 'l', x'00', 'r', 1, NULL);"#,
        )
        .unwrap();
        run(&mut lite, None, 2).unwrap();
        let mut found: Vec<Option<String>> = Vec::new();
        let all = "SELECT scope FROM api_key UNION ALL SELECT grants FROM role";
        lite.query(all, &[], &mut |mut row| found.push(row.take().unwrap())).unwrap();
        let renamed = [
            Some(r#"{"permissions":["library.read","library.write","task.read"]}"#.to_owned()),
            None,
            Some(r#"[{"permissions":["library.read","task.read"]}]"#.to_owned()),
        ];
        assert_eq!(found, renamed);
    }
}
