//! The binary `quell-agent`: its command line, and the runtime around the library.

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand};
use quell_agent::clock::Clock;
use quell_agent::control::{Ask, ask};
use quell_agent::enrol::{self, Options};
use quell_agent::state::{DEFAULT, StateDir};
use quell_agent::worker::Kind;
use quell_agent::{Agent, Setup, VERSION, agent};
use quell_host::process::start;
use quell_wire::trust::Pin;
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

/// The endpoint agent of Quell.
#[derive(Debug, Parser)]
#[command(name = "quell-agent", version = VERSION)]
struct Cli {
    /// Where the agent keeps its state.
    #[arg(long, global = true, default_value = DEFAULT)]
    state: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Connect to the server and carry out its orders.
    Run,
    /// Take this endpoint in, by a token made on the server.
    Enrol {
        /// The server's port for agents, host:port.
        #[arg(long)]
        server: String,
        /// The token.
        #[arg(long, env = "QUELL_ENROL_TOKEN", hide_env_values = true)]
        token: String,
        /// A proxy on the way, http://[user:password@]host:port.
        #[arg(long, env = "HTTPS_PROXY", hide_env_values = true)]
        proxy: Option<String>,
        /// A name for this endpoint instead of its host name.
        #[arg(long)]
        name: Option<String>,
        /// The tenant's root of trust, HEX or HEX:SERIAL as `quell trust show` prints it. Given here, it does not come from the
        /// server that made the token.
        #[arg(long, value_parser = pin)]
        trust_root: Option<Pin>,
    },
    /// Pin the tenant's root of trust on an endpoint that was enrolled without one.
    Trust {
        /// The root, HEX or HEX:SERIAL as `quell trust show` prints it.
        #[arg(long)]
        root: String,
        /// A signed bundle as `quell trust` wrote it; several, oldest first, where the root was rotated.
        #[arg(long, required = true)]
        bundle: Vec<PathBuf>,
    },
    /// Show how the running agent stands.
    Status,
    /// End the isolation of this endpoint, by its one-time code (read from standard input).
    Release,
    /// Carry a script through to its end, or attend a program that was started. Started by the agent itself.
    #[command(hide = true)]
    Supervise {
        /// The directory of the run.
        dir: PathBuf,
    },
    /// Read hostile bytes, confined. Started by the agent itself.
    #[command(hide = true)]
    Worker {
        /// What it is for.
        kind: String,
    },
    /// Answer the kernel about programs. Started by the agent itself.
    #[command(hide = true)]
    Guard,
    /// Keep the terminal of a shell. Started by the agent itself.
    #[command(hide = true)]
    KeepPty,
    /// Print the version.
    Version,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    // The supervisor comes before everything else: it must stay small and single-threaded.
    if let Command::Supervise { dir } = &cli.command {
        return supervise(dir);
    }
    if matches!(cli.command, Command::Guard) {
        return u8::try_from(quell_host::guard::serve()).map_or(ExitCode::FAILURE, ExitCode::from);
    }
    if matches!(cli.command, Command::KeepPty) {
        return u8::try_from(quell_host::pty::keep()).map_or(ExitCode::FAILURE, ExitCode::from);
    }
    // So does a worker, which may have one thread and nothing open when it is confined.
    if let Command::Worker { kind } = &cli.command {
        return worker(kind);
    }
    quell_host::heap::be_frugal();
    match start(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(cli: Cli) -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_env("QUELL_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(16)
        .thread_stack_size(512 << 10)
        .thread_keep_alive(Duration::from_secs(2))
        .build()
        .context("cannot start")?;
    let result = runtime.block_on(dispatch(cli));
    // A handler's blocking call must not hold the process up: what it did not finish is in the journal.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

async fn dispatch(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Run => run(&cli.state).await,
        Command::Enrol { server, token, proxy, name, trust_root } => {
            let state = StateDir::open(&cli.state)?;
            let mark = agent::usable_mark(&state)?;
            let options = Options { server, token, proxy, name, machine: None, trust: trust_root };
            let identity = enrol::enrol(&state, &options, mark, &Clock::system()).await?;
            say(&format!("enrolled as {}", identity.me().endpoint_id))
        }
        Command::Status => {
            let status = ask(&cli.state, &Ask::Status).await?;
            say(&serde_json::to_string_pretty(&status)?)
        }
        Command::Trust { root, bundle } => trust(&cli.state, root, &bundle).await,
        Command::Release => release(&cli.state).await,
        Command::Version => say(&format!("quell-agent {VERSION}")),
        // Handled before the runtime was made.
        Command::Guard | Command::KeepPty | Command::Supervise { .. } | Command::Worker { .. } => Ok(()),
    }
}

async fn run(state: &Path) -> anyhow::Result<()> {
    let state = StateDir::open(state)?;
    // Whoever may have files collected is not given the endpoint's identity by that.
    quell_host::file::keep_out(state.path(), &["key.der", "vault/key"]);
    let agent = Agent::open(state, Setup::default())?;
    let (sender, stop) = watch::channel(false);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        let _ = sender.send(true);
        // Kept alive: a closed channel would look like a stop that nobody asked for.
        std::future::pending::<()>().await;
        drop(sender);
    });
    agent.run(stop).await?;
    Ok(())
}

fn pin(text: &str) -> Result<Pin, &'static str> {
    Pin::from_text(text).ok_or("not 64 hex digits, with or without a colon and a serial")
}

async fn trust(state: &Path, root: String, files: &[PathBuf]) -> anyhow::Result<()> {
    let read = |path: &PathBuf| {
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
    };
    let bundles = files.iter().map(read).collect::<anyhow::Result<Vec<_>>>()?;
    let answer = ask(state, &Ask::Pin { root, bundles }).await?;
    match answer.get("trust") {
        Some(trust) => say(&serde_json::to_string_pretty(trust)?),
        None => anyhow::bail!("{}", answer.get("error").and_then(Value::as_str).unwrap_or("not pinned")),
    }
}

async fn release(state: &Path) -> anyhow::Result<()> {
    let mut code = String::new();
    let _ = write!(std::io::stderr(), "Release code: ");
    std::io::stdin().lock().read_line(&mut code).context("no code was given")?;
    let answer = ask(state, &Ask::Release { code: code.trim().to_owned() }).await?;
    if answer.get("released") == Some(&Value::Bool(true)) {
        return say("the isolation of this endpoint has ended");
    }
    anyhow::bail!("{}", answer.get("error").and_then(Value::as_str).unwrap_or("not released"))
}

fn say(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{text}").context("cannot write")
}

fn supervise(dir: &Path) -> ExitCode {
    let ended = if start::is_start(dir) { start::attend(dir) } else { quell_host::script::supervise(dir) };
    u8::try_from(ended).map_or(ExitCode::FAILURE, ExitCode::from)
}

fn worker(kind: &str) -> ExitCode {
    let code = Kind::from_name(kind).map_or(2, Kind::run);
    u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from)
}
