//! The directory at an archive's end.

use super::Error;

/// Bytes at the end of a file that hold the place of its directory: the longest comment, and the three end records.
pub const TAIL: u64 = 65_535 + 22 + 20 + 56;
/// Bytes of a directory at most: 64 MiB.
pub const MOST_DIRECTORY: u64 = 64 << 20;
/// Entries at most.
pub const MOST_ENTRIES: u64 = 250_000;
/// Bytes of the fixed part of a local header.
pub const LOCAL_HEADER: usize = 30;
/// Bytes of one name at most.
const NAME: usize = 1024;

const END: u32 = 0x0605_4b50;
const END_64: u32 = 0x0606_4b50;
const LOCATOR_64: u32 = 0x0706_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const LOCAL: u32 = 0x0403_4b50;
const METHOD_AES: u16 = 99;
/// Salt, verifier and authentication code.
pub(super) const ENVELOPE: u64 = 16 + 2 + 10;

/// Where the directory lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// From the file's start.
    pub offset: u64,
    /// Bytes.
    pub size: u64,
    /// Entries in it.
    pub count: u64,
}

/// One entry, as the directory has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name, lossy UTF-8.
    pub name: String,
    /// Bytes of the content, as announced.
    pub size: u64,
    /// Bytes in the archive, with the envelope of the encryption.
    pub packed: u64,
    /// Where its local header begins.
    pub offset: u64,
    /// Last change, seconds since 1970, in steps of two.
    pub modified: i64,
    /// It is of the kind that is read here.
    pub readable: bool,
}

/// Finds the directory. `tail` are the last bytes of the file, [`TAIL`] of them or all.
pub fn locate(tail: &[u8], file: u64) -> Result<Extent, Error> {
    let from = tail.len().checked_sub(22).ok_or(Error::Malformed("it is too short"))?;
    let fits = |at: usize| {
        u32_at(tail, at) == Some(END)
            && u16_at(tail, at + 20).is_some_and(|comment| at + 22 + usize::from(comment) == tail.len())
    };
    let end = (0..=from).rev().find(|at| fits(*at)).ok_or(Error::Malformed("it has no end record"))?;
    let field = |at| u32_at(tail, end + at).map(u64::from).ok_or(Error::Malformed("its end record is cut"));
    let count = u16_at(tail, end + 10).map(u64::from).ok_or(Error::Malformed("its end record is cut"))?;
    let mut extent = Extent { offset: field(16)?, size: field(12)?, count };
    let start = file - tail.len() as u64;
    if extent.offset == u64::from(u32::MAX) || extent.size == u64::from(u32::MAX) || count == 0xffff {
        extent = wide(tail, end, start)?.unwrap_or(extent);
    }
    if extent.count > MOST_ENTRIES {
        return Err(Error::TooLarge("it has more than 250,000 entries"));
    }
    if extent.size > MOST_DIRECTORY {
        return Err(Error::TooLarge("its directory has more than 64 MiB"));
    }
    match extent.offset.checked_add(extent.size) {
        Some(behind) if behind <= start + end as u64 => Ok(extent),
        _ => Err(Error::Malformed("its directory lies beyond its end")),
    }
}

/// The record with eight bytes for each number.
fn wide(tail: &[u8], end: usize, start: u64) -> Result<Option<Extent>, Error> {
    let Some(locator) = end.checked_sub(20).filter(|at| u32_at(tail, *at) == Some(LOCATOR_64)) else {
        return Ok(None);
    };
    let cut = Error::Malformed("its second end record is not where it should be");
    let at = u64_at(tail, locator + 8)
        .and_then(|at| at.checked_sub(start))
        .and_then(|at| usize::try_from(at).ok())
        .filter(|at| u32_at(tail, *at) == Some(END_64));
    let Some(at) = at else { return Err(cut) };
    match (u64_at(tail, at + 32), u64_at(tail, at + 40), u64_at(tail, at + 48)) {
        (Some(count), Some(size), Some(offset)) => Ok(Some(Extent { offset, size, count })),
        _ => Err(cut),
    }
}

/// The entries of a directory that was read as [`locate`] says.
pub fn entries(directory: &[u8], extent: Extent) -> Result<Vec<Entry>, Error> {
    // 46 bytes are the least that an entry has: a count that cannot be true takes no memory.
    let most = directory.len() as u64 / 46;
    if extent.count > most {
        return Err(Error::Malformed("it announces more entries than it has"));
    }
    let mut entries = Vec::with_capacity(usize::try_from(extent.count).unwrap_or(0));
    let mut rest = directory;
    while entries.len() < entries.capacity() && (entries.len() as u64) < extent.count {
        let (entry, used) = entry(rest, extent.offset).ok_or(Error::Malformed("its directory is cut"))?;
        if entry.name.len() > NAME * 3 {
            return Err(Error::TooLarge("a name has more than 1,024 bytes"));
        }
        entries.push(entry);
        rest = rest.get(used..).unwrap_or_default();
    }
    Ok(entries)
}

fn entry(bytes: &[u8], directory: u64) -> Option<(Entry, usize)> {
    if u32_at(bytes, 0)? != CENTRAL {
        return None;
    }
    let (flags, method) = (u16_at(bytes, 8)?, u16_at(bytes, 10)?);
    let modified = unix_time(u16_at(bytes, 14)?, u16_at(bytes, 12)?);
    let mut packed = u64::from(u32_at(bytes, 20)?);
    let mut size = u64::from(u32_at(bytes, 24)?);
    let lengths = [28, 30, 32].map(|at| u16_at(bytes, at).map(usize::from));
    let [Some(name), Some(extra), Some(comment)] = lengths else { return None };
    let mut offset = u64::from(u32_at(bytes, 42)?);
    let name_bytes = bytes.get(46..46 + name)?;
    let extras = bytes.get(46 + name..46 + name + extra)?;
    let mut is_ours = false;
    for (id, body) in fields(extras) {
        if id == 1 {
            let mut wide = body.chunks_exact(8).filter_map(|chunk| u64_at(chunk, 0));
            for value in [&mut size, &mut packed, &mut offset] {
                if *value == u64::from(u32::MAX) {
                    *value = wide.next()?;
                }
            }
        }
        // AE-2, "AE", AES-256, deflated inside.
        is_ours |= id == 0x9901 && body == [2, 0, b'A', b'E', 3, 8, 0];
    }
    let readable = method == METHOD_AES
        && is_ours
        && flags & 1 == 1
        && packed >= ENVELOPE
        && offset.checked_add(packed).is_some_and(|behind| behind <= directory);
    let name_text = String::from_utf8_lossy(name_bytes).into_owned();
    Some((Entry { name: name_text, size, packed, offset, modified, readable }, 46 + name + extra + comment))
}

fn fields(mut extras: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (id, length) = (u16_at(extras, 0)?, usize::from(u16_at(extras, 2)?));
        let body = extras.get(4..4 + length)?;
        extras = extras.get(4 + length..)?;
        Some((id, body))
    })
}

/// Where the content of an entry begins, from the first [`LOCAL_HEADER`] bytes at its offset. The caller reads
/// `entry.packed` bytes from there, and no further than the directory.
pub fn content(entry: &Entry, header: &[u8]) -> Result<u64, Error> {
    let lengths = (u32_at(header, 0), u16_at(header, 26), u16_at(header, 28));
    let (Some(LOCAL), Some(name), Some(extra)) = lengths else {
        return Err(Error::Malformed("an entry is not where the directory says"));
    };
    Ok(entry.offset + LOCAL_HEADER as u64 + u64::from(name) + u64::from(extra))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

/// Unix time from MS-DOS's, which our writer makes in UTC.
fn unix_time(date: u16, time: u16) -> i64 {
    let (year, month, day) = (1980 + i64::from(date >> 9), i64::from(date >> 5 & 15), i64::from(date & 31));
    // Days from the civil date, March first (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let of_era = shifted - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    let seconds = i64::from(time >> 11) * 3600 + i64::from(time >> 5 & 63) * 60 + i64::from(time & 31) * 2;
    days * 86_400 + seconds
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn times_are_read() {
        assert_eq!(unix_time(33, 0), 315_532_800);
        assert_eq!(unix_time(0x285d, 0xbf7d), 951_868_798);
    }

    #[test]
    fn what_is_cut_or_lies_is_refused() {
        assert!(locate(b"", 0).is_err());
        assert!(locate(&[0; 100], 100).is_err());
        let mut end = vec![0x50, 0x4b, 5, 6];
        end.extend([0; 18]);
        assert_eq!(locate(&end, 22).unwrap().count, 0);
        end[10] = 1;
        let extent = locate(&end, 22).unwrap();
        assert!(entries(&[], extent).is_err(), "an entry is announced and none is there");
        end[16] = 200;
        assert!(locate(&end, 22).is_err(), "beyond the end");
    }

    proptest::proptest! {
        #[test]
        fn nothing_makes_it_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300), count in 0u64..300_000) {
            let _ = locate(&bytes, bytes.len() as u64 + count);
            let _ = entries(&bytes, Extent { offset: 0, size: bytes.len() as u64, count });
        }
    }
}
