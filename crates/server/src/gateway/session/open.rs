//! The beginning of a session: who speaks, on which machine, and whether somebody else speaks for it already.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use quell_engine::Change;
use quell_store::{Error as StoreError, audit, endpoint};
use quell_wire::digest::hex;
use quell_wire::frame::{FromAgent, FromServer, Hello, Welcome};
use quell_wire::{limits, version};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_rustls::server::TlsStream;

use super::super::admission::AgentPlace;
use super::super::admit::Admitted;
use super::super::sessions::{Seat, goodbye};
use super::super::{Shared, facts, trail};
use super::budget::Budget;
use super::link::{Heard, Link};
use super::{Flow, Session, copies, standing};

/// The first frame comes within this time.
const HELLO: Duration = Duration::from_secs(10);
/// A live peer answers a probe within this time.
const PROBE: Duration = Duration::from_secs(3);

/// An agent at the door.
pub struct Arriving {
    /// Its endpoint, as it was checked for the upgrade.
    pub admitted: Admitted,
    /// Its place among the connections.
    pub place: Option<AgentPlace>,
    /// Where it comes from.
    pub remote: SocketAddr,
    /// How many revocations there had been before it was checked.
    pub revocations: u64,
}

/// Why a session does not begin.
struct Sorry {
    code: &'static str,
    message: &'static str,
    retry_after_s: u32,
}

const fn sorry(code: &'static str, message: &'static str, retry_after_s: u32) -> Sorry {
    Sorry { code, message, retry_after_s }
}

/// Opens a session; `None` where it was refused or the peer went away.
pub async fn open(
    shared: Arc<Shared>,
    arriving: Box<Arriving>,
    stream: TlsStream<TcpStream>,
    read_already: Bytes,
) -> Option<Box<Session>> {
    let mut link = Link::new(stream, read_already.to_vec()).await;
    let heard = tokio::time::timeout(HELLO, link.hear()).await.ok()?;
    let hello = match heard {
        Heard::Frame(FromAgent::Hello(hello), _) => hello,
        Heard::Closed => return None,
        _ => {
            decline(link, sorry("limit", "a session begins with Hello", 60)).await;
            return None;
        }
    };
    let seat = match check(&shared, &arriving, &hello).await {
        Ok(seat) => seat,
        Err(sorry) => {
            decline(link, sorry).await;
            return None;
        }
    };
    // A crowd that comes back at once is let in a few at a time, for the database's sake. Only from here on: what
    // waits for a peer above must not hold up the others.
    let _turn = shared.opening.acquire().await.ok()?;
    let noted = match note_facts(&shared, &arriving, &hello).await {
        Ok(()) => standing::note(&shared, &arriving, &hello).await,
        Err(error) => Err(error),
    };
    if let Err(error) = noted {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "what an agent says of itself was not kept"
        );
        decline(link, sorry("busy", "the server cannot reach its database now", 10)).await;
        return None;
    }
    welcome(&shared, arriving, link, seat, hello).await
}

async fn decline(mut link: Link, Sorry { code, message, retry_after_s }: Sorry) {
    let _ = link.say(FromServer::Goodbye(goodbye(code, message, retry_after_s))).await;
    link.close().await;
}

async fn check(shared: &Arc<Shared>, arriving: &Arriving, hello: &Hello) -> Result<Seat, Sorry> {
    if version::agree(hello.oldest_protocol, hello.newest_protocol).is_none() {
        return Err(sorry(
            "protocol",
            "this server speaks another version of the protocol; update the agent",
            3600,
        ));
    }
    if shared.sessions.is_banished(arriving.admitted.endpoint().id, shared.now_us()) {
        return Err(sorry(
            "limit",
            "this agent broke the rules too often; it is heard again in a minute",
            60,
        ));
    }
    let (known, machine) = (arriving.admitted.endpoint(), hex(&hello.machine));
    if machine != known.fingerprint {
        let why = "the certificate was brought from another machine";
        copies::alarm(shared, &arriving.admitted, arriving.remote, why, &machine).await;
        return Err(sorry(
            "identity_copied",
            "this identity belongs to another machine; enrol this one",
            3600,
        ));
    }
    let Some(seat) = take_seat(shared, arriving).await else {
        let why = "another agent with this identity is connected";
        copies::alarm(shared, &arriving.admitted, arriving.remote, why, &machine).await;
        return Err(sorry("identity_copied", "another agent with this identity is connected", 300));
    };
    if shared.sessions.revoked_since(known.id, arriving.revocations) {
        return Err(sorry("revoked", "this endpoint was revoked", 0));
    }
    if shared.stop.is_cancelled() {
        return Err(sorry("shutdown", "the server restarts", 5));
    }
    Ok(seat)
}

/// The endpoint's one seat. Whoever has it is asked whether it still lives: the old connection of an agent that came
/// back does not answer, a copy does.
async fn take_seat(shared: &Shared, arriving: &Arriving) -> Option<Seat> {
    let known = arriving.admitted.endpoint();
    let deadline = tokio::time::Instant::now() + 2 * PROBE;
    loop {
        let not_after = arriving.admitted.not_after_us();
        let held = match shared.sessions.enter(known.tenant_id, known.id, shared.now_us(), not_after) {
            Ok(seat) => return Some(seat),
            Err(held) => held,
        };
        let (sender, answered) = oneshot::channel();
        held.tell(|mail| mail.probe = Some(sender));
        match tokio::time::timeout(PROBE, answered).await {
            Ok(Ok(())) => return None,
            // It ended by itself, or another newcomer asked after us: look again.
            Ok(Err(_)) => {
                if tokio::time::Instant::now() >= deadline {
                    return None;
                }
                tokio::task::yield_now().await;
            }
            Err(_) => shared.sessions.evict(&held),
        }
    }
}

/// Keeps what the agent says of itself, if that is news; and that it is not isolated any more, if it says so.
async fn note_facts(shared: &Shared, arriving: &Arriving, hello: &Hello) -> Result<(), StoreError> {
    let known = arriving.admitted.endpoint();
    let Some(said) = facts::read(&hello.facts) else { return Ok(()) };
    let capabilities: Vec<Value> = hello
        .capabilities
        .iter()
        .map(|capability| json!({ "action": capability.action, "revision": capability.revision }))
        .collect();
    let capabilities = Value::from(capabilities).to_string();
    let agent_version = facts::clean(&hello.agent_version, limits::CODE).unwrap_or_default();
    let is_news = said.json != known.facts
        || capabilities != known.capabilities
        || agent_version != known.agent_version;
    let isolation_over = known.isolation.is_some() && said.isolated == Some(false);
    if !is_news && !isolation_over {
        return Ok(());
    }
    let (tenant, id, now) = (known.tenant_id, known.id, shared.now_us());
    let mut record = trail::of_endpoint(known, "endpoint.isolation_ended", arriving.remote, now);
    record.detail = json!({ "seen": "the agent connected and is not isolated" }).to_string();
    let renamed = renamed(known, &said.name, arriving.remote, now);
    let is_calm = known.alarm.is_none();
    shared
        .store
        .write(move |tx| {
            let news = endpoint::Facts {
                agent_version: &agent_version,
                facts: &said.json,
                capabilities: &capabilities,
            };
            endpoint::set_facts(tx, tenant, id, &news, now)?;
            if isolation_over {
                endpoint::set_isolation(tx, tenant, id, None)?;
                audit::append(tx, &record)?;
            }
            if let Some((alarm, record)) = &renamed {
                // What stands there already says more than a name.
                if is_calm {
                    endpoint::set_alarm(tx, tenant, id, Some(alarm))?;
                }
                audit::append(tx, record)?;
            }
            Ok(())
        })
        .await
}

/// The alarm and the record of a host name that is not the one of before. The endpoint's own name stays what it is.
fn renamed(
    known: &endpoint::Endpoint,
    says: &str,
    remote: SocketAddr,
    now_us: i64,
) -> Option<(String, audit::Record)> {
    let before = facts::read(known.facts.as_bytes())?.name;
    if before == says {
        return None;
    }
    let mut record = trail::of_endpoint(known, "endpoint.host_name", remote, now_us);
    record.detail = json!({ "host_name": says, "before": before }).to_string();
    Some((format!("its host name was {before} and is now {says}"), record))
}

async fn welcome(
    shared: &Arc<Shared>,
    arriving: Box<Arriving>,
    link: Link,
    seat: Seat,
    hello: Hello,
) -> Option<Box<Session>> {
    let known = arriving.admitted.endpoint();
    let (tenant, endpoint) = (known.tenant_id, known.id);
    let mut session = Box::new(Session {
        bell: shared.engine.bell().listen(tenant, endpoint),
        name: known.name.as_str().into(),
        shared: Arc::clone(shared),
        seat,
        link,
        remote: arriving.remote,
        _place: arriving.place,
        budget: Budget::new(),
        probing: None,
        strikes: 0,
        keys_told: 1,
        trust_serial: hello.trust_serial,
        put_off: VecDeque::new(),
    });
    let welcome = Welcome {
        protocol: version::agree(hello.oldest_protocol, hello.newest_protocol)?,
        server_time_us: shared.now_us(),
        keep_alive_s: shared.settings.keep_alive_s,
        addresses: shared.addresses.current().to_vec(),
        takes_chains: true,
        takes_recorder_state: true,
    };
    session.link.say(FromServer::Welcome(welcome)).await.ok()?;
    if shared.engine.signer().key_set().version > 1 {
        session.send_keys().await.ok()?;
    }
    if let Some(held) = &hello.block_list {
        let version = i64::try_from(held.version).unwrap_or(i64::MAX);
        session.seat.handle().block_list.store(version, Ordering::Relaxed);
        session.send_block_list().await.ok()?;
    }
    if let Some(held) = hello.protection {
        session.begin_protection(held).await.ok()?;
    }
    // Before any order: one may need what the root said last.
    session.send_trust().await.ok()?;
    shared.engine.changes().tell(Change::Endpoint { tenant, endpoint });
    tracing::debug!(endpoint.id = %endpoint, remote = %session.remote, "a session began");
    match session.resume(&hello.held).await {
        Flow::Continue => Some(session),
        Flow::End => {
            session.left();
            None
        }
    }
}
