//! What the line brings: input, sizes, verbs, and its own coming and going.

use quell_catalog::endpoint::remote_shell::Ended as Why;
use quell_wire::shell::{Answer, Data, FromServer, INPUT_WINDOW, Verb};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::super::line::Heard;
use super::super::verb;
use super::Session;

/// Answers of verbs that are kept for a server that comes back.
const ANSWERS: usize = 64;
/// Verbs at work at a time, and in one shell.
const VERBS: usize = 4;
/// Verbs of one shell.
const VERBS_EVER: usize = 10_000;

impl Session {
    pub(super) fn hear(&mut self, heard: Option<Heard>, answers: &mpsc::Sender<Answer>) {
        match heard {
            Some(Heard::Up(frames)) => {
                self.up = Some(frames);
                (self.is_begun, self.is_resumed, self.is_end_told) = (false, false, false);
                self.notices.clear();
            }
            Some(Heard::Down) => self.down(),
            Some(Heard::Refused(why)) => {
                tracing::warn!(why, "the server does not take a shell");
                self.is_refused = true;
                self.down();
                self.end(Why::Away, None);
            }
            None => self.is_refused = true,
            Some(Heard::Frame(frame)) => self.frame(frame, answers),
        }
    }

    fn down(&mut self) {
        self.up = None;
        self.is_resumed = false;
        self.lost_at.get_or_insert_with(Instant::now);
    }

    fn frame(&mut self, frame: FromServer, answers: &mpsc::Sender<Answer>) {
        match frame {
            FromServer::Resume(have) => {
                self.ring.stored(have.offset);
                self.sent = self.ring.from();
                self.is_resumed = true;
                self.lost_at = None;
            }
            FromServer::Stored(have) => {
                self.ring.stored(have.offset);
                self.sent = self.sent.max(self.ring.from());
            }
            FromServer::Input(data) => self.typed(&data),
            FromServer::Resize(size) => {
                if size != self.size && self.pty.resize(size.cols as u16, size.rows as u16).is_ok() {
                    self.size = size;
                }
            }
            FromServer::Verb(verb) => self.verb(verb, answers),
            FromServer::End(end) => {
                let why = Why::from_name(&end.reason).unwrap_or(Why::Person);
                self.end(why, Some(end.by).filter(|by| !by.is_empty()));
            }
            FromServer::Recorded(recorded) => {
                if self.ended_at.is_some() {
                    if let Some(why) = Why::from_name(&recorded.reason) {
                        let by = self.why.take().and_then(|(_, by)| by);
                        self.why = Some((why, by));
                    }
                    self.recorded = Some(recorded);
                }
            }
        }
    }

    /// What was typed already is passed over; a gap cannot come from our server.
    fn typed(&mut self, data: &Data) {
        let end = self.taken + self.input.len() as u64;
        let known = end.saturating_sub(data.offset) as usize;
        let is_fitting =
            data.offset <= end && self.input.len() as u64 + data.data.len() as u64 <= 2 * INPUT_WINDOW;
        if !is_fitting {
            tracing::warn!("input of a shell does not fit what came before");
            self.up = None;
            return;
        }
        if self.why.is_none()
            && let Some(fresh) = data.data.get(known..).filter(|fresh| !fresh.is_empty())
        {
            self.input.extend(fresh);
            self.typed_at = Instant::now();
            // Most of the time it is a key press and the terminal takes it at once.
            self.write();
        }
    }

    fn verb(&mut self, verb: Verb, answers: &mpsc::Sender<Answer>) {
        self.typed_at = Instant::now();
        if self.seen.contains(&verb.id) {
            // A server that came back asks again for what it had no answer to.
            let known = self.kept.iter().find(|answer| answer.id == verb.id).cloned();
            self.answers.extend(known);
            return;
        }
        while self.work.try_join_next().is_some() {}
        if self.seen.len() >= VERBS_EVER || self.work.len() >= VERBS || self.ended_at.is_some() {
            let busy = "too many verbs are at work; wait for one to end";
            self.answers.push_back(verb::refusal(verb.id, busy));
            return;
        }
        self.seen.insert(verb.id);
        if verb::NAMES.contains(&verb.verb.as_str()) {
            *self.verbs.entry(verb.verb.clone()).or_default() += 1;
        }
        let number = self.seen.len() as u16 - 1;
        self.work.spawn(verb::answer(self.tools.clone(), verb, number, answers.clone()));
    }

    pub(super) fn answered(&mut self, answer: Answer) {
        if answer.is_over {
            if self.kept.len() >= ANSWERS {
                self.kept.pop_front();
            }
            self.kept.push_back(answer.clone());
        }
        // Progress is worth telling only to somebody who is there.
        if answer.is_over || (self.is_resumed && self.answers.len() < ANSWERS) {
            self.answers.push_back(answer);
        }
        self.typed_at = Instant::now();
    }
}
