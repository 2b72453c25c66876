//! The manifest: what was looked for, what was found, and what was left out and why. It is the archive's last entry; its
//! SHA-256 stands in the outcome that the agent signs.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// The format's name and version.
pub const FORMAT: &str = "quell.evidence/1";
/// The manifest's entry in the archive.
pub const MANIFEST: &str = "manifest.json";

/// Bytes of a manifest that are read at most: 64 MiB.
pub const MOST_MANIFEST: u64 = 64 << 20;
/// Rows of one kind at most.
const ROWS: usize = 150_000;

/// Everything about a collection.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: String,
    /// Files that were found, collected or not.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "rows")]
    pub files: Vec<FileRow>,
    /// Commands that ran, or did not.
    #[serde(default, deserialize_with = "rows")]
    pub commands: Vec<CommandRow>,
    /// Definitions and sources that were asked for and not looked at.
    #[serde(default, deserialize_with = "rows")]
    pub missed: Vec<MissedRow>,
    /// The order that asked.
    #[serde(default)]
    pub order_id: String,
    /// SHA-256 of the file of definitions, lower-case hex.
    #[serde(default)]
    pub definitions_sha256: String,
    /// The names that were asked for.
    #[serde(default)]
    pub artifacts: Vec<String>,
    /// The endpoint.
    #[serde(default)]
    pub host: Host,
    /// When it began and ended, the endpoint's clock, microseconds since 1970.
    #[serde(default)]
    pub started_us: i64,
    /// The end.
    #[serde(default)]
    pub ended_us: i64,
    /// What it was allowed to take.
    #[serde(default)]
    pub budgets: Budgets,
    /// What it took.
    #[serde(default)]
    pub totals: Totals,
}

impl Manifest {
    /// Reads a manifest, which a hostile endpoint may have written.
    ///
    /// # Errors
    /// It is no JSON of this shape, or has too many rows, or is of another format.
    pub fn read(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let manifest: Self = serde_json::from_slice(bytes)?;
        if manifest.format == FORMAT {
            Ok(manifest)
        } else {
            Err(serde_json::Error::custom("not a manifest of a format that is known here"))
        }
    }
}

/// A list that ends before it takes too much memory: a row of few bytes becomes one of hundreds.
fn rows<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    struct Bounded<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for Bounded<T> {
        type Value = Vec<T>;

        fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            out.write_str("a list of rows")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
            let mut rows = Vec::new();
            while let Some(row) = items.next_element()? {
                if rows.len() == ROWS {
                    return Err(A::Error::custom("too many rows"));
                }
                rows.push(row);
            }
            Ok(rows)
        }
    }
    deserializer.deserialize_seq(Bounded(PhantomData))
}

/// Facts about the endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Kernel release and build.
    #[serde(default)]
    pub kernel: String,
    /// `PRETTY_NAME` of os-release.
    #[serde(default)]
    pub system: String,
    /// `/etc/machine-id`.
    #[serde(default)]
    pub machine_id: String,
    /// When it was started, as boot id.
    #[serde(default)]
    pub boot_id: String,
    /// Version of the agent.
    #[serde(default)]
    pub agent: String,
    /// The endpoint's id at the server.
    #[serde(default)]
    pub endpoint_id: String,
    /// Difference of local time to UTC as the endpoint says, `+0100`.
    #[serde(default)]
    pub time_zone: String,
}

/// Limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budgets {
    /// Bytes of content in all.
    pub bytes: u64,
    /// Bytes of one file.
    pub file_bytes: u64,
    /// Files.
    pub files: u64,
    /// Seconds in all.
    pub seconds: u64,
    /// Seconds of one command.
    pub command_seconds: u64,
}

/// Counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Files in the archive.
    pub files: u64,
    /// Bytes of content in the archive.
    pub bytes: u64,
    /// Commands whose output is in the archive.
    pub commands: u64,
    /// Files that were found and are not in the archive.
    pub left_out: u64,
    /// Of those, how many the manifest does not name: there were too many.
    pub unnamed: u64,
}

/// One file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRow {
    /// The entry in the archive; absent where the content is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// Where it lies, lossy UTF-8.
    pub path: String,
    /// The same as hex, where it is not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_hex: Option<String>,
    /// Definition and number of the source that asked for it first, `Name#0`.
    pub asked_by: String,
    /// Bytes that it has.
    pub size: u64,
    /// SHA-256 of the bytes in the archive, lower-case hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// SHA-1 of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha1: Option<String>,
    /// Type and permission bits, octal.
    #[serde(default)]
    pub mode: String,
    /// Owner.
    #[serde(default)]
    pub uid: u32,
    /// Group.
    #[serde(default)]
    pub gid: u32,
    /// Device number.
    #[serde(default)]
    pub device: u64,
    /// Inode number.
    #[serde(default)]
    pub inode: u64,
    /// Names it has.
    #[serde(default)]
    pub links: u64,
    /// Its times.
    #[serde(default)]
    pub times: Times,
    /// Where a symbolic link led, lossy UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<String>,
    /// Names of its extended attributes, at most sixteen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub xattrs: Vec<String>,
    /// Why the content is not there, or not all of it: a stable code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The entry holds only the beginning.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// It changed while it was read: the hashes are those of what was read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub changed: bool,
}

/// Times, nanoseconds since 1970; 0 where not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// Last change of content.
    pub modified: i64,
    /// Last access.
    pub accessed: i64,
    /// Last change of content or attributes.
    pub changed: i64,
    /// When it was made, where the file system knows.
    pub born: i64,
}

/// One command.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandRow {
    /// The entry with its output; absent where it did not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// The program, with its path where it ran.
    pub program: String,
    /// What it was given.
    pub arguments: Vec<String>,
    /// Definition and number of the source.
    pub asked_by: String,
    /// Its exit code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// Milliseconds that it ran.
    #[serde(default)]
    pub duration_ms: u64,
    /// Bytes of its output in the archive.
    #[serde(default)]
    pub size: u64,
    /// SHA-256 of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The beginning of what it wrote to stderr, lossy UTF-8.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stderr: String,
    /// Why it did not run, or was ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The output was longer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// A definition or source that was not looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissedRow {
    /// The definition, as it was named.
    pub definition: String,
    /// A stable code.
    pub reason: String,
    /// What more there is to say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_read_and_a_bomb_is_not() {
        let good = br#"{"files":[{"path":"/a","asked_by":"A#0","size":3}],"format":"quell.evidence/1"}"#;
        assert!(Manifest::read(good).is_ok_and(|read| read.files.len() == 1));
        assert!(Manifest::read(b"{}").is_err());
        let rows = vec![r#"{"path":"","asked_by":"","size":0}"#; ROWS + 1].join(",");
        let bomb = format!(r#"{{"files":[{rows}],"format":"quell.evidence/1"}}"#);
        assert!(Manifest::read(bomb.as_bytes()).is_err());
    }
}
