//! Who is logged on: from systemd's sessions, and from the record of logins (utmp) where one is kept.
//!
//! Both are files that the system itself writes and any program may read. What they say is for people to look at.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// People named at most.
pub const MOST: usize = 64;
/// Bytes read of a record of logins, and of a session's file.
const UTMP: u64 = 1 << 20;
const SESSION: u64 = 16 << 10;
/// Sessions looked at.
const SESSIONS: usize = 1024;

/// A record of `utmp(5)` on 64-bit Linux: its size, and where type, line and user stand in it (glibc, bits/utmpx.h).
const RECORD: usize = 384;
const LINE: std::ops::Range<usize> = 8..40;
const USER: std::ops::Range<usize> = 44..76;
/// The type of a record that stands for somebody who is logged on.
const USER_PROCESS: i16 = 7;

/// The names of those who are logged on, each once, in order; none where nothing is known.
pub fn logged_on() -> Vec<String> {
    let mut names = sessions(Path::new("/run/systemd/sessions"));
    names.extend(utmp(Path::new("/run/utmp")));
    names.into_iter().take(MOST).collect()
}

fn sessions(directory: &Path) -> BTreeSet<String> {
    let Ok(entries) = std::fs::read_dir(directory) else { return BTreeSet::new() };
    let files =
        entries.take(SESSIONS).filter_map(Result::ok).filter_map(|entry| read(&entry.path(), SESSION));
    files.filter_map(|bytes| user_of(&String::from_utf8_lossy(&bytes))).collect()
}

/// The user of a session of a person that goes on.
fn user_of(text: &str) -> Option<String> {
    let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    let is_person = value("CLASS").is_none_or(|class| class.starts_with("user"));
    let is_open = value("STATE").is_none_or(|state| state != "closing");
    value("USER").filter(|_| is_person && is_open).and_then(clean)
}

fn utmp(path: &Path) -> BTreeSet<String> {
    let bytes = read(path, UTMP).unwrap_or_default();
    let (records, _) = bytes.as_chunks::<RECORD>();
    let users = records.iter().filter(|record| i16::from_ne_bytes([record[0], record[1]]) == USER_PROCESS);
    users.filter(|record| record[LINE.start] != 0).filter_map(|record| clean(&text(&record[USER]))).collect()
}

fn text(field: &[u8]) -> String {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}

/// What may be a name.
fn clean(name: &str) -> Option<String> {
    let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
    (!name.is_empty()).then_some(name)
}

fn read(path: &Path, most: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(most).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn record(kind: i16, line: &str, user: &str) -> Vec<u8> {
        let mut record = vec![0; RECORD];
        record[..2].copy_from_slice(&kind.to_ne_bytes());
        record[LINE.start..LINE.start + line.len()].copy_from_slice(line.as_bytes());
        record[USER.start..USER.start + user.len()].copy_from_slice(user.as_bytes());
        record
    }

    #[test]
    fn the_record_of_logins_names_who_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("utmp");
        let long = "n".repeat(32);
        let bytes = [
            record(2, "~", "reboot"),
            record(7, "pts/0", "ann"),
            record(7, "pts/1", "ann"),
            record(8, "pts/2", "gone"),
            record(7, "pts/3", &long),
            vec![7; 100],
        ];
        std::fs::write(&path, bytes.concat()).unwrap();
        assert_eq!(utmp(&path).into_iter().collect::<Vec<_>>(), ["ann".to_owned(), long]);
        assert!(utmp(&dir.path().join("absent")).is_empty());
    }

    #[test]
    fn sessions_of_people_count_and_those_that_close_do_not() {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("1", "UID=1000\nUSER=ann\nACTIVE=1\nSTATE=active\nCLASS=user\n"),
            ("2", "USER=bob\nSTATE=closing\nCLASS=user\n"),
            ("3", "USER=gdm\nSTATE=active\nCLASS=greeter\n"),
            ("4", "USER=c\u{1b}arl\nSTATE=online\nCLASS=user-early\n"),
            ("4.ref", ""),
        ] {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        assert_eq!(sessions(dir.path()).into_iter().collect::<Vec<_>>(), ["ann", "carl"]);
    }

    #[test]
    fn this_machine_answers() {
        assert!(logged_on().len() <= MOST);
    }
}
