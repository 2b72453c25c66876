//! `quell audit verify`: reads the database, not the server, which could say anything.

use std::path::PathBuf;

use clap::Args;
use quell_server::{Config, Trail, TrailError, Wanted, verify_trails};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::failure::{Failure, PROBLEM};
use crate::output::{self, Format, progress, text};

/// Where the trail is, and what is believed.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The server's folder: its database, and the key that seals the trail
    #[arg(long, value_name = "FOLDER", env = "QUELL_DATA_DIR", default_value = "quell-data")]
    data_dir: PathBuf,
    /// `sqlite:PATH` or `postgres://…`; SQLite in the data directory where absent
    #[arg(long, value_name = "URL", env = "QUELL_DATABASE", hide_env_values = true)]
    database: Option<String>,
    /// A public key to believe, 64 hex digits (several times for several); that of the data directory where absent
    #[arg(long, value_name = "HEX", value_parser = public_key)]
    key: Vec<Bytes>,
    /// Only the trail of this tenant
    #[arg(long, value_name = "ID")]
    tenant: Option<Uuid>,
    /// A checkpoint that was kept elsewhere, as this command shows it, `number:sha256`: finds a trail that was cut
    #[arg(long, value_name = "CHECKPOINT", value_parser = kept)]
    kept: Option<Kept>,
}

/// A public key.
#[derive(Clone, Debug)]
struct Bytes([u8; 32]);

/// A checkpoint that was kept.
#[derive(Clone, Debug)]
struct Kept(u64, [u8; 32]);

fn public_key(text: &str) -> Result<Bytes, String> {
    digits(text).map(Bytes).ok_or_else(|| "a public key is 64 hex digits".to_owned())
}

fn kept(text: &str) -> Result<Kept, String> {
    let read = || {
        let (number, digest) = text.split_once(':')?;
        Some(Kept(number.parse().ok()?, digits(digest)?))
    };
    read().ok_or_else(|| "a checkpoint is its number, a colon and 64 hex digits".to_owned())
}

fn digits(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(index * 2..index * 2 + 2)?, 16).ok()?;
    }
    Some(bytes)
}

/// Verifies; fails when anything is wrong.
pub async fn run(arguments: &Arguments, format: Format) -> Result<(), Failure> {
    let mut config = Config::new(&arguments.data_dir);
    config.database.clone_from(&arguments.database);
    let wanted = Wanted {
        keys: arguments.key.iter().map(|key| key.0.to_vec()).collect(),
        tenant: arguments.tenant,
        kept: arguments.kept.as_ref().map(|kept| (kept.0, kept.1)),
    };
    let bar = progress::count("records verified");
    let trails = verify_trails(&config, &wanted, |count| bar.set_position(count)).await;
    bar.finish_and_clear();
    let trails = trails.map_err(|error| told(&error))?;
    let is_intact = trails.iter().all(|trail| trail.report.is_intact());
    let values: Vec<Value> = trails.iter().map(value).collect();
    output::one(format, &Value::from(values), |_| trails.iter().map(lines).collect::<Vec<_>>().join("\n"))?;
    if is_intact { Ok(()) } else { Err(Failure::silent(PROBLEM)) }
}

fn told(error: &TrailError) -> Failure {
    let failure = Failure::of(error).during("verifying the audit trail");
    match error {
        TrailError::NoKey => {
            failure.hint("Name the server's folder with --data-dir, or its public key with --key.")
        }
        TrailError::Absent(_) => failure.hint("Name the server's folder with --data-dir, or --database."),
        _ => failure,
    }
}

fn head(trail: &Trail) -> Option<String> {
    trail.report.head.map(|(number, digest)| format!("{number}:{}", text::hex(&digest)))
}

fn value(trail: &Trail) -> Value {
    let report = &trail.report;
    json!({
        "tenant": trail.tenant.to_string(), "name": trail.name, "intact": report.is_intact(),
        "records": report.records, "checkpoints": report.checkpoints, "waiting": report.waiting,
        "last_checkpoint": head(trail), "wrong": report.wrong,
        "problems": report.problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

fn lines(trail: &Trail) -> String {
    let report = &trail.report;
    let verdict = if report.is_intact() { "intact" } else { "NOT INTACT" };
    let mut lines = vec![format!(
        "{}: {verdict}; {} records under {} checkpoints, {} wait for the next",
        text::visible(&trail.name),
        report.records,
        report.checkpoints,
        report.waiting
    )];
    lines.extend(head(trail).map(|head| format!("  last checkpoint {head}")));
    lines.extend(report.problems.iter().map(|problem| format!("  {problem}")));
    let unnamed = report.wrong - report.problems.len() as u64;
    lines.extend((unnamed > 0).then(|| format!("  and {unnamed} more problems")));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn keys_and_checkpoints_are_read_strictly() {
        let hex = "0f".repeat(32);
        assert_eq!(public_key(&hex).unwrap().0, [15; 32]);
        assert_eq!(kept(&format!("7:{hex}")).map(|kept| (kept.0, kept.1)).unwrap(), (7, [15; 32]));
        for bad in ["", "7", "7:", "x:0f", &hex, &format!("-1:{hex}"), &format!("7:{hex}0"), &"é".repeat(32)]
        {
            assert!(kept(bad).is_err(), "{bad}");
        }
        assert!(public_key(&"+f".repeat(32)).is_err());
    }
}
