//! `process.dump_memory`: the memory of one live process as a core file, in a password-protected archive.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::action::{Action, CheckError, Observed, Undo, Verdict};
use crate::archive::Archive;
use crate::evidence::Probe;
use crate::{
    Effect, ManagedServices, OnCrash, OnFailure, Risk, Runner, Secret, Spec, System, TargetKind, TimeLimit,
};

/// 8 GiB.
const DEFAULT_MAX_BYTES: u64 = 8 << 30;
/// 64 GiB.
const MOST_BYTES: u64 = 64 << 30;
/// Longest time that a process is held for its memory.
const MOST_HOLD_SECONDS: u16 = 300;

/// The declaration.
#[derive(Debug)]
pub struct DumpMemory;

/// Which process, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Process id.
    #[schemars(range(min = 1))]
    pub pid: u32,
    /// When that process started: clock ticks since boot, field 22 of `/proc/PID/stat` (proc(5)).
    pub start_time: u64,
    /// Boot that the pair above belongs to (`/proc/sys/kernel/random/boot_id`); refused after a reboot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), extend("x-quell-fold" = true))]
    pub boot_id: Option<String>,
    /// Refuse what would make a larger core file. Bytes before compression, at most 68719476736 (64 GiB).
    #[serde(default = "default_max_bytes")]
    #[schemars(range(min = 1, max = 68_719_476_736_u64))]
    pub max_bytes: u64,
    /// Stop the threads for some milliseconds and take their registers; without, nothing is stopped, and a debugger can
    /// show no backtrace.
    #[serde(default = "yes")]
    #[schemars(extend("x-quell-fold" = true))]
    pub registers: bool,
    /// Seconds for which the process may be held, so that all its memory is of one instant, 0 to 300. At 0 its pages are
    /// read while it runs on.
    #[serde(default)]
    #[schemars(range(max = 300), extend("x-quell-fold" = true))]
    pub hold_seconds: u16,
    /// Leave out memory that the program asked to be left out of core files (`MADV_DONTDUMP`).
    #[serde(default)]
    #[schemars(extend("x-quell-fold" = true))]
    pub honour_dontdump: bool,
    /// Also take pages that are still as they are in a mapped file, such as program code.
    #[serde(default = "yes")]
    #[schemars(extend("x-quell-fold" = true))]
    pub mapped_files: bool,
}

fn default_max_bytes() -> u64 {
    DEFAULT_MAX_BYTES
}

const fn yes() -> bool {
    true
}

/// What was dumped and what was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// Its id.
    pub pid: u32,
    /// Its start time in clock ticks since boot.
    pub start_time: u64,
    /// Its executable, lossy UTF-8.
    pub path: String,
    /// Bytes of the core file.
    pub size: u64,
    /// SHA-256 of the core file, lower-case hex.
    pub sha256: String,
    /// Name of the core file in the archive.
    pub entry: String,
    /// Threads it had.
    pub threads: u64,
    /// Threads whose registers are in the core file.
    pub threads_with_registers: u64,
    /// Why no registers are in it, where none are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_registers: Option<String>,
    /// Microseconds for which the process was held, at most.
    pub stopped_us: u64,
    /// It was held until all its memory had been read.
    pub one_instant: bool,
    /// Mappings it had.
    pub mappings: u64,
    /// Bytes of address space; what was never touched takes no room in the file.
    pub address_space: u64,
    /// Bytes left out, since the program asked for it or they belong to a device.
    pub left_out: u64,
    /// Bytes that were there and could not be read: zeros in the file.
    pub unreadable: u64,
    /// The archive that was uploaded.
    pub archive: Archive,
    /// Whether the process runs on.
    pub probes: Vec<Probe>,
}

impl Action for DumpMemory {
    type Params = Params;
    type Outcome = Outcome;
    const SPEC: Spec = Spec {
        id: "process.dump_memory",
        revision: 1,
        title: "Dump Process Memory",
        summary: "Brings the memory of one live process in as a core file in an AES-256 archive; proved by the archive's SHA-256 taken on both ends.",
        target: TargetKind::Endpoint,
        runner: Runner::Agent { systems: &[System::Linux] },
        effect: Effect::ReadOnly,
        risk: Risk::High,
        managed_services: ManagedServices::Always,
        step_up: false,
        time_limit: TimeLimit { default_s: 3600, max_s: 12 * 3600 },
        exclusion: None,
        priority: 2,
        on_failure: OnFailure::Keep,
        on_crash: OnCrash::Repeat,
        standing: None,
        secrets: &[Secret::ArchivePassword],
        redact: &[],
        example: r#"{"pid": 4211, "start_time": 1}"#,
        d3fend: None,
        vision_one: Some("dumpProcessMemory"),
        openc2: Some(("copy", "process")),
    };

    fn validate(params: &Params) -> Result<(), CheckError> {
        if params.pid == 0 {
            return Err(CheckError::new("pid", "must be 1 or more"));
        }
        if params.boot_id.as_ref().is_some_and(|id| id.len() > 64) {
            return Err(CheckError::new("boot_id", "longer than 64 characters"));
        }
        if params.max_bytes == 0 || params.max_bytes > MOST_BYTES {
            return Err(CheckError::new("max_bytes", format!("must be 1 to {MOST_BYTES}")));
        }
        if params.hold_seconds > MOST_HOLD_SECONDS {
            return Err(CheckError::new("hold_seconds", format!("at most {MOST_HOLD_SECONDS}")));
        }
        if params.hold_seconds > 0 && !params.registers {
            return Err(CheckError::new(
                "hold_seconds",
                "a process that is held is stopped: needs `registers`",
            ));
        }
        Ok(())
    }

    fn judge(_: &Params, outcome: &Outcome, observed: &Observed) -> Verdict {
        if let Err(verdict) = outcome.archive.received(observed) {
            return verdict;
        }
        let mut evidence = vec![
            outcome.archive.sentence(),
            format!("core file of {} bytes: SHA-256 {} while reading", outcome.size, outcome.sha256),
            format!(
                "registers of {} of {} threads; held for {} µs",
                outcome.threads_with_registers, outcome.threads, outcome.stopped_us
            ),
        ];
        evidence.extend(outcome.no_registers.as_ref().map(|why| format!("no registers: {why}")));
        if outcome.unreadable > 0 {
            evidence.push(format!("{} bytes could not be read and stand as zeros", outcome.unreadable));
        }
        evidence.extend(outcome.probes.iter().map(Probe::sentence));
        Verdict::Verified { evidence }
    }

    fn undo(_: &Params, _: &Outcome) -> Option<Undo> {
        None
    }

    fn archive_bytes(params: &Params) -> Option<u64> {
        Some(params.max_bytes)
    }

    fn probes(outcome: &Outcome) -> &[Probe] {
        &outcome.probes
    }
}
