//! The agent as a whole: its parts put together, started in the right order, stopped together.

use std::sync::Arc;

use quell_host::isolate::set_mark;
use quell_host::script::Launcher;
use quell_wire::trust::{Pin, SignedTrustBundle};
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};

use crate::action::Endpoint;
use crate::clock::Clock;
use crate::dial::Dialer;
use crate::identity::{self, Identity};
use crate::isolation::{self, Guard, Isolation};
use crate::journal::{self, Journal, Ledger, Recovered};
use crate::link::{self, Context, LinkState, Over};
use crate::outbox::Outbox;
use crate::proxy::{self, Proxy};
use crate::runner::{Actions, Runner, chain};
use crate::state::StateDir;
use crate::{VERSION, control, facts, random, ready};

/// The subcommand of this binary that carries a script through.
const SUPERVISE: &str = "supervise";

/// Why the agent cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not enrolled, or damaged.
    #[error(transparent)]
    Identity(#[from] identity::Error),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] journal::Error),
    /// The isolation's state.
    #[error(transparent)]
    Isolation(#[from] isolation::Error),
    /// The proxy's address.
    #[error(transparent)]
    Proxy(#[from] proxy::Error),
    /// The state directory.
    #[error(transparent)]
    State(#[from] crate::state::Error),
    /// No randomness.
    #[error(transparent)]
    Random(#[from] random::NoRandomness),
}

/// What differs between a real agent and one of many simulated ones.
#[derive(Clone)]
pub struct Setup {
    /// The clock.
    pub clock: Clock,
    /// Handlers instead of the endpoint's own; then nothing on this machine is changed.
    pub actions: Option<Arc<dyn Actions>>,
    /// Whether sockets are marked and isolation, its recovery and the control socket are there.
    pub is_endpoint: bool,
    /// A machine's fingerprint instead of this one's, the same as at enrolment.
    pub machine: Option<[u8; 32]>,
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Setup(is_endpoint: {})", self.is_endpoint)
    }
}

impl Default for Setup {
    fn default() -> Self {
        Self { clock: Clock::system(), actions: None, is_endpoint: true, machine: None }
    }
}

/// An enrolled agent, ready to run.
#[derive(Debug)]
pub struct Agent {
    setup: Setup,
    state: StateDir,
    isolation: Isolation,
    context: Context,
}

/// The mark for this agent's sockets; `None` where the system does not let it mark any.
pub fn usable_mark(state: &StateDir) -> Result<Option<u32>, isolation::Error> {
    let mark = isolation::mark(state)?;
    let allowed = std::net::UdpSocket::bind("127.0.0.1:0").and_then(|socket| set_mark(&socket, mark));
    match allowed {
        Ok(()) => Ok(Some(mark)),
        Err(error) => {
            tracing::warn!(
                error = chain(&error),
                "sockets cannot be marked; this endpoint cannot be isolated"
            );
            Ok(None)
        }
    }
}

impl Agent {
    /// Reads the state and puts the parts together. Nothing runs yet, nothing is changed.
    pub fn open(state: StateDir, setup: Setup) -> Result<Self, Error> {
        let identity = Arc::new(Identity::load(&state)?);
        let stored = identity.stored();
        let mark = if setup.is_endpoint { usable_mark(&state)? } else { None };
        let proxy = stored.proxy.as_deref().map(Proxy::parse).transpose()?;
        let dialer = Arc::new(Dialer::new(mark, proxy));
        dialer.keep(stored.resolved);
        let clock = setup.clock.clone();
        let outbox = Outbox::new(clock.clone());
        let (line, link) = watch::channel(LinkState::default());
        let isolation = Isolation::new(
            state.clone(),
            identity.clone(),
            dialer.clone(),
            outbox.clone(),
            clock.clone(),
            link,
        );
        let (journal, recovered) = Journal::open(&state.join(journal::FILE), clock.now_us())?;
        tell_recovered(&outbox, &recovered);
        let ledger = Ledger::new(journal, clock.clone());
        let actions = setup.actions.clone().unwrap_or_else(|| {
            let endpoint = Endpoint {
                isolation: isolation.clone(),
                identity: identity.clone(),
                dialer: dialer.clone(),
                state: state.clone(),
                clock: clock.clone(),
                launcher: Launcher::own(SUPERVISE),
            };
            endpoint.sweep(&ledger.with(|journal| journal.open_ids()));
            Arc::new(endpoint)
        });
        let runner = Runner::new(identity.clone(), ledger, clock.clone(), outbox.clone(), actions);
        let name = state.read(facts::NAME)?.and_then(|bytes| String::from_utf8(bytes).ok());
        let (looked_at, whose) = (isolation.clone(), identity.clone());
        let gather = move || {
            let trust = whose.approvers().map(|pinned| link::describe(&pinned));
            facts::encode(&facts::gather(name.as_deref(), looked_at.describe(), trust))
        };
        let context = Context {
            identity,
            dialer,
            runner,
            outbox,
            clock,
            state: Arc::new(line),
            instance: random::bytes()?,
            machine: setup.machine,
            facts: Arc::new(gather),
            moved: Arc::new(Notify::new()),
        };
        Ok(Self { setup, state, isolation, context })
    }

    /// How the line to the server stands.
    pub fn line(&self) -> watch::Receiver<LinkState> {
        self.context.state.subscribe()
    }

    /// The isolation of this endpoint.
    pub fn isolation(&self) -> Isolation {
        self.isolation.clone()
    }

    /// Runs until told to stop.
    pub async fn run(self, mut stop: watch::Receiver<bool>) -> Result<(), Error> {
        let mut tasks = tokio::task::JoinSet::new();
        if self.setup.is_endpoint {
            // First the door on the machine, so that a code can be typed while the network is still awaited.
            tasks.spawn(serve_control(self.state.clone(), self.isolation.clone(), self.context.clone()));
            self.isolation.recover().await?;
            ready::tell();
            let guard = Guard::new(self.isolation.clone(), self.context.moved.clone());
            tasks.spawn(guard.run(stop.clone()));
        }
        let resumed = self.context.runner.resume()?;
        if resumed > 0 {
            tracing::info!(resumed, "orders of an earlier run taken up");
        }
        match link::run(self.context.clone(), stop.clone()).await {
            Over::Stopped => {}
            Over::Revoked(_) => {
                // The isolation is still guarded, and its code still works.
                let _ = stop.wait_for(|stop| *stop).await;
            }
        }
        tasks.shutdown().await;
        Ok(())
    }
}

fn tell_recovered(outbox: &Outbox, recovered: &Recovered) {
    if recovered.torn > 0 {
        tracing::info!(bytes = recovered.torn, "the journal's torn tail was cut");
    }
    if recovered.missing {
        outbox.event("journal_damaged", &json!({ "missing": true }));
    }
    if let Some(kept) = &recovered.damaged {
        let kept = kept.file_name().map(|name| name.to_string_lossy().into_owned());
        outbox.event("journal_damaged", &json!({ "kept_as": kept }));
    }
}

async fn serve_control(state: StateDir, isolation: Isolation, context: Context) {
    let (looked_at, clock, asked) = (isolation.clone(), context.clock.clone(), context.clone());
    let status = move || status(&context, &looked_at, &clock);
    let pin = move |pin: &Pin, bundles: &[SignedTrustBundle]| {
        let trust = link::describe(&*asked.identity.pin(pin, bundles)?);
        asked.outbox.event("trust_pinned", &trust);
        Ok(trust)
    };
    if let Err(error) = control::serve(state.join(control::SOCKET), isolation, status, pin).await {
        tracing::error!(error = chain(&error), "the control socket cannot be opened");
    }
}

fn status(context: &Context, isolation: &Isolation, clock: &Clock) -> Value {
    let stored = context.identity.stored();
    let line = context.state.borrow().clone();
    json!({
        "version": VERSION,
        "tenant_id": stored.tenant_id,
        "endpoint_id": stored.endpoint_id,
        "server": stored.server,
        "link": line,
        "isolation": isolation.describe(),
        "orders_running": context.runner.running(),
        "outcomes_waiting": context.runner.unacknowledged().len(),
        "certificate_ends_us": stored.not_after_us,
        "order_keys": context.identity.order_key_ids(),
        "trust": context.identity.approvers().map(|pinned| link::describe(&pinned)),
        "machine": facts::machine_text(),
        "now_us": clock.now_us(),
    })
}
