//! Costly questions, one at a time a caller: who asks faster than the server answers waits a little, then is told so.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use crate::problem::{Code, Problem};

/// Whoever waits is told so after this.
const PATIENCE: Duration = Duration::from_secs(5);
/// Questions of one caller that wait.
const WAITING: usize = 3;

/// Whose turn it is.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    of_caller: Mutex<HashMap<Uuid, Arc<Semaphore>>>,
}

impl Turns {
    /// The turn of this caller, until it is dropped. It goes along with the work: a caller who leaves does not let the next
    /// question in while the work goes on.
    pub async fn take(&self, caller: Uuid) -> Result<OwnedSemaphorePermit, Problem> {
        let busy = || {
            Problem::new(Code::TooManyRequests, "questions like this one are being answered for you already")
                .hint("Wait for their answers.")
                .retry_after(2)
        };
        let own = {
            let mut of_caller = self.of_caller.lock().unwrap_or_else(PoisonError::into_inner);
            // The map holds one, and so does everybody who works or waits.
            of_caller.retain(|_, turn| Arc::strong_count(turn) > 1);
            let turn = of_caller.entry(caller).or_insert_with(|| Arc::new(Semaphore::new(1)));
            if Arc::strong_count(turn) >= 1 + 1 + WAITING {
                return Err(busy());
            }
            Arc::clone(turn)
        };
        let turn = tokio::time::timeout(PATIENCE, own.acquire_owned()).await;
        turn.map_err(|_| busy())?.map_err(|_| busy())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[tokio::test]
    async fn one_works_a_few_wait_and_others_go_on() {
        let turns = Arc::new(Turns::default());
        let (ada, bob) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let first = turns.take(ada).await.unwrap();
        let waiting: Vec<_> = (0..WAITING)
            .map(|_| {
                let turns = Arc::clone(&turns);
                tokio::spawn(async move { turns.take(ada).await.map(drop) })
            })
            .collect();
        tokio::task::yield_now().await;
        assert_eq!(turns.take(ada).await.unwrap_err().code(), Code::TooManyRequests, "too many wait");
        drop(turns.take(bob).await.unwrap());
        drop(first);
        for one in waiting {
            one.await.unwrap().unwrap();
        }
        drop(turns.take(bob).await.unwrap());
        assert_eq!(turns.of_caller.lock().unwrap().len(), 1, "nobody is remembered");
    }
}
