//! What a killed writer had put into SQLite's write-ahead log and not committed.
//!
//! The format is SQLite's (<https://www.sqlite.org/fileformat2.html#the_write_ahead_log>): a header, then frames of 24
//! bytes and a page; a frame that names the size of the database ends a transaction; each checksum goes on from the
//! one before, so that what is left of older transactions is told from what is new.

const HEADER: usize = 32;
const FRAME: usize = 24;

/// The bytes of the pages after the last commit. Empty where nothing is, or where the log is none.
pub(super) fn uncommitted(log: &[u8]) -> Vec<u8> {
    read(log).unwrap_or_default()
}

fn read(log: &[u8]) -> Option<Vec<u8>> {
    let big = word(log, 0, true)? == 0x377f_0683;
    let size = word(log, 8, true)? as usize;
    let salts = log.get(16..24)?;
    let mut sum = add([0, 0], log.get(..24)?, big);
    let mut open = Vec::new();
    let mut at = HEADER;
    while let Some(frame) = log.get(at..at + FRAME + size) {
        sum = add(add(sum, &frame[..8], big), &frame[FRAME..], big);
        let told = [word(frame, 16, true)?, word(frame, 20, true)?];
        if frame[8..16] != *salts || told != sum {
            break;
        }
        open.extend_from_slice(&frame[FRAME..]);
        if word(frame, 4, true)? > 0 {
            open.clear();
        }
        at += FRAME + size;
    }
    Some(open)
}

fn word(bytes: &[u8], at: usize, big: bool) -> Option<u32> {
    let bytes = *bytes.get(at..)?.first_chunk::<4>()?;
    Some(if big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
}

fn add([mut one, mut two]: [u32; 2], bytes: &[u8], big: bool) -> [u32; 2] {
    for pair in bytes.chunks_exact(8) {
        let (Some(first), Some(second)) = (word(pair, 0, big), word(pair, 4, big)) else { continue };
        one = one.wrapping_add(first).wrapping_add(two);
        two = two.wrapping_add(second).wrapping_add(one);
    }
    [one, two]
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_follows_the_last_commit_of_a_real_log_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.db");
        let db = rusqlite::Connection::open(&path).unwrap();
        db.pragma_update(None, "journal_mode", "WAL").unwrap();
        db.execute_batch("CREATE TABLE t (x TEXT); INSERT INTO t VALUES ('committed')").unwrap();
        let read = || std::fs::read(folder.path().join("x.db-wal")).unwrap();
        assert!(read().len() > HEADER + FRAME);
        assert_eq!(uncommitted(&read()), Vec::<u8>::new());
        // A cache of one page makes SQLite write before the commit.
        db.pragma_update(None, "cache_size", 1).unwrap();
        db.execute_batch("BEGIN").unwrap();
        for number in 0..2000 {
            db.execute("INSERT INTO t VALUES (?1)", [format!("open {number}")]).unwrap();
        }
        let open = uncommitted(&read());
        assert!(String::from_utf8_lossy(&open).contains("open 7"));
        db.execute_batch("COMMIT").unwrap();
        assert_eq!(uncommitted(&read()), Vec::<u8>::new());
        assert_eq!(uncommitted(b"short"), Vec::<u8>::new());
    }
}
