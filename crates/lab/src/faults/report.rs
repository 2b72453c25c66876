//! What a run found, as a page.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::load::{Load, lock};
use super::{Found, Kill, Options, Struck, Victim};

/// Findings of one run.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was asked.
    pub options: Options,
    /// How long it took, checks included.
    pub took: Duration,
    /// Each kill, in order.
    pub kills: Vec<Kill>,
    /// Requests that were answered as accepted.
    pub accepted: usize,
    /// Requests that were sent again for want of an answer, and how many of them had been accepted before.
    pub repeated: [u64; 2],
    /// Requests that were declined because the same was under way on the endpoint.
    pub refused: u64,
    /// Tasks that were called off.
    pub canceled: u64,
    /// Commands by action and end.
    pub ends: BTreeMap<(String, String), usize>,
    /// Scripts that began on endpoints, by the lines that they left.
    pub scripts: usize,
    /// Processes that had to be gone.
    pub processes: usize,
    /// Archives that had to open.
    pub archives: usize,
    /// How each endpoint stands in the end.
    pub isolations: Vec<String>,
    /// Commands of which nobody can know.
    pub unknown: Vec<String>,
    /// What does not hold. Empty when all does.
    pub wrong: Vec<String>,
}

impl Report {
    pub(super) fn new(options: Options, kills: &[Kill], load: &Load<'_>) -> Self {
        Self {
            options,
            took: Duration::ZERO,
            kills: kills.to_vec(),
            accepted: lock(&load.accepted).len(),
            repeated: [load.repeated.load(Ordering::Relaxed), load.known.load(Ordering::Relaxed)],
            refused: load.refused.load(Ordering::Relaxed),
            canceled: load.canceled.load(Ordering::Relaxed),
            ends: BTreeMap::new(),
            scripts: 0,
            processes: 0,
            archives: 0,
            isolations: Vec::new(),
            unknown: Vec::new(),
            wrong: lock(&load.wrong).clone(),
        }
    }

    pub(super) fn wrong(&mut self, what: String) {
        self.wrong.push(what);
    }

    /// Kills that found at least one command in this state, and commands that were found in it.
    pub fn found(&self, state: Found) -> (usize, usize) {
        let counts: Vec<usize> =
            self.kills.iter().filter_map(|kill| kill.found.get(&state).copied()).collect();
        (counts.len(), counts.iter().sum())
    }

    /// Whether every state was found at least once.
    pub fn is_full(&self) -> bool {
        Found::ALL.iter().all(|state| self.found(*state).0 > 0)
    }

    /// The page, in Markdown.
    pub fn page(&self) -> String {
        let mut page = String::new();
        // Writing to a string does not fail.
        let _ = self.write(&mut page);
        page
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let servers = self.kills.iter().filter(|kill| kill.plan.victim == Victim::Server).count();
        writeln!(out, "# Fault injection\n")?;
        writeln!(
            out,
            "Written by `cargo run -p quell-lab --bin faults -- --kills {} --seed {} --report FILE`.\n",
            self.options.kills, self.options.seed
        )?;
        writeln!(out, "{INTRODUCTION}")?;
        writeln!(
            out,
            "{} kills with seed {} ({servers} of the server, {} of agents) in {} s, checks included. {} commands were \
             accepted; {} requests were sent again because no answer came, {} of which had been accepted the first \
             time; {} were declined because the same was under way; {} tasks were called off.\n",
            self.kills.len(),
            self.options.seed,
            self.kills.len() - servers,
            self.took.as_secs(),
            self.accepted,
            self.repeated[0],
            self.repeated[1],
            self.refused,
            self.canceled
        )?;
        self.states(out)?;
        self.triggers(out)?;
        self.outcomes(out)
    }

    fn states(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "## States found after the kills\n")?;
        writeln!(
            out,
            "After a kill of the server: commands of all endpoints. After a kill of an agent: those of its endpoint.\n"
        )?;
        writeln!(
            out,
            "| state | server's database | agent's journal | kills | of the server | of agents | commands |"
        )?;
        writeln!(out, "|---|---|---|--:|--:|--:|--:|")?;
        for state in Found::ALL {
            let [name, database, journal] = state.words();
            let (kills, commands) = self.found(state);
            let of_server =
                |kill: &&Kill| kill.plan.victim == Victim::Server && kill.found.contains_key(&state);
            let server = self.kills.iter().filter(of_server).count();
            writeln!(
                out,
                "| {name} | {database} | {journal} | {kills} | {server} | {} | {commands} |",
                kills - server
            )?;
        }
        writeln!(out)
    }

    fn triggers(&self, out: &mut String) -> std::fmt::Result {
        let mut counts: BTreeMap<(&str, String), [usize; 2]> = BTreeMap::new();
        for kill in &self.kills {
            let victim = match kill.plan.victim {
                Victim::Server => "server",
                Victim::Agent(_) => "agent",
            };
            let count = counts.entry((victim, kill.plan.trigger.to_string())).or_default();
            count[usize::from(kill.struck == Struck::Late)] += 1;
        }
        writeln!(out, "## Where it struck\n")?;
        writeln!(
            out,
            "\"Late\": the call or state did not come within 0.8 s, and the process was killed then.\n"
        )?;
        writeln!(out, "| killed | at | there | late |\n|---|---|--:|--:|")?;
        for ((victim, trigger), [there, late]) in counts {
            writeln!(out, "| {victim} | {trigger} | {there} | {late} |")?;
        }
        writeln!(out)
    }

    fn outcomes(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "## How the commands ended\n\n| action | end | commands |\n|---|---|--:|")?;
        for ((action, state), count) in &self.ends {
            writeln!(out, "| {action} | {state} | {count} |")?;
        }
        writeln!(out, "\n## What was looked at\n\n{CHECKS}")?;
        writeln!(
            out,
            "Looked at on the endpoints: {} scripts by the lines that they left, {} processes, {} archives opened with \
             7-Zip. {}\n",
            self.scripts,
            self.processes,
            self.archives,
            self.isolations.join("; ")
        )?;
        list(out, "Nobody can know", &self.unknown)?;
        list(out, "Does not hold", &self.wrong)
    }
}

fn list(out: &mut String, title: &str, lines: &[String]) -> std::fmt::Result {
    writeln!(out, "## {title}\n")?;
    if lines.is_empty() {
        return writeln!(out, "None.\n");
    }
    for line in lines {
        writeln!(out, "- {line}")?;
    }
    writeln!(out)
}

const INTRODUCTION: &str = "\
A real server process on SQLite and three real agent processes on lab endpoints work through a stream of isolations,
restorations, terminations, collections and scripts, some called off, some with seconds to live, every request repeated
under its idempotency key until it is answered. Meanwhile the server or an agent is killed (SIGKILL) and started again,
at the n-th system call of a kind by one of its threads (before the kernel has begun it), on sight of a command's
state, or after a while. Whom and when comes from the seed; how the processes stand at that moment does not, so each
kill is counted by what was then found on both disks. SIGKILL takes no page from the kernel's cache: this says nothing
of a power cut.
";

const CHECKS: &str = "\
- Each request answered as accepted is in the database, once; each command has ended, with its times in order; no look in
  between saw one disappear, go back or leave its end; the audit trail has no second outcome of any; no outcome came too
  late or was refused.
- `indeterminate` only where the journal of a killed agent said that the command was being carried out.
- Each script adds a line of its own to a file when it begins and to another when it ends: one each where it `succeeded`,
  none where it `expired`, was `refused` or was canceled before it was handed over, never two; no process of a script is
  left.
- Where a termination `succeeded` the process is gone; where none began it still runs.
- Where a collection `succeeded` 7-Zip opens the archive, and what is in it has the file's SHA-256.
- Each endpoint is cut off, or is not, as the last success of an isolation or restoration says.
- SQLite finds its database sound; no agent found its journal damaged; no agent holds an order any more.
";
