//! Who holds which version, and how recorders do.

use std::collections::{BTreeMap, HashMap};

use quell_catalog::protection::Recorder;
use quell_store::{Error, protection as rows};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Protections;

/// Endpoints that are read at a time.
const PAGE: i64 = 2000;
/// Versions that are told.
const VERSIONS: usize = 50;
/// Refused rules, sources and reasons that are told.
const TOLD: usize = 50;
/// Endpoints that are told one by one.
const NAMED: usize = 100;
/// Characters of what an agent says.
const TEXT: usize = 200;

/// Who holds which version, and how recorders do.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = ProtectionCoverage)]
pub(crate) struct Coverage {
    /// Active endpoints.
    pub total: usize,
    /// Those in which the version that is handed out is in force, bodies of rules too.
    pub current: usize,
    /// Those that have an older one or none, and those that are away and never said.
    pub behind: usize,
    /// Those that are connected and whose agent takes none.
    pub takes_none: usize,
    /// How many have which version, newest first; at most 50.
    pub versions: Vec<VersionCount>,
    /// Endpoints in which it is not in force, those that are connected first; at most 100.
    pub laggards: Vec<Laggard>,
    /// Endpoints that record activity.
    pub recording: usize,
    /// Endpoints that say that they cannot prevent.
    pub cannot_prevent: usize,
    /// By what means activity is recorded, and where it is not, why: most frequent first, at most 50.
    pub sources: Vec<SourceCount>,
    /// Activity events that were lost since the agents' starts, by kind.
    pub lost: BTreeMap<String, u64>,
    /// Files that came and went with their directory since the agents' starts, so that nobody could look at them.
    pub vanished_files: u64,
    /// Rules that agents do not take, most frequent first; at most 50.
    pub refused: Vec<RefusedCount>,
}

/// How many endpoints have a version.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ProtectionVersionCount)]
pub(crate) struct VersionCount {
    pub version: i64,
    pub endpoints: usize,
}

/// An endpoint in which the version that is handed out is not in force.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ProtectionLaggard)]
pub(crate) struct Laggard {
    /// Its id.
    #[schema(value_type = String, format = Uuid)]
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Whether it is connected.
    pub connected: bool,
    /// Whether it is connected and its agent takes none.
    pub takes_none: bool,
    /// What is in force there; `null` where it never said, or takes none.
    pub version: Option<i64>,
}

/// How a kind of activity is recorded.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[schema(as = RecorderSourceCount)]
pub(crate) struct SourceCount {
    /// `process`, `file`, `connection`, `dns`, `login`.
    pub activity: String,
    /// `ebpf`, `netlink`, `fanotify`, `utmp`; empty where it is not recorded.
    pub means: String,
    /// Why no better means, or none.
    pub why: Option<String>,
    pub endpoints: usize,
}

/// A rule that agents do not take.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[schema(as = RefusedRuleCount)]
pub(crate) struct RefusedCount {
    /// `behaviour` or `yara`.
    pub source: String,
    /// Its id; empty where the whole body is meant.
    pub rule: String,
    /// Why.
    pub problem: String,
    pub endpoints: usize,
}

impl Protections {
    /// Every active endpoint of a tenant, counted.
    pub(crate) async fn coverage(&self, tenant: Uuid) -> Result<Coverage, Error> {
        let sessions = self.sessions.all().into_iter().filter(|session| session.tenant == tenant);
        let connected: HashMap<Uuid, bool> =
            sessions.map(|session| (session.endpoint, session.takes_protection())).collect();
        let newest = self.newest(tenant).map_or(0, |newest| newest.version);
        let (mut count, mut after) = (Count::default(), Uuid::nil());
        loop {
            let page = self.store.read(move |tx| rows::recorders(tx, tenant, after, PAGE)).await?;
            let Some((last, ..)) = page.last() else { break };
            after = *last;
            for (id, name, written) in page {
                let takes = connected.get(&id).copied();
                let takes_none = takes == Some(false);
                let said = self.unwritten(tenant, id).or(written).filter(|_| !takes_none);
                if !count.add(said.as_ref(), newest, takes_none) {
                    let version = said.map(|said| said.protection);
                    count.name(Laggard { id, name, connected: takes.is_some(), takes_none, version });
                }
            }
        }
        Ok(count.done())
    }
}

#[derive(Default)]
struct Count {
    coverage: Coverage,
    versions: BTreeMap<i64, usize>,
    /// Connected, and away.
    laggards: [Vec<Laggard>; 2],
    sources: BTreeMap<(String, String, Option<String>), usize>,
    refused: BTreeMap<(String, String, String), usize>,
}

/// What an agent says is its own word: bounded, and one line.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(TEXT).collect()
}

/// Counts one more, as long as there are few to tell apart: agents that make words up fill no memory.
fn note<K: Ord>(counts: &mut BTreeMap<K, usize>, key: K) {
    if counts.len() < 20 * TOLD || counts.contains_key(&key) {
        *counts.entry(key).or_default() += 1;
    }
}

impl Count {
    /// Whether the newest is in force there.
    fn add(&mut self, said: Option<&rows::Recorder>, newest: i64, takes_none: bool) -> bool {
        self.coverage.total += 1;
        if takes_none {
            self.coverage.takes_none += 1;
            return false;
        }
        // Whoever never said holds nothing.
        let version = said.map_or(0, |said| said.protection);
        let is_current = newest > 0 && version >= newest;
        self.coverage.current += usize::from(is_current);
        self.coverage.behind += usize::from(!is_current);
        if let Some(said) = said {
            note(&mut self.versions, version);
            self.recorder(said);
        }
        is_current
    }

    fn name(&mut self, laggard: Laggard) {
        let [connected, away] = &mut self.laggards;
        let among = if laggard.connected { connected } else { away };
        if among.len() < NAMED {
            among.push(laggard);
        }
    }

    fn recorder(&mut self, said: &rows::Recorder) {
        let Ok(recorder) = serde_json::from_str::<Recorder>(&said.detail) else { return };
        self.coverage.recording += usize::from(recorder.recording);
        self.coverage.cannot_prevent += usize::from(recorder.prevents == Some(false));
        for source in recorder.sources.iter().take(16) {
            let why = source.why.as_deref().map(plain);
            note(&mut self.sources, (plain(&source.activity), plain(&source.means), why));
        }
        for (kind, lost) in recorder.lost.iter().take(16).filter(|(_, lost)| **lost > 0) {
            if self.coverage.lost.len() < TOLD || self.coverage.lost.contains_key(kind) {
                let all = self.coverage.lost.entry(plain(kind)).or_default();
                *all = all.saturating_add(*lost);
            }
        }
        let vanished = &mut self.coverage.vanished_files;
        *vanished = vanished.saturating_add(recorder.vanished_files);
        for rule in recorder.refused.iter().take(quell_catalog::protection::REFUSED) {
            note(&mut self.refused, (plain(&rule.source), plain(&rule.rule), plain(&rule.problem)));
        }
    }

    fn done(self) -> Coverage {
        let versions = self.versions.into_iter().rev().take(VERSIONS);
        let mut sources: Vec<SourceCount> = self
            .sources
            .into_iter()
            .map(|((activity, means, why), endpoints)| SourceCount { activity, means, why, endpoints })
            .collect();
        sources.sort_by_key(|source| std::cmp::Reverse(source.endpoints));
        sources.truncate(TOLD);
        let mut refused: Vec<RefusedCount> = self
            .refused
            .into_iter()
            .map(|((source, rule, problem), endpoints)| RefusedCount { source, rule, problem, endpoints })
            .collect();
        refused.sort_by_key(|rule| std::cmp::Reverse(rule.endpoints));
        refused.truncate(TOLD);
        Coverage {
            laggards: self.laggards.into_iter().flatten().take(NAMED).collect(),
            versions: versions.map(|(version, endpoints)| VersionCount { version, endpoints }).collect(),
            sources,
            refused,
            ..self.coverage
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_agents_say_is_counted_and_bounded() {
        let said = |protection, detail: &str| rows::Recorder {
            endpoint_id: Uuid::nil(),
            protection,
            told_at: 1,
            reported_at: 1,
            detail: detail.to_owned(),
        };
        let mut count = Count::default();
        let refusing = r#"{"recording": true, "prevents": false, "lost": {"start": 3}, "vanished_files": 4,
            "sources": [{"activity": "process", "means": "ebpf"}],
            "refused": [{"source": "yara", "rule": "r", "problem": "a\nb"}], "unknown": 1}"#;
        let is_current = [
            count.add(Some(&said(4, refusing)), 4, false),
            count.add(Some(&said(3, refusing)), 4, false),
            count.add(Some(&said(4, "nonsense")), 4, false),
            count.add(None, 4, false),
            count.add(None, 4, true),
        ];
        assert_eq!(is_current, [true, false, true, false, false]);
        for number in 0..=NAMED {
            let (id, name, connected) = (Uuid::nil(), number.to_string(), number == NAMED);
            count.name(Laggard { id, name, connected, takes_none: false, version: None });
        }
        let all = count.done();
        assert_eq!(
            (all.laggards.len(), all.laggards[0].connected),
            (NAMED, true),
            "those that can be asked why first"
        );
        assert_eq!((all.total, all.current, all.behind, all.takes_none), (5, 2, 2, 1));
        assert_eq!((all.recording, all.cannot_prevent, all.lost.get("start")), (2, 2, Some(&6)));
        assert_eq!((all.lost.len(), all.vanished_files), (1, 8), "those are no loss");
        assert_eq!(all.versions[0], VersionCount { version: 4, endpoints: 2 });
        assert_eq!((all.refused[0].problem.as_str(), all.refused[0].endpoints), ("ab", 2));
        assert_eq!(all.sources.len(), 1);
        let mut many: BTreeMap<usize, usize> = BTreeMap::new();
        (0..10_000).for_each(|number| note(&mut many, number));
        assert!(many.len() <= 20 * TOLD);
    }
}
