//! How far running commands are: in memory only, throttled, never a row per tick.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use quell_store::{Micros, command::Command};
use serde::Serialize;
use uuid::Uuid;

use crate::{Change, Engine};

/// Least time between two reports of one command that are told on, microseconds.
const PAUSE: Micros = 250_000;
/// Most commands whose progress is held.
const MOST: usize = 50_000;

/// How far a command is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// Units done (bytes, files, processes).
    pub done: u64,
    /// Units in all; 0 where unknown.
    pub total: u64,
    /// What is being done, for a person.
    pub note: String,
}

#[derive(Default)]
pub(crate) struct Book {
    /// By tenant and command.
    pages: Mutex<HashMap<(Uuid, Uuid), Page>>,
}

struct Page {
    /// The endpoint to which the command was handed.
    owner: Uuid,
    task: Uuid,
    progress: Progress,
    told: Micros,
}

impl Book {
    /// Notes a report; the task when it is time to tell it on.
    fn note(
        &self,
        tenant: Uuid,
        command: Uuid,
        endpoint: Uuid,
        progress: &Progress,
        now: Micros,
    ) -> Option<Uuid> {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        match pages.get_mut(&(tenant, command)).filter(|page| page.owner == endpoint) {
            Some(page) => {
                let tell = now - page.told >= PAUSE;
                page.progress = progress.clone();
                if tell {
                    page.told = now;
                }
                tell.then_some(page.task)
            }
            None => None,
        }
    }

    /// Opens a page for a command that was handed to an endpoint.
    pub(crate) fn open(&self, command: &Command) {
        let Command { tenant_id: tenant, id, task_id: task, endpoint_id: endpoint, .. } = *command;
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        if pages.len() < MOST {
            let empty = Progress { done: 0, total: 0, note: String::new() };
            pages.entry((tenant, id)).or_insert(Page { owner: endpoint, task, progress: empty, told: 0 });
        }
    }

    pub(crate) fn close(&self, tenant: Uuid, command: Uuid) {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner).remove(&(tenant, command));
    }

    fn get(&self, tenant: Uuid, command: Uuid) -> Option<Progress> {
        let pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        pages.get(&(tenant, command)).map(|page| page.progress.clone()).filter(|progress| progress.done > 0)
    }
}

impl Engine {
    /// Takes a progress report of an endpoint. One about a command that it does not hold is dropped.
    pub fn report_progress(&self, tenant: Uuid, endpoint: Uuid, command: Uuid, progress: Progress) {
        let now = self.inner.clock.now();
        if let Some(task) = self.inner.progress.note(tenant, command, endpoint, &progress, now) {
            self.inner.changes.tell(Change::Progress { tenant, task, command, progress });
        }
    }

    /// How far a running command is, as far as this process heard.
    pub fn progress(&self, tenant: Uuid, command: Uuid) -> Option<Progress> {
        self.inner.progress.get(tenant, command)
    }
}
