//! What was met elsewhere in the agent: the execution guard and the block list say it here, so that it gets its chain.

use quell_catalog::blocklist::report::Hit;
use quell_host::guard;

/// Something blocked was met.
#[derive(Clone, Debug)]
pub enum Met {
    /// An object of the block list.
    Listed(Box<Hit>, Option<Box<guard::Hit>>),
    /// Content that an order, or protection, keeps from running.
    Kept(Box<guard::Hit>),
}
