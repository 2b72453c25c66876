//! The bench: measures a real server process over real TLS with durable states, and prints what it saw.
//!
//! Everything runs on one machine: the server as a process of its own with SQLite on the disk, the agents as a
//! swarm in this process (the agent's own library, only the effect missing), and one real agent on a lab
//! endpoint for what an idle agent costs. `bench/README.md` says what each figure means.

#[cfg(target_os = "linux")]
mod access;
#[cfg(target_os = "linux")]
mod api;
#[cfg(target_os = "linux")]
mod audit;
#[cfg(target_os = "linux")]
mod fleet;
#[cfg(target_os = "linux")]
mod idle;
#[cfg(target_os = "linux")]
mod latency;
#[cfg(target_os = "linux")]
mod machine;
#[cfg(target_os = "linux")]
mod memory;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
mod report;
#[cfg(target_os = "linux")]
mod run;
#[cfg(target_os = "linux")]
mod server;
#[cfg(target_os = "linux")]
mod throughput;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    use std::io::Write as _;
    match run::main() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() -> anyhow::Result<()> {
    anyhow::bail!("the bench measures on Linux only")
}
