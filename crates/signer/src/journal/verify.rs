//! Whether the journal is whole: each line's hash is right, and names the line before.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use super::{Entry, LINE, files, read_line};
use crate::file::{Error, at};

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Files.
    pub files: usize,
    /// Lines that are right.
    pub lines: u64,
    /// The number of the first line: above 1 where older files were let go.
    pub first: Option<u64>,
    /// The number and hash of the last line: kept elsewhere, they find a journal that was cut later.
    pub head: Option<(u64, String)>,
    /// The first thing that is wrong.
    pub problem: Option<String>,
}

/// Reads the journal from its oldest line and shows each to `see`, until one is wrong.
pub fn verify(directory: &Path, mut see: impl FnMut(&Entry)) -> Result<Report, Error> {
    let mut report = Report::default();
    for path in files(directory)? {
        report.files += 1;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut reader = BufReader::new(File::open(&path).map_err(at(&path))?);
        loop {
            let mut line = String::new();
            // Bounded: a file that was tampered with may be one line without end.
            if let Err(error) = (&mut reader).take(LINE).read_line(&mut line) {
                report.problem = Some(format!("{name}, after line {}: {error}", report.lines));
                return Ok(report);
            }
            if line.is_empty() {
                break;
            }
            match follow(&report, &line) {
                Ok((entry, hash)) => {
                    see(&entry);
                    report.lines += 1;
                    report.first.get_or_insert(entry.n);
                    report.head = Some((entry.n, hash));
                }
                Err(problem) => {
                    let after = report.head.as_ref().map_or(0, |(number, _)| *number);
                    report.problem = Some(format!("{name}, after number {after}: {problem}"));
                    return Ok(report);
                }
            }
        }
    }
    Ok(report)
}

fn follow(report: &Report, line: &str) -> Result<(Entry, String), &'static str> {
    if !line.ends_with('\n') {
        return Err("the last line is cut short");
    }
    let (entry, hash) = read_line(line).ok_or("a line was changed")?;
    match &report.head {
        Some((number, head)) if entry.n != number + 1 || entry.prev != *head => {
            Err("a line is missing, or was put in")
        }
        None if entry.n == 1 && entry.prev != super::NOTHING => Err("the first line names one before it"),
        _ => Ok((entry, hash)),
    }
}
