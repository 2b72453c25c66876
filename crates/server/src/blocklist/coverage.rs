//! Who enforces which version.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use quell_catalog::blocklist::Coverage;
use quell_store::{Error, blocklist as rows};
use uuid::Uuid;

use super::BlockLists;

/// How long a task waits for all agents that are connected.
const WAIT: Duration = Duration::from_secs(10);
/// How much longer it waits for the first of them, for each object that changed, and at most: on a busy endpoint, a list of
/// 100,000 takes a minute from the ring to the word that it is enforced.
const EACH: Duration = Duration::from_millis(1);
const MOST: Duration = Duration::from_secs(150);
/// Between two looks at what they said.
const LOOK: Duration = Duration::from_millis(50);
/// Agents that an outcome names.
const NAMED: usize = 50;
/// Endpoints that are read at a time.
const PAGE: i64 = 2000;

/// An endpoint, as the list's page shows it.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub endpoint: Uuid,
    pub name: String,
    pub is_connected: bool,
    /// It is connected, and its agent takes no list.
    pub takes_none: bool,
    /// `None` where it never said, or takes no list.
    pub version: Option<i64>,
    pub reported_at: Option<i64>,
    pub kinds: Option<String>,
}

impl BlockLists {
    /// Waits a while for the connected agents to enforce a version that changed so many objects.
    pub(crate) async fn wait_for(&self, tenant: Uuid, version: u64, objects: u32) -> Result<Coverage, Error> {
        let (begun, patience) = (Instant::now(), patience(objects));
        loop {
            let (mut coverage, behind) = self.count(tenant, version);
            coverage.waited_ms = begun.elapsed().as_millis() as u64;
            let wait = if coverage.confirmed == 0 { patience } else { WAIT };
            if behind.is_empty() || begun.elapsed() > wait {
                let (names, endpoints) = self.names(tenant, behind).await?;
                return Ok(Coverage { behind: names, endpoints, ..coverage });
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Who of the connected enforces a version, and who does not.
    fn count(&self, tenant: Uuid, version: u64) -> (Coverage, Vec<Uuid>) {
        let (mut coverage, mut behind) = (Coverage::default(), Vec::new());
        for session in self.sessions.all().into_iter().filter(|session| session.tenant == tenant) {
            if !session.takes_block_list() {
                coverage.incapable += 1;
                continue;
            }
            coverage.connected += 1;
            if session.block_list.load(Ordering::Relaxed).unsigned_abs() >= version {
                coverage.confirmed += 1;
            } else {
                behind.push(session.endpoint);
            }
        }
        (coverage, behind)
    }

    async fn names(&self, tenant: Uuid, behind: Vec<Uuid>) -> Result<(Vec<String>, u32), Error> {
        let read = self.store.read(move |tx| {
            let names = behind.iter().take(NAMED).map(|id| quell_engine::service::shown(tx, tenant, *id));
            let names: Vec<Option<String>> = names.collect::<Result<_, _>>()?;
            let filter = quell_store::endpoint::list::Filter {
                state: Some("active".to_owned()),
                ..quell_store::endpoint::list::Filter::default()
            };
            let endpoints = quell_store::endpoint::list::count(tx, tenant, &filter, None)?;
            Ok((names.into_iter().flatten().collect(), u32::try_from(endpoints).unwrap_or(u32::MAX)))
        });
        read.await
    }

    /// Every active endpoint, as far as is known here.
    pub(crate) async fn standings(&self, tenant: Uuid) -> Result<Vec<Standing>, Error> {
        let unwritten = self.unwritten(tenant);
        let incapable: HashSet<Uuid> = self
            .sessions
            .all()
            .into_iter()
            .filter(|session| session.tenant == tenant && !session.takes_block_list())
            .map(|session| session.endpoint)
            .collect();
        let read = self.store.read(move |tx| {
            let (mut all, mut after) = (Vec::new(), Uuid::nil());
            loop {
                let page = rows::reports(tx, tenant, after, PAGE)?;
                let Some((last, _, _)) = page.last() else { return Ok::<_, Error>(all) };
                after = *last;
                all.extend(page);
            }
        });
        let all = read.await?.into_iter().map(|(endpoint, name, report)| {
            let written = report.map(|report| (report.version, report.reported_at, report.kinds));
            let takes_none = incapable.contains(&endpoint);
            // What an agent before this one said holds no more.
            let known = unwritten.get(&endpoint).cloned().or(written).filter(|_| !takes_none);
            Standing {
                endpoint,
                name,
                is_connected: self.sessions.is_connected(endpoint),
                takes_none,
                version: known.as_ref().map(|known| known.0),
                reported_at: known.as_ref().map(|known| known.1),
                kinds: known.map(|known| known.2),
            }
        });
        Ok(all.collect())
    }
}

/// How long the first agent is waited for.
fn patience(objects: u32) -> Duration {
    (WAIT + EACH * objects).min(MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_is_waited_for_longer_and_not_for_ever() {
        assert_eq!(patience(0), WAIT);
        assert_eq!(patience(100_000), Duration::from_secs(110));
        assert_eq!(patience(u32::MAX), MOST);
    }
}
