//! `endpoint.collect_evidence`: bring in what definitions of forensic evidence name, sealed at the source.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::action::{Action, CheckError, Observed, Undo, Verdict};
use crate::archive::Archive;
use crate::evidence::Probe;
use crate::text::is_hex;
use crate::{
    Effect, ManagedServices, OnCrash, OnFailure, Risk, Runner, Secret, Spec, System, TargetKind, TimeLimit,
};

const MAX_ARTIFACTS: usize = 200;
/// 512 MiB, and 16 GiB at most.
const DEFAULT_BYTES: u64 = 512 << 20;
const MOST_BYTES: u64 = 16 << 30;
/// 64 MiB, and 4 GiB at most.
const DEFAULT_FILE_BYTES: u64 = 64 << 20;
const MOST_FILE_BYTES: u64 = 4 << 30;
const DEFAULT_FILES: u32 = 20_000;
const MOST_FILES: u32 = 100_000;
const DEFAULT_SECONDS: u32 = 600;
const MOST_SECONDS: u32 = 6 * 3600;
const DEFAULT_COMMAND_SECONDS: u32 = 20;
const MOST_COMMAND_SECONDS: u32 = 300;
/// What the manifest may add to the content.
const MANIFEST: u64 = 64 << 20;
/// Names of definitions that stand in an outcome.
pub const SHOWN_NAMES: usize = 100;

/// The declaration.
#[derive(Debug)]
pub struct CollectEvidence;

/// What is looked for, and how much may be taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Names of definitions or groups of them. `QuellTriageQuick` takes what is looked at first, `QuellTriageFull` everything
    /// of the pack that comes with the agent.
    #[serde(default = "default_artifacts")]
    #[schemars(length(min = 1, max = 200), extend("x-quell-fold" = false))]
    pub artifacts: Vec<String>,
    /// Definitions of the library (ForensicArtifacts YAML): name, `name@version`, or `sha256:` and the digest. Where absent, the
    /// pack that comes with the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200), extend("x-quell-reference" = "evidence"))]
    pub definitions: Option<String>,
    /// Also run the commands that the definitions name: programs that only look.
    #[serde(default = "default_true")]
    pub include_commands: bool,
    /// Bytes of content in all, at most 17179869184 (16 GiB). What does not fit is named in the manifest.
    #[serde(default = "default_bytes")]
    #[schemars(range(min = 1, max = 17_179_869_184_u64))]
    pub max_bytes: u64,
    /// Larger files are left out and named. Bytes, at most 4294967296 (4 GiB).
    #[serde(default = "default_file_bytes")]
    #[schemars(range(min = 1, max = 4_294_967_296_u64), extend("x-quell-fold" = true))]
    pub max_file_bytes: u64,
    /// Files in all, at most 100000.
    #[serde(default = "default_files")]
    #[schemars(range(min = 1, max = 100_000), extend("x-quell-fold" = true))]
    pub max_files: u32,
    /// Seconds of collecting, 1 to 21600. What was collected until then is brought in.
    #[serde(default = "default_seconds")]
    #[schemars(range(min = 1, max = 21_600))]
    pub time_limit_seconds: u32,
    /// Seconds that each command may run, 1 to 300.
    #[serde(default = "default_command_seconds")]
    #[schemars(range(min = 1, max = 300), extend("x-quell-fold" = true))]
    pub command_seconds: u32,
}

fn default_artifacts() -> Vec<String> {
    vec!["QuellTriageQuick".to_owned()]
}

const fn default_true() -> bool {
    true
}

const fn default_bytes() -> u64 {
    DEFAULT_BYTES
}

const fn default_file_bytes() -> u64 {
    DEFAULT_FILE_BYTES
}

const fn default_files() -> u32 {
    DEFAULT_FILES
}

const fn default_seconds() -> u32 {
    DEFAULT_SECONDS
}

const fn default_command_seconds() -> u32 {
    DEFAULT_COMMAND_SECONDS
}

/// What was brought in, and the seal over it: this outcome is signed with the endpoint's own key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// Where the definitions are from: `agent` for the pack that comes with it, else `library`.
    pub source: String,
    /// SHA-256 of the definitions, lower-case hex.
    pub definitions_sha256: String,
    /// SHA-256 of `manifest.json` within the archive, lower-case hex.
    pub manifest_sha256: String,
    /// Definitions that were looked at.
    pub looked_at: u32,
    /// Definitions that were asked for and could not be looked at, with the reason; at most 100 of them.
    pub missed: Vec<Missed>,
    /// Files in the archive.
    pub files: u64,
    /// Bytes of content in the archive.
    pub bytes: u64,
    /// Commands whose output is in the archive.
    pub commands: u32,
    /// Files that were found and left out, by reason.
    pub left_out: Vec<LeftOut>,
    /// A budget ended it early: `time`, `bytes` or `files`.
    #[serde(default)]
    pub ended_by: Option<String>,
    /// Milliseconds of collecting.
    pub duration_ms: u64,
    /// The archive, opened with the task's password.
    pub archive: Archive,
}

/// A definition that was not looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Missed {
    /// As it was named.
    pub definition: String,
    /// Why.
    pub reason: String,
}

/// Files that were left out for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// A stable code.
    pub reason: String,
    /// How many.
    pub count: u64,
}

impl CollectEvidence {
    /// The digest within a resolved `definitions` parameter.
    pub fn digest(definitions: &str) -> Option<&str> {
        definitions.strip_prefix("sha256:").filter(|digest| is_hex(digest, 64))
    }
}

impl Action for CollectEvidence {
    type Params = Params;
    type Outcome = Outcome;
    const SPEC: Spec = Spec {
        id: "endpoint.collect_evidence",
        revision: 1,
        title: "Collect Evidence",
        summary: "Brings in what definitions of forensic evidence name, as one AES-256 archive with a manifest of hashes; proved by a seal that the endpoint signs over both.",
        target: TargetKind::Endpoint,
        runner: Runner::Agent { systems: &[System::Linux] },
        effect: Effect::ReadOnly,
        risk: Risk::Medium,
        managed_services: ManagedServices::Critical,
        step_up: false,
        time_limit: TimeLimit { default_s: 3600, max_s: 12 * 3600 },
        exclusion: None,
        priority: 2,
        on_failure: OnFailure::Keep,
        on_crash: OnCrash::Repeat,
        standing: None,
        secrets: &[Secret::ArchivePassword],
        redact: &[],
        example: r#"{"artifacts": ["QuellTriageQuick"]}"#,
        d3fend: Some("D3-FA"),
        vision_one: Some("collectEvidence"),
        openc2: Some(("investigate", "device")),
    };

    fn validate(params: &Params) -> Result<(), CheckError> {
        if params.artifacts.is_empty() || params.artifacts.len() > MAX_ARTIFACTS {
            return Err(CheckError::new("artifacts", format!("must name 1 to {MAX_ARTIFACTS}")));
        }
        let is_name = |text: &str| !text.is_empty() && text.len() <= 200 && crate::is_clean_text(text);
        for (index, name) in params.artifacts.iter().enumerate() {
            if !is_name(name) {
                return Err(CheckError::new(
                    format!("artifacts[{index}]"),
                    "must be 1 to 200 characters without control characters",
                ));
            }
        }
        if params.definitions.as_deref().is_some_and(|text| !is_name(text)) {
            return Err(CheckError::new(
                "definitions",
                "must be 1 to 200 characters without control characters",
            ));
        }
        for (field, value, most) in [
            ("max_bytes", params.max_bytes, MOST_BYTES),
            ("max_file_bytes", params.max_file_bytes, MOST_FILE_BYTES),
            ("max_files", params.max_files.into(), MOST_FILES.into()),
            ("time_limit_seconds", params.time_limit_seconds.into(), MOST_SECONDS.into()),
            ("command_seconds", params.command_seconds.into(), MOST_COMMAND_SECONDS.into()),
        ] {
            if value == 0 || value > most {
                return Err(CheckError::new(field, format!("must be 1 to {most}")));
            }
        }
        Ok(())
    }

    fn judge(params: &Params, outcome: &Outcome, observed: &Observed) -> Verdict {
        let asked = params.definitions.as_deref().and_then(Self::digest);
        if asked.is_some_and(|digest| digest != outcome.definitions_sha256) {
            return Verdict::unverified(
                "other_definitions",
                format!("the definitions that were read are {}", outcome.definitions_sha256),
            );
        }
        if let Err(verdict) = outcome.archive.received(observed) {
            return verdict;
        }
        if outcome.looked_at == 0 {
            return Verdict::unverified("nothing_looked_at", "none of the definitions was looked at");
        }
        let mut evidence = vec![
            format!(
                "{} definitions: {} files of {} bytes and the output of {} commands were sealed at the source",
                outcome.looked_at, outcome.files, outcome.bytes, outcome.commands
            ),
            format!("manifest SHA-256 {}", outcome.manifest_sha256),
            outcome.archive.sentence(),
        ];
        let left: u64 = outcome.left_out.iter().fold(0, |sum, left| sum.saturating_add(left.count));
        if left > 0 {
            evidence
                .push(format!("{left} files were found and left out, each with its reason in the manifest"));
        }
        if let Some(by) = &outcome.ended_by {
            evidence.push(format!("ended early by the budget of {by}"));
        }
        Verdict::Verified { evidence }
    }

    fn undo(_: &Params, _: &Outcome) -> Option<Undo> {
        None
    }

    fn archive_bytes(params: &Params) -> Option<u64> {
        Some(params.max_bytes + MANIFEST)
    }

    fn probes(_: &Outcome) -> &[Probe] {
        &[]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::StoredArtifact;

    fn outcome() -> Outcome {
        Outcome {
            source: "agent".to_owned(),
            definitions_sha256: "a".repeat(64),
            manifest_sha256: "b".repeat(64),
            looked_at: 3,
            missed: Vec::new(),
            files: 2,
            bytes: 10,
            commands: 1,
            left_out: Vec::new(),
            ended_by: None,
            duration_ms: 5,
            archive: Archive { artifact_id: "x".to_owned(), size: 9, sha256: "c".repeat(64) },
        }
    }

    fn params() -> Params {
        serde_json::from_str("{}").unwrap_or_else(|error| unreachable!("{error}"))
    }

    #[test]
    fn it_counts_only_with_the_archive_that_was_sealed() {
        let stored = |sha256: &str| Observed {
            artifacts: vec![StoredArtifact { id: "x".to_owned(), size: 9, sha256: sha256.repeat(64) }],
        };
        let judged =
            |params: &Params, observed: &Observed| CollectEvidence::judge(params, &outcome(), observed);
        assert!(matches!(judged(&params(), &stored("c")), Verdict::Verified { .. }));
        assert!(matches!(judged(&params(), &stored("d")), Verdict::Unverified { .. }));
        assert!(matches!(judged(&params(), &Observed::default()), Verdict::Unverified { .. }));
        let other = Params { definitions: Some(format!("sha256:{}", "e".repeat(64))), ..params() };
        assert!(matches!(judged(&other, &stored("c")), Verdict::Unverified { .. }));
    }

    #[test]
    fn budgets_are_bounded() {
        assert_eq!(CollectEvidence::validate(&params()), Ok(()));
        assert!(CollectEvidence::validate(&Params { max_bytes: 0, ..params() }).is_err());
        assert!(CollectEvidence::validate(&Params { artifacts: Vec::new(), ..params() }).is_err());
        assert!(
            CollectEvidence::validate(&Params { artifacts: vec!["a\n".to_owned()], ..params() }).is_err()
        );
        assert!(CollectEvidence::validate(&Params { max_files: 200_000, ..params() }).is_err());
    }
}
