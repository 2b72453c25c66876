//! The collection itself: source by source in the order of volatility, within its budgets.

mod command;
mod files;
mod list;
mod query;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use quell_evidence::{
    Budgets, CommandRow, FORMAT, FileRow, Host, Knowledge, MANIFEST, Manifest, MissedRow, Names, Pattern,
    Segment, Set, SourceKind, Step as Wanted, System, Times, Totals, expand, resolve,
};
use quell_host::evidence::{Found, Limits, Look, Step, walk};
use quell_host::file::{self, Archived, Bundle, Password};
use quell_wire::digest::hex;

use super::knowledge;
use super::rows::Rows;
use crate::clock::Clock;

/// Entries of directories that one source may look at.
const ENTRIES: u64 = 500_000;
/// Rows of files that were left out; more are counted.
const LEFT_OUT: u64 = 20_000;

/// What was asked for.
pub(in crate::action) struct Asked {
    pub budgets: Budgets,
    pub names: Vec<String>,
    pub commands: bool,
    pub host: Host,
    pub order_id: String,
    pub definitions_sha256: String,
}

/// What came of it.
pub(in crate::action) struct Collected {
    pub archive: Archived,
    pub manifest_sha256: [u8; 32],
    pub definitions_sha256: String,
    pub looked_at: u32,
    pub totals: Totals,
    pub missed: Vec<MissedRow>,
    pub left_out: BTreeMap<&'static str, u64>,
    pub ended_by: Option<&'static str>,
    pub took: Duration,
}

/// Why there is no archive.
pub(super) enum Stop {
    /// Called off, or no room is left.
    Asked { at: u64 },
    /// The archive cannot be written.
    Archive(file::Error),
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Self::Archive(file::Error::Archive(error))
    }
}

type Shape<'a> = Box<dyn Fn(&[u8]) -> bool + 'a>;
type Watch<'a> = Box<dyn FnMut(u64) -> ControlFlow<()> + 'a>;

pub(super) struct Collector<'a> {
    bundle: Bundle,
    spool: PathBuf,
    asked: Asked,
    clock: &'a Clock,
    watch: Watch<'a>,
    began: Instant,
    started_us: i64,
    names: Names,
    rows: Rows,
    commands: Vec<CommandRow>,
    missed: Vec<MissedRow>,
    totals: Totals,
    left_out: BTreeMap<&'static str, u64>,
    ended_by: Option<&'static str>,
    /// Paths that stand in the manifest already.
    paths: HashSet<PathBuf>,
    /// Files that are in the archive already, by device and inode.
    inodes: HashMap<(u64, u64), u64>,
    lists: usize,
}

impl<'a> Collector<'a> {
    pub fn new(
        spool: &Path,
        password: Password,
        asked: Asked,
        clock: &'a Clock,
        watch: Watch<'a>,
    ) -> Result<Self, file::Error> {
        Ok(Self {
            bundle: Bundle::create(spool, password)?,
            spool: spool.to_owned(),
            asked,
            clock,
            watch,
            began: Instant::now(),
            started_us: clock.now_us(),
            names: Names::default(),
            rows: Rows::new(),
            commands: Vec::new(),
            missed: Vec::new(),
            totals: Totals::default(),
            left_out: BTreeMap::new(),
            ended_by: None,
            paths: HashSet::new(),
            inodes: HashMap::new(),
            lists: 0,
        })
    }

    pub fn run(mut self, set: &Set) -> Result<Collected, Stop> {
        let plan = resolve(set, &self.asked.names, System::Linux);
        self.missed = plan
            .missed
            .into_iter()
            .map(|missed| MissedRow {
                definition: missed.definition,
                reason: missed.reason.to_owned(),
                detail: missed.detail,
            })
            .collect();
        let knowledge = knowledge::knowledge();
        let mut looked_at = HashSet::new();
        for step in &plan.steps {
            if self.is_over() {
                self.miss(step, "budget_time", "");
                continue;
            }
            if self.step(step, &knowledge)? {
                looked_at.insert(step.definition.name.as_str());
            }
        }
        self.finish(u32::try_from(looked_at.len()).unwrap_or(u32::MAX))
    }

    fn finish(mut self, looked_at: u32) -> Result<Collected, Stop> {
        let ended_us = self.clock.now_us();
        let rest = Manifest {
            format: FORMAT.to_owned(),
            files: Vec::new(),
            commands: self.commands,
            missed: self.missed.clone(),
            order_id: self.asked.order_id,
            definitions_sha256: self.asked.definitions_sha256.clone(),
            artifacts: self.asked.names,
            host: self.asked.host,
            started_us: self.started_us,
            ended_us,
            budgets: self.asked.budgets,
            totals: self.totals,
        };
        let rows = self.rows;
        let ((), manifest) = self.bundle.write(MANIFEST, ended_us / 1_000_000, |out| {
            out.write_all(b"{\"files\":[")?;
            rows.write(out)?;
            let rest = serde_json::to_vec(&rest).map_err(std::io::Error::from)?;
            out.write_all(b"],")?;
            out.write_all(rest.get(1..).unwrap_or_default())
        })?;
        let archive = self.bundle.finish().map_err(Stop::Archive)?;
        Ok(Collected {
            archive,
            manifest_sha256: manifest.sha256,
            definitions_sha256: self.asked.definitions_sha256,
            looked_at,
            totals: self.totals,
            missed: self.missed,
            left_out: self.left_out,
            ended_by: self.ended_by,
            took: self.began.elapsed(),
        })
    }

    fn is_over(&mut self) -> bool {
        let is_over = self.began.elapsed().as_secs() >= self.asked.budgets.seconds;
        if is_over {
            self.ended_by.get_or_insert("time");
        }
        is_over
    }

    fn miss(&mut self, step: &Wanted<'_>, reason: &str, detail: &str) {
        self.missed.push(MissedRow {
            definition: step.definition.name.clone(),
            reason: reason.to_owned(),
            detail: detail.to_owned(),
        });
    }

    /// `false` where the source could not be looked at.
    fn step(&mut self, step: &Wanted<'_>, knowledge: &Knowledge) -> Result<bool, Stop> {
        if (self.watch)(self.totals.bytes).is_break() {
            return Err(Stop::Asked { at: self.totals.bytes });
        }
        let by = format!("{}#{}", step.definition.name, step.index);
        match step.kind {
            SourceKind::File { paths, separator } => {
                for pattern in self.patterns(step, paths, *separator, knowledge) {
                    self.files(&pattern, &by)?;
                }
                Ok(true)
            }
            SourceKind::Path { paths, separator } => {
                let patterns = self.patterns(step, paths, *separator, knowledge);
                self.list(&step.definition.name, &patterns, false, &by)
            }
            SourceKind::Directory { paths, separator } => {
                let patterns = self.patterns(step, paths, *separator, knowledge);
                self.list(&step.definition.name, &patterns, true, &by)
            }
            SourceKind::Command { program, arguments } => {
                self.command(&step.definition.name, program, arguments, by)
            }
            SourceKind::Query { sql } => self.query(step, sql, &by),
            // Opened, or passed over, when the plan was made.
            SourceKind::Group { .. } | SourceKind::Other { .. } => Ok(false),
        }
    }

    fn patterns(
        &mut self,
        step: &Wanted<'_>,
        paths: &[String],
        separator: u8,
        knowledge: &Knowledge,
    ) -> Vec<Pattern> {
        let mut patterns = Vec::new();
        for path in paths {
            match expand(path, separator, knowledge) {
                Ok(made) => patterns.extend(made),
                Err(problem) => self.miss(step, "path_unknown", &problem),
            }
        }
        patterns
    }

    /// Notes a file whose content is not in the archive.
    fn leave(&mut self, mut row: FileRow, reason: &'static str) -> Result<(), Stop> {
        self.totals.left_out += 1;
        *self.left_out.entry(reason).or_default() += 1;
        if self.totals.left_out - self.totals.unnamed > LEFT_OUT {
            self.totals.unnamed += 1;
            return Ok(());
        }
        row.reason = Some(reason.to_owned());
        self.rows.push(&row).map_err(Stop::from)
    }
}

/// Whether the pattern itself names a file system that the kernel makes up.
fn made_up(pattern: &Pattern) -> bool {
    let first = pattern.segments.first();
    first.is_some_and(|first| {
        [b"proc".as_slice(), b"sys"].into_iter().any(|name| *first == Segment::Name(name.to_vec()))
    })
}

/// Tells each path of the shape, or what lies in it.
fn each(pattern: &Pattern, within: bool, found: &mut dyn FnMut(Found) -> ControlFlow<()>) -> ControlFlow<()> {
    let shapes: Vec<Shape<'_>> = pattern
        .segments
        .iter()
        .map(|segment| Box::new(move |name: &[u8]| segment.matches(name)) as Shape<'_>)
        .collect();
    let mut steps: Vec<Step<'_>> = pattern
        .segments
        .iter()
        .zip(&shapes)
        .map(|(segment, shape)| match segment {
            Segment::Name(name) => Step::Name(name),
            Segment::Like(_) => Step::Like(shape),
            Segment::Deep(levels) => Step::Deep(*levels),
        })
        .collect();
    if within {
        steps.push(Step::Deep(1));
    }
    let limits = Limits { entries: ENTRIES, pseudo: made_up(pattern), remote: false };
    walk(&steps, limits, found)
}

fn row(path: &Path, facts: &Look, by: &str) -> FileRow {
    FileRow {
        path: path.to_string_lossy().into_owned(),
        path_hex: not_text(path),
        asked_by: by.to_owned(),
        size: facts.size,
        mode: format!("{:o}", facts.mode),
        uid: facts.uid,
        gid: facts.gid,
        device: facts.device,
        inode: facts.inode,
        links: facts.links,
        times: Times {
            modified: facts.times.modified,
            accessed: facts.times.accessed,
            changed: facts.times.changed,
            born: facts.times.born,
        },
        resolved: facts.target.as_ref().map(|target| target.to_string_lossy().into_owned()),
        xattrs: facts.attributes.clone(),
        ..FileRow::default()
    }
}

fn not_text(path: &Path) -> Option<String> {
    let bytes = path.as_os_str().as_bytes();
    str::from_utf8(bytes).is_err().then(|| hex(bytes))
}
