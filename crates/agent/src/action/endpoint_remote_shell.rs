//! `endpoint.remote_shell` on this endpoint: a terminal, its line to the server, and what remains when it is over.

use std::time::Duration;

use quell_catalog::Secret;
use quell_catalog::endpoint::remote_shell::{
    Ended, MovedFile, Outcome, Params, Program, Recording, VerbCount,
};
use quell_host::pty::{self, Failure, Spec};
use quell_wire::Status;
use quell_wire::digest::hex;
use quell_wire::shell::{Recorded, Size};

use super::{Endpoint, thread};
use crate::runner::{Cancel, Ending, Job, chain};
use crate::shell::{Limits, Over, Session, Tools, bury, moved};
use crate::transfer::Gateway;

/// Processes of one shell at once.
const PROCESSES: u32 = 1024;

pub(super) async fn carry(endpoint: &Endpoint, job: &Job) -> Ending {
    carried(endpoint, job).await.unwrap_or_else(|ending| ending)
}

async fn carried(endpoint: &Endpoint, job: &Job) -> Result<Ending, Ending> {
    let params: Params = job.params()?;
    let gateway = Gateway { dialer: endpoint.dialer.clone(), identity: endpoint.identity.clone() };
    let away = Duration::from_secs(u64::from(params.away_seconds));
    let work =
        endpoint.work_directory(job).map_err(|error| Ending::refused("spool_failed", chain(&error)))?;
    if job.is_resumed() {
        // The terminal died with the agent that held it, and all that ran in it.
        let recorded = bury(gateway, job.order_id.clone(), endpoint.clock.now_us(), away).await;
        let message = "the agent was stopped, and the shell ended with it";
        return Ok(Ending::failed("agent_stopped", message).with(&stopped(recorded, moved(&work))));
    }
    let pty = open(endpoint, &params).await?;
    let minutes = |count: u32| Duration::from_secs(u64::from(count) * 60);
    let limits = Limits {
        idle: minutes(params.idle_minutes),
        total: minutes(params.max_minutes),
        away,
        output: u64::from(params.max_output_mib) << 20,
    };
    let tools = Tools {
        gateway: gateway.clone(),
        order_id: job.order_id.clone(),
        work: work.clone(),
        password: job.secret_now(Secret::ArchivePassword),
        cancel: Cancel::default(),
        account: pty.started().account.clone(),
    };
    let (program, user) = (pty.started().program.clone(), pty.started().user.clone());
    let session = Session::new(pty, limits, endpoint.clock.now_us(), tools)
        .map_err(|error| Ending::failed("terminal_failed", chain(&error)))?;
    let told = |written| job.progress(written, 0, "a shell is open");
    let over = Box::pin(session.run(gateway, job.order_id.clone(), &job.cancel, told)).await;
    Ok(ended(over, (program, user), moved(&work)))
}

async fn open(endpoint: &Endpoint, params: &Params) -> Result<pty::Session, Ending> {
    let spec = Spec {
        program: match params.shell {
            Program::Login => pty::Program::Login,
            Program::Bash => pty::Program::Bash,
            Program::Sh => pty::Program::Sh,
        },
        user: params.user.clone(),
        directory: params.directory.clone().map(Into::into),
        processes: PROCESSES,
    };
    let launcher = endpoint.keeper.clone();
    let size = (Size::USUAL.cols as u16, Size::USUAL.rows as u16);
    let opened = thread::run(move |_| pty::open(&spec, size, &launcher), |_| ()).await?;
    opened.map_err(|error| {
        let code = match &error {
            pty::Error::NotStarted { what, .. } => match what {
                Failure::Account => "no_account",
                Failure::Program => "no_program",
                Failure::Directory => "no_directory",
                Failure::System => "not_started",
            },
            pty::Error::Io { .. } | pty::Error::KeeperLost => "not_started",
        };
        Ending::refused(code, chain(&error))
    })
}

fn recording(recorded: Recorded) -> Recording {
    let Recorded { artifact_id, size, sha256, .. } = recorded;
    Recording { artifact_id, size, sha256: hex(&sha256) }
}

/// Files that verbs moved, and how many more than are named.
type Moved = (Vec<MovedFile>, u32);

fn stopped(recorded: Option<Recorded>, (files, files_unnamed): Moved) -> Outcome {
    Outcome {
        program: String::new(),
        user: String::new(),
        ended: Ended::AgentStopped,
        ended_by: None,
        exit_code: None,
        signal: None,
        duration_ms: 0,
        bytes_in: 0,
        bytes_out: 0,
        verbs: Vec::new(),
        files,
        files_unnamed,
        left_behind: 0,
        still_there: 0,
        recording: recorded.map(recording),
    }
}

fn ended(over: Over, (program, user): (String, String), (files, files_unnamed): Moved) -> Ending {
    let Over { why, by, ended, bytes_in, bytes_out, lived, verbs, recorded } = over;
    let is_known = ended.is_some();
    let count = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let outcome = Outcome {
        program,
        user,
        ended: why,
        ended_by: by,
        exit_code: ended.as_ref().and_then(|ended| ended.exit_code),
        signal: ended.as_ref().and_then(|ended| ended.signal),
        duration_ms: u64::try_from(lived.as_millis()).unwrap_or(u64::MAX),
        bytes_in,
        bytes_out,
        verbs: verbs.into_iter().map(|(verb, count)| VerbCount { verb, count }).collect(),
        files,
        files_unnamed,
        left_behind: ended.as_ref().map_or(0, |ended| count(ended.stopped)),
        still_there: ended.as_ref().map_or(0, |ended| count(ended.left)),
        recording: recorded.map(recording),
    };
    if !is_known {
        let message = "the shell's keeper was killed; what it ran may still be there";
        return Ending::indeterminate("keeper_lost", message).with(&outcome);
    }
    match why {
        Ended::Canceled | Ended::ApprovalOver => Ending {
            status: Status::Canceled,
            code: why.as_str().to_owned(),
            ..Ending::canceled(format!("the shell was ended: {}", why.words())).with(&outcome)
        },
        Ended::Exited
        | Ended::Idle
        | Ended::TimeLimit
        | Ended::OutputLimit
        | Ended::Person
        | Ended::Away
        | Ended::TooManyProcesses
        | Ended::AgentStopped => Ending::done(&outcome),
    }
}
