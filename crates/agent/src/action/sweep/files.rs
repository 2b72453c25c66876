//! Files: found by path and pattern, opened so that nothing can block or mislead, handed over one by one.

use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use quell_evidence::{Knowledge, Segment, expand};
use quell_host::evidence::{Found, Limits as Walk, Step, walk};
use quell_host::file::{Error, Kind, Limits, Opened, open_for_collect};

use super::{Budget, Flow, Stop};

/// Entries of directories that one path may lead to.
const ENTRIES: u64 = 20_000_000;
/// Levels of directories below one that was named.
const LEVELS: u32 = 60;

/// Looks at files.
pub(in crate::action) trait Visit<'s> {
    /// What it may use, and what was left out.
    fn budget(&mut self) -> &mut Budget<'s>;

    /// A regular file within the limits, open. `path` is how it was found.
    fn file(&mut self, path: &Path, opened: &Opened) -> Flow;
}

/// Shows every file that these paths and patterns lead to.
pub(in crate::action) fn look<'s>(paths: &[String], visit: &mut impl Visit<'s>) -> Flow {
    for path in paths {
        let patterns = match expand(path, b'/', &Knowledge::default()) {
            Ok(patterns) => patterns,
            Err(problem) => {
                return ControlFlow::Break(Stop::Failed("path_unusable", format!("{path}: {problem}")));
            }
        };
        let is_plain = |segment: &Segment| matches!(segment, Segment::Name(_));
        let is_literal = patterns.len() == 1 && patterns[0].segments.iter().all(is_plain);
        let (mut is_there, left_out) = (false, visit.budget().left_out());
        for pattern in patterns {
            each(&pattern.segments, visit, &mut |visit, path| {
                is_there = true;
                top(visit, path)
            })?;
        }
        if is_literal && !is_there && visit.budget().left_out() == left_out {
            visit.budget().missing(path);
        }
    }
    ControlFlow::Continue(())
}

/// Whether the file is still what it was when it was opened.
pub(in crate::action) fn is_unchanged(opened: &Opened) -> bool {
    let then = &opened.stat;
    rustix::fs::fstat(opened).is_ok_and(|now| {
        now.st_size as u64 == then.size && (now.st_mtime, now.st_mtime_nsec as u32) == then.mtime
    })
}

/// What a pattern leads to: a file, or a directory with all that lies in it.
fn top<'s, V: Visit<'s>>(visit: &mut V, path: &Path) -> Flow {
    match open_for_collect(path, limits(visit)) {
        Err(Error::NotRegular(Kind::Directory)) => {
            let device =
                std::fs::metadata(path).ok().map(|facts| std::os::unix::fs::MetadataExt::dev(&facts));
            let names =
                path.components().skip(1).map(|part| Segment::Name(part.as_os_str().as_bytes().to_vec()));
            let mut segments: Vec<Segment> = names.collect();
            segments.push(Segment::Deep(LEVELS));
            each(&segments, visit, &mut |visit, path| below(visit, path, device))
        }
        opened => taken(visit, path, opened, None),
    }
}

fn below<'s, V: Visit<'s>>(visit: &mut V, path: &Path, device: Option<u64>) -> Flow {
    match open_for_collect(path, limits(visit)) {
        // It is gone through by itself.
        Err(Error::NotRegular(Kind::Directory)) => visit.budget().admit(0),
        opened => taken(visit, path, opened, device),
    }
}

fn limits<'s>(visit: &mut impl Visit<'s>) -> Limits {
    Limits { size: visit.budget().limits.file_bytes, follow: false, pseudo: false }
}

fn taken<'s>(
    visit: &mut impl Visit<'s>,
    path: &Path,
    opened: Result<Opened, Error>,
    device: Option<u64>,
) -> Flow {
    let budget = visit.budget();
    let opened = match opened {
        Ok(opened) => opened,
        Err(error) => {
            budget.skip(reason(&error));
            return budget.admit(0);
        }
    };
    if !budget.limits.cross_file_systems && device.is_some_and(|device| device != opened.stat.device) {
        budget.skip("other_file_system");
        return budget.admit(0);
    }
    budget.admit(opened.stat.size)?;
    visit.file(path, &opened)
}

fn reason(error: &Error) -> &'static str {
    match error {
        Error::NotFound => "vanished",
        Error::Symlink { .. } | Error::NotRegular(Kind::Symlink) => "symbolic_link",
        Error::NotRegular(Kind::Fifo) => "fifo",
        Error::NotRegular(Kind::Socket) => "socket",
        Error::NotRegular(Kind::Device) => "device",
        Error::NotRegular(Kind::Directory | Kind::Other) => "no_file",
        Error::Pseudo => "pseudo_file_system",
        Error::TooLarge { .. } => "too_large",
        Error::Own => "agent_state",
        _ => "unreadable",
    }
}

type Each<'e, V> = &'e mut dyn FnMut(&mut V, &Path) -> Flow;

/// Tells each path of this shape, and counts what was not gone into.
fn each<'s, V: Visit<'s>>(segments: &[Segment], visit: &mut V, tell: Each<'_, V>) -> Flow {
    let shapes: Vec<_> = segments.iter().map(|segment| move |name: &[u8]| segment.matches(name)).collect();
    let steps = segments.iter().zip(&shapes).map(|(segment, shape)| match segment {
        Segment::Name(name) => Step::Name(name),
        Segment::Like(_) => Step::Like(shape),
        Segment::Deep(levels) => Step::Deep(*levels),
    });
    let steps: Vec<Step<'_>> = steps.collect();
    let limits = Walk { entries: ENTRIES, pseudo: false, remote: false };
    let mut ended = ControlFlow::Continue(());
    let walked = walk(&steps, limits, &mut |found| {
        let flow = match found {
            Found::Path(path) => tell(visit, &path),
            Found::Passed(_, reason) => {
                visit.budget().skip(reason);
                visit.budget().admit(0)
            }
        };
        match flow {
            ControlFlow::Continue(()) => ControlFlow::Continue(()),
            stop @ ControlFlow::Break(_) => {
                ended = stop;
                ControlFlow::Break(())
            }
        }
    });
    // A walk that broke off by itself has counted why.
    let _ = walked;
    ended
}
