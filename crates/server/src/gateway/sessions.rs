//! Who is connected: one live session per endpoint, and what others have to tell it.
//!
//! A session that is idle has no timer, no queue and no buffer of its own here: others leave a note in its
//! [`Mail`], and one sweeper looks after all.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quell_wire::activity::ChainStored;
use quell_wire::frame::Goodbye;
use tokio::sync::{Notify, oneshot};
use uuid::Uuid;

/// A session that was told to end has this long to say goodbye.
const FAREWELL: Duration = Duration::from_millis(500);

/// In place of a version: the agent knows of no block lists.
pub const NO_LIST: i64 = -1;

/// What others want of a session.
#[derive(Debug, Default)]
pub struct Mail {
    /// The order keys have changed.
    pub keys: bool,
    /// Agents are to connect elsewhere from now on.
    pub addresses: bool,
    /// The tenant's trust bundle has changed.
    pub trust: bool,
    /// The tenant's block list has a newer version.
    pub block_list: bool,
    /// The tenant's protection has a newer version.
    pub protection: bool,
    /// There may be room for what was put off of chains.
    pub chains_due: bool,
    /// Chains of which no more is wanted.
    pub chains: Vec<ChainStored>,
    /// Somebody asks whether the peer still answers.
    pub probe: Option<oneshot::Sender<()>>,
    /// The session ends with these words.
    pub goodbye: Option<Goodbye>,
}

/// A live session as others see it.
#[derive(Debug)]
pub struct Handle {
    /// Its tenant.
    pub tenant: Uuid,
    /// Its endpoint.
    pub endpoint: Uuid,
    /// When its peer was last heard, microseconds since 1970.
    pub heard_us: AtomicI64,
    /// When that was last written down.
    pub noted_us: AtomicI64,
    /// When the peer's newest certificate ends.
    pub not_after_us: AtomicI64,
    /// The version of the block list that it enforces; [`NO_LIST`] where it takes none.
    pub block_list: AtomicI64,
    /// Whether its agent takes protection documents.
    pub protects: AtomicBool,
    mail: Mutex<Mail>,
    bell: Notify,
    end: Notify,
}

impl Handle {
    fn new(tenant: Uuid, endpoint: Uuid, now_us: i64, not_after_us: i64) -> Self {
        Self {
            tenant,
            endpoint,
            heard_us: AtomicI64::new(now_us),
            noted_us: AtomicI64::new(now_us),
            not_after_us: AtomicI64::new(not_after_us),
            block_list: AtomicI64::new(NO_LIST),
            protects: AtomicBool::new(false),
            mail: Mutex::default(),
            bell: Notify::new(),
            end: Notify::new(),
        }
    }

    /// Whether its agent takes block lists.
    pub fn takes_block_list(&self) -> bool {
        self.block_list.load(Ordering::Relaxed) != NO_LIST
    }

    /// Whether its agent takes protection documents.
    pub fn takes_protection(&self) -> bool {
        self.protects.load(Ordering::Relaxed)
    }

    /// Leaves a note.
    pub fn tell(&self, note: impl FnOnce(&mut Mail)) {
        note(&mut lock(&self.mail));
        self.bell.notify_one();
    }

    /// Takes what was left.
    pub fn take(&self) -> Mail {
        std::mem::take(&mut lock(&self.mail))
    }

    /// Waits for a note.
    pub async fn rung(&self) {
        self.bell.notified().await;
    }

    /// Waits until the session has to end, whatever it is doing.
    pub async fn ended(&self) {
        self.end.notified().await;
    }

    /// Ends the session without a word.
    pub fn end(&self) {
        self.end.notify_one();
    }

    /// Ends the session with these words, and without them when its peer does not read.
    pub fn dismiss(self: &Arc<Self>, goodbye: Goodbye) {
        self.tell(|mail| mail.goodbye = Some(goodbye));
        let handle = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(FAREWELL).await;
            handle.end();
        });
    }
}

/// How long an agent that broke the rules again and again is not heard, microseconds.
const BANISHED: i64 = 60_000_000;

/// All live sessions of this process.
#[derive(Debug, Default)]
pub struct Sessions {
    live: Mutex<HashMap<Uuid, Arc<Handle>>>,
    /// Heard, and gone before it was written down.
    departed: Mutex<Vec<Arc<Handle>>>,
    /// Until when.
    banished: Mutex<HashMap<Uuid, i64>>,
    revoked: Mutex<HashMap<Uuid, u64>>,
    revocations: AtomicU64,
}

/// A place among the live sessions. Given back when dropped.
#[derive(Debug)]
pub struct Seat {
    sessions: Arc<Sessions>,
    handle: Arc<Handle>,
}

impl Seat {
    /// The session's handle.
    pub fn handle(&self) -> &Arc<Handle> {
        &self.handle
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut live = lock(&self.sessions.live);
        if let Entry::Occupied(entry) = live.entry(self.handle.endpoint)
            && Arc::ptr_eq(entry.get(), &self.handle)
        {
            entry.remove();
        }
        drop(live);
        lock(&self.sessions.departed).push(Arc::clone(&self.handle));
    }
}

impl Sessions {
    /// Takes the endpoint's one place, or answers who has it.
    pub fn enter(
        self: &Arc<Self>,
        tenant: Uuid,
        endpoint: Uuid,
        now_us: i64,
        not_after_us: i64,
    ) -> Result<Seat, Arc<Handle>> {
        match lock(&self.live).entry(endpoint) {
            Entry::Occupied(entry) => Err(Arc::clone(entry.get())),
            Entry::Vacant(entry) => {
                let handle = Arc::new(Handle::new(tenant, endpoint, now_us, not_after_us));
                entry.insert(Arc::clone(&handle));
                Ok(Seat { sessions: Arc::clone(self), handle })
            }
        }
    }

    /// Takes the place from a session whose peer does not answer.
    pub fn evict(&self, handle: &Arc<Handle>) {
        let mut live = lock(&self.live);
        if live.get(&handle.endpoint).is_some_and(|held| Arc::ptr_eq(held, handle)) {
            live.remove(&handle.endpoint);
        }
        drop(live);
        handle.end();
    }

    /// The endpoint's live session.
    pub fn get(&self, endpoint: Uuid) -> Option<Arc<Handle>> {
        lock(&self.live).get(&endpoint).cloned()
    }

    /// Whether the endpoint is connected.
    pub fn is_connected(&self, endpoint: Uuid) -> bool {
        lock(&self.live).contains_key(&endpoint)
    }

    /// When a connected endpoint was last heard, microseconds since 1970.
    pub fn heard_us(&self, endpoint: Uuid) -> Option<i64> {
        lock(&self.live).get(&endpoint).map(|handle| handle.heard_us.load(Ordering::Relaxed))
    }

    /// How many are connected.
    pub fn count(&self) -> usize {
        lock(&self.live).len()
    }

    /// All of them, for the sweeper.
    pub fn all(&self) -> Vec<Arc<Handle>> {
        lock(&self.live).values().cloned().collect()
    }

    /// Those that left since this was asked last.
    pub fn take_departed(&self) -> Vec<Arc<Handle>> {
        std::mem::take(&mut *lock(&self.departed))
    }

    /// Does not hear this endpoint for a while.
    pub fn banish(&self, endpoint: Uuid, now_us: i64) {
        let mut banished = lock(&self.banished);
        banished.retain(|_, until| *until > now_us);
        banished.insert(endpoint, now_us.saturating_add(BANISHED));
    }

    /// Whether this endpoint has to wait.
    pub fn is_banished(&self, endpoint: Uuid, now_us: i64) -> bool {
        lock(&self.banished).get(&endpoint).is_some_and(|until| *until > now_us)
    }

    /// The order keys have changed: all sessions hand them on.
    pub fn keys_changed(&self) {
        for handle in self.all() {
            handle.tell(|mail| mail.keys = true);
        }
    }

    /// Agents are to connect elsewhere: all sessions hand it on.
    pub fn addresses_changed(&self) {
        for handle in self.all() {
            handle.tell(|mail| mail.addresses = true);
        }
    }

    /// A tenant's trust bundle has changed: its sessions hand it on.
    pub fn trust_changed(&self, tenant: Uuid) {
        for handle in self.all().into_iter().filter(|handle| handle.tenant == tenant) {
            handle.tell(|mail| mail.trust = true);
        }
    }

    /// The agent has another certificate by now.
    pub fn renewed(&self, endpoint: Uuid, not_after_us: i64) {
        if let Some(handle) = self.get(endpoint) {
            handle.not_after_us.fetch_max(not_after_us, Ordering::Relaxed);
        }
    }

    /// Ends whatever this endpoint has open, at once. To be called after the revocation is committed.
    pub fn revoked(&self, endpoint: Uuid) {
        let number = self.revocations.fetch_add(1, Ordering::SeqCst) + 1;
        lock(&self.revoked).insert(endpoint, number);
        if let Some(handle) = self.get(endpoint) {
            handle.dismiss(goodbye("revoked", "this endpoint was revoked", 0));
        }
    }

    /// How many revocations there were: to be kept and given to [`Self::revoked_since`].
    pub fn revocations(&self) -> u64 {
        self.revocations.load(Ordering::SeqCst)
    }

    /// Whether the endpoint was revoked after that many revocations.
    pub fn revoked_since(&self, endpoint: Uuid, revocations: u64) -> bool {
        self.revocations() != revocations
            && lock(&self.revoked).get(&endpoint).is_some_and(|number| *number > revocations)
    }
}

/// The end of a session, in words.
pub fn goodbye(code: &str, message: &str, retry_after_s: u32) -> Goodbye {
    Goodbye { code: code.to_owned(), message: message.to_owned(), retry_after_s }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
