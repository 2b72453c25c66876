//! What an idle connected agent costs the server: its anonymous resident memory at several numbers of agents.
//!
//! A fresh server, so that nothing but connections has grown its heap. The kernel's own memory for sockets is
//! not in these numbers.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};

use crate::fleet::Fleet;
use crate::process::Memory;
use crate::report::Report;
use crate::run::{Places, Scale};
use crate::server::Server;

/// Agents that are connected when the first reading is taken: what the first ones cost is the server's own.
const BASE: usize = 50;
/// A reading is taken when it has changed by less than this between two looks. KB.
const STILL: u64 = 64;
/// Between two looks.
const LOOK: Duration = Duration::from_secs(2);
/// The longest wait for a quiet server.
const SETTLE: Duration = Duration::from_secs(40);

/// Measures.
pub async fn measure(places: &Places, scale: &Scale, report: &mut Report) -> Result<()> {
    let server = Server::start(places).await?;
    let mut fleet = Fleet::new(&server, places)?;
    fleet.grow(BASE).await?;
    let base = settled(&server).await?;
    let mut steps = Vec::new();
    let mut per_agent = 0.0;
    for &agents in scale.steps.iter().filter(|agents| **agents > BASE) {
        let seconds = fleet.grow(agents).await?;
        let memory = settled(&server).await?;
        per_agent = (memory.rss_anon_kb as f64 - base.rss_anon_kb as f64) / (agents - BASE) as f64;
        report.row(
            &format!("server memory per idle agent, {agents} connected"),
            &format!("{per_agent:.1} KB (RssAnon {} KB)", memory.rss_anon_kb),
        );
        steps.push(json!({
            "agents": agents, "connected": fleet.connected(), "rss_anon_kb": memory.rss_anon_kb,
            "kb_per_agent": per_agent, "enrolled_and_connected_in_s": seconds,
        }));
    }
    report.figure("server_kb_per_idle_agent", per_agent);
    let raw =
        json!({ "base_agents": BASE, "base_rss_anon_kb": base.rss_anon_kb, "steps": Value::from(steps) });
    report.raw("server_memory", raw);
    fleet.stop().await;
    server.stop().await
}

async fn settled(server: &Server) -> Result<Memory> {
    let end = Instant::now() + SETTLE;
    let mut before = Memory::of(server.pid())?;
    let mut still = 0;
    loop {
        tokio::time::sleep(LOOK).await;
        let now = Memory::of(server.pid())?;
        still = if now.rss_anon_kb.abs_diff(before.rss_anon_kb) < STILL { still + 1 } else { 0 };
        if still >= 3 || Instant::now() > end {
            return Ok(now);
        }
        before = now;
    }
}
