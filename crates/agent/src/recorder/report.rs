//! How the recorder does, for the machine's own status and for the server.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use quell_catalog::protection::{REFUSED, Recorder as Told, RecorderSource, RefusedRule, TEXT};
use quell_host::recorder::{Kind, Standing};
use serde_json::{Value, json};

use super::{Engine, Recorder, scope};

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Fork => "fork",
        Kind::Exec => "exec",
        Kind::Exit => "exit",
        Kind::Network => "network",
        Kind::Question => "question",
        Kind::Module => "module",
        Kind::File => "file",
        Kind::Login => "login",
    }
}

/// What a kind is part of, as people ask for it.
fn activity(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::Exec => "process",
        Kind::Network => "connection",
        Kind::Question => "dns",
        Kind::File => "file",
        Kind::Login => "login",
        Kind::Fork | Kind::Exit | Kind::Module => return None,
    })
}

fn cut(text: &str) -> String {
    text.chars().take(TEXT).collect()
}

impl Recorder {
    /// For status.
    pub fn describe(&self) -> Value {
        let stands = self.stands();
        let Some(engine) = &stands.engine else {
            return json!({ "recording": false, "why": stands.why, "falls": stands.falls });
        };
        let (door, disk) = (engine.door.counts(), engine.disk.counts());
        let sources = engine.sources.as_ref().map(|sources| sources.standing());
        let counts = sources.as_ref().map(|standing| {
            let all = standing.counts.iter();
            all.map(|count| (name(count.kind), json!({ "seen": count.seen, "lost": count.lost })))
                .collect::<BTreeMap<_, _>>()
        });
        json!({
            "recording": true,
            "sources": sources.as_ref().map(described),
            "problems": sources.as_ref().map(|standing| &standing.problems),
            "counts": counts,
            "lost": lost(engine, sources.as_ref(), stands.missed),
            "vanished_files": sources.as_ref().map(|standing| standing.vanished_files),
            "falls": stands.falls,
            "activities": door.activities.load(Ordering::Relaxed),
            "detections": door.detections.load(Ordering::Relaxed),
            "folded": door.folded.load(Ordering::Relaxed),
            "processes": door.processes.load(Ordering::Relaxed),
            "open_chains": door.chains.load(Ordering::Relaxed),
            "rules": { "behaviour": door.rules.load(Ordering::Relaxed), "yara": engine.yara.count() },
            "ring": {
                "bytes": disk.bytes.load(Ordering::Relaxed),
                "used": disk.used.load(Ordering::Relaxed),
                "oldest_us": disk.oldest_us.load(Ordering::Relaxed),
                "begun_anew": disk.renewed.load(Ordering::Relaxed),
                "failing": disk.is_failing.load(Ordering::Relaxed),
            },
            "waiting_for_the_server": disk.outgoing.load(Ordering::Relaxed),
        })
    }

    /// Events that were lost, of all kinds together, and the time of the oldest event that is kept, microseconds since 1970.
    pub fn losses(&self) -> (u64, i64) {
        let stands = self.stands();
        let Some(engine) = &stands.engine else { return (0, 0) };
        let standing = engine.sources.as_ref().map(|sources| sources.standing());
        let lost = lost(engine, standing.as_ref(), stands.missed).into_values().sum();
        (lost, engine.disk.counts().oldest_us.load(Ordering::Relaxed))
    }

    /// For the server.
    pub(super) fn described(&self) -> Told {
        let prevents = self.0.hand.is_able();
        let stands = self.stands();
        let mut told = Told {
            recording: stands.engine.is_some(),
            why: stands.why.as_deref().map(cut),
            prevents: Some(prevents.is_ok()),
            why_not_prevented: prevents.err().as_deref().map(cut),
            ..Told::default()
        };
        let Some(engine) = &stands.engine else { return told };
        let standing = engine.sources.as_ref().map(|sources| sources.standing());
        if let Some(standing) = &standing {
            told.sources = summed(standing, scope::why_no_files(&self.0.state));
            told.vanished_files = standing.vanished_files;
            told.why = standing.problems.first().map(|problem| cut(problem));
        }
        told.lost = lost(engine, standing.as_ref(), stands.missed);
        let counts = engine.door.counts();
        let rules = counts.rules.load(Ordering::Relaxed);
        told.rules = BTreeMap::from([
            ("behaviour".to_owned(), u32::try_from(rules).unwrap_or(u32::MAX)),
            ("yara".to_owned(), u32::try_from(engine.yara.count()).unwrap_or(u32::MAX)),
        ]);
        told.refused = engine
            .door
            .refused()
            .into_iter()
            .map(|(rule, problem)| RefusedRule {
                source: "behaviour".to_owned(),
                rule,
                problem: cut(&problem),
            })
            .collect();
        told.refused.extend(engine.yara.problem().map(|problem| RefusedRule {
            source: "yara".to_owned(),
            rule: String::new(),
            problem: cut(&problem),
        }));
        told.refused.truncate(REFUSED);
        told.ring_bytes = Some(engine.disk.counts().bytes.load(Ordering::Relaxed));
        told
    }
}

/// Losses by kind: in the kernel, in our queues, on the disk, with threads that fell. Those that are none are left out.
fn lost(engine: &Engine, standing: Option<&Standing>, missed: u64) -> BTreeMap<String, u64> {
    let mut lost = BTreeMap::new();
    let mut add = |name: &str, count: u64| {
        if count > 0 {
            *lost.entry(name.to_owned()).or_insert(0) += count;
        }
    };
    let queue = &engine.door.counts().lost;
    for (kind, queued) in Kind::ALL.into_iter().zip(queue) {
        add(name(kind), queued.load(Ordering::Relaxed));
        add(name(kind), standing.map_or(0, |standing| standing.count(kind).lost));
    }
    let counts = engine.door.counts();
    add("fallen", missed);
    add("unattributed", counts.unattributed.load(Ordering::Relaxed));
    add("untold_detections", counts.untold.load(Ordering::Relaxed));
    add("forgotten_correlations", counts.forgotten_groups.load(Ordering::Relaxed));
    add("forgotten_processes", counts.forgotten.load(Ordering::Relaxed));
    add("unwritten", engine.disk.counts().dropped.load(Ordering::Relaxed));
    add("unread_files", engine.reader.unread());
    add("unscanned_files", engine.yara.unscanned());
    lost
}

fn described(standing: &Standing) -> Vec<Value> {
    let source = |source: &quell_host::recorder::Source| {
        let covers: Vec<&str> = source.covers.iter().map(|kind| name(*kind)).collect();
        json!({ "name": source.name, "covers": covers, "reason": source.reason })
    };
    standing.sources.iter().map(source).collect()
}

/// One line for each activity, also where it comes from nowhere.
fn summed(standing: &Standing, why_no_files: Option<String>) -> Vec<RecorderSource> {
    Kind::ALL
        .into_iter()
        .filter_map(|kind| {
            let activity = activity(kind)?.to_owned();
            let source = standing.sources.iter().find(|source| source.covers.contains(&kind));
            if let Some(source) = source {
                let means = if source.name == "connector" { "netlink" } else { source.name };
                return Some(RecorderSource {
                    activity,
                    means: means.to_owned(),
                    why: Some(cut(&source.reason)),
                });
            }
            let why = if kind == Kind::File { why_no_files.clone() } else { None };
            let why = why.or_else(|| standing.problems.first().cloned()).map(|why| cut(&why));
            Some(RecorderSource { activity, means: String::new(), why })
        })
        .collect()
}
