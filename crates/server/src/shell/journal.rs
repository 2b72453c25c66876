//! What passes through a shell, on disk the moment it passes: the truth while the shell lives, and what its recording is
//! made from. A torn end, as a crash leaves it, is cut.
//!
//! A record is a letter, the time (microseconds since 1970) and the length (both little-endian), and the bytes.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Letter, time, length.
const HEAD: usize = 13;
/// A record is never longer. Bytes.
const LONGEST: u32 = 1 << 20;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The beginning, JSON.
    Begin,
    /// The terminal wrote it.
    Output,
    /// It was typed, and echoed.
    Input,
    /// Something was typed that was not echoed. Without the bytes.
    Hidden,
    /// The terminal took another size: `80x24`.
    Size,
    /// Somebody came, went, used a verb: words.
    Mark,
}

impl Kind {
    const ALL: [(Self, u8); 6] = [
        (Self::Begin, b'b'),
        (Self::Output, b'o'),
        (Self::Input, b'i'),
        (Self::Hidden, b'h'),
        (Self::Size, b'r'),
        (Self::Mark, b'm'),
    ];

    fn letter(self) -> u8 {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or(0, |(_, letter)| *letter)
    }

    fn of(letter: u8) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == letter).map(|(kind, _)| *kind)
    }
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// What it is.
    pub kind: Kind,
    /// When, microseconds since 1970.
    pub at: i64,
    /// The bytes.
    pub data: Vec<u8>,
}

/// A journal that is written.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
}

/// What an earlier run left of a journal.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The beginning, JSON.
    pub begin: Option<Vec<u8>>,
    /// Bytes of output in it.
    pub output: u64,
}

impl Journal {
    /// Opens it to go on, or begins it.
    pub fn open(path: &Path) -> io::Result<(Self, Found)> {
        let mut found = Found::default();
        let mut good = 0;
        if let Ok(mut reader) = Reader::open(path) {
            while let Some(record) = reader.next_record()? {
                good += (HEAD + record.data.len()) as u64;
                match record.kind {
                    Kind::Begin => found.begin = found.begin.or(Some(record.data)),
                    Kind::Output => found.output += record.data.len() as u64,
                    Kind::Input | Kind::Hidden | Kind::Size | Kind::Mark => {}
                }
            }
        }
        let mut file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
        file.set_len(good)?;
        file.seek(SeekFrom::End(0))?;
        Ok((Self { file }, found))
    }

    /// Adds a record. With the kernel when this returns.
    pub fn add(&mut self, kind: Kind, at: i64, data: &[u8]) -> io::Result<()> {
        let length = u32::try_from(data.len()).ok().filter(|length| *length <= LONGEST);
        let length = length.ok_or(io::ErrorKind::InvalidInput)?;
        let mut record = Vec::with_capacity(HEAD + data.len());
        record.push(kind.letter());
        record.extend_from_slice(&at.to_le_bytes());
        record.extend_from_slice(&length.to_le_bytes());
        record.extend_from_slice(data);
        // In one write: records of a crash are whole or torn, never mixed.
        self.file.write_all(&record)
    }
}

/// A journal that is read.
#[derive(Debug)]
pub(crate) struct Reader<R = File> {
    from: BufReader<R>,
}

impl Reader {
    /// From the beginning.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self::over(File::open(path)?))
    }
}

impl<R: Read> Reader<R> {
    /// Over these bytes.
    pub fn over(from: R) -> Self {
        Self { from: BufReader::with_capacity(256 << 10, from) }
    }

    /// The next record; `None` at the end, torn or not.
    pub fn next_record(&mut self) -> io::Result<Option<Record>> {
        let mut head = [0; HEAD];
        if !fill(&mut self.from, &mut head)? {
            return Ok(None);
        }
        let (letter, rest) = (head[0], &head[1..]);
        let (at, length) = rest.split_at(8);
        let at = i64::from_le_bytes(at.try_into().unwrap_or_default());
        let length = u32::from_le_bytes(length.try_into().unwrap_or_default());
        let Some(kind) = Kind::of(letter).filter(|_| length <= LONGEST) else { return Ok(None) };
        let mut data = vec![0; length as usize];
        Ok(fill(&mut self.from, &mut data)?.then_some(Record { kind, at, data }))
    }
}

/// Whether there were as many bytes.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match from.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// Output that is read in steps: the next begins where the last ended.
#[derive(Debug, Default)]
pub(crate) struct Past {
    /// With the number of the output that is next in it.
    reader: Option<(Reader, u64)>,
}

impl Past {
    /// Output from this number on, at most `most` bytes and some.
    pub fn output(&mut self, path: &Path, from: u64, most: usize) -> io::Result<Vec<u8>> {
        let mut data = Vec::new();
        let (mut reader, mut at) = match self.reader.take().filter(|(_, at)| *at <= from) {
            Some(held) => held,
            None => (Reader::open(path)?, 0),
        };
        while let Some(record) = reader.next_record()? {
            if record.kind != Kind::Output {
                continue;
            }
            let end = at + record.data.len() as u64;
            if end > from {
                data.extend_from_slice(&record.data[from.saturating_sub(at) as usize..]);
            }
            at = end;
            if data.len() >= most {
                // At the end of what there is a record may be half there: only within it is the place kept.
                self.reader = Some((reader, at));
                break;
            }
        }
        Ok(data)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_torn_end_is_cut_and_the_rest_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let (mut journal, found) = Journal::open(&path).unwrap();
        assert!(found.begin.is_none());
        journal.add(Kind::Begin, 1, b"{}").unwrap();
        journal.add(Kind::Output, 2, b"hello ").unwrap();
        journal.add(Kind::Hidden, 3, b"").unwrap();
        journal.add(Kind::Output, 4, b"world").unwrap();
        drop(journal);
        let whole = std::fs::read(&path).unwrap();
        for cut in 1..HEAD + 5 {
            std::fs::write(&path, &whole[..whole.len() - cut]).unwrap();
            let (_, found) = Journal::open(&path).unwrap();
            assert_eq!((found.output, found.begin.as_deref()), (6, Some(b"{}".as_slice())), "{cut}");
        }
        let (mut journal, _) = Journal::open(&path).unwrap();
        journal.add(Kind::Output, 5, b"there").unwrap();
        let output = |from, most| Past::default().output(&path, from, most).unwrap();
        assert_eq!(output(0, 100), b"hello there");
        assert_eq!(output(8, 1), b"ere");
        assert!(output(99, 1).is_empty());
    }

    #[test]
    fn a_past_is_read_once_from_its_beginning_to_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let (mut journal, _) = Journal::open(&path).unwrap();
        for piece in [b"abc".as_slice(), b"def", b"ghi"] {
            journal.add(Kind::Output, 1, piece).unwrap();
            journal.add(Kind::Mark, 1, b"between").unwrap();
        }
        let mut past = Past::default();
        assert_eq!(past.output(&path, 0, 1).unwrap(), b"abc");
        // Were it opened again, it would not be there.
        std::fs::remove_file(&path).unwrap();
        assert_eq!(past.output(&path, 3, 1).unwrap(), b"def");
        assert_eq!(past.output(&path, 7, 1).unwrap(), b"hi");
        assert!(past.output(&path, 0, 1).is_err(), "back is read from the beginning");
    }
}
