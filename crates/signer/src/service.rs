//! The signer itself: keys, policy, journal and what was signed lately, behind one call.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quell_wire::digest::hex;

use crate::blocklist::{self, Versions};
use crate::bundles::{self, Bundles};
use crate::check::{self, Examined, Refusal};
use crate::clock::Clock;
use crate::journal::{Deed, Journal};
use crate::key::{self, KeyFile};
use crate::policy::{self, Policy};
use crate::protection::{self, Documents};
use crate::rate::Rate;
use crate::{KEY_FILE, POLICY_FILE, file};

/// Refusals that are logged in a minute one by one; of more, the number is.
const LOGGED: u64 = 100;
const MINUTE_US: i64 = 60_000_000;
/// When to ask again while the journal cannot be written.
const JOURNAL_RETRY: Duration = Duration::from_secs(1);

/// The signer cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its directory or a file in it.
    #[error(transparent)]
    File(#[from] file::Error),
    /// The order key.
    #[error(transparent)]
    Key(#[from] key::Error),
    /// The policy.
    #[error(transparent)]
    Policy(#[from] policy::Error),
    /// The trust bundles.
    #[error(transparent)]
    Bundles(#[from] bundles::Error),
}

/// What became of one order.
pub type Answer = Result<Signed, Refusal>;

/// A signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// Over the order's bytes.
    pub signature: Vec<u8>,
    /// Which key signed.
    pub key_id: String,
}

/// Checks and signs.
pub struct Service {
    directory: PathBuf,
    keys: KeyFile,
    rules: Mutex<Arc<Rules>>,
    books: Mutex<Books>,
    clock: Clock,
    signed: AtomicU64,
    refused: AtomicU64,
    _lock: File,
}

/// What the operator decided.
#[derive(Debug)]
struct Rules {
    policy: Policy,
    bundles: Bundles,
}

impl Rules {
    fn open(directory: &Path) -> Result<Self, OpenError> {
        let policy = Policy::open(&directory.join(POLICY_FILE))?;
        Ok(Self { policy, bundles: Bundles::open(directory)? })
    }
}

/// What is kept in order by one at a time.
struct Books {
    rate: Rate,
    journal: Journal,
    versions: Versions,
    documents: Documents,
    log_minute: i64,
    logged: u64,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Service({}, {:?})", self.directory.display(), self.keys)
    }
}

impl Service {
    /// Opens the signer's directory, or makes it with a new key.
    pub fn open(directory: &Path, clock: Clock) -> Result<Self, OpenError> {
        file::directory(directory)?;
        let lock = file::lock(directory)?;
        let keys = KeyFile::open(&directory.join(KEY_FILE))?;
        let rules = Rules::open(directory)?;
        let mut journal = Journal::open(directory)?;
        journal.keep(rules.policy.journal_files);
        let versions = Versions::open(directory)?;
        let documents = Documents::open(directory)?;
        let books = Books { rate: Rate::default(), journal, versions, documents, log_minute: 0, logged: 0 };
        Ok(Self {
            directory: directory.to_owned(),
            keys,
            rules: Mutex::new(Arc::new(rules)),
            books: Mutex::new(books),
            clock,
            signed: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            _lock: lock,
        })
    }

    /// The order key.
    pub fn keys(&self) -> &KeyFile {
        &self.keys
    }

    fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The policy that is followed now, and tenant and serial of each trust bundle.
    pub(crate) fn status(&self) -> (Policy, Vec<(String, u64)>) {
        let rules = self.rules();
        let bundles = rules.bundles.list().into_iter().map(|(tenant, serial)| (tenant.to_owned(), serial));
        (rules.policy.clone(), bundles.collect())
    }

    /// How many orders were signed and refused since the start.
    pub fn counts(&self) -> (u64, u64) {
        (self.signed.load(Ordering::Relaxed), self.refused.load(Ordering::Relaxed))
    }

    /// Follows the policy's file and the trust bundles as they stand now.
    ///
    /// # Errors
    /// Those before stay.
    pub fn reload(&self) -> Result<(), OpenError> {
        let new = Rules::open(&self.directory)?;
        self.books().journal.keep(new.policy.journal_files);
        *self.rules.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
        tracing::info!("the signer follows its policy as it stands now");
        Ok(())
    }

    /// Checks orders and signs those that may be: one answer for each, in their order.
    pub fn sign<B: AsRef<[u8]>>(&self, orders: &[B]) -> Vec<Answer> {
        let (rules, now) = (self.rules(), (self.clock)());
        let examined: Vec<Result<Deed, Refusal>> = orders
            .iter()
            .map(|bytes| match check::examine(bytes.as_ref(), &rules.policy, &rules.bundles, now) {
                Ok(examined) => Ok(deed(&examined)),
                Err(refusal) => {
                    self.log(bytes.as_ref(), &refusal, now);
                    Err(refusal)
                }
            })
            .collect();
        let keys = self.keys.held();
        let allowed = self.enter(examined, &rules.policy, &keys.id, now);
        let answers: Vec<Answer> = allowed
            .into_iter()
            .zip(orders)
            .map(|(allowed, order)| {
                allowed.map(|()| Signed { signature: keys.sign(order.as_ref()), key_id: keys.id.clone() })
            })
            .collect();
        let signed = answers.iter().filter(|answer| answer.is_ok()).count() as u64;
        self.signed.fetch_add(signed, Ordering::Relaxed);
        self.refused.fetch_add(answers.len() as u64 - signed, Ordering::Relaxed);
        answers
    }

    /// Checks deltas of block lists and signs those that may be: one answer for each, in their order.
    pub fn sign_deltas<B: AsRef<[u8]>>(&self, deltas: &[B]) -> Vec<Answer> {
        let (rules, now) = (self.rules(), (self.clock)());
        let keys = self.keys.held();
        let sign = |bytes: &B| {
            let allowed = self.allow_delta(bytes.as_ref(), &rules.policy, &keys.id, now);
            allowed
                .map(|()| Signed { signature: keys.sign_delta(bytes.as_ref()), key_id: keys.id.clone() })
                .inspect_err(|refusal| {
                    tracing::warn!(code = refusal.code, reason = %refusal.message, "a block list was refused");
                })
        };
        let answers: Vec<Answer> = deltas.iter().map(sign).collect();
        let signed = answers.iter().filter(|answer| answer.is_ok()).count() as u64;
        self.signed.fetch_add(signed, Ordering::Relaxed);
        self.refused.fetch_add(answers.len() as u64 - signed, Ordering::Relaxed);
        answers
    }

    /// Checks protection documents and signs those that may be: one answer for each, in their order.
    pub fn sign_protections<B: AsRef<[u8]>>(&self, documents: &[B]) -> Vec<Answer> {
        let (rules, now) = (self.rules(), (self.clock)());
        let keys = self.keys.held();
        let sign = |bytes: &B| {
            let allowed = self.allow_protection(bytes.as_ref(), &rules.policy, &keys.id, now);
            allowed
                .map(|()| Signed { signature: keys.sign_protection(bytes.as_ref()), key_id: keys.id.clone() })
                .inspect_err(|refusal| {
                    let (code, reason) = (refusal.code, &refusal.message);
                    tracing::warn!(code, %reason, "a protection document was refused");
                })
        };
        let answers: Vec<Answer> = documents.iter().map(sign).collect();
        let signed = answers.iter().filter(|answer| answer.is_ok()).count() as u64;
        self.signed.fetch_add(signed, Ordering::Relaxed);
        self.refused.fetch_add(answers.len() as u64 - signed, Ordering::Relaxed);
        answers
    }

    /// Enters a protection document into the books, where it may be signed.
    fn allow_protection(&self, bytes: &[u8], policy: &Policy, key: &str, now: i64) -> Result<(), Refusal> {
        let mut books = self.books();
        let examined = books.documents.examine(bytes, policy, now)?;
        books.rate.take(policy, &examined.tenant, now).map_err(too_many)?;
        books.journal.append(&[document(&examined)], key, now).map_err(|error| unwritten(&error))?;
        books.documents.keep(&examined).map_err(|error| unwritten(&error))
    }

    /// Enters the version of a delta into the books, where it may be signed.
    fn allow_delta(&self, bytes: &[u8], policy: &Policy, key: &str, now: i64) -> Result<(), Refusal> {
        let mut books = self.books();
        let examined = books.versions.examine(bytes, policy, now)?;
        books.rate.take(policy, &examined.tenant, now).map_err(too_many)?;
        books.journal.append(&[version(&examined)], key, now).map_err(|error| unwritten(&error))?;
        books.versions.keep(&examined).map_err(|error| unwritten(&error))
    }

    /// Enters what may be signed into the journal, within the rate.
    fn enter(
        &self,
        examined: Vec<Result<Deed, Refusal>>,
        policy: &Policy,
        key: &str,
        now: i64,
    ) -> Vec<Result<(), Refusal>> {
        let mut books = self.books();
        let mut deeds = Vec::with_capacity(examined.len());
        let mut allowed: Vec<Result<(), Refusal>> = Vec::with_capacity(examined.len());
        for result in examined {
            allowed.push(result.and_then(|deed| {
                books.rate.take(policy, &deed.tenant, now).map_err(too_many)?;
                deeds.push(deed);
                Ok(())
            }));
        }
        if let Err(error) = books.journal.append(&deeds, key, now) {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the signer cannot write its journal and signs nothing"
            );
            for result in allowed.iter_mut().filter(|result| result.is_ok()) {
                *result = Err(Refusal {
                    retry_after: Some(JOURNAL_RETRY),
                    ..Refusal::new("journal", "the signer cannot write its journal")
                });
            }
        }
        allowed
    }

    /// Brings the journal to the disk.
    pub fn settle(&self) {
        let file = self.books().journal.settle();
        if let Some(Err(error)) = file.map(|file| file.sync_data()) {
            tracing::error!(%error, "the signer's journal was not brought to the disk");
        }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logs a refusal with what the order says of itself: ids and action, never parameters or secrets.
    fn log(&self, bytes: &[u8], refusal: &Refusal, now: i64) {
        {
            let mut books = self.books();
            if now.saturating_sub(books.log_minute).unsigned_abs() >= MINUTE_US as u64 {
                let unnamed = books.logged.saturating_sub(LOGGED);
                if unnamed > 0 {
                    tracing::warn!(count = unnamed, "more orders were refused within a minute");
                }
                (books.log_minute, books.logged) = (now, 0);
            }
            books.logged += 1;
            if books.logged > LOGGED {
                return;
            }
        }
        let order = <quell_wire::Order as prost::Message>::decode(bytes).unwrap_or_default();
        let intent =
            <quell_wire::Intent as prost::Message>::decode(order.intent.as_slice()).unwrap_or_default();
        tracing::warn!(
            code = refusal.code,
            reason = %refusal.message,
            tenant.id = plain(&order.tenant_id),
            task.id = plain(&intent.task_id),
            command.id = plain(&order.order_id),
            action.id = plain(&intent.action),
            "an order was refused"
        );
    }
}

/// The signer's own files cannot be written: the same may be signed later.
fn unwritten(error: &(dyn std::error::Error + 'static)) -> Refusal {
    tracing::error!(error, "the signer cannot write its books and signs nothing");
    Refusal {
        retry_after: Some(JOURNAL_RETRY),
        ..Refusal::new("journal", "the signer cannot write its journal")
    }
}

fn too_many(wait: Duration) -> Refusal {
    Refusal {
        retry_after: Some(wait),
        ..Refusal::new("rate", "more orders in a minute than the signer's policy allows")
    }
}

fn deed(Examined { order, intent }: &Examined) -> Deed {
    let requester = intent.requester.as_ref();
    Deed {
        tenant: order.tenant_id.clone(),
        task: intent.task_id.clone(),
        order: order.order_id.clone(),
        endpoint: order.endpoint_id.clone(),
        action: intent.action.clone(),
        requester: requester.map_or_else(String::new, |who| format!("{} {}", who.kind, who.id)),
        digest: hex(&order.intent_digest),
        approvers: order.approvals.iter().map(|approval| approval.person_id.clone()).collect(),
    }
}

/// What the journal says of a version.
fn version(examined: &blocklist::Examined) -> Deed {
    Deed {
        tenant: examined.tenant.clone(),
        task: String::new(),
        order: format!("version-{}", examined.held.version),
        endpoint: quell_catalog::AGENTS.to_owned(),
        action: "blocklist.version".to_owned(),
        requester: String::new(),
        digest: hex(&examined.held.digest),
        approvers: Vec::new(),
    }
}

/// What the journal says of a protection document.
fn document(examined: &protection::Examined) -> Deed {
    Deed {
        tenant: examined.tenant.clone(),
        task: String::new(),
        order: format!("version-{}", examined.version),
        endpoint: quell_catalog::AGENTS.to_owned(),
        action: "protection.version".to_owned(),
        requester: String::new(),
        digest: examined.sha256.clone(),
        approvers: Vec::new(),
    }
}

/// A word that may stand in a log, or a mark that it may not.
fn plain(text: &str) -> &str {
    let is_plain = text.len() <= quell_wire::limits::ID
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if is_plain { text } else { "?" }
}
