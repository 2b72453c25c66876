//! Rules applied to bytes.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering;
use std::time::Duration;

use boreal::MetadataValue;
use boreal::scanner::{FragmentedScanMode, ScanError, ScanParams, ScanResult};
use serde::{Deserialize, Serialize};

use crate::compile::Rules;
use crate::memory::{Memory, Region, Tally};

/// What one look may take and give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanLimits {
    /// Until it is given up.
    pub time: Duration,
    /// Matches of one string.
    pub per_string: u32,
    /// Matches of strings in all.
    pub in_all: u32,
    /// Bytes shown of one match.
    pub data: usize,
    /// Find every match of every string of a rule that matches; without it only which rules match.
    pub strings: bool,
}

impl Default for ScanLimits {
    fn default() -> Self {
        Self { time: Duration::from_secs(30), per_string: 100, in_all: 10_000, data: 64, strings: true }
    }
}

/// The values of [`crate::EXTERNALS`]; empty where nothing is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Externals {
    /// The last part of the path.
    pub filename: String,
    /// The whole path.
    pub filepath: String,
    /// What follows the last dot of the name, with the dot.
    pub extension: String,
}

impl Externals {
    /// Of a path.
    pub fn of_path(path: &str) -> Self {
        let filename = path.rsplit('/').next().unwrap_or_default().to_owned();
        let extension =
            filename.rfind('.').filter(|dot| *dot > 0).map_or("", |dot| &filename[dot..]).to_owned();
        Self { filename, filepath: path.to_owned(), extension }
    }
}

/// A value of a rule's meta section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum MetaValue {
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// Text, lossy UTF-8.
    Text(String),
}

/// One match of one string.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The string's name without `$`.
    pub id: String,
    /// Where it begins: in a file from its start, in memory the address.
    pub offset: u64,
    /// Its bytes.
    pub length: u64,
    /// The first of them.
    pub data: Vec<u8>,
    /// The key, where the string is looked for under xor.
    pub xor: Option<u8>,
}

/// A rule that matched. Private rules never stand here, but a private string does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleMatch {
    /// Its name.
    pub rule: String,
    /// Its namespace.
    pub namespace: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its meta section, in order.
    pub meta: Vec<(String, MetaValue)>,
    /// Matches of its strings; empty where none were asked for.
    pub strings: Vec<Found>,
}

/// Why a look ended early. What was found until then is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stopped {
    /// Its time was up.
    Time,
}

/// What one look found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scan {
    /// Rules that matched.
    pub matches: Vec<RuleMatch>,
    /// Bytes looked at.
    pub bytes: u64,
    /// Bytes of memory that could not be read.
    pub unreadable: u64,
    /// It ended early.
    pub stopped: Option<Stopped>,
    /// There were more matches of strings than `in_all`.
    pub truncated: bool,
}

impl Rules {
    /// Applies the rules to bytes.
    pub fn scan(&mut self, bytes: &[u8], externals: &Externals, limits: &ScanLimits) -> Scan {
        self.prepare(externals, limits, false);
        let (result, stopped) = outcome(self.scanner.scan_mem(bytes));
        self.report(&result, limits, stopped, bytes.len() as u64)
    }

    /// Applies the rules to a file's first `most` bytes, read into `buffer`. Reading, not mapping: a file that is cut short
    /// meanwhile is a short file, not the end of the process.
    pub fn scan_file(
        &mut self,
        file: &File,
        most: u64,
        externals: &Externals,
        limits: &ScanLimits,
        buffer: &mut Vec<u8>,
    ) -> io::Result<Scan> {
        let length = read(file, most, buffer)?;
        Ok(self.scan(&buffer[..length], externals, limits))
    }

    /// Applies the rules to regions of memory. As with YARA, conditions see every string of all regions at once, with
    /// addresses for offsets, and `filesize` is undefined.
    pub fn scan_memory(&mut self, memory: &File, regions: &[Region], limits: &ScanLimits) -> Scan {
        self.prepare(&Externals::default(), limits, true);
        let tally = Tally::default();
        let (result, stopped) = outcome(self.scanner.scan_fragmented(Memory::new(memory, regions, &tally)));
        let mut scan = self.report(&result, limits, stopped, tally.read.load(Ordering::Relaxed));
        scan.unreadable = tally.unreadable.load(Ordering::Relaxed);
        scan
    }

    fn prepare(&mut self, externals: &Externals, limits: &ScanLimits, memory: bool) {
        self.scanner.set_scan_params(
            ScanParams::default()
                .compute_full_matches(limits.strings)
                .match_max_length(limits.data)
                .string_max_nb_matches(limits.per_string)
                .timeout_duration(Some(limits.time))
                .process_memory(memory)
                .fragmented_scan_mode(FragmentedScanMode::legacy()),
        );
        for (name, value) in [
            ("filename", &externals.filename),
            ("filepath", &externals.filepath),
            ("extension", &externals.extension),
        ] {
            // Defined when the rules were compiled, as text.
            let _ = self.scanner.define_symbol(name, value.as_str());
        }
    }

    fn report(
        &self,
        result: &ScanResult<'_>,
        limits: &ScanLimits,
        stopped: Option<Stopped>,
        bytes: u64,
    ) -> Scan {
        let mut scan = Scan { bytes, stopped, ..Scan::default() };
        let mut left = limits.in_all as usize;
        for rule in &result.rules {
            let text = |symbol| self.scanner.get_string_symbol(symbol).to_owned();
            let meta = rule.metadatas.iter().map(|meta| (text(meta.name), self.meta(meta.value))).collect();
            let mut strings = Vec::new();
            if limits.strings {
                for string in &rule.matches {
                    scan.truncated |= string.matches.len() > left;
                    strings.extend(string.matches.iter().take(left).map(|found| Found {
                        id: string.name.to_owned(),
                        offset: (found.base as u64).saturating_add(found.offset as u64),
                        length: found.length as u64,
                        data: found.data.to_vec(),
                        xor: string.has_xor_modifier.then_some(found.xor_key),
                    }));
                    left = left.saturating_sub(string.matches.len());
                }
            }
            scan.matches.push(RuleMatch {
                rule: rule.name.to_owned(),
                namespace: rule.namespace.to_owned(),
                tags: rule.tags.iter().map(|tag| text(*tag)).collect(),
                meta,
                strings,
            });
        }
        scan
    }

    pub(crate) fn meta(&self, value: MetadataValue) -> MetaValue {
        match value {
            MetadataValue::Bytes(symbol) => {
                MetaValue::Text(String::from_utf8_lossy(self.scanner.get_bytes_symbol(symbol)).into_owned())
            }
            MetadataValue::Integer(number) => MetaValue::Integer(number),
            MetadataValue::Boolean(value) => MetaValue::Boolean(value),
        }
    }
}

type Ended<'a> = Result<ScanResult<'a>, (ScanError, ScanResult<'a>)>;

fn outcome(ended: Ended<'_>) -> (ScanResult<'_>, Option<Stopped>) {
    match ended {
        Ok(result) => (result, None),
        // No file is opened, no process looked up and no callback given, so that time is all that can end it.
        Err((_, result)) => (result, Some(Stopped::Time)),
    }
}

/// Reads a file's first `most` bytes from its start, whatever its size was said to be. The buffer only grows, so that
/// ten thousand small files are not ten thousand buffers.
fn read(file: &File, most: u64, buffer: &mut Vec<u8>) -> io::Result<usize> {
    /// The least room to begin with. Bytes.
    const CHUNK: usize = 256 << 10;
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let mut length = 0;
    while length < most {
        if buffer.len() == length {
            buffer.resize(length + length.max(CHUNK), 0);
        }
        let end = buffer.len().min(most);
        match file.read_at(&mut buffer[length..end], length as u64) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}
