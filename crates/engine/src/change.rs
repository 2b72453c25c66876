//! News: what changed, for those who watch. Lossy: a slow watcher is told to look at everything again.

use std::time::Instant;

use serde::Serialize;
use tokio::sync::broadcast;
use uuid::Uuid;

use crate::{CommandState, TaskState, progress::Progress};

/// News that a watcher may fall behind before it is told to look again.
const KEPT: usize = 8192;

/// Something changed, after it was committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Change {
    /// A task was made or took another state.
    Task {
        /// Whose.
        tenant: Uuid,
        /// Which.
        task: Uuid,
        /// Its state.
        state: &'static str,
    },
    /// A command took another state.
    Command {
        /// Whose.
        tenant: Uuid,
        /// Of which task.
        task: Uuid,
        /// Which.
        command: Uuid,
        /// On which endpoint.
        endpoint: Uuid,
        /// Its state.
        state: &'static str,
    },
    /// A running command went on.
    Progress {
        /// Whose.
        tenant: Uuid,
        /// Of which task.
        task: Uuid,
        /// Which.
        command: Uuid,
        /// How far.
        progress: Progress,
    },
    /// A request for approval was made, decided about, or took another state.
    Approval {
        /// Whose.
        tenant: Uuid,
        /// The task that it is about.
        task: Uuid,
        /// Its state.
        state: &'static str,
    },
    /// Glass was broken, or that ended or was reviewed.
    BreakGlass {
        /// Whose.
        tenant: Uuid,
        /// Which.
        id: Uuid,
        /// `open`, `ended` or `reviewed`.
        state: &'static str,
    },
    /// An artifact took another state: `stored`, `failed` …
    Artifact {
        /// Whose.
        tenant: Uuid,
        /// Of which task.
        task: Uuid,
        /// Of which command.
        command: Uuid,
        /// Which.
        artifact: Uuid,
        /// Its state.
        state: &'static str,
    },
    /// A remote shell began, or somebody came, went or ended it.
    Shell {
        /// Whose.
        tenant: Uuid,
        /// Of which task.
        task: Uuid,
        /// Of which command; also the shell's id.
        command: Uuid,
        /// On which endpoint.
        endpoint: Uuid,
        /// `open`, `lost` or `ended`.
        state: &'static str,
    },
    /// An incident was made, grew, or was changed by somebody.
    Incident {
        /// Whose.
        tenant: Uuid,
        /// Which.
        incident: Uuid,
        /// What people call it.
        number: i64,
        /// `open`, `in_progress` or `closed`.
        state: String,
        /// 1 (informational) to 5 (critical).
        severity: i64,
    },
    /// Something was detected.
    Detection {
        /// Whose.
        tenant: Uuid,
        /// Which.
        detection: Uuid,
        /// The incident that it belongs to.
        incident: Option<Uuid>,
        /// 1 (informational) to 5 (critical).
        severity: i64,
    },
    /// An endpoint changed: connected, isolated, revoked …
    Endpoint {
        /// Whose.
        tenant: Uuid,
        /// Which.
        endpoint: Uuid,
    },
}

impl Change {
    /// Whose change this is: a watcher is shown those of its own tenant only.
    pub fn tenant(&self) -> Uuid {
        match self {
            Self::Task { tenant, .. }
            | Self::Command { tenant, .. }
            | Self::Progress { tenant, .. }
            | Self::Approval { tenant, .. }
            | Self::BreakGlass { tenant, .. }
            | Self::Artifact { tenant, .. }
            | Self::Shell { tenant, .. }
            | Self::Incident { tenant, .. }
            | Self::Detection { tenant, .. }
            | Self::Endpoint { tenant, .. } => *tenant,
        }
    }

    pub(crate) fn task(tenant: Uuid, task: Uuid, state: TaskState) -> Self {
        Self::Task { tenant, task, state: state.as_str() }
    }

    pub(crate) fn command(
        tenant: Uuid,
        task: Uuid,
        command: Uuid,
        endpoint: Uuid,
        state: CommandState,
    ) -> Self {
        Self::Command { tenant, task, command, endpoint, state: state.as_str() }
    }
}

/// Where news is told.
#[derive(Clone)]
pub struct Changes {
    sender: broadcast::Sender<(Instant, Change)>,
}

impl Default for Changes {
    fn default() -> Self {
        Self { sender: broadcast::channel(KEPT).0 }
    }
}

impl Changes {
    /// Begins to watch one tenant.
    pub fn watch(&self, tenant: Uuid) -> ChangeStream {
        ChangeStream { tenant: Some(tenant), receiver: self.sender.subscribe(), told_at: Instant::now() }
    }

    /// Begins to watch all tenants, for what only counts.
    pub fn watch_all(&self) -> ChangeStream {
        ChangeStream { tenant: None, receiver: self.sender.subscribe(), told_at: Instant::now() }
    }

    /// Tells everybody who watches.
    pub fn tell(&self, change: Change) {
        // Nobody watching is no error.
        let _ = self.sender.send((Instant::now(), change));
    }
}

/// What a watcher hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// This changed.
    Change(Change),
    /// Something was missed: look at everything again.
    Resync,
}

/// A watcher of one tenant, or of all.
pub struct ChangeStream {
    tenant: Option<Uuid>,
    receiver: broadcast::Receiver<(Instant, Change)>,
    told_at: Instant,
}

impl ChangeStream {
    /// When the last change that was heard was told: what was read later knows of it.
    pub fn told_at(&self) -> Instant {
        self.told_at
    }

    /// The next news; `None` when the engine is gone. Cancel safe.
    pub async fn next(&mut self) -> Option<Heard> {
        loop {
            match self.receiver.recv().await {
                Ok((told_at, change)) if self.tenant.is_none_or(|tenant| tenant == change.tenant()) => {
                    self.told_at = told_at;
                    return Some(Heard::Change(change));
                }
                Ok(_) => {}
                Err(broadcast::error::RecvError::Lagged(_)) => return Some(Heard::Resync),
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}
