//! What this endpoint carries out. One file per action, `<group>_<verb>.rs`, and one match.
//!
//! A handler gets its [`Job`] (parameters already checked, order already in the journal) and answers with an
//! [`Ending`]. It may be called again for the same order after a crash of the agent (`job.is_resumed()`), as
//! the catalogue's `on_crash` says. Blocking work belongs in `tokio::task::spawn_blocking`; long work tells
//! `job.progress`, and stops when `job.cancel` asks for it.

mod endpoint_isolate;
mod endpoint_restore;
mod endpoint_run_script;
mod file_collect;
mod leftovers;
mod process_terminate;
mod thread;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use quell_catalog::{ActionKind, Runner as RunsOn, System};
use quell_host::script::Launcher;
use quell_wire::frame::Capability;

use crate::clock::Clock;
use crate::dial::Dialer;
use crate::identity::Identity;
use crate::isolation::Isolation;
use crate::runner::{Actions, Job, Look, Work};
use crate::state::{self, StateDir};

/// What handlers work with.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The network isolation of this endpoint.
    pub isolation: Isolation,
    /// Who this agent is.
    pub identity: Arc<Identity>,
    /// How it connects: for uploads and downloads.
    pub dialer: Arc<Dialer>,
    /// The state directory.
    pub state: StateDir,
    /// The clock.
    pub clock: Clock,
    /// Starts the supervisor of a script: this binary's `supervise`, but for tests.
    pub launcher: Launcher,
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
            let RunsOn::Agent { systems } = kind.spec().runner;
            systems.iter().any(|system| match system {
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
            ActionKind::EndpointIsolate => Box::pin(endpoint_isolate::carry(self, job)),
            ActionKind::EndpointRestore => Box::pin(endpoint_restore::carry(self, job)),
            ActionKind::EndpointRunScript => Box::pin(endpoint_run_script::carry(self, job)),
            ActionKind::FileCollect => Box::pin(file_collect::carry(self, job)),
            ActionKind::ProcessTerminate => Box::pin(process_terminate::carry(self, job)),
        }
    }

    fn leave<'a>(&'a self, job: &'a Job) -> Look<'a> {
        match job.kind {
            ActionKind::EndpointIsolate => Box::pin(endpoint_isolate::leave(self, job)),
            ActionKind::EndpointRestore
            | ActionKind::EndpointRunScript
            | ActionKind::FileCollect
            | ActionKind::ProcessTerminate => Box::pin(std::future::ready(None)),
        }
    }

    fn over(&self, order_id: &str) {
        leftovers::remove(&self.state, order_id);
    }
}

/// `N` bytes from hex of either case.
fn decode<const N: usize>(hex: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let (pairs, []) = hex.as_bytes().as_chunks::<2>() else { return None };
    if pairs.len() != N {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        let digit = |c: u8| char::from(c).to_digit(16);
        *byte = (digit(*high)? << 4 | digit(*low)?) as u8;
    }
    Some(bytes)
}
