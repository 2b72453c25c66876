//! One timeline of several chains.

use super::View;

/// An activity event of one of several chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// When, microseconds since 1970.
    pub at_us: i64,
    /// Index of the chain.
    pub chain: usize,
    /// Index into that chain's [`View::entries`].
    pub entry: usize,
}

/// The activity events of several chains by time; what happened at the same time stands in the order of the chains.
pub fn merged(views: &[View<'_>]) -> Vec<Moment> {
    let mut all: Vec<_> = views
        .iter()
        .enumerate()
        .flat_map(|(chain, view)| {
            let entries = view.entries.iter().enumerate();
            entries.map(move |(entry, event)| Moment { at_us: event.activity.at_us, chain, entry })
        })
        .collect();
    all.sort_by_key(|moment| (moment.at_us, moment.chain, moment.entry));
    all
}
