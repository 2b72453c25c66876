//! What is in the archive: every entry against the manifest, and the manifest against the seal.

use std::collections::HashMap;
use std::fs::File;
use std::io::Seek as _;

use quell_catalog::endpoint::run_investigation_kit::RESULTS;
use quell_evidence::archive::{Error as ArchiveError, Reader};
use quell_evidence::{FORMAT, MANIFEST, MOST_MANIFEST, Manifest};
use serde::Deserialize;

use super::Check;
use crate::failure::Failure;
use crate::output::text;

/// Bytes of one entry that are read at most.
const ENTRY: u64 = 64 << 30;

/// SHA-256 by entry, as a manifest says; `None` where it says none.
type Named = HashMap<String, Option<String>>;

/// Only what says which format the rest is of.
#[derive(Deserialize)]
struct Head {
    format: String,
}

/// The manifest of a kit's results, as far as it names entries.
#[derive(Deserialize)]
struct Results {
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    files: Vec<Output>,
}

#[derive(Deserialize)]
struct Output {
    name: String,
    sha256: String,
}

/// Checks them. `sealed` is the manifest's SHA-256 that the endpoint signed.
pub(super) fn check(mut file: File, password: &[u8], sealed: Option<&str>) -> Result<Vec<Check>, Failure> {
    file.rewind()?;
    let mut reader = Reader::open(file).map_err(failed)?;
    let last = reader.entries().len().checked_sub(1);
    let last = last.filter(|last| reader.entries().get(*last).is_some_and(|entry| entry.name == MANIFEST));
    let Some(last) = last else {
        let detail = "the archive has none; its files were read and are whole".to_owned();
        for index in 0..reader.entries().len() {
            reader.read(index, password, ENTRY, |_| ()).map_err(failed)?;
        }
        return Ok(vec![Check::new("manifest", sealed.is_none(), detail)]);
    };
    let mut bytes = Vec::new();
    let hash =
        reader.read(last, password, MOST_MANIFEST, |piece| bytes.extend_from_slice(piece)).map_err(failed)?;
    let hash = text::hex(&hash.sha256);
    let is_sealed = sealed == Some(hash.as_str());
    let manifest = Check::new("manifest", is_sealed, format!("SHA-256 {hash}"));
    let content = match named(&bytes) {
        Ok(named) => compared(&mut reader, last, password, named)?,
        Err(why) => Check { what: "content", holds: None, detail: why },
    };
    Ok(vec![manifest, content])
}

fn failed(error: ArchiveError) -> Failure {
    Failure::of(&error).during("reading the archive")
}

/// What the manifest names, or why that cannot be said.
fn named(bytes: &[u8]) -> Result<Named, String> {
    let unread = |error: serde_json::Error| format!("the manifest cannot be read: {error}");
    let Head { format } = serde_json::from_slice(bytes).map_err(unread)?;
    if format == FORMAT {
        let Manifest { files, commands, .. } = Manifest::read(bytes).map_err(unread)?;
        let files = files.into_iter().map(|row| (row.entry, row.sha256));
        let commands = commands.into_iter().map(|row| (row.entry, row.sha256));
        Ok(files.chain(commands).filter_map(|(entry, sha256)| Some((entry?, sha256))).collect())
    } else if format == RESULTS {
        let Results { steps } = serde_json::from_slice(bytes).map_err(unread)?;
        let files = steps.into_iter().flat_map(|step| step.files);
        Ok(files.map(|file| (file.name, Some(file.sha256))).collect())
    } else {
        Err(format!("a manifest of the format {format:?}, which this program does not know"))
    }
}

fn compared(
    reader: &mut Reader<File>,
    entries: usize,
    password: &[u8],
    mut named: Named,
) -> Result<Check, Failure> {
    let (mut wrong, mut right) = (Vec::new(), 0u64);
    for index in 0..entries {
        let name = reader.entries().get(index).map(|entry| entry.name.clone()).unwrap_or_default();
        let found = reader.read(index, password, ENTRY, |_| ()).map_err(failed)?;
        match named.remove(&name).flatten() {
            Some(sha256) if sha256 == text::hex(&found.sha256) => right += 1,
            _ => wrong.push(name),
        }
    }
    wrong.extend(named.into_keys());
    let detail = match wrong.first() {
        None => format!("{right} entries are as the manifest says"),
        Some(first) => format!("{} entries differ from the manifest, the first of them {first}", wrong.len()),
    };
    Ok(Check::new("content", wrong.is_empty(), detail))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn manifests_of_both_kinds_name_their_entries() {
        let kit = format!(
            r#"{{"format":"{RESULTS}","steps":[{{"name":"a","files":[{{"name":"1/out","size":2,"sha256":"aa"}}]}}]}}"#
        );
        assert_eq!(named(kit.as_bytes()).unwrap()["1/out"].as_deref(), Some("aa"));
        let evidence = format!(r#"{{"format":"{FORMAT}"}}"#);
        assert!(named(evidence.as_bytes()).unwrap().is_empty());
        assert!(named(br#"{"format":"of tomorrow"}"#).unwrap_err().contains("of tomorrow"));
    }
}
