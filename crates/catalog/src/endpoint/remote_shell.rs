//! `endpoint.remote_shell`: a terminal on an endpoint, recorded as it is used.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::action::{Action, CheckError, Observed, Undo, Verdict};
use crate::archive::Archive;
use crate::evidence::Probe;
use crate::{
    Effect, ManagedServices, OnCrash, OnFailure, Risk, Runner, Secret, Spec, System, TargetKind, TimeLimit,
};

/// Minutes: half a day.
const MAX_MINUTES: u32 = 12 * 60;
const MAX_IDLE_MINUTES: u32 = 4 * 60;
/// Seconds.
const MAX_AWAY: u32 = 3600;
/// MiB.
const MAX_OUTPUT: u32 = 1024;
/// Bytes of what `get` and `memdump` may bring in, all together: 4 GiB.
const MAX_FILES: u64 = 4 << 30;
/// Files that the evidence names; the outcome names more.
const FILES_TOLD: usize = 32;
/// The longest name that a login may have.
const USER: usize = 64;
const DIRECTORY: usize = 4096;

/// The declaration.
#[derive(Debug)]
pub struct RemoteShell;

/// What kind of shell, and for how long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The program that is started, as a login shell.
    #[serde(default)]
    pub shell: Program,
    /// As whom it runs, with that person's groups; root where absent.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub user: Option<String>,
    /// Where it begins, an absolute path; the person's home where absent.
    #[serde(default)]
    #[schemars(length(max = 4096))]
    pub directory: Option<String>,
    /// Minutes without anything typed until it ends, 1 to 240.
    #[serde(default = "idle_minutes")]
    #[schemars(range(min = 1, max = 240))]
    pub idle_minutes: u32,
    /// Minutes until it ends whatever happens, 1 to 720.
    #[serde(default = "max_minutes")]
    #[schemars(range(min = 1, max = 720))]
    pub max_minutes: u32,
    /// Seconds that the endpoint may be away from the server until the shell is ended there, 10 to 3600.
    #[serde(default = "away_seconds")]
    #[schemars(range(min = 10, max = 3600))]
    pub away_seconds: u32,
    /// MiB that it may write until it ends, 1 to 1024.
    #[serde(default = "max_output_mib")]
    #[schemars(range(min = 1, max = 1024))]
    pub max_output_mib: u32,
}

fn idle_minutes() -> u32 {
    15
}

fn max_minutes() -> u32 {
    60
}

fn away_seconds() -> u32 {
    300
}

fn max_output_mib() -> u32 {
    256
}

/// Which program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Program {
    /// The person's own, as their account says.
    #[default]
    Login,
    /// GNU Bash.
    Bash,
    /// POSIX shell.
    Sh,
}

/// Why it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// The shell itself exited, or a signal ended it.
    Exited,
    /// Nothing was typed for too long.
    Idle,
    /// Its time was up.
    TimeLimit,
    /// It wrote too much.
    OutputLimit,
    /// Somebody at the shell, or looking on, ended it.
    Person,
    /// The task was called off.
    Canceled,
    /// The approval is not valid any more.
    ApprovalOver,
    /// The endpoint was away from the server for too long.
    Away,
    /// It had too many processes at once.
    TooManyProcesses,
    /// The agent stopped, and the terminal with it.
    AgentStopped,
}

impl Ended {
    /// Every one.
    pub const ALL: &'static [Self] = &[
        Self::Exited,
        Self::Idle,
        Self::TimeLimit,
        Self::OutputLimit,
        Self::Person,
        Self::Canceled,
        Self::ApprovalOver,
        Self::Away,
        Self::TooManyProcesses,
        Self::AgentStopped,
    ];

    /// The name in JSON and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exited => "exited",
            Self::Idle => "idle",
            Self::TimeLimit => "time_limit",
            Self::OutputLimit => "output_limit",
            Self::Person => "person",
            Self::Canceled => "canceled",
            Self::ApprovalOver => "approval_over",
            Self::Away => "away",
            Self::TooManyProcesses => "too_many_processes",
            Self::AgentStopped => "agent_stopped",
        }
    }

    /// The one of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|ended| ended.as_str() == name)
    }

    /// The same for people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Exited => "the shell ended",
            Self::Idle => "nothing was typed for too long",
            Self::TimeLimit => "its time was up",
            Self::OutputLimit => "it wrote more than it may",
            Self::Person => "somebody ended it",
            Self::Canceled => "the task was called off",
            Self::ApprovalOver => "the approval is not valid any more",
            Self::Away => "the endpoint was away from the server for too long",
            Self::TooManyProcesses => "it had too many processes at once",
            Self::AgentStopped => "the agent stopped, and the terminal with it",
        }
    }
}

/// How it went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// The program with its path; empty where it is not known any more.
    pub program: String,
    /// As whom it ran.
    pub user: String,
    /// Why it ended.
    pub ended: Ended,
    /// Who ended it, where somebody did.
    #[serde(default)]
    pub ended_by: Option<String>,
    /// Exit code, where the shell exited.
    pub exit_code: Option<i32>,
    /// Signal that ended the shell, where one did.
    pub signal: Option<i32>,
    /// Milliseconds that it lived.
    pub duration_ms: u64,
    /// Bytes typed.
    pub bytes_in: u64,
    /// Bytes that the terminal wrote.
    pub bytes_out: u64,
    /// Verbs of the agent that were used.
    pub verbs: Vec<VerbCount>,
    /// Files that verbs brought in or put there, as each came to its end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<MovedFile>,
    /// More of them than are named, which the limit of an outcome leaves no room for.
    #[serde(default)]
    pub files_unnamed: u32,
    /// Processes that it left behind and that were ended.
    pub left_behind: u32,
    /// Processes that could not be ended.
    pub still_there: u32,
    /// The recording, as the server stored it while it passed.
    pub recording: Option<Recording>,
}

/// How often a verb was used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VerbCount {
    /// Which.
    pub verb: String,
    /// How often.
    pub count: u32,
}

/// A file that a verb brought in or put there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MovedFile {
    /// `get`, `memdump` or `put`.
    pub verb: String,
    /// Where it lies on the endpoint, for `memdump` the program of the process; lossy UTF-8 without control characters.
    pub path: String,
    /// The process whose memory it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Bytes of its content.
    pub size: u64,
    /// SHA-256 of its content, lower-case hex.
    pub sha256: String,
    /// What the server keeps: the encrypted archive of what was brought in, or the very file that was put.
    pub artifact: Archive,
}

/// A recording that the server stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recording {
    /// Its id among the artifacts.
    pub artifact_id: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256, lower-case hex.
    pub sha256: String,
}

impl Action for RemoteShell {
    type Params = Params;
    type Outcome = Outcome;
    const SPEC: Spec = Spec {
        id: "endpoint.remote_shell",
        revision: 1,
        title: "Start Remote Shell Session",
        summary: "Opens a terminal on the endpoint, recorded and open to a second person's eyes; proved by the recording that the server made.",
        target: TargetKind::Endpoint,
        runner: Runner::Agent { systems: &[System::Linux] },
        effect: Effect::Irreversible,
        risk: Risk::High,
        managed_services: ManagedServices::Recommended,
        step_up: false,
        time_limit: TimeLimit { default_s: 3600, max_s: MAX_MINUTES * 60 + 600 },
        exclusion: None,
        priority: 1,
        on_failure: OnFailure::Keep,
        on_crash: OnCrash::Adopt,
        standing: None,
        secrets: &[Secret::ArchivePassword],
        redact: &[],
        example: "{}",
        d3fend: None,
        vision_one: Some("remoteShell"),
        openc2: Some(("start", "process")),
    };

    fn validate(params: &Params) -> Result<(), CheckError> {
        let within = |field: &str, value: u32, least: u32, most: u32| {
            if (least..=most).contains(&value) {
                return Ok(());
            }
            Err(CheckError::new(field, format!("must be {least} to {most}")))
        };
        within("idle_minutes", params.idle_minutes, 1, MAX_IDLE_MINUTES)?;
        within("max_minutes", params.max_minutes, 1, MAX_MINUTES)?;
        within("away_seconds", params.away_seconds, 10, MAX_AWAY)?;
        within("max_output_mib", params.max_output_mib, 1, MAX_OUTPUT)?;
        if let Some(user) = &params.user {
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"._-@$\\".contains(&byte);
            if user.is_empty() || user.len() > USER || user.starts_with('-') || !user.bytes().all(is_name) {
                return Err(CheckError::new("user", "must be the name of an account, at most 64 characters"));
            }
        }
        if let Some(directory) = &params.directory
            && (!directory.starts_with('/')
                || directory.len() > DIRECTORY
                || !crate::is_clean_text(directory))
        {
            return Err(CheckError::new(
                "directory",
                "must be an absolute path without control characters, at most 4096 bytes",
            ));
        }
        Ok(())
    }

    fn judge(_: &Params, outcome: &Outcome, observed: &Observed) -> Verdict {
        let Some(recording) = &outcome.recording else {
            return Verdict::unverified("not_recorded", "the server stored no recording of it");
        };
        let is_held = |stored: &crate::StoredArtifact| {
            stored.id == recording.artifact_id && stored.sha256 == recording.sha256
        };
        if !observed.artifacts.iter().any(is_held) {
            return Verdict::unverified(
                "not_recorded",
                "the server holds another recording than is named, or none",
            );
        }
        if let Some(file) = outcome.files.iter().find(|file| file.artifact.received(observed).is_err()) {
            let reason =
                format!("the server does not hold what `{}` of {} is said to be", file.verb, file.path);
            return Verdict::unverified("file_differs", reason);
        }
        if outcome.still_there > 0 {
            let reason = format!("{} of its processes could not be ended", outcome.still_there);
            return Verdict::unverified("processes_left", reason);
        }
        let mut evidence = vec![
            format!(
                "{} as {} for {} ms: {}",
                outcome.program,
                outcome.user,
                outcome.duration_ms,
                outcome.ended.words()
            ),
            format!(
                "{} bytes typed, {} bytes written, recorded by the server",
                outcome.bytes_in, outcome.bytes_out
            ),
            format!("{} processes that it left behind were ended", outcome.left_behind),
        ];
        evidence.extend(outcome.files.iter().take(FILES_TOLD).map(MovedFile::sentence));
        let more = outcome.files.len().saturating_sub(FILES_TOLD) + outcome.files_unnamed as usize;
        if more > 0 {
            evidence.push(format!("{more} more files were brought in or put there"));
        }
        Verdict::Verified { evidence }
    }

    fn undo(_: &Params, _: &Outcome) -> Option<Undo> {
        None
    }

    fn archive_bytes(_: &Params) -> Option<u64> {
        Some(MAX_FILES)
    }

    fn probes(_: &Outcome) -> &[Probe] {
        &[]
    }
}

impl MovedFile {
    fn sentence(&self) -> String {
        let Self { verb, path, size, sha256, .. } = self;
        format!("{verb} {path}: {size} bytes, SHA-256 {sha256}")
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;
    use crate::{ActionKind, StoredArtifact};

    fn check(params: serde_json::Value) -> Result<serde_json::Value, CheckError> {
        (ActionKind::EndpointRemoteShell.declared().check_params)(&params)
    }

    #[test]
    fn parameters_are_bounded() {
        let usual = check(json!({})).unwrap();
        assert_eq!((usual["idle_minutes"].as_u64(), usual["shell"].as_str()), (Some(15), Some("login")));
        check(json!({ "user": "www-data", "shell": "sh", "directory": "/var/www" })).unwrap();
        for (field, bad) in [
            ("idle_minutes", json!({ "idle_minutes": 0 })),
            ("max_minutes", json!({ "max_minutes": 721 })),
            ("away_seconds", json!({ "away_seconds": 9 })),
            ("max_output_mib", json!({ "max_output_mib": 1025 })),
            ("user", json!({ "user": "-x" })),
            ("user", json!({ "user": "a b" })),
            ("user", json!({ "user": "" })),
            ("directory", json!({ "directory": "tmp" })),
            ("directory", json!({ "directory": "/a\nb" })),
        ] {
            assert_eq!(check(bad.clone()).unwrap_err().field, field, "{bad}");
        }
        check(json!({ "shell": "/bin/sh" })).unwrap_err();
    }

    #[test]
    fn the_recording_is_the_proof() {
        let mut outcome = Outcome {
            program: "/bin/sh".into(),
            user: "root".into(),
            ended: Ended::Exited,
            ended_by: None,
            exit_code: Some(0),
            signal: None,
            duration_ms: 1,
            bytes_in: 1,
            bytes_out: 2,
            verbs: Vec::new(),
            files: Vec::new(),
            files_unnamed: 0,
            left_behind: 0,
            still_there: 0,
            recording: None,
        };
        let params: Params = serde_json::from_str("{}").unwrap();
        let stored = StoredArtifact { id: "a".into(), size: 3, sha256: "00".into() };
        let held = Observed { artifacts: vec![stored] };
        let is_verified = |outcome: &Outcome, observed: &Observed| {
            matches!(RemoteShell::judge(&params, outcome, observed), Verdict::Verified { .. })
        };
        assert!(!is_verified(&outcome, &held));
        outcome.recording = Some(Recording { artifact_id: "a".into(), size: 3, sha256: "00".into() });
        assert!(is_verified(&outcome, &held));
        assert!(!is_verified(&outcome, &Observed::default()));
        let artifact = Archive { artifact_id: "a".into(), size: 3, sha256: "00".into() };
        let (verb, path, sha256) = ("get".into(), "/etc/passwd".into(), "11".into());
        outcome.files.push(MovedFile { verb, path, pid: None, size: 9, sha256, artifact });
        assert!(is_verified(&outcome, &held));
        outcome.files[0].artifact.sha256 = "01".into();
        assert!(!is_verified(&outcome, &held), "the server holds another file");
        outcome.files.clear();
        outcome.still_there = 1;
        assert!(!is_verified(&outcome, &held));
    }

    #[test]
    fn each_end_has_one_name() {
        for ended in Ended::ALL {
            assert_eq!(Ended::from_name(ended.as_str()), Some(*ended));
            assert_eq!(serde_json::to_value(ended).unwrap(), ended.as_str());
        }
    }
}
