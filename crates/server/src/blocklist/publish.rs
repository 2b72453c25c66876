//! Has versions signed, in their order, and rings the agents.

use std::time::Duration;

use prost::Message as _;
use quell_engine::signer;
use quell_store::blocklist as rows;
use quell_wire::blocklist::{Delta, Held};
use uuid::Uuid;

use super::{BlockLists, lock};

/// Versions that are signed between two looks at the database.
const SOME: i64 = 64;
/// Sessions that are rung at a time, and the pause before the next: those that are rung come and ask at once.
const RUNG: (usize, Duration) = (500, Duration::from_millis(50));

/// Refusals of a step that is refused whenever it is asked for: the history goes on without it.
const FINAL: [&str; 4] =
    ["blocklist_version", "action_not_allowed", "blocklist_protected", "blocklist_value"];

/// A list was not published. It is tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The database.
    #[error("the database did not do it")]
    Store(#[from] quell_store::Error),
    /// The signer.
    #[error("the version cannot be signed")]
    Signer(#[from] signer::Error),
}

impl BlockLists {
    /// Signs what is not signed yet, of all tenants; learns what other nodes signed; rings the agents of what is news.
    /// A list that cannot be published keeps no other from it.
    pub(crate) async fn look(&self) -> Result<(), Error> {
        for (tenant, state) in self.store.read(rows::states).await? {
            if self.newest(tenant).version == state.version.unsigned_abs() {
                continue;
            }
            if let Err(error) = self.publish(tenant).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error, tenant.id = %tenant,
                    "a block list is not published: its agents keep an older version; it is tried again"
                );
            }
        }
        Ok(())
    }

    /// Signs what is not signed yet of a tenant, and rings its agents.
    pub(crate) async fn publish(&self, tenant: Uuid) -> Result<Held, Error> {
        let signing = self.signing.lock().await;
        loop {
            let waiting = self.store.read(move |tx| rows::unsigned(tx, tenant, SOME)).await?;
            if waiting.is_empty() {
                break;
            }
            for version in waiting {
                match self.engine.signer().sign_delta(&version.delta).await {
                    Ok(signed) => self.keep(tenant, version.version, signed.signature, signed.key_id).await?,
                    Err(signer::Error::Refused { code, message }) if FINAL.contains(&code.as_str()) => {
                        tracing::warn!(
                            tenant.id = %tenant, code, message,
                            "the signer does not sign a step of this block list: its history begins anew"
                        );
                        self.begin_anew(tenant).await?;
                        break;
                    }
                    Err(error) => {
                        self.know(tenant, before(&version.delta)).await;
                        return Err(error.into());
                    }
                }
            }
        }
        let state = self.store.read(move |tx| rows::state(tx, tenant)).await?;
        let held = Held { version: state.version.unsigned_abs(), digest: state.digest };
        let last = state.version - 1;
        // Where no step leads to the version, it is not out before it can be handed out whole.
        if held.version > 0 && self.store.read(move |tx| rows::deltas(tx, tenant, last, 1)).await?.is_empty()
        {
            self.snapshot(tenant, held.version).await?;
        }
        drop(signing);
        self.know(tenant, held.clone()).await;
        Ok(held)
    }

    /// Agents may have this version. They are rung where it is news.
    async fn know(&self, tenant: Uuid, held: Held) {
        let is_news = lock(&self.newest).insert(tenant, held.clone()) != Some(held);
        if is_news {
            self.ring(tenant).await;
        }
    }

    async fn keep(&self, tenant: Uuid, version: i64, signature: Vec<u8>, key: String) -> Result<(), Error> {
        let kept = self.store.write(move |tx| rows::sign(tx, tenant, version, &signature, &key)).await;
        Ok(kept?)
    }

    /// The signer signs no step from what is held: the database was set back to an earlier state, or what the list became is a
    /// step that the policy does not let pass (an object that somebody else listed less strictly stays so when the stricter word
    /// is taken back; that is an `add`). A version is chosen that no count of changes reaches, the seconds since
    /// 1970; agents get the whole list, since nothing leads there.
    async fn begin_anew(&self, tenant: Uuid) -> Result<(), Error> {
        let written = self.store.write(move |tx| {
            let before = rows::state(tx, tenant)?;
            let now = before.updated_at.max(
                i64::try_from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_micros())
                    .unwrap_or(i64::MAX),
            );
            let version = (now / 1_000_000).max(before.version + 1);
            let digest = [Uuid::new_v4(), Uuid::new_v4()].map(Uuid::into_bytes).concat();
            rows::forget(tx, tenant, i64::MAX)?;
            rows::set_state(tx, tenant, &rows::State { version, digest, ..before })
        });
        written.await?;
        lock(&self.snapshots).remove(&tenant);
        Ok(())
    }

    /// Tells the tenant's agents that there is a newer list, some at a time.
    async fn ring(&self, tenant: Uuid) {
        let mine: Vec<_> =
            self.sessions.all().into_iter().filter(|session| session.tenant == tenant).collect();
        for some in mine.chunks(RUNG.0) {
            for session in some.iter().filter(|session| session.takes_block_list()) {
                session.tell(|mail| mail.block_list = true);
            }
            if some.len() == RUNG.0 {
                tokio::time::sleep(RUNG.1).await;
            }
        }
    }
}

/// The version from which an encoded delta leads.
fn before(delta: &[u8]) -> Held {
    let delta = Delta::decode(delta).unwrap_or_default();
    Held { version: delta.from_version, digest: delta.base }
}
