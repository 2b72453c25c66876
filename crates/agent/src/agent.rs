//! The agent as a whole: its parts put together, started in the right order, stopped together.

use std::sync::Arc;
use std::time::Duration;

use quell_host::isolate::set_mark;
use quell_host::script::Launcher;
use quell_wire::trust::{Pin, SignedTrustBundle};
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};

use crate::action::Endpoint;
use crate::blocklist::{self, BlockList};
use crate::clock::Clock;
use crate::dial::Dialer;
use crate::guard::{self, ExecGuard};
use crate::identity::{self, Identity};
use crate::isolation::{self, Guard, Isolation};
use crate::journal::{self, Journal, Ledger, Recovered};
use crate::link::{self, Context, LinkState, Over};
use crate::outbox::Outbox;
use crate::protection::{self, Protection};
use crate::proxy::{self, Proxy};
use crate::recorder::Recorder;
use crate::runner::{Actions, Runner, chain};
use crate::state::StateDir;
use crate::{VERSION, control, facts, random, ready};

/// The subcommand of this binary that carries a script through.
const SUPERVISE: &str = "supervise";
const KEEP_PTY: &str = "keep-pty";
/// For the flight recorder to write down what it has.
const RECORDER: Duration = Duration::from_secs(5);

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
    /// The block list.
    #[error(transparent)]
    BlockList(#[from] blocklist::Error),
    /// The protection.
    #[error(transparent)]
    Protection(#[from] protection::Error),
    /// The execution guard's rules.
    #[error(transparent)]
    Guard(#[from] guard::Error),
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
    guard: ExecGuard,
    block_list: Option<BlockList>,
    protection: Option<Protection>,
    recorder: Option<Recorder>,
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
        let guard = ExecGuard::open(state.clone(), outbox.clone(), clock.clone())?;
        let block_list = setup.is_endpoint.then(|| {
            let gateway = (identity.clone(), dialer.clone());
            BlockList::open(&state, gateway, outbox.clone(), clock.clone(), guard.clone(), line.subscribe())
        });
        let block_list = block_list.transpose()?;
        let protection = setup.is_endpoint.then(|| {
            Protection::open(&state, (identity.clone(), dialer.clone()), outbox.clone(), clock.clone())
        });
        let protection = protection.transpose()?;
        let recorder = protection.clone().map(|protection| {
            Recorder::new(state.clone(), outbox.clone(), clock.clone(), guard.clone(), protection)
        });
        let (journal, recovered) = Journal::open(&state.join(journal::FILE), clock.now_us())?;
        tell_recovered(&outbox, &recovered);
        let ledger = Ledger::new(journal, clock.clone());
        let actions = setup.actions.clone().unwrap_or_else(|| {
            let endpoint = Endpoint {
                guard: guard.clone(),
                isolation: isolation.clone(),
                identity: identity.clone(),
                dialer: dialer.clone(),
                recorder: recorder.clone(),
                state: state.clone(),
                clock: clock.clone(),
                launcher: Launcher::own(SUPERVISE),
                keeper: Launcher::own(KEEP_PTY),
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
            block_list: block_list.clone(),
            protection: protection.clone(),
            recorder: recorder.clone(),
        };
        Ok(Self { setup, state, isolation, guard, block_list, protection, recorder, context })
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
            self.guard.start();
            let looked_at = (self.isolation.clone(), self.guard.clone());
            tasks.spawn(serve_control(self.state.clone(), looked_at, self.context.clone()));
            self.isolation.recover().await?;
            ready::tell();
            let guard = Guard::new(self.isolation.clone(), self.context.moved.clone());
            tasks.spawn(guard.run(stop.clone()));
            if let Some(block_list) = &self.block_list {
                tasks.spawn(block_list.clone().run(stop.clone()));
            }
            if let Some(protection) = &self.protection {
                tasks.spawn(protection.clone().run(stop.clone()));
            }
        }
        // Beside the others, since it writes down what it has before it ends.
        let recorder = self.recorder.clone().filter(|_| self.setup.is_endpoint);
        let recorder = recorder.map(|recorder| tokio::spawn(recorder.run(stop.clone())));
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
        if let Some(recorder) = recorder {
            let _ = tokio::time::timeout(RECORDER, recorder).await;
        }
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

async fn serve_control(state: StateDir, (isolation, guard): (Isolation, ExecGuard), context: Context) {
    let (looked_at, clock, asked) = (isolation.clone(), context.clock.clone(), context.clone());
    let status = move || status(&context, &looked_at, &guard, &clock);
    let pin = move |pin: &Pin, bundles: &[SignedTrustBundle]| {
        let trust = link::describe(&*asked.identity.pin(pin, bundles)?);
        asked.outbox.event("trust_pinned", &trust);
        Ok(trust)
    };
    if let Err(error) = control::serve(state.join(control::SOCKET), isolation, status, pin).await {
        tracing::error!(error = chain(&error), "the control socket cannot be opened");
    }
}

fn status(context: &Context, isolation: &Isolation, guard: &ExecGuard, clock: &Clock) -> Value {
    let stored = context.identity.stored();
    let line = context.state.borrow().clone();
    json!({
        "version": VERSION,
        "tenant_id": stored.tenant_id,
        "endpoint_id": stored.endpoint_id,
        "server": stored.server,
        "link": line,
        "isolation": isolation.describe(),
        "guard": guard.describe(),
        "block_list": context.block_list.as_ref().map(BlockList::describe),
        "protection": context.protection.as_ref().map(Protection::describe),
        "recorder": context.recorder.as_ref().map(Recorder::describe),
        "orders_running": context.runner.running(),
        "outcomes_waiting": context.runner.unacknowledged().len(),
        "certificate_ends_us": stored.not_after_us,
        "order_keys": context.identity.order_key_ids(),
        "trust": context.identity.approvers().map(|pinned| link::describe(&pinned)),
        "machine": facts::machine_text(),
        "now_us": clock.now_us(),
    })
}
