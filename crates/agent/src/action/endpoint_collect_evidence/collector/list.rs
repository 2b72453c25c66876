//! Sources that are facts about files, without their content: a list, one line each.

use std::ops::ControlFlow;

use quell_evidence::{FileRow, Pattern};
use quell_host::evidence::{Found, look};
use quell_wire::digest::hex;

use super::{Collector, Stop, each, row};

/// Lines of one list.
const LISTED: u64 = 200_000;

impl Collector<'_> {
    /// Facts of what lies at paths, or within directories, one line each.
    pub(super) fn list(
        &mut self,
        name: &str,
        patterns: &[Pattern],
        within: bool,
        by: &str,
    ) -> Result<bool, Stop> {
        self.lists += 1;
        let entry = self.names.own("lists", self.lists, name, "jsonl");
        let (began, seconds, total) = (self.began, self.asked.budgets.seconds, self.totals.bytes);
        let watch = &mut self.watch;
        let mut lines = 0u64;
        let mut stopped = false;
        let ((), written) = self
            .bundle
            .write(&entry, self.clock.now_us() / 1_000_000, |out| {
                let mut failed: Option<std::io::Error> = None;
                for pattern in patterns {
                    let flow = each(pattern, within, &mut |found| {
                        let line = match found {
                            Found::Path(path) => match look(&path) {
                                Ok(facts) => row(&path, &facts, by),
                                Err(_) => return ControlFlow::Continue(()),
                            },
                            Found::Passed(path, reason) => FileRow {
                                path: path.to_string_lossy().into_owned(),
                                reason: Some(reason.to_owned()),
                                asked_by: by.to_owned(),
                                ..FileRow::default()
                            },
                        };
                        lines += 1;
                        let written = serde_json::to_vec(&line).map_err(std::io::Error::from);
                        let written = written.and_then(|mut text| {
                            text.push(b'\n');
                            out.write_all(&text)
                        });
                        if let Err(error) = written {
                            failed = Some(error);
                            return ControlFlow::Break(());
                        }
                        stopped = lines.is_multiple_of(256) && watch(total).is_break();
                        if stopped || lines >= LISTED || began.elapsed().as_secs() >= seconds {
                            return ControlFlow::Break(());
                        }
                        ControlFlow::Continue(())
                    });
                    if failed.is_some() || (flow.is_break() && (stopped || lines >= LISTED)) {
                        break;
                    }
                }
                failed.map_or(Ok(()), Err)
            })
            .map_err(Stop::from)?;
        if stopped {
            return Err(Stop::Asked { at: total });
        }
        self.totals.bytes += written.size;
        self.rows.push(&FileRow {
            entry: Some(entry),
            path: format!("list of {lines} by {by}"),
            asked_by: by.to_owned(),
            size: written.size,
            sha256: Some(hex(&written.sha256)),
            truncated: lines >= LISTED,
            ..FileRow::default()
        })?;
        Ok(true)
    }
}
