//! What waits for the server, and the chains that are open.

use quell_wire::activity::ProcessKey;
use rusqlite::{OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};

use super::{Batch, Error, Ring, number, write_processes};
use crate::recorder::tree::Reach;

/// One update of a chain, encoded, with how the chain stands after it.
#[derive(Clone, Debug)]
pub struct Letter {
    pub chain: String,
    pub serial: u64,
    pub body: Vec<u8>,
    /// How it stands; none where nothing more comes.
    pub state: Option<KeptChain>,
    /// Processes that came into it, or that it reaches further from.
    pub members: Vec<(ProcessKey, Reach)>,
}

/// What is kept of an open chain over a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeptChain {
    pub id: String,
    pub serial: u64,
    pub root_pid: u32,
    pub root_start: u64,
    pub processes: u64,
    pub activities: u64,
    pub detections: u64,
    /// When a rule hit last: seconds since boot, which nobody sets.
    pub detected_s: u64,
    pub lost: u64,
    pub vanished_files: u64,
    pub processes_beyond: u64,
    pub activities_beyond: u64,
    pub begins_late: bool,
    #[serde(skip)]
    pub members: Vec<(ProcessKey, Reach)>,
}

impl Ring {
    /// Writes an update with the chain as it stands after it: both or neither. Answers with the update's number.
    pub fn post(&mut self, letter: &Letter, batch: &Batch) -> Result<i64, Error> {
        let (boot, last) = (self.boot, self.last);
        let writing = self.transaction()?;
        write_processes(&writing, boot, &batch.processes, last)?;
        if let Some(state) = &letter.state {
            let body = serde_json::to_vec(state).unwrap_or_default();
            writing
                .prepare_cached(
                    "INSERT INTO chain (id, boot, serial, body) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT (id) DO UPDATE SET serial = excluded.serial, body = excluded.body",
                )?
                .execute(params![letter.chain, boot, number(letter.serial), body])?;
            let mut insert = writing.prepare_cached(
                "INSERT INTO member (chain, pid, start, reach) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (chain, pid, start) DO UPDATE SET reach = excluded.reach",
            )?;
            for (key, reach) in &letter.members {
                insert.execute(params![letter.chain, key.pid, number(key.start), reach.number()])?;
            }
        } else {
            forget(&writing, &letter.chain)?;
        }
        writing
            .prepare_cached("INSERT OR REPLACE INTO outgoing (chain, serial, body) VALUES (?1, ?2, ?3)")?
            .execute(params![letter.chain, number(letter.serial), letter.body])?;
        let row = writing.last_insert_rowid();
        writing.commit()?;
        Ok(row)
    }

    /// A chain is over, and nothing is told of that.
    pub fn forget(&mut self, chain: &str) -> Result<(), Error> {
        let writing = self.transaction()?;
        forget(&writing, chain)?;
        Ok(writing.commit()?)
    }

    /// What waits: numbers and bytes, the oldest first.
    pub fn waiting(&self) -> Result<Vec<(i64, String, u64, u64)>, Error> {
        let mut select = self
            .connection
            .prepare_cached("SELECT number, chain, serial, length(body) FROM outgoing ORDER BY number")?;
        let rows = select.query_map([], |row| {
            let (serial, bytes): (i64, i64) = (row.get(2)?, row.get(3)?);
            Ok((row.get(0)?, row.get(1)?, serial.unsigned_abs(), bytes.unsigned_abs()))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The update of this number.
    pub fn letter(&self, number: i64) -> Result<Option<Vec<u8>>, Error> {
        let mut select = self.connection.prepare_cached("SELECT body FROM outgoing WHERE number = ?1")?;
        Ok(select.query_row([number], |row| row.get(0)).optional()?)
    }

    /// Updates of a chain are stored by the server.
    pub fn stored(&mut self, chain: &str, serial: u64) -> Result<(), Error> {
        self.connection
            .prepare_cached("DELETE FROM outgoing WHERE chain = ?1 AND serial <= ?2")?
            .execute(params![chain, number(serial)])?;
        Ok(())
    }

    /// Chains that were open when the agent ended: those of this boot, and the others, whose processes are gone. `None` as
    /// boot: of this one.
    pub fn chains(&self) -> Result<Vec<(KeptChain, Option<String>)>, Error> {
        let mut select = self.connection.prepare_cached(
            "SELECT chain.body, chain.boot, boot.boot_id, chain.serial FROM chain JOIN boot ON boot.id = chain.boot",
        )?;
        let rows = select.query_map([], |row| {
            let (body, boot, serial): (Vec<u8>, i64, i64) = (row.get(0)?, row.get(1)?, row.get(3)?);
            let boot_id: String = row.get(2)?;
            Ok((body, (boot != self.boot).then_some(boot_id), serial))
        })?;
        let mut all = Vec::new();
        for row in rows {
            let (body, boot, serial) = row?;
            // What cannot be understood is of another version, and is not gone on with.
            let Ok(mut chain) = serde_json::from_slice::<KeptChain>(&body) else { continue };
            chain.serial = serial.unsigned_abs();
            chain.members = self.members(&chain.id)?;
            all.push((chain, boot));
        }
        Ok(all)
    }

    fn members(&self, chain: &str) -> Result<Vec<(ProcessKey, Reach)>, Error> {
        let mut select =
            self.connection.prepare_cached("SELECT pid, start, reach FROM member WHERE chain = ?1")?;
        let rows = select.query_map([chain], |row| {
            let start: i64 = row.get(1)?;
            Ok((ProcessKey { pid: row.get(0)?, start: start.unsigned_abs() }, Reach::of(row.get(2)?)))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn forget(writing: &Transaction<'_>, chain: &str) -> Result<(), Error> {
    for table in ["DELETE FROM chain WHERE id = ?1", "DELETE FROM member WHERE chain = ?1"] {
        writing.prepare_cached(table)?.execute([chain])?;
    }
    Ok(())
}
