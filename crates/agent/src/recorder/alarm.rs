//! A thread of the recorder that falls is noticed at once: what it was given is counted as lost, it is told, and the recorder
//! is put together anew.
//!
//! Each thread holds a watch, and the alarm is its end while the thread unwinds. To look at the threads now and then was
//! rejected: it would wake an idle agent up, and come late.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// Before the recorder begins again, the first time and at most.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(10);

#[derive(Debug, Default)]
struct Inner {
    fallen: Mutex<Vec<&'static str>>,
    bell: Notify,
}

impl Inner {
    fn fallen(&self) -> MutexGuard<'_, Vec<&'static str>> {
        self.fallen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What rings. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Alarm(Arc<Inner>);

/// Held by a thread.
#[derive(Debug)]
pub struct Watch {
    name: &'static str,
    alarm: Alarm,
}

impl Alarm {
    /// For the thread of this name.
    pub fn watch(&self, name: &'static str) -> Watch {
        Watch { name, alarm: self.clone() }
    }

    /// Waits until a thread has fallen, and says which.
    pub async fn rung(&self) -> Vec<&'static str> {
        loop {
            let fallen = std::mem::take(&mut *self.0.fallen());
            if !fallen.is_empty() {
                return fallen;
            }
            self.0.bell.notified().await;
        }
    }
}

impl Watch {
    /// Does something on the thread that holds this.
    #[expect(
        clippy::unused_self,
        reason = "a closure that calls this holds the watch, which is all that is wanted"
    )]
    pub fn over<T>(&self, work: impl FnOnce() -> T) -> T {
        work()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.alarm.0.fallen().push(self.name);
            self.alarm.0.bell.notify_one();
        }
    }
}

/// How long to wait before it is tried again: longer each time, and short again after it went well for long.
#[derive(Debug, Default)]
pub struct Pause {
    last: Option<(Instant, Duration)>,
}

impl Pause {
    /// The next one.
    pub fn next(&mut self, now: Instant) -> Duration {
        let length = match self.last {
            Some((at, length)) if now.saturating_duration_since(at) < length + LONGEST => length * 2,
            _ => FIRST,
        };
        let length = length.min(LONGEST);
        self.last = Some((now, length));
        length
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::*;

    #[tokio::test]
    async fn a_thread_that_falls_rings_and_one_that_ends_does_not() {
        let alarm = Alarm::default();
        let (one, other) = (alarm.watch("one"), alarm.watch("other"));
        std::thread::spawn(move || drop(one)).join().unwrap();
        let fallen = std::thread::spawn(move || {
            // As closures hold it that a thread was given.
            let held = move || other.over(|| ());
            held();
            panic!("a test");
        });
        assert!(fallen.join().is_err());
        assert_eq!(alarm.rung().await, ["other"]);
        let quiet = tokio::time::timeout(Duration::from_millis(10), alarm.rung()).await;
        assert!(quiet.is_err(), "told once");
    }

    #[test]
    fn pauses_grow_to_a_bound_and_begin_anew_after_a_calm() {
        let (mut pause, mut now) = (Pause::default(), Instant::now());
        let mut all = Vec::new();
        for _ in 0..12 {
            let next = pause.next(now);
            all.push(next.as_secs());
            now += next;
        }
        assert_eq!((all[..4].to_vec(), all[11]), (vec![1, 2, 4, 8], 600));
        assert_eq!(pause.next(now + LONGEST * 2), FIRST);
    }
}
