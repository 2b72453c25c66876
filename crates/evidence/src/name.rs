//! Names of entries within an archive. What was found may be called anything; the archive is unpacked by an analyst on
//! any system. So an entry's name is harmless everywhere and still readable, and the manifest tells the true one.

use std::collections::HashSet;

/// Bytes of one part of a name at most, and of the whole.
const PART: usize = 120;
const WHOLE: usize = 240;
/// Device names that Windows gives a meaning to in every directory, whatever the extension.
const RESERVED: [&str; 6] = ["con", "prn", "aux", "nul", "com", "lpt"];

/// Gives out names, each once, also where capitals do not count.
#[derive(Debug, Default)]
pub struct Names {
    given: HashSet<String>,
}

impl Names {
    /// The name for a file, from the bytes of its absolute path.
    pub fn file(&mut self, path: &[u8]) -> String {
        let parts: Vec<String> =
            path.split(|byte| *byte == b'/').filter(|part| !part.is_empty()).map(safe).collect();
        let mut name = format!("fs/{}", parts.join("/"));
        if name.len() > WHOLE || parts.is_empty() {
            let last = parts.last().map_or("root", String::as_str);
            name = format!("fs/~long/{:08x}-{}", checksum(path), tail(last));
        }
        self.unique(name)
    }

    /// The name of something of our own making; `name` is a word that came from a definition.
    pub fn own(&mut self, folder: &str, number: usize, name: &str, extension: &str) -> String {
        self.unique(format!("{folder}/{number:03}-{}.{extension}", safe(name.as_bytes())))
    }

    fn unique(&mut self, name: String) -> String {
        if self.given.insert(name.to_lowercase()) {
            return name;
        }
        let mut number = 2u64;
        loop {
            let other = format!("{name}~{number}");
            if self.given.insert(other.to_lowercase()) {
                return other;
            }
            number += 1;
        }
    }
}

/// One part of a path: percent signs for whatever a file system, a shell or a terminal could act on.
fn safe(part: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut made = String::with_capacity(part.len());
    for (at, byte) in part.iter().enumerate() {
        let is_edge = at == 0 || at + 1 == part.len();
        let is_plain = byte.is_ascii_alphanumeric()
            || matches!(byte, b'_')
            || (matches!(byte, b'-' | b'+' | b'=' | b',' | b'@' | b' ') && !is_edge)
            || (*byte == b'.' && at + 1 != part.len());
        if is_plain {
            made.push(char::from(*byte));
        } else {
            let _ = write!(made, "%{byte:02X}");
        }
    }
    let stem = made.split('.').next().unwrap_or_default().trim_end().to_ascii_lowercase();
    if RESERVED.contains(&stem.trim_end_matches(|c: char| c.is_ascii_digit())) {
        let first = made.remove(0);
        made.insert_str(0, &format!("%{:02X}", u32::from(first)));
    }
    if made.len() > PART {
        made = format!("{}~{:08x}", made.get(..PART - 9).unwrap_or_default(), checksum(part));
    }
    made
}

fn tail(text: &str) -> &str {
    text.get(text.len().saturating_sub(80)..).unwrap_or_default()
}

/// FNV-1a: it only keeps names apart, and [`Names::unique`] does so where it fails.
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_become_harmless() {
        for (path, expected) in [
            (&b"/etc/passwd"[..], "fs/etc/passwd"),
            (b"/a b/.bashrc", "fs/a b/.bashrc"),
            (b"/x/..", "fs/x/.%2E"),
            (b"/x/a\n\x1b[2J", "fs/x/a%0A%1B%5B2J"),
            (b"/x/-rf", "fs/x/%2Drf"),
            (b"/x/trailing. .", "fs/x/trailing. %2E"),
            (b"/x/CON.txt", "fs/x/%43ON.txt"),
            (b"/x/com7", "fs/x/%63om7"),
            (b"/x/a\\..\\b:c|d", "fs/x/a%5C..%5Cb%3Ac%7Cd"),
            (b"/x/\xff\xc3\xa9", "fs/x/%FF%C3%A9"),
            (b"/x/%41", "fs/x/%2541"),
            (b"/", "fs/~long/2a0c975e-root"),
        ] {
            assert_eq!(Names::default().file(path), expected);
        }
    }

    #[test]
    fn no_two_names_are_one_on_any_system() {
        let mut names = Names::default();
        assert_eq!(names.file(b"/x/a"), "fs/x/a");
        assert_eq!(names.file(b"/x/A"), "fs/x/A~2");
        assert_eq!(names.file(b"/x/a"), "fs/x/a~3");
        let long = [b"/".as_slice(), &[b'\n'; 255]].concat();
        let name = names.file(&long);
        assert!(name.len() < 150, "{name}");
        let deep = "/aaaaaaaaaaaaaaa".repeat(200);
        assert!(names.file(deep.as_bytes()).len() < WHOLE);
    }
}
