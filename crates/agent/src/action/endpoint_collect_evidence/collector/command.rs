//! Sources that are the output of a program of ours to choose.

use std::io::Write;
use std::time::Duration;

use quell_evidence::{CommandRow, allowed};
use quell_host::evidence::{self, Run};
use quell_wire::digest::hex;

use super::{Collector, Stop};

/// Commands of one collection.
const COMMANDS: usize = 200;
/// Bytes of one command's output.
const OUTPUT: u64 = 32 << 20;

impl Collector<'_> {
    pub(super) fn command(
        &mut self,
        name: &str,
        program: &str,
        arguments: &[String],
        by: String,
    ) -> Result<bool, Stop> {
        let mut row = CommandRow {
            program: program.to_owned(),
            arguments: arguments.to_vec(),
            asked_by: by,
            ..CommandRow::default()
        };
        let left = self.asked.budgets.bytes.saturating_sub(self.totals.bytes);
        let refusal = if !self.asked.commands {
            Some("commands_not_asked")
        } else if self.commands.len() >= COMMANDS {
            Some("too_many_commands")
        } else if left == 0 {
            Some("budget_bytes")
        } else {
            None
        };
        let found = match (refusal, allowed(program, arguments)) {
            (Some(refusal), _) => Err(refusal),
            (None, Err(_)) => Err("not_allowed"),
            (None, Ok(known)) => evidence::find(known.name).ok_or("program_missing"),
        };
        let path = match found {
            Ok(path) => path,
            Err(reason) => {
                row.reason = Some(reason.to_owned());
                self.commands.push(row);
                return Ok(reason == "program_missing");
            }
        };
        row.program = path.to_string_lossy().into_owned();
        let entry = self.names.own("commands", self.commands.len() + 1, name, "txt");
        let seconds = self.asked.budgets.seconds.saturating_sub(self.began.elapsed().as_secs());
        let time = Duration::from_secs(self.asked.budgets.command_seconds.min(seconds.max(1)));
        let what = Run { program: &path, arguments, time, output: OUTPUT.min(left) };
        let (total, watch) = (self.totals.bytes, &mut self.watch);
        let (ran, written) = self
            .bundle
            .write(&entry, self.clock.now_us() / 1_000_000, |out| {
                // A program that cannot be started is a fact about the endpoint; an archive that takes no more is the end.
                let mut full = Noted { out, failed: None };
                let ran = evidence::run(what, &mut full, &mut || watch(total));
                match full.failed {
                    Some(error) => Err(error),
                    None => Ok(ran),
                }
            })
            .map_err(Stop::from)?;
        self.totals.bytes += written.size;
        match ran {
            Ok(ran) if ran.stopped => return Err(Stop::Asked { at: total }),
            Ok(ran) => {
                self.totals.commands += 1;
                (row.exit_code, row.signal) = (ran.exit_code, ran.signal);
                row.duration_ms = u64::try_from(ran.duration.as_millis()).unwrap_or(u64::MAX);
                row.stderr = String::from_utf8_lossy(&ran.stderr).into_owned();
                row.truncated = ran.truncated;
                row.reason = ran.timed_out.then(|| "time_limit".to_owned());
                row.size = written.size;
                row.sha256 = Some(hex(&written.sha256));
                row.entry = Some(entry);
            }
            Err(_) => row.reason = Some("not_started".to_owned()),
        }
        self.commands.push(row);
        Ok(true)
    }
}

/// Tells a failure of the archive from one of the program.
struct Noted<'a> {
    out: &'a mut dyn Write,
    failed: Option<std::io::Error>,
}

impl Write for Noted<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.out.write(bytes).inspect_err(|error| self.failed = Some(error.kind().into()))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}
