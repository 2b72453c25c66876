//! Handing commands to an endpoint's session: durably taken from the queue first, signed and sent after.
//!
//! A crash between the two leaves commands that are `dispatched` and were never sent; when the agent comes
//! back and does not name them as held, [`Engine::resume`] hands the very same bytes over again.

use std::{
    collections::{HashMap, HashSet},
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use quell_catalog::ActionKind;
use quell_store::{
    Micros, Tx,
    command::{self, Command},
    task::{self, Task},
};
use quell_wire::SignedOrder;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::{
    CommandState, Engine, Error, Inner, Limits, approval, plan,
    response::{self, Turn},
    settle::{self, Moved, Step},
    state::Event,
};

/// What a session has to send now.
#[derive(Debug, Clone, Default)]
pub struct Work {
    /// Orders, most urgent first.
    pub orders: Vec<SignedOrder>,
    /// Orders handed over earlier that are to be stopped.
    pub cancels: Vec<Uuid>,
}

/// What a session has to send after the agent said what it holds.
#[derive(Debug, Clone, Default)]
pub struct Resumed {
    /// Orders that were handed over and are not in the agent's journal, or carry secrets, which are never in one: the
    /// same bytes again.
    pub orders: Vec<SignedOrder>,
    /// Orders that are to be stopped.
    pub cancels: Vec<Uuid>,
    /// Whether something else waits, for which [`Engine::lease`] is to be called.
    pub waiting: bool,
}

/// Endpoints for which a lease is being written. A session may die while its write still waits its turn, and a write is
/// not called back: the next session must not look before it.
#[derive(Default)]
pub(crate) struct Leases {
    under_way: Mutex<HashMap<(Uuid, Uuid), usize>>,
    ended: Notify,
}

/// Goes with the closure of a write: dropped when that was answered, or will never be run.
struct Leasing {
    inner: Arc<Inner>,
    key: (Uuid, Uuid),
}

impl Leases {
    fn lock(&self) -> MutexGuard<'_, HashMap<(Uuid, Uuid), usize>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until none of this endpoint is under way. Costs nothing where none is.
    async fn settled(&self, key: (Uuid, Uuid)) {
        loop {
            let mut ended = pin!(self.ended.notified());
            ended.as_mut().enable();
            if !self.lock().contains_key(&key) {
                return;
            }
            ended.await;
        }
    }
}

impl Leasing {
    fn begin(inner: &Arc<Inner>, key: (Uuid, Uuid)) -> Self {
        *inner.leases.lock().entry(key).or_default() += 1;
        Self { inner: Arc::clone(inner), key }
    }
}

impl Drop for Leasing {
    fn drop(&mut self) {
        let leases = &self.inner.leases;
        let mut under_way = leases.lock();
        if let Some(count) = under_way.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                under_way.remove(&self.key);
                leases.ended.notify_waiters();
            }
        }
    }
}

impl Engine {
    /// Takes what waits for an endpoint from the queue and signs it, at most `max`.
    ///
    /// Called when its bell rings, which it does when there is something, and after [`Engine::resume`]. Commands of
    /// one exclusion group go one at a time; an endpoint holds a bounded number.
    pub async fn lease(&self, tenant: Uuid, endpoint: Uuid, max: usize) -> Result<Work, Error> {
        let leasing = Leasing::begin(&self.inner, (tenant, endpoint));
        let (Taken { orders, cancels }, moved) = self
            .write(move |tx| {
                let inner = &leasing.inner;
                take(tx, &inner.limits, tenant, endpoint, max, inner.clock.now())
            })
            .await?;
        self.announce(moved);
        let orders = self.sign_all(orders, |_| true).await?;
        Ok(Work { orders, cancels })
    }

    /// Compares what the agent holds with what it was given.
    ///
    /// What it was given and does not hold is given again, or, when its time is over, ends as never begun. What
    /// it had begun and no longer knows ends `indeterminate`. What it holds is given again where it carries secrets.
    pub async fn resume(&self, tenant: Uuid, endpoint: Uuid, held: &[Uuid]) -> Result<Resumed, Error> {
        let held: HashSet<Uuid> = held.iter().copied().collect();
        let inner = self.inner.clone();
        let held = Arc::new(held);
        let (now, named) = (inner.clock.now(), Arc::clone(&held));
        self.inner.leases.settled((tenant, endpoint)).await;
        // Most agents that come back have nothing to settle, and a reader costs no flush: thousands return at once.
        let looked = Arc::clone(&held);
        let mut found = self.read(move |tx| compare(tx, tenant, endpoint, &looked, now)).await?;
        let mut moved = Vec::new();
        if !found.ended.is_empty() {
            (found, moved) =
                self.write(move |tx| end(tx, tenant, endpoint, &held, inner.clock.now())).await?;
        }
        self.announce(moved);
        // What the agent holds may be at work there, whatever the signer says by now.
        let orders = self.sign_all(found.again, |command| !named.contains(&command)).await?;
        Ok(Resumed { orders, cancels: found.cancels, waiting: found.waiting })
    }

    /// Notes that the agent began an order. `false` when it holds no such order that could begin.
    pub async fn started(&self, tenant: Uuid, endpoint: Uuid, order: Uuid) -> Result<bool, Error> {
        let inner = self.inner.clone();
        let moved = self
            .write(move |tx| {
                let Some(row) = command::get(tx, tenant, order)?.filter(|row| row.endpoint_id == endpoint)
                else {
                    return Ok(None);
                };
                // A repeat changes nothing and costs no write.
                if settle::state_of(&row)? == CommandState::Running {
                    return Ok(None);
                }
                let task = task::get(tx, tenant, row.task_id)?.ok_or(Error::Corrupt("task of a command"))?;
                let now = inner.clock.now();
                let step = Step { started_at: Some(now), ..Step::of(Event::Started) };
                settle::apply(tx, &task, &row, &step, now)
            })
            .await?;
        let began = moved.is_some();
        self.announce(moved.into_iter().collect());
        Ok(began)
    }
}

/// Commands with their tasks.
pub(crate) type Orders = Vec<(Task, Command)>;

struct Taken {
    orders: Orders,
    cancels: Vec<Uuid>,
}

fn take(
    tx: &mut Tx<'_>,
    limits: &Limits,
    tenant: Uuid,
    endpoint: Uuid,
    max: usize,
    now: Micros,
) -> Result<(Taken, Vec<Moved>), Error> {
    tx.serialise(tenant, endpoint)?;
    let active = command::active(tx, tenant, endpoint)?;
    let cancels = if active.is_empty() { Vec::new() } else { command::to_stop(tx, tenant, endpoint)? };
    let mut room = limits.in_flight.saturating_sub(active.len()).min(max);
    let mut busy: HashSet<String> = active.into_iter().filter_map(|command| command.exclusion).collect();
    let (mut taken, mut moved) = (Taken { orders: Vec::new(), cancels }, Vec::new());
    if room == 0 {
        return Ok((taken, moved));
    }
    let mut tasks = HashMap::new();
    // Some of what waits may be held up by its group: look at more than there is room for.
    for row in command::queued(tx, tenant, endpoint, now, room as i64 * 4 + 64)? {
        if row.exclusion.as_ref().is_some_and(|group| busy.contains(group)) {
            continue;
        }
        let task = load(tx, &mut tasks, &row)?;
        let holds = match response::turn(tx, &task)? {
            Turn::Waits => continue,
            Turn::Changed => {
                Err(("plan_changed", "its plan is not the one that was decided about".to_owned()))
            }
            Turn::Come => approval::still_holds(tx, &task, now)?,
        };
        if let Err((code, message)) = holds {
            let step = Step::because(Event::ApprovalLost, code, &message);
            moved.extend(settle::apply(tx, &task, &row, &step, now)?);
            continue;
        }
        let limit = ActionKind::from_id(&task.action).map_or(0, |kind| kind.spec().time_limit.max_s);
        let wait = i64::from(limit) * 1_000_000 + plan::micros(limits.outcome_grace);
        let step = Step { deadline_at: Some(row.not_after.saturating_add(wait)), ..Step::of(Event::Leased) };
        if let Some(step) = settle::apply(tx, &task, &row, &step, now)? {
            moved.push(step);
            busy.extend(row.exclusion.clone());
            taken.orders.push((task, row));
            room -= 1;
        }
        if room == 0 {
            break;
        }
    }
    Ok((taken, moved))
}

/// What the agent's word about what it holds means.
#[derive(Default)]
struct Compared {
    /// To be given again.
    again: Orders,
    /// To be stopped.
    cancels: Vec<Uuid>,
    /// Over.
    ended: Vec<(Task, Command, Step)>,
    /// Something waits in the queue.
    waiting: bool,
}

/// Compares again, where nothing changes meanwhile, and ends what is over.
fn end(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    endpoint: Uuid,
    held: &HashSet<Uuid>,
    now: Micros,
) -> Result<(Compared, Vec<Moved>), Error> {
    let found = compare(tx, tenant, endpoint, held, now)?;
    let mut moved = Vec::new();
    for (task, row, step) in &found.ended {
        moved.extend(settle::apply(tx, task, row, step, now)?);
    }
    Ok((found, moved))
}

fn compare(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    endpoint: Uuid,
    held: &HashSet<Uuid>,
    now: Micros,
) -> Result<Compared, Error> {
    let mut tasks = HashMap::new();
    let waiting = command::is_waiting(tx, tenant, endpoint)?;
    let mut found = Compared { waiting, ..Compared::default() };
    for row in command::given(tx, tenant, endpoint)? {
        let state = settle::state_of(&row)?;
        let task = load(tx, &mut tasks, &row)?;
        if held.contains(&row.id) {
            if task.cancel_requested_at.is_some() {
                found.cancels.push(row.id);
            } else if needs_secrets(&task) && now <= row.not_after {
                // An agent writes no secret down: one that was restarted waits for the order to come again. Any
                // other takes it as the repeat that it is.
                found.again.push((task, row));
            }
            continue;
        }
        let step = if state == CommandState::Running {
            Step::because(
                Event::Forgotten,
                "journal_lost",
                "the agent had begun it and no longer knows of it",
            )
        } else if now > row.not_after {
            Step::because(Event::NeverBegan, "never_began", "the agent never had it, and its time is over")
        } else if task.cancel_requested_at.is_some() {
            Step::because(Event::ReportedCanceled, "canceled", "canceled before the agent had it")
        } else if let Err((code, message)) = approval::still_holds(tx, &task, now)? {
            Step::because(Event::ReportedCanceled, code, &message)
        } else {
            found.again.push((task, row));
            continue;
        };
        found.ended.push((task, row, step));
    }
    Ok(found)
}

/// Whether the orders of a task carry what the agent keeps in memory only.
fn needs_secrets(task: &Task) -> bool {
    ActionKind::from_id(&task.action).is_some_and(|kind| !kind.spec().secrets.is_empty())
}

/// The task of a command, read once.
fn load(tx: &mut Tx<'_>, tasks: &mut HashMap<Uuid, Task>, row: &Command) -> Result<Task, Error> {
    if let Some(task) = tasks.get(&row.task_id) {
        return Ok(task.clone());
    }
    let task = task::get(tx, row.tenant_id, row.task_id)?.ok_or(Error::Corrupt("task of a command"))?;
    tasks.insert(row.task_id, task.clone());
    Ok(task)
}
