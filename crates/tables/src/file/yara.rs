//! `yara`: files that rules match, the rules given as text or as a file.

use std::fmt::Write as _;

use quell_yara::{Externals, Limits, Rules as Compiled, ScanLimits};

use crate::env::{Scan, under};
use crate::read;
use crate::table::{Row, Rows, Table, WITHIN, int, text};

use super::find::files;

pub(crate) static YARA: Table = Table {
    name: "yara",
    about: "Files that YARA rules match: `path` and `sigrule` (the rules' text) or `sigfile` (their path) are to be given.",
    columns: &[
        text("path").required(),
        text("matches"),
        int("count"),
        text("sig_group"),
        text("sigfile").index(),
        text("sigrule").hidden(),
        text("strings"),
        text("tags"),
        text("sigurl").hidden(),
        WITHIN,
    ],
    rows,
};

/// Of a file that rules lie in. Bytes.
const SOURCE: u64 = 1 << 20;
/// Of each file that is looked at. Bytes: 64 MiB; the worker's memory is bounded.
const MOST: u64 = 64 << 20;

fn rows(scan: &Scan) -> Rows {
    let Some(mut rules) = compiled(scan) else { return Box::new(std::iter::empty()) };
    let (scan, root) = (scan.clone(), scan.root());
    let mut buffer = Vec::new();
    Box::new(files(&scan).filter_map(move |found| {
        let place = under(&root, &found.path);
        if scan.env.stop.is_due() || !std::fs::metadata(&place).ok()?.is_file() {
            return None;
        }
        let looked = read::open(&place).and_then(|file| {
            let externals = Externals::of_path(&found.path.to_string_lossy());
            rules.scan_file(&file, MOST, &externals, &ScanLimits::default(), &mut buffer)
        });
        match looked {
            Ok(looked) => Some(row(&scan, &looked.matches).set("path", found.path.as_path())),
            Err(error) => {
                scan.env.trouble(&format!("{}: {error}", place.display()));
                None
            }
        }
    }))
}

/// The rules that the statement gives; what is wrong with them is a warning of the answer.
fn compiled(scan: &Scan) -> Option<Compiled> {
    let source = match (scan.text("sigrule"), scan.text("sigfile")) {
        (Some(rule), _) => rule,
        (None, Some(path)) => match read::bytes(&scan.host(&path), SOURCE) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) => {
                scan.env.trouble(&format!("{path}: {error}"));
                return None;
            }
        },
        (None, None) => {
            scan.env
                .trouble("yara: give the rules: WHERE path = '…' AND sigrule = 'rule …', or sigfile = '/…'");
            return None;
        }
    };
    Compiled::compile(&source, &Limits::strict())
        .map_err(|error| scan.env.trouble(&format!("yara: {error} {}", error.hint.as_deref().unwrap_or(""))))
        .ok()
}

fn row(scan: &Scan, matches: &[quell_yara::RuleMatch]) -> Row {
    let names: Vec<&str> = matches.iter().map(|found| found.rule.as_str()).collect();
    let tags: Vec<&str> = matches.iter().flat_map(|found| &found.tags).map(String::as_str).collect();
    let mut strings = String::new();
    for found in matches.iter().flat_map(|found| &found.strings) {
        let comma = if strings.is_empty() { "" } else { "," };
        let _ = write!(strings, "{comma}${}:{:x}", found.id, found.offset);
    }
    scan.row()
        .set("matches", names.join(","))
        .set("count", names.len() as i64)
        .set("sig_group", "")
        .set("sigfile", scan.text("sigfile").unwrap_or_default())
        .set("sigrule", scan.text("sigrule").unwrap_or_default())
        .set("strings", strings)
        .set("tags", tags.join(","))
        .set("sigurl", "")
        .set("pid_with_namespace", scan.within())
}
