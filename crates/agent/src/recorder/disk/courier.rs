//! Which updates of chains are on their way to the server, and which come next.

use std::collections::{BTreeSet, VecDeque};

use prost::Message;
use quell_wire::activity::ChainUpdate;
use quell_wire::frame::FromAgent;

use crate::outbox::Outbox;
use crate::recorder::ring::Letter;

/// Updates that are on their way at the same time.
const ON_THEIR_WAY: usize = 4;

/// Bodies that are kept at hand beside the disk, should it lose them. Bytes.
const AT_HAND: u64 = 1 << 20;

/// One that is not stored yet.
#[derive(Debug)]
struct Waiting {
    chain: String,
    serial: u64,
    bytes: u64,
    /// Its row, where the disk took it.
    number: Option<i64>,
    /// At hand, where there is room, or no row.
    body: Option<Vec<u8>>,
}

/// Where the next one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    AtHand,
    /// The row of this number.
    Row(i64),
}

/// All that wait, the oldest first; the first few may be on their way.
pub struct Courier {
    outbox: Outbox,
    queue: VecDeque<Waiting>,
    sent: usize,
    takes: bool,
}

impl Courier {
    pub fn new(outbox: Outbox) -> Self {
        Self { outbox, queue: VecDeque::new(), sent: 0, takes: false }
    }

    /// Those of an earlier run; their bytes.
    pub fn begin(&mut self, waiting: Vec<(i64, String, u64, u64)>) -> u64 {
        let all = waiting.into_iter().map(|(number, chain, serial, bytes)| Waiting {
            chain,
            serial,
            bytes,
            number: Some(number),
            body: None,
        });
        self.queue.extend(all);
        self.queue.iter().map(|waiting| waiting.bytes).sum()
    }

    /// A new one.
    pub fn take(&mut self, letter: Letter, number: Option<i64>) {
        let bytes = letter.body.len() as u64;
        let at_hand: u64 =
            self.queue.iter().filter(|waiting| waiting.body.is_some()).map(|waiting| waiting.bytes).sum();
        self.queue.push_back(Waiting {
            chain: letter.chain,
            serial: letter.serial,
            bytes,
            number,
            body: (number.is_none() || at_hand + bytes <= AT_HAND).then_some(letter.body),
        });
    }

    /// A session stands that takes chains, or none does: what was on its way goes again.
    pub fn line(&mut self, takes: bool) {
        self.takes = takes;
        self.sent = 0;
    }

    /// What comes next, where one may go.
    pub fn next(&self) -> Option<Next> {
        if !self.takes || self.sent >= ON_THEIR_WAY {
            return None;
        }
        let next = self.queue.get(self.sent)?;
        Some(next.number.filter(|_| next.body.is_none()).map_or(Next::AtHand, Next::Row))
    }

    /// Sends that one.
    pub fn send(&mut self, body: Option<Vec<u8>>) {
        let Some(next) = self.queue.get_mut(self.sent) else { return };
        let body = body.or_else(|| next.body.clone());
        self.sent += 1;
        if let Some(update) = body.and_then(|body| ChainUpdate::decode(body.as_slice()).ok()) {
            self.outbox.frame(FromAgent::Chain(update));
        } else {
            tracing::error!(serial = next.serial, "an update of a chain cannot be read");
        }
    }

    /// The server has these; their bytes.
    pub fn stored(&mut self, chain: &str, serial: u64) -> u64 {
        let (mut bytes, mut at, mut sent) = (0, 0, self.sent);
        self.queue.retain(|waiting| {
            let is_stored = waiting.chain == chain && waiting.serial <= serial;
            if is_stored {
                bytes += waiting.bytes;
                sent -= usize::from(at < self.sent);
            }
            at += 1;
            !is_stored
        });
        self.sent = sent;
        bytes
    }

    /// What lay on the disk alone is gone: the bytes, and the chains that nothing can be told of any more, since one of their
    /// updates is missing.
    pub fn lose_kept(&mut self) -> (u64, BTreeSet<String>) {
        let bytes = |queue: &VecDeque<Waiting>| queue.iter().map(|waiting| waiting.bytes).sum::<u64>();
        let before = bytes(&self.queue);
        let lost = self.queue.iter().filter(|waiting| waiting.body.is_none());
        let lost: BTreeSet<String> = lost.map(|waiting| waiting.chain.clone()).collect();
        self.queue.retain(|waiting| !lost.contains(&waiting.chain));
        for waiting in &mut self.queue {
            waiting.number = None;
        }
        self.sent = 0;
        (before - bytes(&self.queue), lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::outbox::Next as Said;

    fn letter(serial: u64) -> Letter {
        let update = ChainUpdate { chain_id: "c".into(), serial, ..ChainUpdate::default() };
        let body = update.encode_to_vec();
        Letter { chain: "c".into(), serial, body, state: None, members: Vec::new() }
    }

    #[test]
    fn a_few_are_on_their_way_and_all_come_again_with_a_new_session() {
        let outbox = Outbox::new(Clock::from_fn(|| 0));
        let mut courier = Courier::new(outbox.clone());
        let told = |outbox: &Outbox| {
            let mut serials = Vec::new();
            while let Some(Said::Frame(FromAgent::Chain(update))) = outbox.take() {
                serials.push(update.serial);
            }
            serials
        };
        let pass = |courier: &mut Courier| {
            while let Some(next) = courier.next() {
                let row = if let Next::Row(number) = next { Some(letter(number as u64).body) } else { None };
                courier.send(row);
            }
        };
        for serial in 1..=6 {
            courier.take(letter(serial), Some(serial as i64));
        }
        courier.take(letter(7), None);
        pass(&mut courier);
        assert!(told(&outbox).is_empty(), "no session");
        outbox.online(Vec::new());
        courier.line(true);
        pass(&mut courier);
        assert_eq!(told(&outbox), [1, 2, 3, 4]);
        assert!(courier.stored("c", 2) > 0);
        assert_eq!(courier.stored("other", 9), 0);
        pass(&mut courier);
        assert_eq!(told(&outbox), [5, 6]);
        courier.line(false);
        pass(&mut courier);
        courier.line(true);
        pass(&mut courier);
        assert_eq!(told(&outbox), [3, 4, 5, 6]);
        courier.stored("c", 6);
        pass(&mut courier);
        assert_eq!(told(&outbox), [7], "it was in memory alone");
        courier.stored("c", 7);
        courier.take(letter(8), Some(8));
        assert_eq!(courier.next(), Some(Next::AtHand));
        pass(&mut courier);
        assert_eq!(told(&outbox), [8]);
        courier.line(true);
        assert_eq!(courier.next(), Some(Next::AtHand), "still");
        let large = Letter { chain: "d".into(), body: vec![0; AT_HAND as usize], ..letter(1) };
        courier.take(large, Some(9));
        let (bytes, lost) = courier.lose_kept();
        assert_eq!((bytes, lost.into_iter().collect::<Vec<_>>()), (AT_HAND, vec!["d".to_owned()]));
        pass(&mut courier);
        assert_eq!(told(&outbox), [8]);
    }
}
