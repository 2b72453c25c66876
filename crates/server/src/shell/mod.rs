//! Remote shells as they pass through the server: recorded, shown to whoever may see them, and ended.
//!
//! - [`live`] is one shell while it lives, [`journal`] what is on disk of it meanwhile, [`cast`] the recording made of that.
//! - The agent's connection is `gateway::shell`, people's is `api::shell::attach`.
//!
//! Invariants: output is acknowledged to the agent only once it is in the journal; what was typed and not echoed is never
//! written anywhere; a shell that is over has a recording, whoever died meanwhile.

pub(crate) mod cast;
pub(crate) mod journal;
pub(crate) mod live;
mod store;
mod table;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use quell_catalog::ActionKind;
use quell_catalog::endpoint::remote_shell::Params;
use quell_engine::{Change, Clock, Engine};
use quell_store::command::Command;
use quell_store::{ArtifactStore, Error, Micros, Store, approval, command, endpoint, task};
use uuid::Uuid;

pub(crate) use live::{About, Live, Over};

use self::journal::Journal;
use self::table::{Cause, Table};

/// Between two looks at shells whose agent is away.
const LOOK: Duration = Duration::from_secs(2);

/// All shells of this process. Cheap to clone.
#[derive(Clone)]
pub struct Shells(Arc<Inner>);

struct Inner {
    engine: Engine,
    store: Store,
    artifacts: ArtifactStore,
    clock: Arc<dyn Clock>,
    directory: PathBuf,
    artifact_life: Duration,
    lives: Table,
}

/// What the shells need.
pub struct Parts {
    /// Tasks.
    pub engine: Engine,
    /// The database.
    pub store: Store,
    /// The bytes of recordings.
    pub artifacts: ArtifactStore,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where journals are while shells live.
    pub directory: PathBuf,
    /// How long recordings are kept.
    pub artifact_life: Duration,
}

impl Shells {
    /// None yet.
    pub fn new(parts: Parts) -> Self {
        let Parts { engine, store, artifacts, clock, directory, artifact_life } = parts;
        Self(Arc::new(Inner {
            engine,
            store,
            artifacts,
            clock,
            directory,
            artifact_life,
            lives: Table::default(),
        }))
    }

    fn lives(&self) -> &Table {
        &self.0.lives
    }

    fn now(&self) -> Micros {
        self.0.clock.now()
    }

    /// The shell of this command, where this process knows it.
    pub(crate) fn get(&self, tenant: Uuid, id: Uuid) -> Option<Arc<Live>> {
        self.lives().get(tenant, id)
    }

    /// Whose shell the one of a command is that is under way; none where there is no such command. Costs nothing that lasts.
    pub(crate) async fn about(&self, tenant: Uuid, id: Uuid) -> Result<Option<About>, Error> {
        if let Some(live) = self.get(tenant, id) {
            return Ok(Some(live.about.clone()));
        }
        let about = self.0.store.read(move |tx| {
            let Some(row) = command::get(tx, tenant, id)? else { return Ok::<_, Error>(None) };
            if row.action != ActionKind::EndpointRemoteShell.id() || row.ended_at.is_some() {
                return Ok(None);
            }
            let Some(task) = task::get(tx, tenant, row.task_id)? else { return Ok(None) };
            let name = endpoint::get(tx, tenant, row.endpoint_id)?.map_or_else(String::new, |row| row.name);
            Ok(Some(about(row, task, name)))
        });
        about.await
    }

    /// The shell of a command that an endpoint has begun or is about to, known from now on; none where there is no such
    /// command.
    pub(crate) async fn open(&self, tenant: Uuid, id: Uuid) -> Result<Option<Arc<Live>>, Error> {
        let Some(about) = self.about(tenant, id).await? else { return Ok(None) };
        self.know(about, Cause::Begun).map(Some).ok_or(Error::Busy)
    }

    /// The shell that somebody comes to who may, known for as long as they stay; none where too many are waited for.
    pub(crate) fn come(&self, about: About) -> Option<Arc<Live>> {
        self.know(about, Cause::Waited)
    }

    fn know(&self, about: About, cause: Cause) -> Option<Arc<Live>> {
        let path = self.0.directory.join(format!("{}.{}", about.tenant, about.id));
        self.lives().know(about, path, cause)
    }

    /// Makes its journal ready, with what an earlier run wrote.
    pub(crate) async fn prepare(&self, live: &Arc<Live>) -> Result<(), Error> {
        if live.is_ready() || live.over().is_some() || self.find_recording(live).await? {
            return Ok(());
        }
        let (path, directory) = (live.path.clone(), self.0.directory.clone());
        let opened = tokio::task::spawn_blocking(move || {
            make(&directory)?;
            Journal::open(&path)
        });
        match opened.await {
            Ok(Ok((journal, found))) => {
                if !live.is_ready() {
                    live.recover(journal, &found);
                }
                Ok(())
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "a shell's journal cannot be opened");
                Err(Error::Busy)
            }
            Err(_) => Err(Error::Busy),
        }
    }

    /// Tells watchers of all shells.
    pub(crate) fn tell(&self, about: &About, state: &'static str) {
        let About { tenant, task, id: command, endpoint, .. } = *about;
        self.0.engine.changes().tell(Change::Shell { tenant, task, command, endpoint, state });
    }

    /// Looks after shells whose agent does not come back, for as long as it is polled.
    pub async fn look_after(&self) {
        self.take_up().await;
        let mut turn = tokio::time::interval(LOOK);
        turn.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            turn.tick().await;
            for live in self.lives().all() {
                // A recording that could not be stored, the disk was full or the database away, is tried again.
                if let Some(over) = live.over().filter(|_| live.has_begun() && !live.is_recorded())
                    && live.storing.try_lock().is_ok()
                    && let Err(error) = self.finish(&live, over).await
                {
                    tracing::warn!(%error, "the recording of a shell cannot be stored now; it is tried again");
                }
                if live.is_up() {
                    continue;
                }
                if let Err(error) = self.look(&live).await {
                    tracing::warn!(%error, "a shell cannot be looked after now");
                }
            }
        }
    }

    /// Journals of an earlier run: their shells go on, or are over.
    async fn take_up(&self) {
        let Ok(entries) = std::fs::read_dir(&self.0.directory) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let ids = name.to_str().and_then(|name| name.split_once('.'));
            let ids = ids.and_then(|(tenant, id)| Some((tenant.parse().ok()?, id.parse().ok()?)));
            let Some((tenant, id)) = ids else { continue };
            if let Err(error) = self.take_up_one(tenant, id, &entry.path()).await {
                tracing::warn!(%error, "a shell of an earlier run cannot be taken up");
            }
        }
    }

    async fn take_up_one(&self, tenant: Uuid, id: Uuid, path: &Path) -> Result<(), Error> {
        let live = if let Some(live) = self.open(tenant, id).await? {
            live
        } else {
            let found = self.0.store.read(move |tx| {
                let Some(row) = command::get(tx, tenant, id)? else { return Ok::<_, Error>(None) };
                let Some(task) = task::get(tx, tenant, row.task_id)? else { return Ok(None) };
                let name =
                    endpoint::get(tx, tenant, row.endpoint_id)?.map_or_else(String::new, |row| row.name);
                Ok(Some(about(row, task, name)))
            });
            let Some(about) = found.await? else { return Ok(()) };
            let live = Arc::new(Live::new(about, path.to_owned()));
            self.lives().keep(&live);
            live
        };
        self.prepare(&live).await
    }

    /// A shell without an agent: over where its command is, forgotten where nobody looks on, or where it never began and
    /// nobody waits for it.
    async fn look(&self, live: &Arc<Live>) -> Result<(), Error> {
        let (tenant, id) = (live.about.tenant, live.about.id);
        let row = self.0.store.read(move |tx| command::get(tx, tenant, id)).await?;
        let Some(row) = row.filter(|row| row.ended_at.is_none()) else {
            if live.over().is_none() && live.has_begun() {
                let over =
                    Over { reason: "away".to_owned(), by: String::new(), exit_code: None, signal: None };
                return self.finish(live, over).await;
            }
            if live.over().is_none() {
                live.close(
                    Over {
                        reason: "never_began".to_owned(),
                        by: String::new(),
                        exit_code: None,
                        signal: None,
                    },
                    self.now(),
                );
                live.ring();
            }
            if !live.is_held() {
                self.lives().remove(live);
            }
            return Ok(());
        };
        let _ = row;
        if !live.has_begun() && !live.is_ready() && live.end_asked().is_none() {
            self.lives().forget(live);
        }
        Ok(())
    }

    /// The shell is over: its recording is stored, its end noted, and everybody is told.
    pub(crate) async fn finish(&self, live: &Arc<Live>, mut over: Over) -> Result<(), Error> {
        let _turn = live.storing.lock().await;
        if let Some(known) = live.over() {
            over = known;
        } else {
            if over.reason == "canceled" && self.is_approval_over(live).await? {
                "approval_over".clone_into(&mut over.reason);
            }
            live.close(over.clone(), self.now());
        }
        if live.is_recorded() {
            return Ok(());
        }
        let recorded = self.store_recording(live, &over).await?;
        live.recorded(recorded);
        self.tell(&live.about, "ended");
        Ok(())
    }

    /// Whether the task was called off since its approval is not valid any more.
    async fn is_approval_over(&self, live: &Live) -> Result<bool, Error> {
        let (tenant, task) = (live.about.tenant, live.about.task);
        let request = self.0.store.read(move |tx| approval::get(tx, tenant, task)).await?;
        Ok(request.is_some_and(|request| matches!(request.state.as_str(), "expired" | "revoked")))
    }
}

fn about(row: Command, task: quell_store::task::Task, endpoint_name: String) -> About {
    let params: Option<Params> = serde_json::from_str(&task.params).ok();
    About {
        tenant: row.tenant_id,
        id: row.id,
        task: row.task_id,
        endpoint: row.endpoint_id,
        endpoint_name,
        requester_kind: task.requester_kind,
        requester_id: task.requester_id,
        requester_name: task.requester_name,
        max_minutes: params.map_or(0, |params| i64::from(params.max_minutes)),
    }
}

fn make(directory: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}
