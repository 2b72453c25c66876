//! What definitions may ask of this system: its accounts with their homes, and a few values.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;

use quell_evidence::{Knowledge, User};

/// Bytes of the list of accounts that are read.
const PASSWD: u64 = 4 << 20;
/// Homes that are directories of the system itself: what lies there is nobody's.
const SYSTEM: [&[u8]; 14] = [
    b"/",
    b"/bin",
    b"/sbin",
    b"/usr",
    b"/usr/bin",
    b"/usr/sbin",
    b"/dev",
    b"/dev/null",
    b"/proc",
    b"/etc",
    b"/run",
    b"/var",
    b"/tmp",
    b"/nonexistent",
];
/// Directories of homes that are looked into, for accounts that another machine keeps.
const HOMES: usize = 2000;

/// Everything that is known.
pub(super) fn knowledge() -> Knowledge {
    let mut bytes = Vec::new();
    if let Ok(file) = std::fs::File::open("/etc/passwd") {
        let _ = file.take(PASSWD).read_to_end(&mut bytes);
    }
    let mut users = accounts(&bytes);
    for entry in std::fs::read_dir("/home").into_iter().flatten().flatten().take(HOMES) {
        let homedir = entry.path().as_os_str().as_bytes().to_vec();
        if !users.iter().any(|known| known.homedir == homedir) && entry.path().is_dir() {
            users.push(User { username: entry.file_name().as_bytes().to_vec(), homedir, uid: 0 });
        }
    }
    let hostname = small("/proc/sys/kernel/hostname");
    let values: BTreeMap<String, String> = [
        ("hostname", hostname.as_str()),
        ("os", "Linux"),
        ("environ_temp", "/tmp"),
        ("environ_tmp", "/tmp"),
        ("environ_tmpdir", "/tmp"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    Knowledge { users, values }
}

fn accounts(passwd: &[u8]) -> Vec<User> {
    let mut users: Vec<User> = Vec::new();
    for line in passwd.split(|byte| *byte == b'\n') {
        let fields: Vec<&[u8]> = line.split(|byte| *byte == b':').collect();
        let [name, _, uid, _, _, home, ..] = fields.as_slice() else { continue };
        let home = home.strip_suffix(b"/").unwrap_or(home);
        let is_home = home.starts_with(b"/") && !SYSTEM.contains(&home) && !home.contains(&0);
        let uid = str::from_utf8(uid).ok().and_then(|uid| uid.parse().ok());
        if let (false, true, Some(uid)) = (name.is_empty(), is_home, uid) {
            users.push(User { username: name.to_vec(), homedir: home.to_vec(), uid });
        }
    }
    users
}

/// The first line of a small file; empty where there is none.
pub(super) fn small(path: &str) -> String {
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(256).read_to_end(&mut bytes));
    let text = String::from_utf8_lossy(&bytes);
    read.map(|_| text.lines().next().unwrap_or_default().trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_have_homes_of_their_own() {
        let users = accounts(
            b"root:x:0:0:root:/root:/bin/bash\nbin:x:2:2::/bin:/x\nann:x:1000:1000:,,,:/home/ann/:/bin/sh\n\nbad\nb:x:y:0::/home/b:\n\
              w:x:33:33::/var/www:/x\nq:x:1:1::/:/x\n",
        );
        let homes: Vec<&[u8]> = users.iter().map(|user| user.homedir.as_slice()).collect();
        assert_eq!(homes, [b"/root".as_slice(), b"/home/ann", b"/var/www"]);
    }
}
