//! The hashes of the list as they count now, for whoever looks for them by itself: also where no guard enforces them.

use quell_host::guard::Lists;

use super::Error;
use super::content::Content;
use super::store::{Kept, Store};
use crate::state::StateDir;

/// A list that is replaced while it is read is read anew this often.
const TRIES: u32 = 3;

/// The version that is held, and its hashes; `None` where none was ever received.
pub fn hashes(state: &StateDir, now_us: i64) -> Result<Option<(u64, Lists)>, Error> {
    let store = Store::open(state)?;
    let mut tries = 0;
    loop {
        let kept = store.load()?;
        tries += 1;
        match read(&store, &kept, now_us) {
            Err(Error::File(error)) if error.kind() == std::io::ErrorKind::NotFound && tries < TRIES => {}
            read => return read,
        }
    }
}

fn read(store: &Store, kept: &Kept, now_us: i64) -> Result<Option<(u64, Lists)>, Error> {
    if kept.version == 0 {
        return Ok(None);
    }
    let content = Content::read(store, kept, now_us)?;
    // Looked at afterwards: a file that was gone meanwhile is another error than one that is damaged.
    if !store.is_whole(kept) {
        return Err(Error::Damaged);
    }
    Ok(Some((kept.version, content.hashes)))
}
