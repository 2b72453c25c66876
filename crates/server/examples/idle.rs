//! What an idle agent costs the server: a gateway in one process, many agents over real TLS in another.
//!
//! `cargo run --release -p quell-server --example idle -- [AGENTS]`
//!
//! Prints one JSON object: bytes of anonymous memory of the server's process per connected agent, and how long the
//! agents took to enrol and to connect.

#![expect(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a measurement, not a product")]
#![expect(clippy::print_stdout, reason = "its output is what it is for")]

#[path = "../tests/it/gateway/agent.rs"]
#[expect(dead_code, reason = "shared with the tests")]
mod agent;
#[path = "../tests/it/gateway/rig.rs"]
#[expect(dead_code, reason = "shared with the tests")]
mod rig;

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use quell_wire::enrol::Token;
use tokio::sync::Semaphore;

use crate::agent::{Agent, Session};
use crate::rig::Rig;

/// Agents that enrol or connect at the same time.
const AT_ONCE: usize = 64;

#[tokio::main]
async fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("serve") => serve().await,
        Some(count) => measure(count.parse().expect("a number of agents")).await,
        None => measure(2000).await,
    }
}

async fn serve() {
    let rig = Rig::start().await;
    let count: usize = std::env::args().nth(2).unwrap().parse().unwrap();
    println!("{}", rig.address);
    println!("{}", quell_wire::digest::hex(rig.authority.certificate()));
    println!("{}", rig.token(count as i64).await.to_text());
    std::io::stdout().flush().unwrap();
    // Until the other process is gone.
    tokio::task::spawn_blocking(|| std::io::stdin().lines().for_each(drop)).await.unwrap();
}

async fn measure(count: usize) {
    let mut server = Command::new(std::env::current_exe().unwrap())
        .args(["serve", &count.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines().map(|line| line.unwrap());
    let address: SocketAddr = lines.next().unwrap().parse().unwrap();
    let ca = unhex(&lines.next().unwrap());
    let token = Token::from_text(&lines.next().unwrap()).unwrap();

    let began = Instant::now();
    let agents = enrol(count, address, &ca, &token).await;
    let enrolled = began.elapsed();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = memory(&server);
    let began = Instant::now();
    let sessions = connect(agents).await;
    let connected = began.elapsed();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let after = memory(&server);
    println!(
        "{}",
        serde_json::json!({
            "agents": sessions.len(),
            "server_kb_before": before,
            "server_kb_connected": after,
            "server_kb_per_idle_agent": (after.saturating_sub(before)) as f64 / sessions.len() as f64,
            "enrol_s": enrolled.as_secs_f64(),
            "connect_s": connected.as_secs_f64(),
        })
    );
    drop(sessions);
    drop(server.stdin.take());
    server.wait().unwrap();
}

async fn enrol(count: usize, address: SocketAddr, ca: &[u8], token: &Token) -> Vec<Agent> {
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let tasks: Vec<_> = (0..count)
        .map(|_| {
            let (turns, ca, token) = (Arc::clone(&turns), ca.to_vec(), token.clone());
            tokio::spawn(async move {
                let _turn = turns.acquire().await.unwrap();
                let mut agent = Agent::to(address, ca);
                assert_eq!(agent.enrol(&token).await.status, 200);
                agent
            })
        })
        .collect();
    let mut agents = Vec::new();
    for task in tasks {
        agents.push(task.await.unwrap());
    }
    agents
}

async fn connect(agents: Vec<Agent>) -> Vec<Session> {
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let tasks: Vec<_> = agents
        .into_iter()
        .map(|agent| {
            let turns = Arc::clone(&turns);
            tokio::spawn(async move {
                let _turn = turns.acquire().await.unwrap();
                agent.session().await
            })
        })
        .collect();
    let mut sessions = Vec::new();
    for task in tasks {
        sessions.push(task.await.unwrap());
    }
    sessions
}

/// Anonymous memory of the server's process, kB (`RssAnon` of proc(5)).
fn memory(server: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
}
