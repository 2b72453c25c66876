//! Who looked at the rows of which task, or of which of its commands, of late: whoever reads on, page by page or
//! as rows come in, looks once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use quell_store::Micros;
use uuid::Uuid;

/// For how long reading on is the same look. Microseconds.
const LOOK: Micros = 10 * 60 * 1_000_000;
/// Looks that are remembered; beyond that all are forgotten, and recorded anew.
const MOST: usize = 10_000;

/// Whose look at what: tenant, account or key, task, and the command where it is at one alone.
pub(crate) type Key = (Uuid, Uuid, Uuid, Option<Uuid>);

/// Looks that were recorded.
#[derive(Debug, Default)]
pub(crate) struct Looks(Mutex<HashMap<Key, Micros>>);

impl Looks {
    /// Whether a look is to be recorded now.
    pub fn is_new(&self, key: &Key, now: Micros) -> bool {
        let looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        looks.get(key).is_none_or(|at| !(*at..*at + LOOK).contains(&now))
    }

    /// It is recorded.
    pub fn recorded(&self, key: Key, now: Micros) {
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if looks.len() >= MOST {
            looks.retain(|_, at| now - *at < LOOK);
        }
        if looks.len() >= MOST {
            looks.clear();
        }
        looks.insert(key, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_on_is_one_look() {
        let (looks, key) = (Looks::default(), (Uuid::nil(), Uuid::nil(), Uuid::nil(), None));
        assert!(looks.is_new(&key, 5));
        looks.recorded(key, 5);
        assert!(!looks.is_new(&key, 5 + LOOK - 1) && looks.is_new(&key, 5 + LOOK) && looks.is_new(&key, 4));
        assert!(looks.is_new(&(Uuid::nil(), Uuid::nil(), Uuid::max(), None), 5));
        let of_one = |command| (Uuid::nil(), Uuid::nil(), Uuid::nil(), Some(command));
        assert!(looks.is_new(&of_one(Uuid::nil()), 5), "what is recorded names one command or all");
        looks.recorded(of_one(Uuid::nil()), 5);
        assert!(!looks.is_new(&of_one(Uuid::nil()), 6) && looks.is_new(&of_one(Uuid::max()), 6));
        for number in 0..=MOST as u128 {
            looks.recorded((Uuid::nil(), Uuid::nil(), Uuid::from_u128(number), None), 5);
        }
        assert!(looks.is_new(&(Uuid::nil(), Uuid::nil(), Uuid::from_u128(1), None), 6), "bounded");
    }
}
