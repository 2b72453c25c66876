//! `shell_history`: what people typed, from the files that their shells write.

use std::collections::BTreeSet;

use crate::env::Scan;
use crate::read;
use crate::table::{Row, Rows, Table, big, int, text};

use super::{Account, home, owners, shown};

pub(crate) static SHELL_HISTORY: Table = Table {
    name: "shell_history",
    about: "Commands in the histories of people's shells.",
    columns: &[big("uid").index(), int("time"), text("command"), text("history_file")],
    rows,
};

/// Files in a home.
const FILES: &[&str] = &[
    ".bash_history",
    ".zsh_history",
    ".zhistory",
    ".history",
    ".sh_history",
    ".ash_history",
    ".python_history",
    ".mysql_history",
    ".psql_history",
    ".sqlite_history",
    ".local/share/fish/fish_history",
];
/// Of a history the end is read. Bytes.
const HISTORY: u64 = 16 << 20;

fn rows(scan: &Scan) -> Rows {
    let scan = scan.clone();
    let mut seen = BTreeSet::new();
    // Several accounts may share a home; the first is said to own it.
    let owners: Vec<Account> =
        owners(&scan).into_iter().filter(|owner| seen.insert(owner.home.clone())).collect();
    Box::new(owners.into_iter().flat_map(move |owner| {
        let scan = scan.clone();
        FILES.iter().flat_map(move |name| {
            let bytes = read::tail(&home(&scan, &owner, name), HISTORY).unwrap_or_default();
            let path = shown(&owner, name);
            let fish = name.ends_with("fish_history");
            let commands = if fish { fish_commands(&bytes) } else { commands(&bytes) };
            let row = |(time, command): (Option<i64>, String)| -> Row {
                scan.row()
                    .set("uid", owner.uid)
                    .set("time", time.unwrap_or(0))
                    .set("command", command)
                    .set("history_file", path.as_str())
            };
            commands.into_iter().map(row).collect::<Vec<_>>()
        })
    }))
}

/// Commands of bash (`#time` on a line of its own) and zsh (`: time:seconds;command`).
fn commands(bytes: &[u8]) -> Vec<(Option<i64>, String)> {
    let mut time = None;
    let mut found = Vec::new();
    for line in read::lines(bytes) {
        if let Some(stamp) = line.strip_prefix('#').and_then(|digits| digits.trim().parse().ok()) {
            time = Some(stamp);
            continue;
        }
        let extended = line.strip_prefix(": ").and_then(|rest| rest.split_once(';'));
        let dated = extended.and_then(|(stamp, command)| {
            let (at, _) = stamp.split_once(':')?;
            Some((at.trim().parse().ok()?, command.to_owned()))
        });
        found.push(match dated {
            Some((at, command)) => (Some(at), command),
            None => (time.take(), line),
        });
    }
    found
}

/// `- cmd: …` and `  when: …`.
fn fish_commands(bytes: &[u8]) -> Vec<(Option<i64>, String)> {
    let mut found: Vec<(Option<i64>, String)> = Vec::new();
    for line in read::lines(bytes) {
        if let Some(command) = line.strip_prefix("- cmd: ") {
            found.push((None, command.to_owned()));
        } else if let (Some(at), Some((time, _))) = (line.trim().strip_prefix("when: "), found.last_mut()) {
            *time = at.parse().ok();
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_belong_to_the_command_behind_them() {
        let bash = b"ls\n#1700000000\nrm -rf x\npwd\n#not a time\n";
        let own = ToString::to_string;
        assert_eq!(
            commands(bash),
            [
                (None, own("ls")),
                (Some(1_700_000_000), own("rm -rf x")),
                (None, own("pwd")),
                (None, own("#not a time"))
            ]
        );
        assert_eq!(commands(b": 1700000001:0;echo a;b\n"), [(Some(1_700_000_001), own("echo a;b"))]);
        let fish = b"- cmd: ls -l\n  when: 5\n- cmd: x\n";
        assert_eq!(fish_commands(fish), [(Some(5), own("ls -l")), (None, own("x"))]);
    }
}
