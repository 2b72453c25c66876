//! Whether what was killed has ended: waited for on a thread of its own, since the recorder's waits for nobody. Without room
//! there it is looked at once, at once.

use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use super::Done;

/// For the end of a process after it was killed.
const WAIT: Duration = Duration::from_millis(150);
/// Of these so many wait at a time. Each has its time from the kill on, so the last is not later than the first.
const WAITING: usize = 64;
const STACK: usize = 128 << 10;

/// Looks for the end, for as long as it may.
type Look = Box<dyn FnOnce(Duration) -> Done + Send>;
/// Takes what came of it.
type Then = Box<dyn FnOnce(Done) + Send>;

struct Ending {
    until: Instant,
    look: Look,
    then: Then,
}

/// The thread; it begins with the first that is waited for.
#[derive(Default)]
pub struct Ends(OnceLock<Option<SyncSender<Ending>>>);

impl std::fmt::Debug for Ends {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Ends(begun: {})", self.0.get().is_some())
    }
}

impl Ends {
    /// Has the end looked for; else says at once how it is.
    pub fn watch(&self, look: Look, then: Then) -> Option<Done> {
        let line = self.0.get_or_init(|| {
            let (line, received) = sync_channel(WAITING);
            let thread = std::thread::Builder::new().name("flight-ends".into()).stack_size(STACK);
            thread.spawn(move || run(&received)).ok().map(|_| line)
        });
        let ending = Ending { until: Instant::now() + WAIT, look, then };
        let Some(line) = line else { return Some((ending.look)(Duration::ZERO)) };
        match line.try_send(ending) {
            Ok(()) => None,
            Err(TrySendError::Full(ending) | TrySendError::Disconnected(ending)) => {
                Some((ending.look)(Duration::ZERO))
            }
        }
    }
}

fn run(line: &Receiver<Ending>) {
    while let Ok(Ending { until, look, then }) = line.recv() {
        then(look(until.saturating_duration_since(Instant::now())));
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::sync::mpsc::channel;

    use quell_wire::activity::Verdict;

    use super::*;

    fn done(note: &str) -> Done {
        Done { verdict: Verdict::Prevented, note: note.to_owned(), blocks: false }
    }

    #[test]
    fn one_that_does_not_end_keeps_nobody_waiting() {
        let ends = Ends::default();
        let (go, held) = channel::<()>();
        let (told, heard) = channel();
        let say = |told: &std::sync::mpsc::Sender<Done>| -> Then {
            let told = told.clone();
            Box::new(move |done| told.send(done).unwrap())
        };
        let began = Instant::now();
        let hangs = move |_| {
            held.recv().unwrap();
            done("first")
        };
        assert!(ends.watch(Box::new(hangs), say(&told)).is_none());
        let (mut waits, mut at_once) = (0, 0);
        for _ in 0..WAITING * 2 {
            match ends.watch(Box::new(|left| done(if left.is_zero() { "now" } else { "later" })), say(&told))
            {
                None => waits += 1,
                Some(done) => at_once += usize::from(done.note == "now"),
            }
        }
        assert!(began.elapsed() < WAIT, "nobody waited");
        assert!(waits + 1 >= WAITING && waits + at_once == WAITING * 2 && at_once > 0);
        go.send(()).unwrap();
        let all: Vec<Done> = (0..=waits).map(|_| heard.recv_timeout(WAIT * 40).unwrap()).collect();
        assert_eq!(all[0].note, "first");
    }
}
