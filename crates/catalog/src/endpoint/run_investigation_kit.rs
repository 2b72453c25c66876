//! `endpoint.run_investigation_kit`: run a signed kit of the library, step by step, and bring in what it found.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::action::{Action, CheckError, Observed, Requesters, Undo, Verdict};
use crate::archive::Archive;
use crate::evidence::Probe;
use crate::text::is_hex;
use crate::{
    Effect, ManagedServices, OnCrash, OnFailure, Risk, Runner, Secret, Spec, System, TargetKind, TimeLimit,
};

const DEFAULT_SECONDS: u32 = 1800;
const MOST_SECONDS: u32 = 12 * 3600;
/// 256 MiB, and 4 GiB at most.
const DEFAULT_BYTES: u64 = 256 << 20;
const MOST_BYTES: u64 = 4 << 30;
/// What the manifest and the archive's own directory may add to the output.
const MANIFEST: u64 = 1 << 20;

/// The format, with its version, of the manifest in the archive of what a kit found.
pub const RESULTS: &str = "quell-kit-results/1";

/// The declaration.
#[derive(Debug)]
pub struct RunInvestigationKit;

/// Which kit, and how much it may take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// A kit of the library: its name, `name@version`, or `sha256:` and the digest of its body. A name is resolved to the
    /// digest when the task is made; the order carries the digest.
    #[schemars(length(min = 1, max = 200), extend("x-quell-reference" = "kit"))]
    pub kit: String,
    /// The Ed25519 public key that signed it, lower-case hex; taken from the library where absent. The endpoint unpacks
    /// nothing that another key signed.
    #[serde(default)]
    #[schemars(extend("x-quell-fold" = true))]
    pub signer: Option<String>,
    /// Seconds for all steps together, 1 to 43200. The step that runs then is ended, and those behind it are not run.
    #[serde(default = "default_seconds")]
    #[schemars(range(min = 1, max = 43_200))]
    pub time_limit_seconds: u32,
    /// Bytes of output of all steps together, at most 4294967296 (4 GiB). What comes beyond is counted and dropped.
    #[serde(default = "default_bytes")]
    #[schemars(range(min = 1, max = 4_294_967_296_u64), extend("x-quell-fold" = true))]
    pub max_output_bytes: u64,
}

const fn default_seconds() -> u32 {
    DEFAULT_SECONDS
}

const fn default_bytes() -> u64 {
    DEFAULT_BYTES
}

/// What ran, what it found, and that it is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// SHA-256 of the signed kit, checked by the agent before anything was unpacked, lower-case hex.
    pub sha256: String,
    /// The public key whose signature held, lower-case hex.
    pub signer: String,
    /// Who says that this key may sign kits: `root` where the tenant's offline root does, `order` where the order alone does.
    pub trusted_by: String,
    /// What the kit calls itself.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its steps, in their order, run or not.
    pub steps: Vec<Step>,
    /// Neither a file of the kit nor a process that a step had started is left; looked at after everything else.
    pub removed: bool,
    /// SHA-256 of `manifest.json` within the archive, lower-case hex.
    pub manifest_sha256: String,
    /// Milliseconds from the first step to the last.
    pub duration_ms: u64,
    /// The archive, opened with the task's password.
    pub archive: Archive,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// It came to its end, with success.
    Done,
    /// It came to its end without, or could not be run.
    Failed,
    /// Its time, or that of the kit, was up.
    TimedOut,
    /// It was not run: a step before it failed, or no time was left.
    NotRun,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// What the kit calls it.
    pub name: String,
    /// `script`, `tool`, `query`, `yara` or `evidence`.
    pub kind: String,
    /// How it ended.
    pub ended: Ended,
    /// Why it failed or was not run; empty where it was done.
    pub problem: String,
    /// Exit code of a script or tool that exited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Signal that ended it, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// When it began, microseconds since 1970 by the endpoint's clock; 0 where it was not run.
    pub began_us: i64,
    /// Milliseconds that it ran.
    pub duration_ms: u64,
    /// Processes that it left behind and that were ended.
    pub left_behind: u32,
    /// Rows of a query, files that rules matched, files of evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<u64>,
    /// Its output in the archive.
    pub files: Vec<OutputFile>,
}

/// One file of output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OutputFile {
    /// Its name in the archive.
    pub name: String,
    /// Bytes in the archive.
    pub size: u64,
    /// There was more, which was dropped.
    pub truncated: bool,
    /// SHA-256 of what is in the archive, lower-case hex.
    pub sha256: String,
}

impl RunInvestigationKit {
    /// The digest within a resolved `kit` parameter.
    pub fn digest(kit: &str) -> Option<&str> {
        kit.strip_prefix("sha256:").filter(|digest| is_hex(digest, 64))
    }
}

impl Action for RunInvestigationKit {
    type Params = Params;
    type Outcome = Outcome;
    const REQUESTERS: Requesters = Requesters::Operations;
    const SPEC: Spec = Spec {
        id: "endpoint.run_investigation_kit",
        revision: 1,
        title: "Run Investigation Kit",
        summary: "Deploys a signed kit, runs its steps in order, brings in what they found as one AES-256 archive, and removes the kit; proved by its digest, the archive's hash and a last look. Asked for by an outside operations team alone.",
        target: TargetKind::Endpoint,
        runner: Runner::Agent { systems: &[System::Linux] },
        effect: Effect::Irreversible,
        risk: Risk::High,
        managed_services: ManagedServices::Critical,
        step_up: false,
        time_limit: TimeLimit { default_s: 3600, max_s: 24 * 3600 },
        exclusion: None,
        priority: 2,
        on_failure: OnFailure::Keep,
        on_crash: OnCrash::Adopt,
        standing: None,
        secrets: &[Secret::ArchivePassword],
        redact: &[],
        example: r#"{"kit": "first-look"}"#,
        d3fend: Some("D3-FA"),
        vision_one: None,
        openc2: Some(("investigate", "device")),
    };

    fn validate(params: &Params) -> Result<(), CheckError> {
        if params.kit.is_empty() || params.kit.len() > 200 || !crate::is_clean_text(&params.kit) {
            return Err(CheckError::new("kit", "must be 1 to 200 characters without control characters"));
        }
        if params.signer.as_deref().is_some_and(|key| !is_hex(key, 64) || key != key.to_lowercase()) {
            return Err(CheckError::new("signer", "must be 64 lower-case hex digits"));
        }
        if params.time_limit_seconds == 0 || params.time_limit_seconds > MOST_SECONDS {
            return Err(CheckError::new("time_limit_seconds", format!("must be 1 to {MOST_SECONDS}")));
        }
        if params.max_output_bytes == 0 || params.max_output_bytes > MOST_BYTES {
            return Err(CheckError::new("max_output_bytes", format!("must be 1 to {MOST_BYTES}")));
        }
        Ok(())
    }

    fn judge(params: &Params, outcome: &Outcome, observed: &Observed) -> Verdict {
        if Self::digest(&params.kit) != Some(outcome.sha256.as_str()) {
            return Verdict::unverified("other_kit", format!("the digest that ran is {}", outcome.sha256));
        }
        if params.signer.as_ref() != Some(&outcome.signer) {
            return Verdict::unverified("other_signer", format!("the kit was signed by {}", outcome.signer));
        }
        if let Err(verdict) = outcome.archive.received(observed) {
            return verdict;
        }
        if !outcome.removed {
            return Verdict::unverified(
                "left_behind",
                "files of the kit, or processes of it, are still on the endpoint",
            );
        }
        let mut evidence = vec![
            format!("kit {} {}, signed by {}", outcome.name, outcome.version, outcome.signer),
            outcome.archive.sentence(),
            "after the last step neither files of the kit nor processes of it were left".to_owned(),
        ];
        let count = outcome.steps.len();
        for (number, step) in outcome.steps.iter().enumerate() {
            let number = number + 1;
            let how = match step.ended {
                Ended::Done => format!("done after {} ms", step.duration_ms),
                Ended::Failed | Ended::TimedOut => format!("failed: {}", step.problem),
                Ended::NotRun => {
                    return Verdict::unverified(
                        "kit_stopped",
                        format!(
                            "step {number} of {count} ({}) was not run: {}; what the others found is in the archive",
                            step.name, step.problem
                        ),
                    );
                }
            };
            evidence.push(format!("step {number} of {count}, {}: {how}", step.name));
        }
        if outcome.steps.iter().all(|step| step.ended != Ended::Done) {
            return Verdict::unverified("no_step_done", "none of the steps came to its end with success");
        }
        Verdict::Verified { evidence }
    }

    fn undo(_: &Params, _: &Outcome) -> Option<Undo> {
        None
    }

    fn archive_bytes(params: &Params) -> Option<u64> {
        Some(params.max_output_bytes + MANIFEST)
    }

    fn probes(_: &Outcome) -> &[Probe] {
        &[]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::StoredArtifact;

    fn params() -> Params {
        Params {
            kit: format!("sha256:{}", "a".repeat(64)),
            signer: Some("b".repeat(64)),
            time_limit_seconds: 60,
            max_output_bytes: 1000,
        }
    }

    fn step(ended: Ended) -> Step {
        Step {
            name: "who".to_owned(),
            kind: "script".to_owned(),
            ended,
            problem: String::new(),
            exit_code: None,
            signal: None,
            began_us: 1,
            duration_ms: 1,
            left_behind: 0,
            found: None,
            files: Vec::new(),
        }
    }

    fn outcome() -> Outcome {
        Outcome {
            sha256: "a".repeat(64),
            signer: "b".repeat(64),
            trusted_by: "order".to_owned(),
            name: "k".to_owned(),
            version: "1".to_owned(),
            steps: vec![step(Ended::Done), step(Ended::Failed)],
            removed: true,
            manifest_sha256: "c".repeat(64),
            duration_ms: 5,
            archive: Archive { artifact_id: "x".to_owned(), size: 9, sha256: "d".repeat(64) },
        }
    }

    #[test]
    fn it_counts_where_the_kit_ran_to_its_end_and_is_gone() {
        let stored = Observed {
            artifacts: vec![StoredArtifact { id: "x".to_owned(), size: 9, sha256: "d".repeat(64) }],
        };
        let code = |params: &Params, outcome: &Outcome, observed: &Observed| match RunInvestigationKit::judge(
            params, outcome, observed,
        ) {
            Verdict::Verified { .. } => String::new(),
            Verdict::Unverified { code, .. } => code,
        };
        assert_eq!(code(&params(), &outcome(), &stored), "");
        assert_eq!(code(&params(), &outcome(), &Observed::default()), "not_received");
        assert_eq!(code(&params(), &Outcome { removed: false, ..outcome() }, &stored), "left_behind");
        let other = Params { kit: format!("sha256:{}", "e".repeat(64)), ..params() };
        assert_eq!(code(&other, &outcome(), &stored), "other_kit");
        let other = Params { signer: Some("e".repeat(64)), ..params() };
        assert_eq!(code(&other, &outcome(), &stored), "other_signer");
        let stopped = Outcome { steps: vec![step(Ended::Failed), step(Ended::NotRun)], ..outcome() };
        assert_eq!(code(&params(), &stopped, &stored), "kit_stopped");
        let failed = Outcome { steps: vec![step(Ended::Failed)], ..outcome() };
        assert_eq!(code(&params(), &failed, &stored), "no_step_done");
    }

    #[test]
    fn bounds_hold() {
        assert_eq!(RunInvestigationKit::validate(&params()), Ok(()));
        for bad in [
            Params { kit: String::new(), ..params() },
            Params { signer: Some("B".repeat(64)), ..params() },
            Params { time_limit_seconds: 0, ..params() },
            Params { max_output_bytes: MOST_BYTES + 1, ..params() },
        ] {
            assert!(RunInvestigationKit::validate(&bad).is_err(), "{bad:?}");
        }
    }
}
