//! What a real agent costs at rest: the program `quell-agent` on a lab endpoint, connected, with nothing to do.
//!
//! The server stays on the machine; a relay hands the endpoint's connection over to it byte by byte, so that
//! the agent's TLS ends where it always does.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use quell_lab::{Lab, LabEndpoint, LabOptions, Share};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

use crate::process::{Cpu, Memory};
use crate::report::Report;
use crate::run::{Places, Scale};
use crate::server::Server;

/// Where the endpoint finds the agent.
const AGENT: &str = "/opt/quell-agent";
/// The gateway's port in the lab.
const PORT: u16 = 8421;
/// Until the agent is connected.
const CONNECT: Duration = Duration::from_secs(30);
/// After it connected, before the watch begins.
const SETTLE: Duration = Duration::from_secs(10);
/// Keep-alives between two readings of the memory.
const READINGS: u32 = 10;

/// Measures.
pub async fn measure(places: &Places, scale: &Scale, report: &mut Report) -> Result<()> {
    let server = Server::start(places).await?;
    let agent = places.agent.canonicalize().context("finding the agent's program")?;
    let share = Share { host: agent, inside: PathBuf::from(AGENT) };
    let lab = match Lab::start(LabOptions { shares: vec![share], ..LabOptions::default() }) {
        Ok(lab) => lab,
        Err(error) => {
            report.skipped("idle agent", &error.to_string());
            return server.stop().await;
        }
    };
    relay(lab.listen_in_server_ns(PORT)?, server.gateway)?;
    let endpoint = lab.endpoint("idle-1")?;
    let token = server.api.token(1).await?;
    let at = lab.server().sockets(PORT)[0].to_string();
    enrol(&endpoint, &at, &token)?;
    let running = endpoint.spawn_command(silent(&endpoint))?;
    connected(&server).await?;
    tokio::time::sleep(SETTLE).await;
    let seen = watch(running.pid(), scale.idle).await?;
    if !running.running() {
        bail!("the agent ended while it was watched");
    }
    report.figure("agent_idle_mb", seen.memory.pss_kb as f64 / 1024.0);
    report.figure("agent_idle_cpu_percent", seen.percent);
    let Memory { rss_kb, rss_anon_kb, rss_file_kb, pss_kb, threads } = seen.memory;
    report.row(
        "idle agent: Rss / anonymous / of files / Pss",
        &format!("{rss_kb} / {rss_anon_kb} / {rss_file_kb} / {pss_kb} KB, {threads} threads"),
    );
    report.raw(
        "idle_agent",
        json!({
            "seconds": seen.seconds, "memory": seen.memory, "pss_kb_samples": seen.pss_kb,
            "cpu_ticks": seen.ticks, "cpu_ran_ns": seen.ran_ns,
        }),
    );
    running.kill()?;
    server.stop().await
}

struct Seen {
    memory: Memory,
    pss_kb: Vec<u64>,
    seconds: f64,
    ticks: u64,
    ran_ns: u64,
    percent: f64,
}

async fn watch(pid: u32, time: Duration) -> Result<Seen> {
    let (began, before) = (Instant::now(), Cpu::of(pid)?);
    let mut pss_kb = Vec::new();
    for _ in 0..READINGS {
        tokio::time::sleep(time / READINGS).await;
        // Looking at its memory is the kernel's work on our account, not on the agent's.
        pss_kb.push(Memory::of(pid)?.pss_kb);
    }
    let (after, seconds) = (Cpu::of(pid)?, began.elapsed().as_secs_f64());
    let ran_ns = after.ran_ns.saturating_sub(before.ran_ns);
    Ok(Seen {
        memory: Memory::of(pid)?,
        pss_kb,
        seconds,
        ticks: after.ticks - before.ticks,
        ran_ns,
        percent: ran_ns as f64 / 1e9 / seconds * 100.0,
    })
}

fn enrol(endpoint: &LabEndpoint, server: &str, token: &str) -> Result<()> {
    let ran = tokio::task::block_in_place(|| {
        endpoint.run(&[AGENT, "enrol", "--server", server, "--token", token, "--name", "idle-1"])
    })?;
    if !ran.ok() {
        bail!("the agent was not enrolled: {}", ran.stderr);
    }
    Ok(())
}

fn silent(endpoint: &LabEndpoint) -> std::process::Command {
    let mut command = endpoint.command(AGENT);
    command
        .arg("run")
        .env("QUELL_LOG", "warn")
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    command
}

async fn connected(server: &Server) -> Result<()> {
    let end = Instant::now() + CONNECT;
    loop {
        let page = server.api.get("/endpoints").await?;
        if page["items"][0]["connected"] == json!(true) {
            return Ok(());
        }
        if Instant::now() > end {
            bail!("the agent did not connect: {page}");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Hands every connection of the lab over to the gateway.
fn relay(listener: std::net::TcpListener, gateway: SocketAddr) -> Result<()> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            tokio::spawn(async move {
                if let Ok(mut far) = TcpStream::connect(gateway).await {
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                }
            });
        }
    });
    Ok(())
}
