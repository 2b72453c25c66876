//! The line to the gateway: tried for ever with patience, one session at a time.

mod renew;
mod session;
mod trust;

use std::sync::Arc;
use std::time::{Duration, Instant};

use quell_wire::frame::Goodbye;
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::timeout;
pub use trust::describe;

use crate::backoff::Backoff;
use crate::blocklist::BlockList;
use crate::clock::Clock;
use crate::dial::{Dialer, Route};
use crate::identity::Identity;
use crate::outbox::Outbox;
use crate::protection::Protection;
use crate::recorder::Recorder;
use crate::runner::{Runner, chain};

/// A session that held this long was a good one: the next failure begins a new count.
const GOOD: Duration = Duration::from_secs(10);
/// For everything before the session's first frame.
const ATTEMPT: Duration = Duration::from_secs(40);

/// How the line stands, for the status command and for the isolation's own timer.
#[derive(Clone, Debug, Default, Serialize)]
pub struct LinkState {
    /// A session stands.
    pub connected: bool,
    /// The other end of its TCP connection: the gateway, or the proxy before it.
    pub peer: Option<std::net::SocketAddr>,
    /// Since when it stands, or is missing, microseconds since 1970.
    pub since_us: i64,
    /// What the last failure was.
    pub last_error: Option<String>,
    /// The server said that this agent may not come back.
    pub revoked: bool,
    /// Server's clock minus ours at the last welcome, microseconds.
    pub clock_ahead_us: i64,
}

/// What a session is made of.
#[derive(Clone)]
pub struct Context {
    /// Who we are.
    pub identity: Arc<Identity>,
    /// How we connect.
    pub dialer: Arc<Dialer>,
    /// Who carries orders out.
    pub runner: Runner,
    /// What is to be said.
    pub outbox: Outbox,
    /// The clock.
    pub clock: Clock,
    /// Where the line's state is told.
    pub state: Arc<watch::Sender<LinkState>>,
    /// Random per start of the agent.
    pub instance: [u8; 16],
    /// A machine's fingerprint instead of this one's.
    pub machine: Option<[u8; 32]>,
    /// Facts as JSON, asked for at each connection.
    pub facts: Arc<dyn Fn() -> Vec<u8> + Send + Sync>,
    /// The block list that is enforced here; none where there is nothing to enforce it on.
    pub block_list: Option<BlockList>,
    /// What is recorded, detected and prevented here; none where nothing is.
    pub protection: Option<Protection>,
    /// The flight recorder; none where there is nothing to record.
    pub recorder: Option<Recorder>,
    /// Told when the gateway's addresses changed.
    pub moved: Arc<tokio::sync::Notify>,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Context({:?})", self.identity)
    }
}

/// How a session, or the try to have one, ended.
#[derive(Debug)]
enum End {
    /// The server said so.
    Goodbye(Goodbye),
    /// It broke.
    Lost(String),
    /// We have a new certificate and come back with it at once.
    Renewed,
    /// The agent stops.
    Stopped,
}

/// Why the line is given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Over {
    /// The agent stops.
    Stopped,
    /// The server said that this agent may not come back.
    Revoked(String),
}

/// Keeps the line until the agent stops or is revoked.
pub async fn run(context: Context, mut stop: watch::Receiver<bool>) -> Over {
    let mut backoff = Backoff::default();
    let mut turn = 0;
    loop {
        let began = Instant::now();
        let opened = tokio::select! {
            opened = attempt(&context, &mut turn) => opened,
            () = stopped(&mut stop) => Err(End::Stopped),
        };
        let end = match opened {
            Ok(session) => session.serve(&context, stop.clone()).await,
            Err(end) => end,
        };
        let was_good = context.state.borrow().connected && began.elapsed() >= GOOD;
        if was_good {
            backoff.reset();
        }
        context.outbox.offline();
        if let Some(recorder) = &context.recorder {
            recorder.line(false);
        }
        let (why, wait) = match end {
            End::Stopped => return Over::Stopped,
            End::Renewed => {
                tell_down(&context, "the certificate was renewed", false);
                continue;
            }
            End::Goodbye(goodbye) if goodbye.code == "revoked" => {
                tell_down(&context, &goodbye.message, true);
                tracing::error!(
                    message = goodbye.message,
                    "this endpoint was revoked; the agent no longer connects"
                );
                return Over::Revoked(goodbye.message);
            }
            End::Goodbye(goodbye) => {
                let why = format!("the server ended the session: {} ({})", goodbye.message, goodbye.code);
                let wait = match goodbye.retry_after_s {
                    0 => unasked(&context, &mut backoff),
                    seconds => backoff.asked(seconds),
                };
                (why, wait)
            }
            End::Lost(why) => (why, unasked(&context, &mut backoff)),
        };
        tracing::warn!(why, wait_ms = wait.as_millis(), "no session");
        tell_down(&context, &why, false);
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            // An isolation that ended by itself is told at once; events are rare enough not to hammer.
            () = context.outbox.news() => {}
            () = stopped(&mut stop) => return Over::Stopped,
        }
    }
}

/// The agent's own wait.
fn unasked(context: &Context, backoff: &mut Backoff) -> Duration {
    if context.outbox.has_news() { backoff.after_failure_with_news() } else { backoff.after_failure() }
}

/// Waits until the agent is to stop, without holding the channel's lock afterwards.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

fn tell_down(context: &Context, why: &str, revoked: bool) {
    let now_us = context.clock.now_us();
    context.state.send_modify(|state| {
        if state.connected || state.since_us == 0 {
            state.since_us = now_us;
        }
        state.connected = false;
        state.peer = None;
        state.revoked |= revoked;
        state.last_error = Some(why.to_owned());
    });
}

/// Tries each way once, beginning where the last try stopped, until one gives a session.
async fn attempt(context: &Context, turn: &mut usize) -> Result<session::Session, End> {
    let targets = context.identity.targets();
    let routes = match context.dialer.routes(&targets).await {
        Ok(routes) if !routes.is_empty() => routes,
        Ok(_) => return Err(End::Lost("the gateway has no address".into())),
        Err(error) => return Err(End::Lost(chain(&error))),
    };
    let mut last = String::new();
    for _ in 0..routes.len() {
        let route = &routes[*turn % routes.len()];
        match open(context, route).await {
            Ok(opened) => {
                if let Err(error) = context.identity.learn(None, context.dialer.kept()) {
                    tracing::warn!(error = chain(&error), "the gateway's addresses cannot be kept");
                }
                return Ok(opened);
            }
            Err(End::Lost(why)) => {
                last = why;
                *turn = (*turn + 1) % routes.len();
            }
            Err(end) => return Err(end),
        }
    }
    Err(End::Lost(last))
}

async fn open(context: &Context, route: &Route) -> Result<session::Session, End> {
    match timeout(ATTEMPT, Box::pin(session::open(context, route))).await {
        Ok(result) => result,
        Err(_) => Err(End::Lost(format!("{} did not answer in time", route.address))),
    }
}
