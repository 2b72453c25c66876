//! Looking things up in the ring: the history of a chain, and what an order asks for.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use prost::Message;
use quell_wire::activity::{Activity, Deed, Process, ProcessKey};
use rusqlite::{Connection, OptionalExtension, params};

use super::{Error, Ring, number};
use crate::recorder::tree::Reach;

/// The history of processes that have just come into a chain.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// Of which chain.
    pub chain: u32,
    /// Where it begins, and how far it reaches; those in the tree.
    pub seeds: Vec<(ProcessKey, Reach)>,
    /// Processes that are in the tree, or told already: their rows are not wanted.
    pub known: BTreeSet<ProcessKey>,
    /// Activity events after this one are told anyway.
    pub until: u64,
    /// How many are taken.
    pub processes: usize,
    /// How many are taken.
    pub activities: usize,
}

/// What there was.
#[derive(Debug, Default)]
pub struct Found {
    pub chain: u32,
    pub processes: Vec<Process>,
    pub activities: Vec<Activity>,
    pub processes_beyond: u64,
    pub activities_beyond: u64,
    /// Time of the oldest activity event of the whole ring.
    pub oldest_us: Option<i64>,
}

/// What an order asks for.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// This process.
    Process(ProcessKey),
    /// A program of this path, or a file.
    Path(Vec<u8>),
    /// Content with this hash.
    Sha256([u8; 32]),
}

impl Ring {
    /// Gathers the history of a chain.
    pub fn history(&mut self, ask: &Ask) -> Result<Found, Error> {
        let mut found = Found { chain: ask.chain, oldest_us: self.oldest_us()?, ..Found::default() };
        let mut members: BTreeMap<ProcessKey, Reach> = BTreeMap::new();
        let mut queue: VecDeque<(ProcessKey, Reach)> = ask.seeds.iter().copied().collect();
        // All seeds come before the first child, so that what is in the tree is not taken for something that died.
        while let Some((key, reach)) = queue.pop_front() {
            if members.get(&key).is_some_and(|known| *known >= reach) {
                continue;
            }
            members.insert(key, reach);
            let Some(below) = reach.below() else { continue };
            for process in self.children(key)? {
                if members.get(&process.key).is_some_and(|known| *known >= below) {
                    continue;
                }
                if !ask.known.contains(&process.key) {
                    if found.processes.len() >= ask.processes {
                        found.processes_beyond += 1;
                        continue;
                    }
                    found.processes.push(process.clone());
                }
                queue.push_back((process.key, below));
            }
        }
        for key in members.keys() {
            self.of(*key, ask, &mut found)?;
        }
        found.activities.sort_by_key(|activity| activity.id);
        Ok(found)
    }

    fn children(&self, key: ProcessKey) -> Result<Vec<Process>, Error> {
        let mut select = self.connection.prepare_cached(
            "SELECT body FROM process WHERE boot = ?1 AND parent_pid = ?2 AND parent_start = ?3 ORDER BY start LIMIT 4000",
        )?;
        let rows = select.query_map(params![self.boot, key.pid, number(key.start)], |row| row.get(0))?;
        rows.map(|body: Result<Vec<u8>, _>| Ok(Process::decode(body?.as_slice())?)).collect()
    }

    fn of(&self, key: ProcessKey, ask: &Ask, found: &mut Found) -> Result<(), Error> {
        let mut select = self.connection.prepare_cached(
            "SELECT body FROM activity WHERE boot = ?1 AND pid = ?2 AND start = ?3 AND id <= ?4 ORDER BY id",
        )?;
        let mut rows = select.query(params![self.boot, key.pid, number(key.start), number(ask.until)])?;
        while let Some(row) = rows.next()? {
            if found.activities.len() >= ask.activities {
                found.activities_beyond += 1;
                continue;
            }
            let body = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
            found.activities.push(Activity::decode(body)?);
        }
        Ok(())
    }

    /// A process of this boot and its ancestors.
    pub fn lineage(&self, boot_id: &str, key: ProcessKey) -> Result<Vec<Process>, Error> {
        lineage(&self.connection, boot_id, key)
    }

    /// Processes of this boot that had not ended when the ring was written last, and their ancestors.
    pub fn living(&self) -> Result<Vec<Process>, Error> {
        let mut select = self.connection.prepare_cached(
            "SELECT body FROM process WHERE boot = ?1 AND ended = 0 ORDER BY rowid DESC LIMIT 32768",
        )?;
        let rows = select.query_map([self.boot], |row| row.get(0))?;
        let mut all = rows
            .map(|body: Result<Vec<u8>, _>| Ok(Process::decode(body?.as_slice())?))
            .collect::<Result<Vec<Process>, Error>>()?;
        let mut known: BTreeSet<ProcessKey> = all.iter().map(|process| process.key).collect();
        let mut from = 0;
        while from < all.len() {
            let parents: BTreeSet<ProcessKey> = all
                .iter()
                .skip(from)
                .filter_map(|process| process.parent)
                .filter(|key| !known.contains(key))
                .collect();
            from = all.len();
            known.extend(&parents);
            all.extend(self.processes(parents.into_iter())?);
        }
        Ok(all)
    }

    /// Rows of processes of this boot, by their keys.
    pub fn processes(&self, keys: impl Iterator<Item = ProcessKey>) -> Result<Vec<Process>, Error> {
        let mut select = self
            .connection
            .prepare_cached("SELECT body FROM process WHERE boot = ?1 AND pid = ?2 AND start = ?3")?;
        let mut all = Vec::new();
        for key in keys {
            let body: Option<Vec<u8>> = select
                .query_row(params![self.boot, key.pid, number(key.start)], |row| row.get(0))
                .optional()?;
            if let Some(body) = body {
                all.push(Process::decode(body.as_slice())?);
            }
        }
        Ok(all)
    }
}

/// Ancestors that are looked up.
const GENERATIONS: usize = 256;

/// A process of that boot and its ancestors, the next one first, as far as there are rows of them.
pub fn lineage(connection: &Connection, boot_id: &str, key: ProcessKey) -> Result<Vec<Process>, Error> {
    let mut select = connection.prepare_cached(
        "SELECT body FROM process WHERE boot = (SELECT id FROM boot WHERE boot_id = ?1) AND pid = ?2 AND start = ?3",
    )?;
    let (mut all, mut next): (Vec<Process>, _) = (Vec::new(), Some(key));
    while let Some(key) = next.filter(|_| all.len() < GENERATIONS) {
        let asked = params![boot_id, key.pid, number(key.start)];
        let body: Option<Vec<u8>> = select.query_row(asked, |row| row.get(0)).optional()?;
        let Some(body) = body else { break };
        let process = Process::decode(body.as_slice())?;
        next = process.parent;
        all.push(process);
    }
    Ok(all)
}

/// The newest activity event that is asked for, of the boot that is named and of that time (microseconds since 1970). For a
/// connection of one's own: it may read the whole ring.
pub fn newest(
    connection: &Connection,
    boot_id: &str,
    wanted: &Wanted,
    (from, until): (i64, i64),
    stop: &dyn Fn() -> bool,
) -> Result<Option<Activity>, Error> {
    let boot: Option<i64> = connection
        .query_row("SELECT id FROM boot WHERE boot_id = ?1", [boot_id], |row| row.get(0))
        .optional()?;
    let Some(boot) = boot else { return Ok(None) };
    let mut select = connection.prepare(
        "SELECT body FROM activity WHERE boot = ?1 AND at_us BETWEEN ?2 AND ?3
         AND (?4 IS NULL OR pid = ?4 AND start = ?5) ORDER BY id DESC",
    )?;
    let key = if let Wanted::Process(key) = wanted { Some(*key) } else { None };
    let mut rows =
        select.query(params![boot, from, until, key.map(|key| key.pid), key.map(|key| number(key.start))])?;
    let mut seen = 0_u32;
    while let Some(row) = rows.next()? {
        seen = seen.wrapping_add(1);
        if seen.is_multiple_of(256) && stop() {
            return Ok(None);
        }
        let body = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
        let activity = Activity::decode(body)?;
        if is_wanted(&activity, wanted) {
            return Ok(Some(activity));
        }
    }
    Ok(None)
}

fn is_wanted(activity: &Activity, wanted: &Wanted) -> bool {
    let (path, sha256) = match wanted {
        Wanted::Process(_) => return true,
        Wanted::Path(path) => (Some(path.as_slice()), None),
        Wanted::Sha256(digest) => (None, Some(digest.as_slice())),
    };
    let fits = |a: &[u8], b: &[u8]| path == Some(a) || sha256 == Some(b);
    match &activity.deed {
        Some(Deed::Start(image)) => {
            let script = image.script.as_ref();
            fits(&image.path, &image.sha256)
                || script.is_some_and(|script| fits(&script.path, &script.sha256))
        }
        Some(Deed::FileCreate(file) | Deed::FileWrite(file) | Deed::FileRename(file)) => {
            fits(&file.path, &file.sha256)
        }
        Some(Deed::Connect(_) | Deed::Listen(_) | Deed::Dns(_) | Deed::Login(_)) | None => false,
    }
}
