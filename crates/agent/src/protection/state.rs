//! What is told to the server of the recorder, and when: news at once but not often, numbers that rise all the time seldom.

use std::collections::BTreeMap;
use std::time::Duration;

use quell_catalog::protection::{REFUSED, Recorder, TEXT};
use quell_wire::frame::RecorderState;
use quell_wire::limits;
use tokio::time::Instant;

/// Between two words in one session.
const PAUSE: Duration = Duration::from_mins(1);
/// Between two where only numbers rose.
const NUMBERS: Duration = Duration::from_mins(10);

/// What was told and what there is to tell.
#[derive(Debug, Default)]
pub struct Told {
    takes_state: bool,
    latest: Recorder,
    /// Version, what was said with it, and when; in this session.
    last: Option<(u64, Recorder, Instant)>,
}

/// What to do now.
#[derive(Debug)]
pub enum Next {
    /// Say this.
    Say(RecorderState),
    /// There is something to say then.
    At(Instant),
    /// There is nothing to say.
    Nothing,
}

impl Told {
    /// A session begins: whatever was told before, was told to somebody else.
    pub fn greeted(&mut self, takes_state: bool) {
        self.takes_state = takes_state;
        self.last = None;
    }

    /// How the recorder does now; whether that is news.
    pub fn set(&mut self, recorder: Recorder) -> bool {
        let recorder = bounded(recorder);
        let is_news = self.latest != recorder;
        self.latest = recorder;
        is_news
    }

    /// What was said last by the recorder.
    pub fn latest(&self) -> &Recorder {
        &self.latest
    }

    /// What to do now, while this version is in force.
    pub fn next(&mut self, version: u64, now_us: i64) -> Next {
        if !self.takes_state {
            return Next::Nothing;
        }
        if let Some((told, said, at)) = &self.last {
            let due = if *told != version {
                None
            } else if *said == self.latest {
                return Next::Nothing;
            } else if plain(said) == plain(&self.latest) {
                Some(*at + NUMBERS)
            } else {
                Some(*at + PAUSE)
            };
            if let Some(due) = due.filter(|due| *due > Instant::now()) {
                return Next::At(due);
            }
        }
        self.last = Some((version, self.latest.clone(), Instant::now()));
        Next::Say(RecorderState { protection: version, at_us: now_us, detail: encoded(&self.latest) })
    }
}

/// Without the numbers that rise all the time: that something is lost is news, how much is not.
fn plain(recorder: &Recorder) -> Recorder {
    let lost: BTreeMap<String, u64> =
        recorder.lost.iter().map(|(kind, count)| (kind.clone(), u64::from(*count > 0))).collect();
    Recorder { lost, ring_bytes: None, ..recorder.clone() }
}

fn cut(text: &mut String) {
    if text.chars().count() > TEXT {
        *text = text.chars().take(TEXT).collect();
    }
}

fn bounded(mut recorder: Recorder) -> Recorder {
    recorder.why.iter_mut().for_each(cut);
    recorder.why_not_prevented.iter_mut().for_each(cut);
    recorder.sources.truncate(16);
    recorder.sources.iter_mut().flat_map(|source| &mut source.why).for_each(cut);
    recorder.refused.truncate(REFUSED);
    for rule in &mut recorder.refused {
        cut(&mut rule.rule);
        cut(&mut rule.problem);
    }
    recorder
}

fn encoded(recorder: &Recorder) -> Vec<u8> {
    let bytes = |recorder: &Recorder| serde_json::to_vec(recorder).unwrap_or_default();
    let mut told = recorder.clone();
    loop {
        let text = bytes(&told);
        if text.len() <= limits::RECORDER_STATE {
            return text;
        }
        // The rules are the only long part.
        let half = told.refused.len() / 2;
        if told.refused.is_empty() {
            return bytes(&Recorder { recording: recorder.recording, ..Recorder::default() });
        }
        told.refused.truncate(half);
    }
}

#[cfg(test)]
mod tests {
    use quell_catalog::protection::RefusedRule;

    use super::*;

    fn says(next: &Next) -> bool {
        matches!(next, Next::Say(_))
    }

    /// As if so much more time had gone by.
    fn pass(told: &mut Told, time: Duration) {
        if let Some((.., at)) = &mut told.last {
            *at -= time;
        }
    }

    #[test]
    fn news_is_told_soon_and_numbers_seldom() {
        let mut told = Told::default();
        assert!(!says(&told.next(1, 0)), "not to a gateway that does not take it");
        told.greeted(true);
        assert!(says(&told.next(1, 0)));
        assert!(matches!(told.next(1, 0), Next::Nothing));
        assert!(says(&told.next(2, 0)), "another version at once");
        let mut recorder = Recorder { recording: true, ..Recorder::default() };
        assert!(told.set(recorder.clone()) && !told.set(recorder.clone()));
        assert!(matches!(told.next(2, 0), Next::At(_)));
        pass(&mut told, PAUSE);
        assert!(says(&told.next(2, 0)));
        recorder.ring_bytes = Some(7);
        told.set(recorder.clone());
        pass(&mut told, PAUSE);
        assert!(matches!(told.next(2, 0), Next::At(_)), "numbers wait longer");
        recorder.lost.insert("start".to_owned(), 3);
        told.set(recorder);
        assert!(says(&told.next(2, 0)), "that something is lost is news");
        told.greeted(true);
        assert!(says(&told.next(2, 0)), "a new session hears it again");
    }

    #[test]
    fn what_is_told_fits_its_frame() {
        let rule =
            RefusedRule { source: "yara".into(), rule: "r".repeat(9000), problem: "\u{1}".repeat(9000) };
        let mut told = Told::default();
        told.set(Recorder { refused: vec![rule; 500], recording: true, ..Recorder::default() });
        let text = encoded(told.latest());
        assert!(text.len() <= limits::RECORDER_STATE && text.len() > 1000);
        assert!(serde_json::from_slice::<Recorder>(&text).is_ok_and(|read| read.recording));
    }
}
