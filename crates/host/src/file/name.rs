//! Names inside an archive. The original name was chosen by whoever made the file, and the archive is
//! unpacked by an analyst on any system: so the entry gets a harmless name, and the sidecar tells the true one.

use std::path::Path;

const CAP: usize = 100;
/// Device names that Windows gives a meaning to in every directory, whatever the extension.
const RESERVED: [&str; 6] = ["con", "prn", "aux", "nul", "com", "lpt"];

/// The last part of `path` without anything that a file system, a shell or a terminal could act on.
pub(crate) fn entry(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut safe: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+' | '=' | ' ') { c } else { '_' }
        })
        .take(CAP)
        .collect();
    safe.truncate(safe.trim_end_matches(['.', ' ']).len());
    let stem = safe.split('.').next().unwrap_or_default().trim_end().to_ascii_lowercase();
    let reserved = RESERVED.contains(&stem.trim_end_matches(|c: char| c.is_ascii_digit()));
    if safe.is_empty() {
        "file".to_owned()
    } else if reserved
        || safe.starts_with(['.', '-', ' ', '=', '+'])
        || safe.eq_ignore_ascii_case(super::SIDECAR)
    {
        format!("_{safe}")
    } else {
        safe
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_become_harmless() {
        for (name, expected) in [
            ("/usr/bin/true", "true"),
            ("/tmp/a b.txt", "a b.txt"),
            ("/tmp/x\ny\u{1b}[2J", "x_y__2J"),
            ("/tmp/..hidden", "_..hidden"),
            ("/tmp/trailing. .", "trailing"),
            ("/tmp/...", "file"),
            ("/tmp/NUL.txt", "_NUL.txt"),
            ("/tmp/com1", "_com1"),
            ("/tmp/community", "community"),
            ("/tmp/a\\..\\b:c", "a_.._b_c"),
            ("/tmp/=cmd()", "_=cmd__"),
            ("/tmp/Collected.JSON", "_Collected.JSON"),
            ("/", "file"),
        ] {
            assert_eq!(entry(Path::new(name)), expected, "{name:?}");
        }
        assert_eq!(entry(Path::new(&format!("/{}", "x".repeat(255)))).len(), CAP);
    }
}
