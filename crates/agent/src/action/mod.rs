//! What this endpoint carries out. One file per action, `<group>_<verb>.rs`, and one match.
//!
//! A handler gets its [`Job`] (parameters already checked, order already in the journal) and answers with an
//! [`Ending`]. It may be called again for the same order after a crash of the agent (`job.is_resumed()`), as
//! the catalogue's `on_crash` says. Blocking work belongs in `tokio::task::spawn_blocking`; long work tells
//! `job.progress`, and stops when `job.cancel` asks for it.

mod archive;
mod elsewhere;
mod endpoint_collect_chain;
mod endpoint_collect_evidence;
mod endpoint_isolate;
mod endpoint_remote_shell;
mod endpoint_restore;
mod endpoint_run_investigation_kit;
mod endpoint_run_osquery;
mod endpoint_run_script;
mod endpoint_run_yara;
mod endpoint_scan_malware;
mod file_allow_run;
mod file_collect;
mod file_delete;
mod file_prevent_run;
pub(crate) mod file_quarantine;
mod file_restore;
mod leftovers;
mod library;
mod process_dump_memory;
mod process_list;
mod process_start;
mod process_terminate;
mod supervised;
mod sweep;
mod thread;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use quell_catalog::{ActionKind, System};
use quell_host::script::Launcher;
use quell_wire::frame::Capability;

pub(crate) use leftovers::supervisors;

use crate::clock::Clock;
use crate::dial::Dialer;
use crate::guard::ExecGuard;
use crate::identity::Identity;
use crate::isolation::Isolation;
use crate::recorder::Recorder;
use crate::runner::{Actions, Job, Look, Work};
use crate::state::{self, StateDir};

/// What handlers work with.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// What keeps programs from running.
    pub guard: ExecGuard,
    /// The network isolation of this endpoint.
    pub isolation: Isolation,
    /// Who this agent is.
    pub identity: Arc<Identity>,
    /// How it connects: for uploads and downloads.
    pub dialer: Arc<Dialer>,
    /// The flight recorder; none where there is nothing to record.
    pub recorder: Option<Recorder>,
    /// The state directory.
    pub state: StateDir,
    /// The clock.
    pub clock: Clock,
    /// Starts the supervisor of a script: this binary's `supervise`, but for tests.
    pub launcher: Launcher,
    /// Starts the keeper of a shell's terminal: this binary's `keep-pty`, but for tests.
    pub keeper: Launcher,
}

impl Endpoint {
    /// The private directory of one order's work, made where it is missing. The handler removes it in the end.
    pub fn work_directory(&self, job: &Job) -> Result<PathBuf, state::Error> {
        self.state.directory(&leftovers::work(&job.order_id))
    }

    /// Removes what orders that are over have left behind, and ends what they left running. `unfinished` are
    /// those that are not over. Called once, before any order is taken up.
    pub fn sweep(&self, unfinished: &HashSet<String>) {
        leftovers::sweep(&self.state, unfinished);
    }
}

impl Actions for Endpoint {
    fn capabilities(&self) -> Vec<Capability> {
        let here = |kind: &&ActionKind| {
            kind.spec().systems().iter().any(|system| match system {
                System::Linux => cfg!(target_os = "linux"),
                System::Windows => cfg!(target_os = "windows"),
                System::Macos => cfg!(target_os = "macos"),
            })
        };
        let named = ActionKind::ALL.iter().filter(here);
        named
            .map(|kind| Capability { action: kind.id().to_owned(), revision: kind.spec().revision })
            .collect()
    }

    fn carry<'a>(&'a self, job: &'a Job) -> Work<'a> {
        match job.kind {
            // No order of theirs is for an endpoint: they are the server's to carry out.
            ActionKind::BlocklistAdd | ActionKind::BlocklistRemove => Box::pin(elsewhere::carry()),
            ActionKind::EndpointCollectChain => Box::pin(endpoint_collect_chain::carry(self, job)),
            ActionKind::EndpointCollectEvidence => Box::pin(endpoint_collect_evidence::carry(self, job)),
            ActionKind::EndpointIsolate => Box::pin(endpoint_isolate::carry(self, job)),
            ActionKind::EndpointRemoteShell => Box::pin(endpoint_remote_shell::carry(self, job)),
            ActionKind::EndpointRestore => Box::pin(endpoint_restore::carry(self, job)),
            ActionKind::EndpointRunInvestigationKit => {
                Box::pin(endpoint_run_investigation_kit::carry(self, job))
            }
            ActionKind::EndpointRunOsquery => Box::pin(endpoint_run_osquery::carry(self, job)),
            ActionKind::EndpointRunScript => Box::pin(endpoint_run_script::carry(self, job)),
            ActionKind::EndpointRunYara => Box::pin(endpoint_run_yara::carry(self, job)),
            ActionKind::EndpointScanMalware => Box::pin(endpoint_scan_malware::carry(self, job)),
            ActionKind::FileAllowRun => Box::pin(file_allow_run::carry(self, job)),
            ActionKind::FileCollect => Box::pin(file_collect::carry(self, job)),
            ActionKind::FileDelete => Box::pin(file_delete::carry(self, job)),
            ActionKind::FilePreventRun => Box::pin(file_prevent_run::carry(self, job)),
            ActionKind::FileQuarantine => Box::pin(file_quarantine::carry(self, job)),
            ActionKind::FileRestore => Box::pin(file_restore::carry(self, job)),
            ActionKind::ProcessDumpMemory => Box::pin(process_dump_memory::carry(self, job)),
            ActionKind::ProcessList => Box::pin(process_list::carry(self, job)),
            ActionKind::ProcessStart => Box::pin(process_start::carry(self, job)),
            ActionKind::ProcessTerminate => Box::pin(process_terminate::carry(self, job)),
        }
    }

    fn leave<'a>(&'a self, job: &'a Job) -> Look<'a> {
        if job.kind == ActionKind::EndpointIsolate {
            return Box::pin(endpoint_isolate::leave(self, job));
        }
        Box::pin(std::future::ready(None))
    }

    fn over(&self, order_id: &str) {
        leftovers::remove(&self.state, order_id);
    }
}
