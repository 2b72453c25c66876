//! `endpoint.run_investigation_kit` on this endpoint: check whose kit it is, unpack it into the order's own directory, run its
//! steps in order, pack what they found, remove everything, and look whether it is gone.
//!
//! What a step did is on the disk before the next one begins. After a restart of the agent a program that still runs is taken
//! up, and nothing that came to its end runs again.

mod deploy;
mod diary;
mod found;
mod pack;
mod program;
mod query;

use std::path::PathBuf;
use std::time::Duration;

use quell_catalog::endpoint::run_investigation_kit::{
    Ended, Outcome, OutputFile, Params, RunInvestigationKit, Step,
};
use quell_catalog::library::Kind;
use quell_host::file::Password;
use quell_kit::{Kit, Manifest, OnFailure, Step as Wanted, Work};
use quell_wire::digest::{hex, unhex};

use self::diary::Diary;
use super::archive::{password, send, untransferred};
use super::library::{Body, fetched};
use super::{Endpoint, supervised, thread};
use crate::runner::{Ending, Job, chain};
use crate::transfer::{Sealed, Spool, is_full};

/// One order for a kit.
struct Deployment<'a> {
    endpoint: &'a Endpoint,
    job: &'a Job,
    params: Params,
    /// The order's own directory.
    work: PathBuf,
    password: Password,
    /// The archive within the signed kit.
    payload: Vec<u8>,
}

/// How a step ended, but for what every step has.
#[derive(Debug, Default)]
struct Ran {
    /// `None` where it came to its end with success.
    failure: Option<(Ended, String)>,
    exit_code: Option<i32>,
    signal: Option<i32>,
    duration: Duration,
    left_behind: u32,
    found: Option<u64>,
    /// Its output: what it is called in the archive, and where it lies.
    files: Vec<(OutputFile, PathBuf)>,
}

impl Ran {
    fn failed(problem: impl Into<String>) -> Self {
        Self { failure: Some((Ended::Failed, problem.into())), ..Self::default() }
    }
}

pub(super) async fn carry(endpoint: &Endpoint, job: &Job) -> Ending {
    let ending = carried(endpoint, job).await.unwrap_or_else(|ending| ending);
    // However it ended, nothing of the kit stays.
    if let Ok(work) = endpoint.work_directory(job) {
        removed(job, work).await;
    }
    ending
}

/// Removes what is left of the kit. Where that fails, the kit counts as left behind, and what it found still goes out.
async fn removed(job: &Job, work: PathBuf) {
    let removed = thread::run(move |_| deploy::remove(&work), |_| ()).await;
    if let Ok(Err(error)) = removed {
        tracing::warn!(order.id = job.order_id, error = chain(&error), "files of a kit are left");
    }
}

async fn carried(endpoint: &Endpoint, job: &Job) -> Result<Ending, Ending> {
    let params: Params = job.params()?;
    let work =
        endpoint.work_directory(job).map_err(|error| Ending::refused("spool_failed", chain(&error)))?;
    let spool = Spool::within(&work);
    let sealed = match spool.sealed::<pack::About>().map_err(|error| untransferred(&error))? {
        Some(sealed) => sealed,
        None => run(endpoint, job, params, work, &spool).await?,
    };
    let removed = deploy::is_gone(&endpoint.work_directory(job).unwrap_or_default());
    let archive = send(endpoint, job, &spool, &sealed).await.map_err(|error| untransferred(&error))?;
    let about = sealed.about;
    Ok(Ending::done(&Outcome {
        sha256: about.sha256,
        signer: about.signer,
        trusted_by: about.trusted_by,
        name: about.name,
        version: about.version,
        steps: about.steps,
        removed: removed && !about.left,
        manifest_sha256: about.manifest_sha256,
        duration_ms: about.duration_ms,
        archive,
    }))
}

/// Everything until the archive is complete and the kit is gone.
async fn run(
    endpoint: &Endpoint,
    job: &Job,
    params: Params,
    work: PathBuf,
    spool: &Spool,
) -> Result<Sealed<pack::About>, Ending> {
    supervised::in_time(endpoint, job)?;
    let signer: [u8; 32] = params.signer.as_deref().and_then(unhex).ok_or_else(|| {
        Ending::refused("kit_signer_missing", "the order does not say whose signature the kit has to bear")
    })?;
    let Body { bytes, sha256, .. } =
        fetched(endpoint, job, Kind::Kit, RunInvestigationKit::digest(&params.kit)).await?;
    let (payload, trusted_by) = deploy::checked(&endpoint.identity, &bytes, &signer)?;
    drop(bytes);
    // Unpacking takes its time, and a network cut must not wait for it.
    let (payload, kit) = thread::run(
        move |_| {
            let kit = Kit::read(&payload);
            (payload, kit)
        },
        |_| (),
    )
    .await?;
    let kit = kit.map_err(|error| Ending::refused(error.code(), format!("{error} {}", error.hint())))?;
    let password = password(job).await?;
    let mut deployment = Deployment { endpoint, job, params, work, password, payload };
    let diary = deployment.steps(&kit).await?;
    let work = deployment.work.clone();
    let left = thread::run(move |_| deploy::still_runs(&work), |_| ()).await? || diary.left();
    let head = pack::Head {
        sha256: hex(&sha256),
        signer: hex(&signer),
        trusted_by: trusted_by.to_owned(),
        name: kit.manifest.name,
        version: kit.manifest.version,
        left,
    };
    deployment.payload = Vec::new();
    let sealed = deployment.pack(spool, head, diary).await?;
    // What a step wrote lies in the clear until here.
    removed(job, deployment.work.clone()).await;
    Ok(sealed)
}

impl Deployment<'_> {
    /// Runs what has not run yet.
    async fn steps(&self, kit: &Kit) -> Result<Diary, Ending> {
        let mut diary = match Diary::read(&self.work) {
            Some(diary) => diary,
            None => self.deploy(kit).await?,
        };
        let Manifest { steps, .. } = &kit.manifest;
        let total = steps.len() as u64;
        let mut stopped = diary.stopped(steps);
        for (index, wanted) in steps.iter().enumerate().skip(diary.steps.len()) {
            let number = index as u64 + 1;
            let note = format!("step {number} of {total}: {}", wanted.name);
            // A count of nothing is shown nowhere: the step that runs counts.
            self.job.progress(number, total, &note);
            if self.job.cancel.is_asked() {
                return Err(canceled(&note));
            }
            let step = match &stopped {
                Some(why) => not_run(wanted, why),
                None if self.left(&diary).is_zero() => not_run(wanted, "the kit's time is up"),
                None => self.step((index, total), wanted, &diary, &note).await?,
            };
            diary.add(&self.work, step).map_err(|error| {
                let code = if is_full(&error) { "disk_full" } else { "spool_failed" };
                Ending::failed(
                    code,
                    format!("cannot note what {note} did: {error}; what was found is removed"),
                )
            })?;
            stopped = stopped.or_else(|| diary.stopped(steps));
        }
        self.job.progress(total, total, "all steps are over");
        Ok(diary)
    }

    /// What is left of the kit's time.
    fn left(&self, diary: &Diary) -> Duration {
        let all = Duration::from_secs(u64::from(self.params.time_limit_seconds));
        all.saturating_sub(Duration::from_millis(diary.steps.iter().map(|step| step.duration_ms).sum()))
    }

    async fn step(
        &self,
        (index, total): (usize, u64),
        wanted: &Wanted,
        diary: &Diary,
        note: &str,
    ) -> Result<diary::Done, Ending> {
        let began_us = self.endpoint.clock.now_us();
        let used: u64 = diary.steps.iter().flat_map(|step| &step.files).map(|file| file.size).sum();
        let share = found::Share {
            index,
            total,
            note,
            time: Duration::from_secs(u64::from(wanted.seconds)).min(self.left(diary)),
            output: wanted.output_bytes.min(self.params.max_output_bytes.saturating_sub(used)),
        };
        let ran = match &wanted.work {
            Work::Script { .. } | Work::Tool { .. } => self.program(wanted, &share).await,
            Work::Query { asked } => self.query(wanted, asked, &share).await,
            Work::Evidence { file, artifacts } => {
                self.evidence(wanted, file.as_ref(), artifacts, &share).await
            }
            Work::Yara { file, paths } => self.yara(wanted, file, paths, &share).await,
        };
        // What a step cannot do is the step's failure; that nobody wants the kit any more is not.
        let ran = match ran {
            Ok(ran) => ran,
            Err(_) if self.job.cancel.is_asked() => return Err(canceled(note)),
            Err(ending) => Ran::failed(format!("{} ({})", ending.message, ending.code)),
        };
        if self.job.cancel.is_asked() {
            return Err(canceled(note));
        }
        let (ended, problem) = ran.failure.unwrap_or((Ended::Done, String::new()));
        let (files, places) = ran.files.into_iter().unzip();
        let step = Step {
            name: wanted.name.clone(),
            kind: wanted.work.kind().to_owned(),
            ended,
            problem,
            exit_code: ran.exit_code,
            signal: ran.signal,
            began_us,
            duration_ms: u64::try_from(ran.duration.as_millis()).unwrap_or(u64::MAX),
            left_behind: ran.left_behind,
            found: ran.found,
            files,
        };
        Ok(diary::Done { step, places })
    }
}

fn not_run(wanted: &Wanted, why: &str) -> diary::Done {
    let step = Step {
        name: wanted.name.clone(),
        kind: wanted.work.kind().to_owned(),
        ended: Ended::NotRun,
        problem: why.to_owned(),
        exit_code: None,
        signal: None,
        began_us: 0,
        duration_ms: 0,
        left_behind: 0,
        found: None,
        files: Vec::new(),
    };
    diary::Done { step, places: Vec::new() }
}

fn canceled(note: &str) -> Ending {
    Ending::canceled(format!("canceled at {note}; what was found until then was not sent and is removed"))
}

/// Whether what comes after this step is run.
fn stops(wanted: &Wanted, step: &Step) -> bool {
    matches!(step.ended, Ended::Failed | Ended::TimedOut) && wanted.on_failure == OnFailure::Stop
}
