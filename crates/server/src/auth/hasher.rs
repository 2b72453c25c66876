//! Hashing of passwords, a few at a time: each takes a core and some memory for a while, and whoever can ask for it must
//! be able to take neither.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use quell_access::password::{self, Cost};
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::Semaphore;

use crate::problem::{Code, Problem};

/// Hashed at a time.
const AT_ONCE: usize = 2;
/// Waiting, of those of whom nothing is known.
const STRANGERS: usize = 32;
/// Waiting at all: places that a crowd of strangers cannot take.
const WAITING: usize = 96;

/// Hashes passwords.
pub struct Hasher {
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    cost: Cost,
    /// What the password of nobody is compared with.
    nobody: String,
}

/// One that waits or is hashed.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Hasher {
    /// At this cost.
    pub fn new(cost: Cost) -> Self {
        let nobody = password::hash("nobody has this one", &[0; password::SALT], cost).unwrap_or_default();
        Self { places: Arc::new(Semaphore::new(AT_ONCE)), waiting: AtomicUsize::new(0), cost, nobody }
    }

    /// Whether it is the password of this hash. Without a hash it takes as long, and is not.
    pub async fn verify(
        &self,
        password: String,
        stored: Option<String>,
        is_known: bool,
    ) -> Result<bool, Problem> {
        let is_somebody = stored.is_some();
        let phc = stored.unwrap_or_else(|| self.nobody.clone());
        let fits = self.work(is_known, move || password::verify(&password, &phc)).await?;
        Ok(fits && is_somebody)
    }

    /// The hash of a password.
    pub async fn hash(&self, password: String) -> Result<String, Problem> {
        let mut salt = [0; password::SALT];
        SystemRandom::new()
            .fill(&mut salt)
            .map_err(|_| Problem::new(Code::Unavailable, "the system gave no randomness").retry_after(1))?;
        let cost = self.cost;
        let hashed = self.work(true, move || password::hash(&password, &salt, cost)).await?;
        hashed.map_err(|error| Problem::internal(&error))
    }

    /// Whether a hash should be made anew.
    pub fn is_outdated(&self, phc: &str) -> bool {
        password::is_outdated(phc, self.cost)
    }

    async fn work<T: Send + 'static>(
        &self,
        is_known: bool,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let busy = || {
            Problem::new(Code::Unavailable, "too many passwords are being checked; nothing was decided")
                .retry_after(2)
        };
        let most = if is_known { WAITING } else { STRANGERS };
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _place = Place(&self.waiting);
        if before >= most + AT_ONCE {
            return Err(busy());
        }
        let permit = Arc::clone(&self.places).acquire_owned().await.map_err(|_| busy())?;
        // The permit goes along: a caller who leaves does not let another in while this still runs.
        let worked = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(permit);
            done
        });
        worked.await.map_err(|error| Problem::internal(&error))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const CHEAP: Cost = Cost { memory_kib: 16, passes: 1, lanes: 1 };

    #[tokio::test]
    async fn strangers_leave_places_for_others() {
        let hasher = Arc::new(Hasher::new(CHEAP));
        let both = Arc::clone(&hasher.places).acquire_many_owned(2).await.unwrap();
        let mut asked = Vec::new();
        for _ in 0..STRANGERS + AT_ONCE {
            let hasher = Arc::clone(&hasher);
            asked.push(tokio::spawn(async move { hasher.verify("x".to_owned(), None, false).await }));
        }
        while hasher.waiting.load(Ordering::Relaxed) < STRANGERS + AT_ONCE {
            tokio::task::yield_now().await;
        }
        let turned_away = hasher.verify("x".to_owned(), None, false).await.unwrap_err();
        assert_eq!(turned_away.code(), Code::Unavailable);
        let phc = password::hash("right", &[1; 16], CHEAP).unwrap();
        let mine = tokio::spawn({
            let hasher = Arc::clone(&hasher);
            async move { hasher.verify("right".to_owned(), Some(phc), true).await }
        });
        drop(both);
        assert!(mine.await.unwrap().unwrap());
        for each in asked {
            assert!(!each.await.unwrap().unwrap());
        }
        assert_eq!(hasher.waiting.load(Ordering::Relaxed), 0);
    }
}
