//! The agent's end of a shell.

use std::io;

use quell_store::Micros;
use quell_wire::shell::{Answer, Begin, DATA, Data, FromServer, INPUT_WINDOW, Offset, Size, Taken, ToPerson};

use super::super::cast;
use super::super::journal::Kind;
use super::Live;

/// Output that is kept for those who look on. Bytes.
const RING: usize = 1 << 20;

/// How far one connection of the agent is.
#[derive(Debug, Default)]
pub(crate) struct Line {
    number: u64,
    input: u64,
    stored: u64,
    size: Option<Size>,
    verbs: u64,
    is_end_said: bool,
    is_recorded_said: bool,
}

impl Live {
    /// An agent's connection begins: it takes the place of one that was before. Answers whether the shell is new.
    pub fn begin(&self, begin: &Begin, now: Micros) -> io::Result<(Line, Vec<FromServer>, bool)> {
        let mut state = self.lock();
        let is_new = state.began.as_ref().is_none_or(|(_, at)| *at == 0);
        let size = begin.size.unwrap_or(Size::USUAL);
        if state.began.is_none() {
            let began = cast::Begin {
                program: begin.program.clone(),
                user: begin.user.clone(),
                endpoint: self.about.endpoint_name.clone(),
                requester: self.about.requester_name.clone(),
                cols: size.cols,
                rows: size.rows,
            };
            let bytes = serde_json::to_vec(&began)?;
            state.record(Kind::Begin, now, &bytes)?;
            state.began = Some((began, now));
        } else if let Some((_, at)) = &mut state.began
            && *at == 0
        {
            *at = now;
        }
        // What was taken while nobody was told whether it was echoed may have been a password.
        state.take(Taken { offset: begin.input_taken, is_hidden: true }, now)?;
        // The server was begun anew, and the endpoint knows better what was typed.
        if state.taken < begin.input_taken {
            state.input.clear();
            state.taken = begin.input_taken;
        }
        state.line += 1;
        state.is_up = true;
        let line = Line { number: state.line, input: state.taken, stored: state.output, ..Line::default() };
        let resume = if state.recorded.is_some() { u64::MAX } else { state.output };
        drop(state);
        self.ring();
        Ok((line, vec![FromServer::Resume(Offset { offset: resume })], is_new))
    }

    /// Whether this connection of the agent is the newest.
    pub fn is_current(&self, line: &Line) -> bool {
        self.lock().line == line.number
    }

    /// The agent's connection is gone.
    pub fn leave(&self, line: &Line) {
        let mut state = self.lock();
        if state.line == line.number {
            state.is_up = false;
            drop(state);
            self.ring();
        }
    }

    /// The terminal wrote this. What is there already is passed over; a gap is refused.
    pub fn wrote(&self, data: &Data, now: Micros) -> io::Result<()> {
        let mut state = self.lock();
        let known = state.output.checked_sub(data.offset).ok_or(io::ErrorKind::InvalidData)?;
        let Some(fresh) = data.data.get(known as usize..).filter(|fresh| !fresh.is_empty()) else {
            return Ok(());
        };
        if state.over.is_some() {
            return Ok(());
        }
        state.record(Kind::Output, now, fresh)?;
        state.output += fresh.len() as u64;
        state.ring.extend(fresh);
        let surplus = state.ring.len().saturating_sub(RING);
        state.ring.drain(..surplus);
        drop(state);
        self.ring();
        Ok(())
    }

    /// The terminal took input.
    pub fn took(&self, taken: Taken, now: Micros) -> io::Result<()> {
        self.lock().take(taken, now)?;
        self.ring();
        Ok(())
    }

    /// What is to be said to the agent on this connection.
    pub fn say(&self, line: &mut Line) -> Vec<FromServer> {
        let state = self.lock();
        let mut frames = Vec::new();
        let end = state.taken + state.input.len() as u64;
        line.input = line.input.max(state.taken);
        while line.input < end && line.input - state.taken < INPUT_WINDOW {
            let skip = (line.input - state.taken) as usize;
            let data: Vec<u8> = state.input.iter().skip(skip).take(DATA).copied().collect();
            let offset = line.input;
            line.input += data.len() as u64;
            frames.push(FromServer::Input(Data { offset, data }));
        }
        if state.size.is_some() && state.size != line.size {
            line.size = state.size;
            frames.extend(state.size.map(FromServer::Resize));
        }
        for (id, asked) in state.verbs.range(line.verbs + 1..) {
            line.verbs = *id;
            frames.push(FromServer::Verb(asked.verb.clone()));
        }
        let storable = state.storable();
        if storable > line.stored {
            line.stored = storable;
            frames.push(FromServer::Stored(Offset { offset: storable }));
        }
        if let Some(end) = state.end.clone().filter(|_| !line.is_end_said) {
            line.is_end_said = true;
            frames.push(FromServer::End(end));
        }
        if let Some(recorded) = state.recorded.clone().filter(|_| !line.is_recorded_said) {
            line.is_recorded_said = true;
            frames.push(FromServer::Recorded(recorded));
        }
        frames
    }

    /// The agent's answer to a verb, for whoever asked.
    pub fn answered(&self, answer: Answer) {
        let mut state = self.lock();
        let Some((seat, theirs)) = state.verbs.get(&answer.id).map(|asked| (asked.seat, asked.theirs)) else {
            return;
        };
        if answer.is_over {
            state.verbs.remove(&answer.id);
        }
        let result = serde_json::from_slice(&answer.result).unwrap_or_default();
        let message = answer.message.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect();
        let told = ToPerson::Answer {
            id: theirs,
            is_over: answer.is_over,
            is_ok: answer.is_ok,
            message,
            result,
            done: answer.done,
            total: answer.total,
        };
        state.mail(seat, told);
        drop(state);
        self.ring();
    }
}
