//! Failed tries with passwords, by account.
//!
//! After some failures an account takes one try in a time that grows. An address from which the person signed in before
//! has a count of its own, so that whoever guesses from elsewhere does not lock them out. What is counted is the account,
//! whether there is one or not: the answer tells nothing, and no header or change of address makes a new count.
//!
//! The counts stand in a table of fixed size, at a place that follows from the account and a number that nobody knows: a
//! flood of made-up accounts takes no memory and pushes none out.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use quell_store::Micros;

use super::bucket::network;

/// Failures after which tries are rationed.
const FREE: u32 = 10;
/// First wait, microseconds; it doubles with each failure.
const FIRST: Micros = 1_000_000;
/// Longest wait.
const LONGEST: Micros = 15 * 60 * 1_000_000;
/// Failures are forgotten after as long without one.
const MEMORY: Micros = 60 * 60 * 1_000_000;
/// Least time between two records of refusals of one account.
const TELL: Micros = 60 * 1_000_000;
/// Places in each table.
const PLACES: usize = 16_384;
/// Addresses of accounts that are remembered.
pub(crate) const KNOWN: usize = 65_536;

#[derive(Clone, Copy, Default)]
struct Count {
    failures: u32,
    /// When the next try is taken.
    next: Micros,
    last: Micros,
    told_at: Option<Micros>,
    untold: u32,
    is_locked: bool,
}

/// Failed tries with passwords.
pub struct Lockout {
    seed: RandomState,
    /// From anywhere.
    anywhere: Mutex<Vec<Count>>,
    /// From addresses that are known for the account.
    usual: Mutex<Vec<Count>>,
    /// Accounts with addresses from which they signed in.
    known: Mutex<HashSet<u64>>,
    /// When a refusal of an account that does not exist was last recorded.
    nobody: Mutex<Option<Micros>>,
}

/// A try that is taken. It counts as a failure until it is told otherwise.
#[derive(Debug)]
pub struct Try {
    place: usize,
    /// Whether it comes from an address that is known for the account.
    pub is_known: bool,
}

/// What is to be recorded of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// Refusals since the last record, where one is due.
    pub count: Option<u32>,
    /// Whether tries are rationed from this one on.
    pub is_locked: bool,
}

impl Lockout {
    /// Nothing counted yet.
    pub fn new() -> Self {
        Self {
            seed: RandomState::new(),
            anywhere: Mutex::new(vec![Count::default(); PLACES]),
            usual: Mutex::new(vec![Count::default(); PLACES]),
            known: Mutex::default(),
            nobody: Mutex::default(),
        }
    }

    fn pair(&self, account: &str, address: IpAddr) -> u64 {
        self.seed.hash_one((account, network(address)))
    }

    /// The account signed in from there.
    pub fn known(&self, account: &str, address: IpAddr) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN {
            known.clear();
        }
        known.insert(self.pair(account, address));
    }

    /// Whether the account signed in from there before.
    pub fn is_known(&self, account: &str, address: IpAddr) -> bool {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).contains(&self.pair(account, address))
    }

    fn table(&self, is_known: bool) -> std::sync::MutexGuard<'_, Vec<Count>> {
        let table = if is_known { &self.usual } else { &self.anywhere };
        table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a try, or answers how long to wait, microseconds.
    pub fn admit(&self, account: &str, address: IpAddr, now: Micros) -> Result<Try, Micros> {
        let is_known = self.is_known(account, address);
        let number = if is_known { self.pair(account, address) } else { self.seed.hash_one(account) };
        let place = (number % PLACES as u64) as usize;
        let mut table = self.table(is_known);
        let count = &mut table[place];
        // A clock that went back forgets as well: it must not lock for as long as it went.
        if !(count.last..count.last + MEMORY).contains(&now) {
            *count = Count { told_at: count.told_at, untold: count.untold, ..Count::default() };
        }
        if count.failures >= FREE && now < count.next {
            count.untold = count.untold.saturating_add(1);
            return Err(count.next - now);
        }
        // Counted now, so that a hundred tries at once are no more than a hundred in turn.
        count.failures = count.failures.saturating_add(1);
        count.last = now;
        count.next = now + wait(count.failures);
        Ok(Try { place, is_known })
    }

    /// The try was the person.
    pub fn succeeded(&self, tried: &Try) {
        let mut table = self.table(tried.is_known);
        let count = &mut table[tried.place];
        *count = Count { told_at: count.told_at, ..Count::default() };
    }

    /// The try was right as far as it went: it is no failure, and excuses none.
    pub fn undecided(&self, tried: &Try) {
        let mut table = self.table(tried.is_known);
        let count = &mut table[tried.place];
        count.failures = count.failures.saturating_sub(1);
        count.next = count.last;
    }

    /// Whether a refusal of an account that does not exist may be recorded: of all of them together, one a minute.
    pub fn may_tell_of_nobody(&self, now: Micros) -> bool {
        let mut told = self.nobody.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = told.is_none_or(|at| !(at..at + TELL).contains(&now));
        if is_due {
            *told = Some(now);
        }
        is_due
    }

    /// The try failed.
    pub fn failed(&self, tried: &Try, now: Micros) -> Told {
        let mut table = self.table(tried.is_known);
        let count = &mut table[tried.place];
        count.untold = count.untold.saturating_add(1);
        let is_due = count.told_at.is_none_or(|at| !(at..at + TELL).contains(&now));
        let told = is_due.then(|| {
            count.told_at = Some(now);
            std::mem::take(&mut count.untold)
        });
        let is_locked = count.failures >= FREE && !count.is_locked;
        count.is_locked |= is_locked;
        Told { count: told, is_locked }
    }
}

impl Default for Lockout {
    fn default() -> Self {
        Self::new()
    }
}

fn wait(failures: u32) -> Micros {
    let doublings = failures.saturating_sub(FREE).min(20);
    (FIRST << doublings).min(LONGEST)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::net::Ipv4Addr;

    use super::*;

    const HOME: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const AWAY: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1));

    fn fail(lockout: &Lockout, address: IpAddr, now: Micros) -> Told {
        lockout.failed(&lockout.admit("maria", address, now).unwrap(), now)
    }

    #[test]
    fn guesses_are_rationed_whatever_the_address() {
        let lockout = Lockout::new();
        for number in 0..10 {
            let told = fail(&lockout, IpAddr::V4(Ipv4Addr::from_bits(number)), 1);
            assert_eq!(told.is_locked, number == 9);
            assert_eq!(told.count, (number == 0).then_some(1));
        }
        let wait = lockout.admit("maria", AWAY, 1).unwrap_err();
        assert_eq!(wait, FIRST);
        let mut now = 1;
        for _ in 0..30 {
            now += lockout.admit("maria", AWAY, now).err().unwrap_or_default();
            fail(&lockout, AWAY, now);
        }
        assert_eq!(lockout.admit("maria", AWAY, now).unwrap_err(), LONGEST);
        assert!(lockout.admit("other", AWAY, now).is_ok());
        assert!(
            lockout.admit("maria", AWAY, now + MEMORY).is_ok() && lockout.admit("maria", AWAY, 0).is_ok()
        );
    }

    #[test]
    fn who_signed_in_from_there_before_is_not_locked_out_by_others() {
        let lockout = Lockout::new();
        lockout.known("maria", HOME);
        for _ in 0..10 {
            fail(&lockout, AWAY, 1);
        }
        assert!(lockout.admit("maria", AWAY, 1).is_err());
        let mine = lockout.admit("maria", HOME, 1).unwrap();
        assert!(mine.is_known);
        lockout.succeeded(&mine);
        assert!(
            lockout.admit("maria", AWAY, 1).is_err(),
            "a success at home excuses no guess from elsewhere"
        );
        for _ in 0..10 {
            fail(&lockout, HOME, 1);
        }
        assert!(lockout.admit("maria", HOME, 1).is_err(), "home is rationed too");
    }

    #[test]
    fn tries_at_once_are_counted_before_they_are_decided() {
        let lockout = Lockout::new();
        let tries: Vec<_> = (0..100).filter_map(|_| lockout.admit("maria", AWAY, 1).ok()).collect();
        assert_eq!(tries.len(), 10);
    }

    #[test]
    fn a_right_password_without_its_code_is_neither_failure_nor_success() {
        let lockout = Lockout::new();
        for _ in 0..9 {
            fail(&lockout, AWAY, 1);
        }
        for _ in 0..5 {
            let half = lockout.admit("maria", AWAY, 1).unwrap();
            lockout.undecided(&half);
        }
        fail(&lockout, AWAY, 1);
        assert!(lockout.admit("maria", AWAY, 1).is_err());
    }
}
