//! What may follow what is held.

use super::{Delta, Error, Held, Part, SignedDelta};
use crate::keys::Trust;

/// What an accepted delta is to its receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Apply it to what is held: then [`Follower::held`] is the version.
    Change(Delta),
    /// Keep it beside what is held. When `is_last`, the parts together take its place, and [`Follower::held`] is their
    /// version.
    Part {
        /// It begins a snapshot: forget parts kept before.
        is_first: bool,
        /// The snapshot is complete.
        is_last: bool,
        /// Its objects and exceptions.
        delta: Delta,
    },
}

/// The rules of acceptance: what may follow what is held.
#[derive(Clone, Debug)]
pub struct Follower {
    tenant_id: String,
    held: Held,
    parts: Option<(Part, u64)>,
}

impl Follower {
    /// Begins at what is held. An agent that lost its objects but knows its version says the version: it is never given
    /// an older list.
    pub fn new(tenant_id: &str, held: Held) -> Self {
        Self { tenant_id: tenant_id.to_owned(), held, parts: None }
    }

    /// What is held with all that was taken so far.
    pub fn held(&self) -> &Held {
        &self.held
    }

    /// Takes what came next.
    ///
    /// # Errors
    /// Nothing changed, but a snapshot that was under way is given up.
    pub fn take(&mut self, signed: &SignedDelta, trust: &Trust) -> Result<Step, Error> {
        let before = self.parts.take();
        let delta = signed.open(trust)?;
        if delta.tenant_id != self.tenant_id {
            return Err(Error::OtherTenant);
        }
        match delta.part.clone() {
            Some(part) => self.take_part(before, part, delta),
            None => self.take_change(delta, &signed.delta),
        }
    }

    fn take_change(&mut self, delta: Delta, bytes: &[u8]) -> Result<Step, Error> {
        if delta.from_version != self.held.version {
            return Err(Error::NotNext);
        }
        if delta.base != self.held.digest {
            return Err(Error::OtherHistory);
        }
        self.held = self.held.then(bytes);
        Ok(Step::Change(delta))
    }

    fn take_part(&mut self, before: Option<(Part, u64)>, part: Part, delta: Delta) -> Result<Step, Error> {
        if delta.to_version < self.held.version {
            return Err(Error::Stale);
        }
        let is_first = part.index == 0;
        if !is_first {
            let continues = before.is_some_and(|(last, version)| {
                version == delta.to_version && part == Part { index: last.index + 1, ..last }
            });
            continues.then_some(()).ok_or(Error::Part)?;
        }
        let is_last = part.index + 1 == part.count;
        if is_last {
            self.held = Held { version: delta.to_version, digest: part.digest };
        } else {
            self.parts = Some((part, delta.to_version));
        }
        Ok(Step::Part { is_first, is_last, delta })
    }
}
