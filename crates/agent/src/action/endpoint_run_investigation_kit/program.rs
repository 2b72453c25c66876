//! Steps that are programs: scripts and tools of the kit, each under a supervisor of its own that outlives the agent.

use std::time::Duration;

use quell_catalog::endpoint::run_investigation_kit::Ended as StepEnded;
use quell_host::script::{Ended, Interpreter, Job as Run, Outcome};
use quell_kit::{Interpreter as Named, Kit, Step as Wanted, Work};
use quell_wire::digest::sha256;

use super::found::{Share, file};
use super::{Deployment, Ran, deploy};
use crate::action::{leftovers, supervised};
use crate::runner::Ending;

/// Bytes of a script at most.
const SCRIPT: u64 = 1 << 20;
/// What runs a tool: its supervisor watches the shell, and the shell becomes the tool.
const TOOL: &[u8] = b"exec \"$@\"\n";
/// How the problem ends of a step whose processes are still there.
pub(super) const LEFT: &str = "could not be ended";

/// What runs, the text that it runs, with which arguments, and which exit codes are good.
type Program<'w> = (Interpreter, Vec<u8>, Vec<String>, &'w [i32]);

impl Deployment<'_> {
    /// Runs a program of the kit to its end, or takes up one that an earlier life of the agent started.
    pub(super) async fn program(&self, wanted: &Wanted, share: &Share<'_>) -> Result<Ran, Ending> {
        let Some((interpreter, body, arguments, success)) = self.what(&wanted.work)? else {
            return Ok(Ran::failed("is no program"));
        };
        let tell = |_| share.tell(self.job);
        let place = |attempt| leftovers::run_of(&self.work, share.index, attempt);
        let (run, outcome) = if let Some(found) = supervised::taken_up(self.job, &place, &tell).await? {
            found
        } else {
            let root = deploy::place(&self.work);
            let env = [
                ("QUELL_ORDER_ID".to_owned(), self.job.order_id.clone()),
                ("QUELL_KIT".to_owned(), root.display().to_string()),
                ("QUELL_STEP".to_owned(), wanted.name.clone()),
            ];
            // Two streams share what the step may write.
            let limits =
                supervised::limits(interpreter, share.time.max(Duration::from_secs(1)), share.output / 2);
            let sha256 = sha256(&[&body]);
            let spec =
                Run { interpreter, body, sha256, args: arguments, env: env.into(), cwd: Some(root), limits };
            let running = supervised::start(self.endpoint, place(self.job.attempt), spec).await?;
            let run = running.path().to_owned();
            (run, supervised::wait(self.job, running, &tell).await?)
        };
        let files = [("stdout", &outcome.stdout), ("stderr", &outcome.stderr)]
            .into_iter()
            .filter(|(_, stream)| stream.seen > 0)
            .map(|(name, stream)| {
                let entry = share.name(&wanted.name, &format!("{name}.txt"));
                (file(entry, stream.kept, stream.truncated()), run.join(name))
            })
            .collect();
        Ok(Ran { files, ..judged(&outcome, success) })
    }

    /// The program of a step; `None` where it is none.
    fn what<'w>(&self, work: &'w Work) -> Result<Option<Program<'w>>, Ending> {
        Ok(match work {
            Work::Script { file, interpreter, arguments, success } => {
                let body = Kit::content(&self.payload, file, SCRIPT)
                    .map_err(|error| Ending::failed(error.code(), error.to_string()))?;
                let interpreter = match interpreter {
                    Named::Bash => Interpreter::Bash,
                    Named::Sh => Interpreter::Sh,
                    Named::Python => Interpreter::Python3,
                    Named::Powershell => Interpreter::Pwsh,
                };
                Some((interpreter, body, arguments.clone(), success))
            }
            Work::Tool { file, arguments, success } => {
                let path = deploy::place(&self.work).join(file.as_str()).display().to_string();
                let all = std::iter::once(path).chain(arguments.iter().cloned()).collect();
                Some((Interpreter::Sh, TOOL.to_vec(), all, success))
            }
            Work::Query { .. } | Work::Yara { .. } | Work::Evidence { .. } => None,
        })
    }
}

fn judged(outcome: &Outcome, success: &[i32]) -> Ran {
    let mut ran = Ran {
        duration: Duration::from_millis(outcome.duration_ms),
        left_behind: u32::try_from(outcome.stopped).unwrap_or(u32::MAX),
        ..Ran::default()
    };
    let failed = |why: String| Some((StepEnded::Failed, why));
    ran.failure = match &outcome.ended {
        Ended::Exited { code } => {
            ran.exit_code = Some(*code);
            if success.contains(code) { None } else { failed(format!("exited with {code}")) }
        }
        Ended::Signaled { signal } => {
            ran.signal = Some(*signal);
            failed(format!("ended by signal {signal}"))
        }
        Ended::TimedOut => {
            Some((StepEnded::TimedOut, format!("its time was up after {} ms", outcome.duration_ms)))
        }
        Ended::Canceled => failed("ended on request".to_owned()),
        Ended::TooManyProcesses { seen } => failed(format!(
            "ended for having {seen} processes at once; {} are allowed",
            supervised::PROCESSES
        )),
        Ended::NotStarted { reason } => failed(format!("not started: {reason}")),
    };
    if outcome.left > 0 {
        ran.failure = failed(format!("{} of its processes {LEFT}", outcome.left));
    }
    ran
}
