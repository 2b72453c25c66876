//! What the threads look things up in that hear of addresses and names. All of it is in memory, and the lock is held for as long
//! as a pointer is copied: whoever asks for many names holds nobody else's up.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use quell_catalog::blocklist::Action;
use quell_catalog::blocklist::report::Hit;
use quell_host::isolate::Network;

use super::names::Names;
use super::store::Kept;
use crate::outbox::Outbox;

/// The list as it counts. A new one takes its place when the list changes.
#[derive(Clone, Debug)]
pub struct View {
    pub names: Arc<Names>,
    pub kept: Kept,
    /// Networks that are never blocked.
    pub keep: BTreeSet<Network>,
    /// Names that are never refused: where the server is.
    pub needed: Vec<String>,
}

impl View {
    /// The listed object that stands for one of these names, and what is done about it: blocking before reporting.
    pub fn listed(&self, names: &[String], now_us: i64) -> Option<(String, Action)> {
        let mut reported = None;
        for name in names.iter().filter(|name| !self.needed.contains(name)) {
            match self.names.find(name, now_us) {
                Some(blocked @ (_, Action::Block)) => return Some(blocked),
                found => reported = reported.or(found),
            }
        }
        reported
    }
}

/// The view of this moment, for all who look. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Shown(Arc<Mutex<Arc<View>>>);

impl Shown {
    pub fn new(view: View) -> Self {
        Self(Arc::new(Mutex::new(Arc::new(view))))
    }

    pub fn get(&self) -> Arc<View> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn set(&self, view: View) {
        let mut view = Arc::new(view);
        std::mem::swap(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), &mut view);
        // What was shown before goes here, without the lock.
        drop(view);
    }
}

/// Tells the server of something listed that was met.
pub fn told(outbox: &Outbox, hit: &Hit) {
    outbox.hit(hit, None);
}
