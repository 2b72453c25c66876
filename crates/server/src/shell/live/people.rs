//! People's ends of a shell: one who types, and those who look on.

use std::collections::VecDeque;
use std::io;

use quell_store::Micros;
use quell_wire::shell::{DATA, INPUT_WINDOW, Size, ToPerson, Verb};

use super::super::journal::Kind;
use super::{Asked, Live, Over, Seat, State};

/// What somebody who comes is shown of the past, unless they ask for more. Bytes.
const PAST: u64 = 256 << 10;
/// People at one shell.
const SEATS: usize = 32;
/// Seats beside these for who types: they are never kept out by those who look on. More than one, for a connection that
/// broke is noticed late, and its seat is still taken when they come back.
const WRITERS: usize = 8;
/// Verbs under way.
const VERBS: usize = 16;

/// How far one person's connection is.
#[derive(Debug)]
pub(crate) struct Place {
    pub seat: u64,
    pub is_writer: bool,
    at: u64,
    state: Option<ToPerson>,
    is_end_said: bool,
}

/// What is next for a person.
pub(crate) enum Next {
    /// This message.
    Message(ToPerson),
    /// This output, which begins here.
    Output(u64, Vec<u8>),
    /// Output that is in the journal alone, from here.
    Past(u64),
    /// Nothing until something changes.
    Nothing,
    /// Nothing any more.
    Over,
}

/// Why nobody may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// It is over.
    Over,
    /// Too many are there.
    Seats,
}

impl Live {
    /// Somebody comes. Who types brings a pen, a word of their own by which they are known when they come back; whoever
    /// typed before only looks on from now.
    pub fn sit(&self, name: &str, pen: Option<&str>, from: Option<u64>) -> Result<(Place, ToPerson), Full> {
        let mut state = self.lock();
        if state.over.is_some() {
            return Err(Full::Over);
        }
        if state.seats.len() >= SEATS + if pen.is_some() { WRITERS } else { 0 } {
            return Err(Full::Seats);
        }
        let mut is_resumed = false;
        if let Some(pen) = pen {
            is_resumed = state.pen.as_deref().is_none_or(|held| held == pen);
            state.pen = Some(pen.to_owned());
            for seat in state.seats.values_mut() {
                seat.is_writer = false;
            }
        }
        state.seats_ever += 1;
        let number = state.seats_ever;
        let at = from.unwrap_or(state.output.saturating_sub(PAST)).min(state.output);
        let is_writer = pen.is_some();
        let seat = Seat {
            name: name.to_owned(),
            is_writer,
            shown: state.output,
            mail: VecDeque::new(),
            is_dismissed: false,
        };
        state.seats.insert(number, seat);
        let input = state.taken + state.input.len() as u64;
        let hello = ToPerson::Hello { is_writer, is_resumed, input, output: at, written: state.output };
        drop(state);
        self.ring();
        Ok((Place { seat: number, is_writer, at, state: None, is_end_said: false }, hello))
    }

    /// Somebody goes.
    pub fn rise(&self, place: &Place) {
        self.lock().seats.remove(&place.seat);
        self.ring();
    }

    /// They typed this; `false` where they do not type here, or it cannot follow what came before.
    pub fn typed(&self, place: &Place, offset: u64, data: &[u8]) -> bool {
        let mut state = self.lock();
        if !state.seats.get(&place.seat).is_some_and(|seat| seat.is_writer) || state.over.is_some() {
            return false;
        }
        let end = state.taken + state.input.len() as u64;
        let Some(known) = end.checked_sub(offset) else { return false };
        if state.input.len() as u64 + data.len() as u64 > INPUT_WINDOW {
            return false;
        }
        if let Some(fresh) = data.get(known as usize..).filter(|fresh| !fresh.is_empty()) {
            state.input.extend(fresh);
        }
        drop(state);
        self.ring();
        true
    }

    /// Output before this was shown to them.
    pub fn shown(&self, place: &Place, output: u64) {
        let mut state = self.lock();
        let end = state.output;
        if let Some(seat) = state.seats.get_mut(&place.seat) {
            seat.shown = seat.shown.max(output.min(end));
            drop(state);
            self.ring();
        }
    }

    /// Their terminal has another size.
    pub fn resize(&self, place: &Place, size: Size, now: Micros) -> io::Result<()> {
        let mut state = self.lock();
        if state.seats.get(&place.seat).is_some_and(|seat| seat.is_writer) && state.size != Some(size) {
            state.size = Some(size);
            state.record(Kind::Size, now, format!("{}x{}", size.cols, size.rows).as_bytes())?;
            drop(state);
            self.ring();
        }
        Ok(())
    }

    /// Whether they may use a verb now; a sentence where not.
    pub fn may_ask(&self, place: &Place) -> Result<(), &'static str> {
        self.lock().may_ask(place)
    }

    /// They use a verb; a sentence where that cannot be.
    pub fn ask(&self, place: &Place, theirs: u64, mut verb: Verb, now: Micros) -> Result<(), &'static str> {
        let mut state = self.lock();
        state.may_ask(place)?;
        state.verbs_ever += 1;
        verb.id = state.verbs_ever;
        let words = format!("verb {} {}", verb.verb, verb.arguments.join(" "));
        let words = &words[..words.floor_char_boundary(1000)];
        state.record(Kind::Mark, now, words.as_bytes()).map_err(|_| "it cannot be recorded")?;
        state.verbs.insert(verb.id, Asked { seat: place.seat, theirs, verb });
        drop(state);
        self.ring();
        Ok(())
    }

    /// A word for one person.
    pub fn tell(&self, place: &Place, message: ToPerson) {
        self.lock().mail(place.seat, message);
        self.ring();
    }

    /// What is next for a person.
    pub fn next(&self, place: &mut Place) -> Next {
        let state = self.lock();
        let Some(seat) = state.seats.get(&place.seat) else { return Next::Over };
        if seat.is_dismissed {
            return Next::Over;
        }
        place.is_writer = seat.is_writer;
        let told = self.told(&state, seat.is_writer);
        if place.state.as_ref() != Some(&told) {
            place.state = Some(told.clone());
            return Next::Message(told);
        }
        drop(state);
        let mut state = self.lock();
        if let Some(message) = state.seats.get_mut(&place.seat).and_then(|seat| seat.mail.pop_front()) {
            return Next::Message(message);
        }
        if place.at < state.output {
            let from = state.output - state.ring.len() as u64;
            if place.at < from {
                return Next::Past(place.at);
            }
            let data: Vec<u8> =
                state.ring.iter().skip((place.at - from) as usize).take(DATA).copied().collect();
            let at = place.at;
            place.at += data.len() as u64;
            return Next::Output(at, data);
        }
        match &state.over {
            Some(over) if !place.is_end_said => {
                place.is_end_said = true;
                let Over { reason, by, exit_code, signal } = over.clone();
                Next::Message(ToPerson::End { reason, by, exit_code, signal })
            }
            Some(_) => Next::Over,
            None => Next::Nothing,
        }
    }

    fn told(&self, state: &State, is_writer: bool) -> ToPerson {
        let size = state.size.unwrap_or(Size::USUAL);
        let began = state.began.as_ref();
        ToPerson::State {
            state: state.word().to_owned(),
            program: began.map(|(begin, _)| begin.program.clone()).unwrap_or_default(),
            user: began.map(|(begin, _)| begin.user.clone()).unwrap_or_default(),
            cols: size.cols,
            rows: size.rows,
            people: state.people(),
            is_writer,
            ends_us: began.map_or(0, |(_, at)| at + self.about.max_minutes * 60_000_000),
        }
    }

    /// How it stands, for somebody who waits for it.
    pub fn waiting(&self) -> ToPerson {
        self.told(&self.lock(), false)
    }
}

impl State {
    fn may_ask(&self, place: &Place) -> Result<(), &'static str> {
        if !self.seats.get(&place.seat).is_some_and(|seat| seat.is_writer) {
            return Err("only who types here uses verbs");
        }
        if self.verbs.len() >= VERBS {
            return Err("too many verbs are at work; wait for one to end");
        }
        Ok(())
    }
}

impl Place {
    /// Output that was read from the journal was sent up to here.
    pub fn passed(&mut self, at: u64) {
        self.at = at;
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use uuid::Uuid;

    use super::*;
    use crate::shell::About;
    use crate::shell::journal::{Found, Journal};

    fn live(directory: &std::path::Path) -> Live {
        let id = Uuid::now_v7();
        let name = String::new;
        let about = About {
            tenant: id,
            id,
            task: id,
            endpoint: id,
            endpoint_name: name(),
            requester_kind: name(),
            requester_id: name(),
            requester_name: name(),
            max_minutes: 1,
        };
        let live = Live::new(about, directory.join("journal"));
        live.recover(Journal::open(&live.path).unwrap().0, &Found::default());
        live
    }

    #[test]
    fn those_who_look_on_keep_nobody_from_typing_and_use_no_verbs() {
        let directory = tempfile::tempdir().unwrap();
        let live = live(directory.path());
        let lookers: Vec<_> = (0..SEATS).map(|_| live.sit("l", None, None).unwrap().0).collect();
        assert_eq!(live.sit("l", None, None).err(), Some(Full::Seats));
        let (writer, _) = live.sit("w", Some("pen"), None).unwrap();
        assert!(live.may_ask(&lookers[0]).is_err() && live.may_ask(&writer).is_ok());
        let verb = || Verb { id: 0, verb: "hash".to_owned(), arguments: Vec::new(), sha256: Vec::new() };
        for number in 0..VERBS as u64 {
            live.ask(&writer, number, verb(), 1).unwrap();
        }
        assert!(live.may_ask(&writer).is_err() && live.ask(&writer, 99, verb(), 1).is_err());
    }
}
