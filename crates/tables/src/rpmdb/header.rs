//! The header of a package: counts, then entries of 16 bytes (tag, type, offset, count), then data; all numbers big-endian.
//! Tags and types are those of rpm's format.

const NAME: u32 = 1000;
const VERSION: u32 = 1001;
const RELEASE: u32 = 1002;
const EPOCH: u32 = 1003;
const FILE_STATES: u32 = 1029;
const FILE_MODES: u32 = 1030;
const FILE_DIGESTS: u32 = 1035;
const DIR_INDEXES: u32 = 1116;
const BASE_NAMES: u32 = 1117;
const DIR_NAMES: u32 = 1118;
const FILE_DIGEST_KIND: u32 = 5011;

/// How a package says that its digests are MD5 sums, which is also meant where it says nothing.
pub const MD5: i64 = 1;
/// And that they are SHA-256, as they are today.
pub const SHA256: i64 = 8;
/// Directories and files of one package that are read; beyond that it is no package of anybody's.
const DIRECTORIES: usize = 1 << 17;
const FILES: usize = 1 << 19;

/// A header within a row of the database.
#[derive(Debug)]
pub struct Header<'a> {
    entries: &'a [u8],
    data: &'a [u8],
}

/// A file of a package.
#[derive(Clone, Copy, Debug)]
pub struct File<'a> {
    /// With a slash at the end.
    pub directory: &'a [u8],
    /// The last part of its path.
    pub name: &'a [u8],
    /// Type and permissions, as of `stat`.
    pub mode: u16,
    /// Of the content that the package brought, in hexadecimal digits; empty where it has none.
    pub digest: &'a [u8],
    /// Which digest that is, by its number in OpenPGP (RFC 9580, 9.5): [`MD5`], [`SHA256`] or another.
    pub digest_kind: i64,
    /// Whether it lies on the disk as this package brought it: not left out, and not another package's since.
    pub is_there: bool,
}

impl<'a> Header<'a> {
    pub(super) fn of(blob: &'a [u8]) -> Option<Self> {
        let entries = number(blob, 0)? as usize;
        let length = number(blob, 4)? as usize;
        let end = 8_usize.checked_add(entries.checked_mul(16)?)?;
        Some(Self { entries: blob.get(8..end)?, data: blob.get(end..end.checked_add(length)?)? })
    }

    /// Type, what begins there, and how many. The last counts: what rpm adds when it installs stands behind what the package
    /// said of itself.
    fn at(&self, tag: u32) -> Option<(u32, &'a [u8], usize)> {
        let entry = self.entries.chunks_exact(16).rfind(|entry| number(entry, 0) == Some(tag))?;
        let data = self.data.get(number(entry, 8)? as usize..)?;
        Some((number(entry, 4)?, data, number(entry, 12)? as usize))
    }

    /// A text (type 6), or each of several (8, 9).
    fn texts(&self, tag: u32) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let found = self.at(tag).filter(|(kind, ..)| [6, 8, 9].contains(kind));
        let (_, data, count) = found.unwrap_or_default();
        data.split_inclusive(|byte| *byte == 0).take(count).filter_map(|text| text.strip_suffix(b"\0"))
    }

    /// The first text of a tag.
    pub fn text(&self, tag: u32) -> Option<String> {
        self.texts(tag).next().map(|text| String::from_utf8_lossy(text).into_owned())
    }

    /// A number of 32 bits (type 4) or 64 (type 5).
    pub fn number(&self, tag: u32) -> Option<i64> {
        match self.at(tag)? {
            (4, data, _) => number(data, 0).map(i64::from),
            (5, data, _) => {
                let bytes = data.get(..8)?.try_into().ok()?;
                i64::try_from(u64::from_be_bytes(bytes)).ok()
            }
            _ => None,
        }
    }

    /// Numbers of one width, as they stand; empty where they are of another type, or too few.
    fn numbers(&self, tag: u32, kinds: &[u32], width: usize) -> &'a [u8] {
        let found = self.at(tag).filter(|(kind, ..)| kinds.contains(kind));
        let all = found.and_then(|(_, data, count)| data.get(..count.checked_mul(width)?));
        all.unwrap_or_default()
    }

    /// What it is called.
    pub fn name(&self) -> Option<String> {
        self.text(NAME)
    }

    /// `version-release`, with the epoch in front where there is one.
    pub fn version(&self) -> String {
        let text = |tag| self.text(tag).unwrap_or_default();
        let plain = format!("{}-{}", text(VERSION), text(RELEASE));
        match self.number(EPOCH) {
            None | Some(0) => plain,
            Some(epoch) => format!("{epoch}:{plain}"),
        }
    }

    /// Its files, directories and links.
    pub fn files(&self) -> impl Iterator<Item = File<'a>> + use<'a> {
        let directories: Vec<&[u8]> = self.texts(DIR_NAMES).take(DIRECTORIES).collect();
        let digest_kind = self.number(FILE_DIGEST_KIND).unwrap_or(MD5);
        let mut digests = self.texts(FILE_DIGESTS);
        let places = self.numbers(DIR_INDEXES, &[4], 4);
        let modes = self.numbers(FILE_MODES, &[3], 2);
        let states = self.numbers(FILE_STATES, &[1, 2], 1);
        self.texts(BASE_NAMES).take(FILES).enumerate().filter_map(move |(at, name)| {
            let digest = digests.next().unwrap_or_default();
            let directory = directories.get(number(places, at.checked_mul(4)?)? as usize)?;
            let mode = modes.get(at * 2..at * 2 + 2)?.try_into().ok().map(u16::from_be_bytes)?;
            // 0: as it should be. Of an older rpm that says nothing, all is.
            let is_there = states.get(at).is_none_or(|state| *state == 0);
            Some(File { directory, name, mode, digest, digest_kind, is_there })
        })
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_be_bytes)
}
