//! Commands dispatched and completed per second: tasks on all agents, tasks on one agent each, and both at once.
//!
//! A rate is all commands of a load divided by the time from its first request to the end of its last command,
//! draining included. Every command counted has ended `succeeded` in the database.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use quell_agent::clock::Clock;
use serde_json::{Value, json};

use crate::api::{micros, text};
use crate::fleet::Fleet;
use crate::process::Cpu;
use crate::report::Report;
use crate::run::Scale;
use crate::server::Server;

/// Tasks on all agents that are open at one time.
const WIDE: usize = 8;
/// Requests for single agents that are under way at one time.
const SINGLE: usize = 32;
/// Single commands that were accepted and have not begun, at most.
const AHEAD: u64 = 256;
/// Until everything has ended.
const DRAIN: Duration = Duration::from_mins(2);

struct Load {
    name: &'static str,
    figure: &'static str,
    wide: usize,
    single: usize,
}

const LOADS: [Load; 3] = [
    Load { name: "tasks on all agents", figure: "commands_per_s", wide: WIDE, single: 0 },
    Load { name: "tasks on one agent each", figure: "requests_per_s", wide: 0, single: SINGLE },
    Load { name: "both at once", figure: "commands_per_s_mixed", wide: WIDE / 2, single: SINGLE },
];

/// Measures.
pub async fn measure(server: &Server, fleet: &Fleet, scale: &Scale, report: &mut Report) -> Result<()> {
    let mut raw = Vec::new();
    for load in &LOADS {
        let seen = run(server, fleet, scale, load).await?;
        let rate = seen["commands_per_s"].as_f64().unwrap_or_default();
        report.row(
            &format!("commands per second, {}", load.name),
            &format!(
                "{rate:.0} ({} commands in {:.1} s; server {:.2}, agents and clients {:.2} cores)",
                seen["commands"],
                seen["seconds"].as_f64().unwrap_or_default(),
                seen["server_cores"].as_f64().unwrap_or_default(),
                seen["agents_and_clients_cores"].as_f64().unwrap_or_default(),
            ),
        );
        report.figure(load.figure, rate);
        raw.push(seen);
    }
    report.raw("throughput", Value::from(raw));
    Ok(())
}

async fn run(server: &Server, fleet: &Fleet, scale: &Scale, load: &Load) -> Result<Value> {
    let (over, next) = (AtomicBool::new(false), AtomicUsize::new(0));
    let endpoints = fleet.endpoints();
    let since = Clock::system().now_us();
    let (server_cpu, own_cpu) = (Cpu::of(server.pid())?, Cpu::of(std::process::id())?);
    let (began, begun) = (Instant::now(), fleet.seen.begun());
    let commands = AtomicUsize::new(0);
    let wide = async {
        let turns = (0..load.wide).map(|_| wide_turns(fleet, &over, &commands));
        futures_util::future::try_join_all(turns).await
    };
    let single = async {
        let turns = (0..load.single).map(|_| single_turns(fleet, &endpoints, &next, &over, &commands, begun));
        futures_util::future::try_join_all(turns).await
    };
    let clock = async {
        tokio::time::sleep(scale.load).await;
        over.store(true, Ordering::Relaxed);
        Ok(())
    };
    let (tasks, singles, ()) = tokio::try_join!(wide, single, clock)?;
    let tasks = tasks.into_iter().sum::<usize>() + singles.into_iter().sum::<usize>();
    begun_all(fleet, begun + commands.load(Ordering::Relaxed) as u64).await?;
    let ended = drained(fleet, since, tasks).await?;
    let wall = began.elapsed().as_secs_f64();
    let (server_s, own_s) =
        (Cpu::of(server.pid())?.since(&server_cpu), Cpu::of(std::process::id())?.since(&own_cpu));
    let commands = commands.into_inner();
    let seconds = (ended.last_us - since) as f64 / 1e6;
    Ok(json!({
        "load": load.name, "commands": commands, "tasks": ended.tasks, "seconds": seconds,
        "commands_per_s": commands as f64 / seconds, "agents": fleet.len(),
        "server_cores": server_s / wall, "agents_and_clients_cores": own_s / wall,
        "task_seconds_wide": ended.wide_seconds,
    }))
}

/// Tasks on all, one after the other; answers how many.
async fn wide_turns(fleet: &Fleet, over: &AtomicBool, commands: &AtomicUsize) -> Result<usize> {
    let mut tasks = 0;
    while !over.load(Ordering::Relaxed) {
        let task = fleet.api.submit_all(fleet.len()).await?;
        commands.fetch_add(fleet.len(), Ordering::Relaxed);
        tasks += 1;
        fleet.ended(text(&task, "id")?, Duration::from_millis(300), DRAIN).await?;
    }
    Ok(tasks)
}

/// Tasks on one agent each, one after the other; answers how many.
async fn single_turns(
    fleet: &Fleet,
    endpoints: &[String],
    next: &AtomicUsize,
    over: &AtomicBool,
    commands: &AtomicUsize,
    begun: u64,
) -> Result<usize> {
    let mut tasks = 0;
    while !over.load(Ordering::Relaxed) {
        // Not ahead of what the agents began: a queue that only grows would measure the queue.
        if commands.load(Ordering::Relaxed) as u64 > fleet.seen.begun() - begun + AHEAD + fleet.len() as u64 {
            tokio::time::sleep(Duration::from_millis(1)).await;
            continue;
        }
        let number = next.fetch_add(1, Ordering::Relaxed);
        let Some(endpoint) = endpoints.get(number % endpoints.len()) else { bail!("no endpoint") };
        fleet.api.submit_unread(endpoint).await?;
        commands.fetch_add(1, Ordering::Relaxed);
        tasks += 1;
    }
    Ok(tasks)
}

struct Ended {
    tasks: usize,
    last_us: i64,
    wide_seconds: Vec<f64>,
}

/// Waits until the agents have begun this many commands in all: asking the server for thousands of tasks again and
/// again would be a load of its own.
async fn begun_all(fleet: &Fleet, wanted: u64) -> Result<()> {
    let end = Instant::now() + DRAIN;
    while fleet.seen.begun() < wanted {
        if Instant::now() > end {
            bail!("{} of {wanted} commands were begun", fleet.seen.begun());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// Waits until all tasks of the load have ended, and checks that each succeeded.
async fn drained(fleet: &Fleet, since: i64, wanted: usize) -> Result<Ended> {
    let end = Instant::now() + DRAIN;
    let text_of = |micros| jiff::Timestamp::from_microsecond(micros).map(|time| time.to_string());
    loop {
        let tasks = fleet.api.tasks_since(&text_of(since)?).await?;
        let open = tasks.iter().filter(|task| task["ended_at"].is_null()).count();
        if open > 0 || tasks.len() < wanted {
            if Instant::now() > end {
                bail!("{open} of {} tasks have not ended", tasks.len());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        }
        let mut ended = Ended { tasks: tasks.len(), last_us: since, wide_seconds: Vec::new() };
        for task in &tasks {
            if text(task, "state")? != "succeeded" {
                bail!("a task ended as {task}");
            }
            let ended_us = micros(task, "ended_at")?;
            ended.last_us = ended.last_us.max(ended_us);
            if task["target_count"].as_u64().is_some_and(|count| count > 1) {
                ended.wide_seconds.push((ended_us - micros(task, "created_at")?) as f64 / 1e6);
            }
        }
        return Ok(ended);
    }
}
