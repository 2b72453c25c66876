//! What verbs brought in and put there, noted on the disk as it happens: the outcome names it, also after the agent itself
//! was stopped.

use std::fs::{self, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use quell_catalog::endpoint::remote_shell::MovedFile;
use serde::{Deserialize, Serialize};

/// Within the order's directory: one JSON object a line.
const NOTES: &str = "files.jsonl";
/// Of the notes that an outcome names, which has a limit of its own. Bytes.
const NAMED: usize = 320 << 10;
/// Of what is read back. Bytes: what the verbs of one shell can write is less.
const READ: u64 = 64 << 20;
/// Bytes of a path in a note.
pub(super) const PATH: usize = 1024;

/// Takes a note back.
#[derive(Serialize, Deserialize)]
struct Undone<F> {
    undone: F,
}

/// Notes a file, before it is put into its place: so that none is there which the outcome does not name. With the kernel
/// when this returns.
pub(super) fn note(work: &Path, file: &MovedFile) -> io::Result<()> {
    write(work, file)
}

/// Takes the note back of a file that did not get into its place after all. Where that cannot be written, the outcome names
/// a file too many.
pub(super) fn take_back(work: &Path, file: &MovedFile) -> io::Result<()> {
    write(work, &Undone { undone: file })
}

fn write(work: &Path, note: &impl Serialize) -> io::Result<()> {
    // On a line of its own also after one that a full disk tore.
    let mut line = vec![b'\n'];
    serde_json::to_writer(&mut line, note)?;
    line.push(b'\n');
    let mut notes = OpenOptions::new().create(true).append(true).mode(0o600).open(work.join(NOTES))?;
    // In one write: of two at once neither is torn.
    notes.write_all(&line)
}

/// What was noted: as many as an outcome has room for, and how many more there are. A torn line, as a crash leaves it, counts
/// as one more.
pub(crate) fn read(work: &Path) -> (Vec<MovedFile>, u32) {
    fs::File::open(work.join(NOTES)).map_or_else(|_| (Vec::new(), 0), |file| parse(file.take(READ)))
}

pub(super) fn parse(notes: impl io::Read) -> (Vec<MovedFile>, u32) {
    let (mut files, mut more, mut bytes) = (Vec::new(), 0u32, 0);
    for line in BufReader::new(notes).split(b'\n').map_while(Result::ok) {
        if line.is_empty() {
            continue;
        }
        if let Ok(Undone::<MovedFile> { undone }) = serde_json::from_slice(&line) {
            match files.iter().rposition(|file| *file == undone) {
                Some(at) => drop(files.remove(at)),
                // Of those that found no room.
                None => more = more.saturating_sub(1),
            }
            continue;
        }
        bytes += line.len();
        match serde_json::from_slice(&line) {
            Ok(file) if bytes <= NAMED => files.push(file),
            _ => more += 1,
        }
    }
    (files, more)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use quell_catalog::archive::Archive;

    use super::*;

    fn file(path: String) -> MovedFile {
        let artifact = Archive { artifact_id: "a".into(), size: 1, sha256: "0".repeat(64) };
        MovedFile { verb: "get".into(), path, pid: None, size: 3, sha256: "1".repeat(64), artifact }
    }

    #[test]
    fn what_was_noted_is_there_after_a_crash() {
        let work = tempfile::tempdir().unwrap();
        assert_eq!(read(work.path()), (Vec::new(), 0));
        let files = ["/etc/passwd", "/a b\u{FFFD}"].map(|path| file(path.into()));
        for file in &files {
            note(work.path(), file).unwrap();
        }
        assert_eq!(read(work.path()), (files.to_vec(), 0));
        // One that did not get into its place, and then did.
        let third = file("/third".into());
        note(work.path(), &third).unwrap();
        take_back(work.path(), &third).unwrap();
        assert_eq!(read(work.path()), (files.to_vec(), 0));
        note(work.path(), &third).unwrap();
        assert_eq!(read(work.path()).0, [files.to_vec(), vec![third]].concat());
        let whole = fs::read(work.path().join(NOTES)).unwrap();
        fs::write(work.path().join(NOTES), &whole[..whole.len() - 9]).unwrap();
        assert_eq!(read(work.path()), (files.to_vec(), 1));
    }

    #[test]
    fn more_than_an_outcome_holds_is_counted() {
        let work = tempfile::tempdir().unwrap();
        for _ in 0..1000 {
            note(work.path(), &file("/".repeat(PATH))).unwrap();
        }
        let (files, more) = read(work.path());
        assert_eq!(files.len() + more as usize, 1000);
        assert!(more > 0 && serde_json::to_vec(&files).unwrap().len() <= NAMED, "{more}");
    }
}
