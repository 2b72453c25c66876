//! Has versions signed and rings the agents.

use std::sync::Arc;
use std::time::Duration;

use quell_engine::signer;
use quell_store::protection as rows;
use quell_wire::keys::key_id;
use quell_wire::protection::SignedProtection;
use uuid::Uuid;

use super::{Newest, Protections, Unpublished, lock, version};

/// Sessions that are rung at a time, and the pause before the next: those that are rung come and fetch bodies at once.
const RUNG: (usize, Duration) = (250, Duration::from_millis(50));

/// What the signer will not sign is asked for again after this: its policy may be another by then. Microseconds.
const PATIENCE: i64 = 60_000_000;

/// A document was not published. It is tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The database.
    #[error("the database did not do it")]
    Store(#[from] quell_store::Error),
    /// The signer.
    #[error("the document cannot be signed")]
    Signer(#[from] signer::Error),
}

impl Protections {
    /// Sees to it that every tenant has a version, signs what is not signed yet, learns what other nodes signed, and rings the
    /// agents of what is news. One that cannot be published keeps no other from it.
    pub(crate) async fn look(&self) -> Result<(), Error> {
        for head in self.store.read(rows::heads).await? {
            let tenant = head.tenant_id;
            if head.newest == 0 {
                if let Err(problem) = version::ensure(&self.store, tenant, self.clock.now()).await {
                    tracing::warn!(tenant.id = %tenant, ?problem, "a tenant has no protection yet");
                    continue;
                }
            } else if self.newest(tenant).is_some_and(|newest| {
                newest.version == head.newest.max(head.signed) && self.is_trusted(&newest.signed.key_id)
            }) {
                continue;
            }
            let now = self.clock.now();
            let is_too_soon =
                |problem: &Unpublished| problem.version == head.newest && now < problem.again_at;
            if lock(&self.problems).get(&tenant).is_some_and(is_too_soon) {
                continue;
            }
            // Told once, where it changes.
            let before = self.problem(tenant);
            if let Err(error) = self.publish(tenant).await
                && self.problem(tenant) != before
            {
                tracing::warn!(
                    error = &error as &dyn std::error::Error, tenant.id = %tenant,
                    "a protection document is not published: agents keep an older one; it is tried again"
                );
            }
        }
        Ok(())
    }

    /// Has a tenant's newest version signed, and rings its agents.
    pub(crate) async fn publish(&self, tenant: Uuid) -> Result<(), Error> {
        let _signing = self.signing.lock().await;
        let done = self.sign(tenant).await;
        match done.as_ref().err().map(|error| self.unpublished(error)) {
            Some(mut problem) => {
                let newest = self.store.read(move |tx| rows::newest(tx, tenant)).await?;
                problem.version = newest.map_or(0, |newest| newest.version);
                lock(&self.problems).insert(tenant, problem);
            }
            None => drop(lock(&self.problems).remove(&tenant)),
        }
        // What was signed before stays what agents are given.
        if let Some(row) = self.store.read(move |tx| rows::signed(tx, tenant)).await?
            && let (Some(signature), Some(key_id)) = (row.signature, row.key_id)
        {
            let signed = SignedProtection { protection: row.document, signature, key_id };
            self.know(tenant, Newest { version: row.version, signed, bodies: [row.behaviour, row.yara] })
                .await;
        }
        done
    }

    fn unpublished(&self, error: &Error) -> Unpublished {
        let why = match error {
            Error::Store(_) => "the database did not answer".to_owned(),
            Error::Signer(error) => error.to_string(),
        };
        let patience =
            if matches!(error, Error::Signer(signer::Error::Refused { .. })) { PATIENCE } else { 0 };
        Unpublished { version: 0, why, again_at: self.clock.now().saturating_add(patience) }
    }

    async fn sign(&self, tenant: Uuid) -> Result<(), Error> {
        // Once more where the number turns out to be one that the signer has left behind.
        for is_last in [false, true] {
            let Some(row) = self.store.read(move |tx| rows::newest(tx, tenant)).await? else { return Ok(()) };
            if row.key_id.as_ref().is_some_and(|key| self.is_trusted(key)) {
                return Ok(());
            }
            match self.engine.signer().sign_protection(&row.document).await {
                Ok(signed) => {
                    let version = row.version;
                    let keep = move |tx: &mut quell_store::Tx<'_>| {
                        rows::sign(tx, tenant, version, &signed.signature, &signed.key_id)
                    };
                    return Ok(self.store.write(keep).await?);
                }
                Err(signer::Error::Refused { code, message }) if code == "protection_version" && !is_last => {
                    tracing::warn!(
                        tenant.id = %tenant, code, message,
                        "the signer has signed a later protection document: versions begin anew"
                    );
                    let now = self.clock.now();
                    self.store.write(move |tx| version::begin_anew(tx, tenant, now)).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Whether agents still trust this order key.
    fn is_trusted(&self, id: &str) -> bool {
        self.engine.signer().key_set().keys.iter().any(|key| key_id(key) == id)
    }

    /// Agents may have this version. They are rung where it is news.
    async fn know(&self, tenant: Uuid, newest: Newest) {
        let before = lock(&self.newest).insert(tenant, Arc::new(newest));
        let now = self.newest(tenant);
        if before.map(|before| before.version) != now.map(|now| now.version) {
            self.ring(tenant).await;
        }
    }

    /// Tells the tenant's agents that there is a newer document, some at a time.
    async fn ring(&self, tenant: Uuid) {
        let mine: Vec<_> =
            self.sessions.all().into_iter().filter(|session| session.tenant == tenant).collect();
        for some in mine.chunks(RUNG.0) {
            for session in some.iter().filter(|session| session.takes_protection()) {
                session.tell(|mail| mail.protection = true);
            }
            if some.len() == RUNG.0 {
                tokio::time::sleep(RUNG.1).await;
            }
        }
    }
}
