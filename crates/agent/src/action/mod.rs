//! What this endpoint carries out. One file per action, `<group>_<verb>.rs`, and one match.
//!
//! A handler gets its [`Job`] (parameters already checked, order already in the journal) and answers with an
//! [`Ending`]. It may be called again for the same order after a crash of the agent (`job.is_resumed()`), as
//! the catalogue's `on_crash` says. Blocking work belongs in `tokio::task::spawn_blocking`; long work tells
//! `job.progress`, and stops when `job.cancel` asks for it.

mod endpoint_isolate;
mod endpoint_restore;

use std::path::PathBuf;
use std::sync::Arc;

use quell_catalog::{ActionKind, Runner as RunsOn, System};
use quell_wire::frame::Capability;

use crate::dial::Dialer;
use crate::identity::Identity;
use crate::isolation::Isolation;
use crate::runner::{Actions, Ending, Job, Work};
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
}

impl Endpoint {
    /// The private directory of one order's work, made where it is missing. The handler removes it in the end.
    pub fn work_directory(&self, job: &Job) -> Result<PathBuf, state::Error> {
        self.state.directory(&format!("work/{}", job.order_id))
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
        named.map(|kind| Capability { action: kind.id().to_owned(), revision: kind.spec().revision }).collect()
    }

    fn carry<'a>(&'a self, job: &'a Job) -> Work<'a> {
        match job.kind {
            ActionKind::EndpointIsolate => Box::pin(endpoint_isolate::carry(self, job)),
            ActionKind::EndpointRestore => Box::pin(endpoint_restore::carry(self, job)),
            ActionKind::EndpointRunScript | ActionKind::FileCollect | ActionKind::ProcessTerminate => {
                Box::pin(async { Ending::refused("not_implemented", "this agent does not carry it out yet") })
            }
        }
    }
}
