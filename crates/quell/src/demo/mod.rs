//! The demonstration: a real server, real agents on endpoints made of namespaces, a process that should not be there,
//! and five actions. Each effect is looked at from both ends: on the endpoint, and from a host outside of it.

mod beacon;
mod control;
mod crowd;
mod people;
mod plain;
mod report;
mod scenes;
mod stage;
mod step;

use std::path::PathBuf;

use clap::ValueEnum;

use crate::command::server::stop;
use crate::demo::report::Report;
use crate::demo::stage::Stage;
use crate::failure::{Failure, NOT_SUCCEEDED};

/// How to show it.
#[derive(Debug)]
pub struct Options {
    /// End after the last step.
    pub once: bool,
    /// One JSON object a step.
    pub json: bool,
    /// Show nothing, and be the stage for somebody else's tests.
    pub stage: Option<Kind>,
    /// The agent's program.
    pub agent: PathBuf,
}

/// What a stage for tests has on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// People, endpoints, scripts; nothing was done yet
    Fresh,
    /// The same after everything that the demonstration does
    Played,
    /// A server that was never set up
    Empty,
    /// People, and fifty thousand endpoints that exist in the database alone
    Crowd,
}

/// Shows it. Without `once` it stays up until it is interrupted.
pub fn run(options: &Options) -> Result<(), Failure> {
    // Before any thread: where the rights are missing, this process begins again in a user namespace.
    let refused = quell_lab::become_root().err().map(|error| error.to_string());
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        if let Some(kind) = options.stage {
            let mut report = Report::silent();
            return tokio::select! {
                held = control::hold(kind, &options.agent, &mut report) => held,
                () = stop() => Ok(()),
            };
        }
        let mut report = Report::new(options.json);
        tokio::select! {
            shown = show(options, refused.as_deref(), &mut report) => shown?,
            () = stop() => return if options.once { Err(Failure::new("interrupted")) } else { Ok(()) },
        }
        if report.all_verified() { Ok(()) } else { Err(Failure::silent(NOT_SUCCEEDED)) }
    })
}

async fn show(options: &Options, refused: Option<&str>, report: &mut Report) -> Result<(), Failure> {
    if let Some(refused) = refused {
        return plain::show(&options.agent, refused, report).await;
    }
    let mut stage = Stage::set(&options.agent, report).await?;
    step::show_all(&stage, report).await?;
    scenes::play(&mut stage, report).await?;
    if options.once {
        return Ok(());
    }
    // Something to act on for whoever watches.
    let _beacon = beacon::start(&stage.lab, &stage.suspect)?;
    report.say(&stage.invitation());
    std::future::pending::<()>().await;
    Ok(())
}
