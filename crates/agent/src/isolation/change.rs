//! The two changes that are ordered, isolate and restore, and the way back of each when it fails.

use std::time::{Duration, Instant};

use quell_catalog::endpoint::isolate::{Outcome, Params};
use quell_catalog::evidence::{Probe, first_failed};
use quell_host::isolate::{self as host, Applied, Plan, State};

use super::canary;
use super::kept::{self, Canary, Kept, Last, Phase, What};
use super::release::Release;
use super::{Error, Isolation, Live, blocking};
use crate::facts;
use crate::runner::chain;

/// After the cut the server must answer within this.
const SELF_TEST: Duration = Duration::from_secs(10);

/// An isolation that did not come about. Nothing of it is left.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Stable code.
    pub code: String,
    /// For a person.
    pub message: String,
    /// What was seen, where it came to that.
    pub outcome: Option<Box<Outcome>>,
    /// Nothing was tried at all.
    pub untried: bool,
}

impl Failure {
    fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), outcome: None, untried: false }
    }

    fn untried(code: &str, message: impl Into<String>) -> Self {
        Self { untried: true, ..Self::new(code, message) }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::new("isolation_failed", chain(&error))
    }
}

/// What a restore did.
#[derive(Clone, Debug)]
pub struct Lifted {
    /// The isolation that was lifted; `None` where there was none.
    pub isolation: Option<Params>,
    /// None of our rules is left.
    pub rules_gone: bool,
    /// Peers that the isolation had cut off.
    pub probes: Vec<Probe>,
}

impl Isolation {
    /// Cuts the endpoint off, and answers once it is known whether that held.
    pub async fn isolate(
        &self,
        order_id: &str,
        params: &Params,
        code: Option<String>,
    ) -> Result<Outcome, Failure> {
        let mut live = self.0.live.lock().await;
        if let Some(outcome) = self.stood(&mut live, order_id).await? {
            return Ok(outcome);
        }
        let kept = self.prepare(&live, order_id, params, code).await?;
        self.set(&mut live, Some(kept.clone()))?;
        let began = Instant::now();
        let applied = match self.install(&mut live, &kept.plan).await {
            Ok(applied) => applied,
            Err(error) => {
                let failure = Failure::new("rules_refused", chain(&error));
                return Err(self.revert(&mut live, kept, failure).await);
            }
        };
        let cut_ms = u32::try_from(began.elapsed().as_millis()).unwrap_or(u32::MAX);
        if let Err(why) = self.self_test(SELF_TEST).await {
            let message =
                format!("the server could not be reached after the cut, so it was taken back: {why}");
            let mut outcome = describe(&kept, &applied, cut_ms, Vec::new());
            outcome.channel_alive = false;
            let failure =
                Failure { outcome: Some(Box::new(outcome)), ..Failure::new("channel_lost", message) };
            return Err(self.revert(&mut live, kept, failure).await);
        }
        self.conclude(&mut live, kept, &applied, cut_ms).await
    }

    /// What is left of the isolation that an earlier run of the agent began for this order: what was seen of it now where
    /// it stands, `None` where there is none.
    ///
    /// # Errors
    /// Why it was taken back, or is now.
    pub async fn standing(&self, order_id: &str) -> Result<Option<Outcome>, Failure> {
        let mut live = self.0.live.lock().await;
        self.stood(&mut live, order_id).await
    }

    async fn stood(&self, live: &mut Live, order_id: &str) -> Result<Option<Outcome>, Failure> {
        if let Some(Last { order_id: last, what: What::Reverted { code, message } }) =
            kept::last(&self.0.state)?
            && last == order_id
        {
            return Err(Failure::new(&code, message));
        }
        match live.kept.clone().filter(|kept| kept.order_id == order_id && kept.phase == Phase::Confirmed) {
            None => Ok(None),
            // The agent died after the cut; the recovery has made the self-test since.
            Some(kept) => {
                let applied = self.install(live, &kept.plan).await?;
                self.conclude(live, kept, &applied, 0).await.map(Some)
            }
        }
    }

    async fn prepare(
        &self,
        live: &Live,
        order_id: &str,
        params: &Params,
        code: Option<String>,
    ) -> Result<Kept, Failure> {
        let Some(mark) = self.0.dialer.mark() else {
            let message = "the agent may not change network rules here; it needs CAP_NET_ADMIN";
            return Err(Failure::untried("isolation_unsupported", message));
        };
        let servers = self.servers();
        if servers.is_empty() {
            return Err(Failure::untried(
                "server_unknown",
                "no address of the server is known to leave open",
            ));
        }
        let allow = canary::allow(params).map_err(|why| Failure::untried("params_invalid", why))?;
        let plan = Plan { mark, servers, allow };
        let before = live.kept.as_ref().map(|kept| kept.canaries.clone()).unwrap_or_default();
        let (params, wanted) = (params.clone(), plan.clone());
        let (canaries, release) = blocking(move || {
            let fresh = canary::choose(&params, &wanted);
            let canaries = merge(before, &fresh);
            (canaries, code.map(|code| Release::new(&code)).transpose().map(|release| (release, params)))
        })
        .await?;
        let (release, params) = release.map_err(Error::from)?;
        Ok(Kept {
            order_id: order_id.to_owned(),
            phase: Phase::Testing,
            params,
            plan,
            canaries,
            since_us: self.0.clock.now_us(),
            boot_id: facts::boot_id(),
            release,
            previous: live.kept.clone().map(|kept| Box::new(Kept { previous: None, ..kept })),
        })
    }

    /// The server answered. Looks at what the cut did, and makes it last.
    async fn conclude(
        &self,
        live: &mut Live,
        kept: Kept,
        applied: &Applied,
        cut_ms: u32,
    ) -> Result<Outcome, Failure> {
        let (canaries, plan, rules) = (kept.canaries.clone(), kept.plan.clone(), applied.ruleset.clone());
        let (mut probes, state) =
            blocking(move || (canary::after_cut(&canaries, &plan), host::inspect(&rules))).await?;
        probes.push(rules_probe(state.map_err(Error::from)?));
        let mut outcome = describe(&kept, applied, cut_ms, probes);
        outcome.channel_alive = true;
        if let Some(probe) = first_failed(&outcome.probes) {
            let failure = Failure::new("still_reachable", probe.sentence());
            let failure = Failure { outcome: Some(Box::new(outcome)), ..failure };
            return Err(self.revert(live, kept, failure).await);
        }
        outcome.already_isolated = kept.previous.is_some();
        self.set(live, Some(Kept { phase: Phase::Confirmed, previous: None, ..kept }))?;
        Ok(outcome)
    }

    /// Takes a new isolation back, to the one before it or to none.
    pub(super) async fn revert(&self, live: &mut Live, kept: Kept, failure: Failure) -> Failure {
        let reverted = async {
            kept::save_last(
                &self.0.state,
                &Last {
                    order_id: kept.order_id.clone(),
                    what: What::Reverted { code: failure.code.clone(), message: failure.message.clone() },
                },
            )?;
            if let Some(previous) = kept.previous {
                self.install(live, &previous.plan).await?;
                self.set(live, Some(*previous))
            } else {
                self.uninstall(live).await?;
                self.set(live, None)
            }
        };
        match reverted.await {
            Ok(()) => failure,
            Err(error) => {
                let message = format!("{}; and taking it back failed: {}", failure.message, chain(&error));
                tracing::error!(message, "an isolation could not be taken back");
                Failure { message, ..failure }
            }
        }
    }

    /// Removes what the isolation added.
    pub async fn restore(&self, order_id: &str, also: &[std::net::SocketAddr]) -> Result<Lifted, Error> {
        let mut live = self.0.live.lock().await;
        let was = match live.kept.clone() {
            Some(kept) => Some(kept),
            // The agent died after it lifted the isolation and before it said so.
            None => match kept::last(&self.0.state)? {
                Some(Last { order_id: last, what: What::Restored(kept) }) if last == order_id => Some(*kept),
                _ => None,
            },
        };
        if let Some(kept) = &was {
            let what = What::Restored(Box::new(kept.clone()));
            kept::save_last(&self.0.state, &Last { order_id: order_id.to_owned(), what })?;
        }
        let rules_gone = self.uninstall(&mut live).await?;
        self.set(&mut live, None)?;
        let mut canaries: Vec<Canary> = was.iter().flat_map(|kept| kept.canaries.clone()).collect();
        canaries.retain(|canary| canary.reached);
        let also = also.to_vec();
        let probes = blocking(move || {
            let known = canary::after_restore(&canaries);
            let asked: Vec<_> = also
                .into_iter()
                .filter(|target| !canaries.iter().any(|canary| canary.target == *target))
                .map(|target| host::Probe { target, means: host::Means::Tcp, mark: None })
                .collect();
            let mut probes = known;
            probes.extend(canary::look(&asked).into_iter().map(|seen| Probe {
                subject: format!("tcp {}", seen.target),
                method: "connect".into(),
                before: None,
                after: seen.before,
                held: seen.reached,
                proves: seen.reached,
            }));
            probes
        })
        .await?;
        Ok(Lifted { isolation: was.map(|kept| kept.params), rules_gone, probes })
    }
}

/// Peers of an isolation that this one replaces keep what was seen before the first cut.
fn merge(mut before: Vec<Canary>, fresh: &[host::Probe]) -> Vec<Canary> {
    let new: Vec<_> = fresh
        .iter()
        .copied()
        .filter(|probe| {
            !before.iter().any(|known| known.target == probe.target && known.means == probe.means)
        })
        .collect();
    before.extend(canary::look(&new));
    before.truncate(host::MAX_PROBES);
    before
}

fn rules_probe(state: State) -> Probe {
    let (after, held) = match state {
        State::Intact => ("every rule stands as it was installed".to_owned(), true),
        State::Absent => ("no rule is there".to_owned(), false),
        State::Drifted(differences) => (differences.join("; "), false),
    };
    Probe {
        subject: "rules of the isolation".into(),
        method: "read back from the kernel".into(),
        before: None,
        after,
        held,
        proves: false,
    }
}

fn describe(kept: &Kept, applied: &Applied, cut_ms: u32, probes: Vec<Probe>) -> Outcome {
    let (coverage, severed) = (&applied.coverage, &applied.severed);
    let mut warnings = Vec::new();
    if !coverage.raw_senders {
        warnings.push("raw and packet sockets are not cut: this kernel has no egress hook".to_owned());
    }
    if !coverage.own_socket_only {
        warnings.push("replies from the server's port reach any process, not the agent alone".to_owned());
    }
    if !coverage.uncovered.is_empty() {
        warnings.push(format!("interfaces without a rule of their own: {}", coverage.uncovered.join(", ")));
    }
    if !coverage.detours.is_empty() {
        let ways = coverage.detours.join("; ");
        warnings.push(format!(
            "traffic control filters can carry frames past the rules, and were left as they are: {ways}"
        ));
    }
    if !coverage.seized.is_empty() {
        let tables = coverage.seized.join("; ");
        warnings.push(format!(
            "somebody holds tables of the isolation's name, and the rules stand under another name: {tables}"
        ));
    }
    if let Some(reason) = &coverage.reason {
        warnings.push(format!("the kernel refused the full set of rules: {reason}"));
    }
    if severed.left > 0 {
        let why = severed.reason.as_deref().unwrap_or("reason unknown");
        warnings.push(format!("{} sockets are cut but could not be ended: {why}", severed.left));
    } else if let Some(reason) = &severed.reason {
        warnings.push(format!("open sockets: {reason}"));
    }
    Outcome {
        already_isolated: kept.previous.is_some(),
        servers: kept.plan.servers.iter().map(ToString::to_string).collect(),
        egress_interfaces: egress(coverage),
        sockets_destroyed: severed.tcp + severed.udp,
        cut_ms,
        channel_alive: false,
        probes,
        warnings,
    }
}

fn egress(coverage: &host::Coverage) -> Vec<String> {
    if !coverage.raw_senders {
        return Vec::new();
    }
    let all = host::interfaces().unwrap_or_default().into_iter().filter(|interface| !interface.loopback);
    all.map(|interface| interface.name).filter(|name| !coverage.uncovered.contains(name)).collect()
}
