//! `endpoint.run_osquery`: ask an endpoint's system tables by SQL.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::action::{Action, CheckError, Observed, Undo, Verdict};
use crate::evidence::Probe;
use crate::rows::Rows;
use crate::text::is_hex;
use crate::{Effect, ManagedServices, OnCrash, OnFailure, Risk, Runner, Spec, System, TargetKind, TimeLimit};

/// A statement. 64 KiB.
const MAX_SQL: usize = 64 << 10;
const DEFAULT_ROWS: u64 = 10_000;
const MAX_ROWS: u64 = 1_000_000;
const MAX_SECONDS: u32 = 3600;
/// 256 MiB.
const DEFAULT_MEMORY: u64 = 256 << 20;
/// 32 MiB.
const LEAST_MEMORY: u64 = 32 << 20;
/// 2 GiB.
const MAX_MEMORY: u64 = 2 << 30;
/// Compressed rows that are sent at most. 512 MiB.
const MOST_BYTES: u64 = 512 << 20;

/// The declaration.
#[derive(Debug)]
pub struct RunOsquery;

/// What is asked: exactly one of `sql` and `query`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// One `SELECT` on the tables of osquery's schema, at most 64 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 65536), extend("x-quell-multiline" = true))]
    pub sql: Option<String>,
    /// A query of the library: its name, `name@version`, or `sha256:` and the digest of its body.
    /// A name is resolved to the digest when the task is made; the order carries the digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200), extend("x-quell-reference" = "query"))]
    pub query: Option<String>,
    /// What answers; `auto` where absent.
    #[serde(default)]
    #[schemars(extend("x-quell-fold" = true))]
    pub engine: Choice,
    /// Rows at most, 1 to 1000000; the outcome says whether there were more.
    #[serde(default = "default_rows")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_rows: u64,
    /// Seconds until it is ended, 1 to 3600.
    #[serde(default = "default_seconds")]
    #[schemars(range(min = 1, max = 3600))]
    pub time_limit_seconds: u32,
    /// Bytes of memory at most, 33554432 (32 MiB) to 2147483648 (2 GiB).
    #[serde(default = "default_memory")]
    #[schemars(range(min = 33_554_432, max = 2_147_483_648_u64), extend("x-quell-fold" = true))]
    pub memory_limit_bytes: u64,
}

fn default_rows() -> u64 {
    DEFAULT_ROWS
}

fn default_seconds() -> u32 {
    RunOsquery::SPEC.time_limit.default_s
}

fn default_memory() -> u64 {
    DEFAULT_MEMORY
}

/// Which program answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// osquery where one is installed (5.7 or later), else the agent's own tables.
    #[default]
    Auto,
    /// The agent's own tables, in a confined process.
    Embedded,
    /// An installed osquery; refused where there is none.
    Osquery,
}

/// What answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    /// The agent's own tables.
    Embedded,
    /// An installed osquery.
    Osquery,
}

/// The rows, and what answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// What answered.
    pub engine: Engine,
    /// Its version.
    pub version: String,
    /// Title of the library's query, where one was asked.
    #[serde(default)]
    pub title: Option<String>,
    /// SHA-256 of the library's query as it was read, lower-case hex, where one was asked.
    #[serde(default)]
    pub query_sha256: Option<String>,
    /// Milliseconds from the start of the statement to its last row.
    pub duration_ms: u64,
    /// The most memory that answering took. Bytes.
    pub memory_bytes: u64,
    /// How the process that answered was confined.
    pub confined: String,
    /// How often something could not be read (a process that ended, a file without permission).
    pub troubles: u64,
    /// The first of those, in words, and what else is worth knowing.
    pub warnings: Vec<String>,
    /// What was found.
    pub rows: Rows,
}

impl RunOsquery {
    /// The digest within a resolved `query` parameter.
    pub fn digest(query: &str) -> Option<&str> {
        query.strip_prefix("sha256:").filter(|digest| is_hex(digest, 64))
    }
}

impl Action for RunOsquery {
    type Params = Params;
    type Outcome = Outcome;
    const SPEC: Spec = Spec {
        id: "endpoint.run_osquery",
        revision: 1,
        title: "Run osquery",
        summary: "Asks an endpoint's system tables by SQL, with osquery's names; proved by the rows, counted on both ends.",
        target: TargetKind::Endpoint,
        runner: Runner::Agent { systems: &[System::Linux] },
        effect: Effect::ReadOnly,
        risk: Risk::Medium,
        managed_services: ManagedServices::Always,
        step_up: false,
        time_limit: TimeLimit { default_s: 60, max_s: MAX_SECONDS },
        exclusion: None,
        priority: 3,
        on_failure: OnFailure::Keep,
        on_crash: OnCrash::Repeat,
        standing: None,
        secrets: &[],
        redact: &[],
        example: r#"{"sql": "SELECT pid, name, path FROM processes WHERE on_disk = 0"}"#,
        d3fend: Some("D3-SYSM"),
        vision_one: Some("runOsquery"),
        openc2: Some(("query", "features")),
    };

    fn validate(params: &Params) -> Result<(), CheckError> {
        if params.sql.is_some() == params.query.is_some() {
            return Err(CheckError::new(".", "give exactly one of `sql` and `query`"));
        }
        if let Some(sql) = &params.sql
            && (sql.trim().is_empty() || sql.len() > MAX_SQL || sql.contains('\0'))
        {
            return Err(CheckError::new("sql", "must be 1 byte to 64 KiB, without NUL"));
        }
        if let Some(query) = &params.query
            && (query.is_empty() || query.len() > 200 || !crate::is_clean_text(query))
        {
            return Err(CheckError::new("query", "must be 1 to 200 characters without control characters"));
        }
        if !(1..=MAX_ROWS).contains(&params.max_rows) {
            return Err(CheckError::new("max_rows", format!("must be 1 to {MAX_ROWS}")));
        }
        if !(1..=MAX_SECONDS).contains(&params.time_limit_seconds) {
            return Err(CheckError::new("time_limit_seconds", format!("must be 1 to {MAX_SECONDS}")));
        }
        if !(LEAST_MEMORY..=MAX_MEMORY).contains(&params.memory_limit_bytes) {
            return Err(CheckError::new(
                "memory_limit_bytes",
                format!("must be {LEAST_MEMORY} to {MAX_MEMORY}"),
            ));
        }
        Ok(())
    }

    fn judge(params: &Params, outcome: &Outcome, observed: &Observed) -> Verdict {
        if let Err(missing) = outcome.rows.received(observed) {
            return missing;
        }
        let asked = params.query.as_deref().and_then(Self::digest);
        if asked != outcome.query_sha256.as_deref() {
            return Verdict::unverified(
                "other_query",
                "the query that was read is not the one that was asked",
            );
        }
        if outcome.rows.count > params.max_rows {
            return Verdict::unverified("too_many_rows", format!("{} rows were sent", outcome.rows.count));
        }
        let more = if outcome.rows.truncated { ", and there were more" } else { "" };
        let engine = match outcome.engine {
            Engine::Embedded => "the agent's own tables",
            Engine::Osquery => "osquery",
        };
        let mut evidence = vec![format!(
            "{} rows{more}, by {engine} {} in {} ms",
            outcome.rows.count, outcome.version, outcome.duration_ms
        )];
        if outcome.troubles > 0 {
            evidence.push(format!("{} things could not be read", outcome.troubles));
        }
        Verdict::Verified { evidence }
    }

    fn undo(_: &Params, _: &Outcome) -> Option<Undo> {
        None
    }

    fn rows_bytes(_: &Params) -> Option<u64> {
        Some(MOST_BYTES)
    }

    fn probes(_: &Outcome) -> &[Probe] {
        &[]
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(value: &serde_json::Value) -> Result<serde_json::Value, CheckError> {
        (crate::Declared::of::<RunOsquery>().check_params)(value)
    }

    #[test]
    fn exactly_one_thing_is_asked_within_limits() {
        assert!(check(&json!({ "sql": "SELECT 1" })).is_ok());
        assert!(check(&json!({ "query": "suspicious@2", "max_rows": 5, "engine": "embedded" })).is_ok());
        for wrong in [
            json!({}),
            json!({ "sql": "SELECT 1", "query": "x" }),
            json!({ "sql": " " }),
            json!({ "sql": "SELECT \u{0}" }),
            json!({ "sql": "x".repeat(MAX_SQL + 1) }),
            json!({ "sql": "SELECT 1", "max_rows": 0 }),
            json!({ "sql": "SELECT 1", "max_rows": 1_000_001 }),
            json!({ "sql": "SELECT 1", "time_limit_seconds": 0 }),
            json!({ "sql": "SELECT 1", "memory_limit_bytes": 1 }),
            json!({ "sql": "SELECT 1", "database": "x" }),
            json!({ "query": "a\u{202e}b" }),
        ] {
            assert!(check(&wrong).is_err(), "{wrong}");
        }
    }
}
