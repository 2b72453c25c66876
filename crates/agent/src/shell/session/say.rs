//! What the line takes: the beginning, what was taken of the input, answers, output, the end; in this order.

use quell_catalog::endpoint::remote_shell::Ended as Why;
use quell_wire::shell::{Begin, DATA, Data, Ended, FromAgent};

use super::Session;

impl Session {
    pub(super) fn has_more(&self) -> bool {
        if !self.is_begun {
            return true;
        }
        self.is_resumed
            && (!self.notices.is_empty()
                || !self.answers.is_empty()
                || self.sent < self.ring.end()
                || (self.ended.is_some() && !self.is_end_told))
    }

    /// Hands to the line what it has room for.
    pub(super) fn speak(&mut self) {
        let Some(up) = self.up.clone() else { return };
        while self.has_more() {
            let Ok(permit) = up.try_reserve() else { return };
            let Some(frame) = self.say() else { return };
            permit.send(frame);
        }
    }

    fn say(&mut self) -> Option<FromAgent> {
        if !self.is_begun {
            self.is_begun = true;
            let started = self.pty.started();
            return Some(FromAgent::Begin(Begin {
                program: started.program.clone(),
                user: started.user.clone(),
                began_us: self.began_us,
                output_from: self.ring.from(),
                input_taken: self.taken,
                size: Some(self.size),
                is_over: false,
            }));
        }
        if let Some(notice) = self.notices.pop_front() {
            return Some(FromAgent::Taken(notice));
        }
        if let Some(answer) = self.answers.pop_front() {
            return Some(FromAgent::Answer(answer));
        }
        if self.sent < self.ring.end() {
            let data = self.ring.read(self.sent, DATA);
            let offset = self.sent;
            self.sent += data.len() as u64;
            return Some(FromAgent::Output(Data { offset, data }));
        }
        let ended = self.ended.as_ref()?;
        self.is_end_told = true;
        let (why, by) = self.why.clone().unwrap_or((Why::Exited, None));
        let ended = ended.as_ref().ok();
        Some(FromAgent::Ended(Ended {
            reason: why.as_str().to_owned(),
            exit_code: ended.and_then(|ended| ended.exit_code),
            signal: ended.and_then(|ended| ended.signal),
            by: by.unwrap_or_default(),
        }))
    }
}
