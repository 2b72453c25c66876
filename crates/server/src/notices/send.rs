//! Carrying out what is due: claimed, sent, written down; tried again later and later, and given up in the end.

use std::{collections::HashMap, sync::Arc, time::Duration};

use quell_notify::{
    Kind, Verdict,
    webhook::{Post, Secret},
};
use quell_store::{
    Error, Micros, Tx, audit,
    notice::delivery::{self, After, Delivery},
    webhook,
};
use serde_json::json;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::compose;
use crate::{
    seal,
    state::{App, Inner},
};

/// Deliveries under way at once.
const AT_ONCE: usize = 16;
/// Of one tenant.
const OF_TENANT: usize = 4;
/// Of one receiver, in one look.
const OF_RECEIVER: i64 = 2;
/// How long one may take before another server takes it, microseconds; longer than any time limit of sending.
const LEASE: Micros = 180 * 1_000_000;
/// Time between two looks, without a bell.
const LOOK: Duration = Duration::from_millis(500);
/// Tries of what may work later, and of what was refused.
const TRIES: i64 = 8;
const TRIES_REFUSED: i64 = 3;
/// The longest pause.
const LONGEST: Duration = Duration::from_hours(1);
/// Requests for approval that go into one mail, and from how many on.
const DIGEST: i64 = 50;
const DIGEST_FROM: usize = 4;
/// How far back requests are gathered, microseconds.
const DIGEST_SPAN: Micros = 3600 * 1_000_000;
/// What webhook secrets are sealed for.
pub(crate) const PURPOSE: &str = "webhook";

/// Sends what is due, for ever.
pub(crate) async fn send(app: App) {
    let mut under_way: JoinSet<Uuid> = JoinSet::new();
    let mut of_tenant: HashMap<Uuid, usize> = HashMap::new();
    loop {
        while let Some(ended) = under_way.try_join_next() {
            leave(&mut of_tenant, ended.ok());
        }
        let is_full = match begin(&app, &mut under_way, &mut of_tenant).await {
            Ok(is_full) => is_full,
            Err(error) => {
                tracing::warn!(%error, "notices that are due could not be read");
                false
            }
        };
        tokio::select! {
            () = app.notices.bell.notified(), if !is_full => {}
            () = tokio::time::sleep(LOOK) => {}
            Some(ended) = under_way.join_next(), if !under_way.is_empty() => leave(&mut of_tenant, ended.ok()),
        }
    }
}

fn leave(of_tenant: &mut HashMap<Uuid, usize>, ended: Option<Uuid>) {
    match ended {
        Some(tenant) => {
            if let Some(count) = of_tenant.get_mut(&tenant) {
                *count -= 1;
                if *count == 0 {
                    of_tenant.remove(&tenant);
                }
            }
        }
        // Whose it was died with it; the bound is for fairness alone.
        None => of_tenant.clear(),
    }
}

/// Begins what is due as far as there is room. Answers whether there is none left.
async fn begin(
    app: &App,
    under_way: &mut JoinSet<Uuid>,
    of_tenant: &mut HashMap<Uuid, usize>,
) -> Result<bool, Error> {
    if under_way.len() >= AT_ONCE {
        return Ok(true);
    }
    let now = app.now();
    for row in app.store.read(move |tx| delivery::due(tx, now, OF_RECEIVER, 64)).await? {
        if under_way.len() >= AT_ONCE {
            return Ok(true);
        }
        let count = of_tenant.entry(row.tenant_id).or_default();
        if *count >= OF_TENANT {
            continue;
        }
        let claim = Uuid::now_v7();
        let group = app.store.write(move |tx| take(tx, &row, claim, now)).await?;
        let Some(first) = group.first() else { continue };
        *count += 1;
        let tenant = first.tenant_id;
        let app = Arc::clone(app);
        under_way.spawn(async move {
            if let Err(error) = deliver(&app, group, claim).await {
                // The claim lapses, and it is tried again.
                tracing::warn!(%error, "a delivery could not be carried out");
            }
            tenant
        });
    }
    Ok(false)
}

/// Claims a delivery, and with a request for approval the others that wait for the same reader, if they are many.
fn take(tx: &mut Tx<'_>, row: &Delivery, claim: Uuid, now: Micros) -> Result<Vec<Delivery>, Error> {
    let lapses = now + LEASE;
    let mut group = vec![row.clone()];
    if row.kind == Kind::ApprovalRequested.as_str() && row.channel == "mail" {
        let alike = delivery::alike(tx, row, now, now - DIGEST_SPAN, DIGEST)?;
        if alike.len() >= DIGEST_FROM {
            group = alike;
        }
    }
    let mut taken = Vec::with_capacity(group.len());
    for row in group {
        if delivery::claim(tx, row.tenant_id, row.id, claim, now, lapses)? {
            // As it is now: more may have been folded into it since it was looked at.
            taken.extend(delivery::get(tx, row.tenant_id, row.id)?);
        }
    }
    Ok(taken)
}

async fn deliver(app: &App, group: Vec<Delivery>, claim: Uuid) -> Result<(), Error> {
    let outcomes = if group.first().is_some_and(|row| row.channel == "mail") {
        by_mail(app, group).await?
    } else {
        by_post(app, group).await?
    };
    for (row, outcome) in &outcomes {
        if let Outcome::Tried(Verdict::Retry { why, .. } | Verdict::Refused { why }) = outcome {
            tracing::warn!(delivery.id = %row.id, channel = row.channel, attempt = row.attempts, why, "a delivery failed");
        }
    }
    let (now, first_pause) = (app.now(), app.limits.notice_pause);
    let states = app
        .store
        .write(move |tx| {
            let mut states = Vec::with_capacity(outcomes.len());
            for (row, outcome) in &outcomes {
                let after = after(row, outcome, now, first_pause);
                if !delivery::settle(tx, row.tenant_id, row.id, claim, &after)? {
                    continue;
                }
                states.push(after.state);
                if *outcome == Outcome::Tried(Verdict::Gone) {
                    gone(tx, row, now)?;
                }
            }
            Ok::<_, Error>(states)
        })
        .await?;
    // `pending` counts what is to be tried again.
    for state in states {
        app.metrics.changed("delivery", state);
    }
    Ok(())
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    /// It was tried.
    Tried(Verdict),
    /// There is nobody, or nothing left, to tell.
    Moot(&'static str),
}

const MOOT: Outcome = Outcome::Moot("it was not to be told any more");

/// One letter for all that is still to be told.
async fn by_mail(app: &Inner, group: Vec<Delivery>) -> Result<Vec<(Delivery, Outcome)>, Error> {
    let rows = group.clone();
    let parts = app.store.read(move |tx| compose::read(tx, group)).await?;
    let told: Vec<Uuid> =
        parts.iter().flat_map(|parts| parts.notices.iter().map(|(row, _)| row.id)).collect();
    let outcome = match parts {
        Some(parts) => Outcome::Tried(mail(app, parts).await?),
        None => MOOT,
    };
    let of = |row: Delivery| {
        let outcome = if told.contains(&row.id) { outcome.clone() } else { MOOT };
        (row, outcome)
    };
    Ok(rows.into_iter().map(of).collect())
}

async fn mail(app: &Inner, parts: compose::Parts) -> Result<Verdict, Error> {
    let tenant = parts.notices.first().map(|(row, _)| row.tenant_id).unwrap_or_default();
    let Some(relay) = parts.mail.relay(&app.secrets) else {
        return Ok(Verdict::Refused {
            why: "the relay's password cannot be opened; set it again".to_owned(),
        });
    };
    let Some(tokens) = compose::tokens(parts.notices.len()) else {
        return Ok(Verdict::Retry { why: "the system gave no randomness".to_owned(), after: None });
    };
    let (notices, now) = (parts.notices.clone(), app.now());
    let links = if app.public.is_some() && notices.iter().any(|(row, _)| row.person_id.is_some()) {
        app.store.write(move |tx| compose::links(tx, &notices, &tokens, now)).await?
    } else {
        vec![None; notices.len()]
    };
    Ok(match compose::letter(parts, links, app.public.as_ref(), now) {
        Ok(letter) => app.notices.mailer.send(&relay, super::relay_reach(app, tenant), &letter).await,
        Err(why) => Verdict::Refused { why },
    })
}

/// Each by a post of its own.
async fn by_post(app: &Inner, group: Vec<Delivery>) -> Result<Vec<(Delivery, Outcome)>, Error> {
    let mut outcomes = Vec::with_capacity(group.len());
    for row in group {
        let outcome = post(app, row.clone()).await?;
        outcomes.push((row, outcome));
    }
    Ok(outcomes)
}

async fn post(app: &Inner, row: Delivery) -> Result<Outcome, Error> {
    let (tenant, to, id) = (row.tenant_id, row.destination.clone(), row.id.to_string());
    let found = app
        .store
        .read(move |tx| {
            let Ok(hook) = to.parse() else { return Ok(None) };
            let Some(hook) = webhook::get(tx, tenant, hook)? else { return Ok(None) };
            Ok::<_, Error>(compose::notice_of(tx, &row)?.map(|notice| (hook, notice)))
        })
        .await?;
    let Some((hook, notice)) = found.filter(|(hook, _)| hook.state == "active") else {
        return Ok(Outcome::Moot("the webhook is switched off"));
    };
    let Some(secrets) = secrets(app, &hook) else {
        let why = "the secret cannot be opened; rotate it".to_owned();
        return Ok(Outcome::Tried(Verdict::Refused { why }));
    };
    let body = compose::post_body(&notice);
    let timestamp = app.now() / 1_000_000;
    let post = Post { url: &hook.url, id: &id, timestamp, body: &body, secrets: &secrets };
    Ok(Outcome::Tried(app.notices.post(&post).await))
}

/// The secrets that sign for a webhook now.
pub(crate) fn secrets(app: &Inner, hook: &webhook::Webhook) -> Option<Vec<Secret>> {
    let open = |sealed: &[u8]| seal::open(&app.secrets, PURPOSE, sealed).map(Secret::from_bytes);
    let mut secrets = vec![open(&hook.secret)?];
    if let Some(former) = &hook.former
        && hook.former_until.is_some_and(|until| until > app.now())
    {
        secrets.push(open(former)?);
    }
    Some(secrets)
}

fn after(row: &Delivery, outcome: &Outcome, now: Micros, first_pause: Duration) -> After {
    let ended = |state, error: Option<&str>| After {
        state,
        next_at: now,
        error: error.map(str::to_owned),
        sent_at: None,
    };
    let again = |why: &str, asked: Option<Duration>, tries| {
        if row.attempts >= tries {
            return ended("dead", Some(why));
        }
        let pause = asked.unwrap_or_default().max(backoff(first_pause, row.attempts, row.id));
        let next_at = now + i64::try_from(pause.as_micros()).unwrap_or(i64::MAX / 4);
        After { state: "pending", next_at, error: Some(why.to_owned()), sent_at: None }
    };
    match outcome {
        Outcome::Tried(Verdict::Sent) => After { sent_at: Some(now), ..ended("sent", None) },
        Outcome::Tried(Verdict::Retry { why, after }) => again(why, *after, TRIES),
        Outcome::Tried(Verdict::Refused { why }) => again(why, None, TRIES_REFUSED),
        Outcome::Tried(Verdict::Gone) => {
            ended("dead", Some("the receiver answered 410: it is gone for good"))
        }
        Outcome::Moot(why) => ended("held", Some(why)),
    }
}

/// Three times as long after each try, up to an hour, and up to a quarter more, so that what failed together does not
/// come back together.
fn backoff(first: Duration, attempts: i64, id: Uuid) -> Duration {
    let exponent = u32::try_from(attempts.clamp(1, 12) - 1).unwrap_or(0);
    let pause = first.saturating_mul(3_u32.saturating_pow(exponent)).min(LONGEST);
    let share = u32::from(id.as_bytes()[15]);
    pause + pause / 4 * share / 255
}

/// Switches a webhook off whose receiver is gone, and says so in the trail, from where its own notice comes.
fn gone(tx: &mut Tx<'_>, row: &Delivery, now: Micros) -> Result<(), Error> {
    let Ok(id) = row.destination.parse() else { return Ok(()) };
    if !webhook::disable(tx, row.tenant_id, id, now)? {
        return Ok(());
    }
    delivery::give_up(tx, row.tenant_id, &row.destination, "the webhook is switched off")?;
    let name = webhook::get(tx, row.tenant_id, id)?.map(|hook| hook.name).unwrap_or_default();
    let record = audit::Record {
        tenant_id: row.tenant_id,
        id: Uuid::now_v7(),
        at: now,
        actor_kind: "system".to_owned(),
        actor_id: "notices".to_owned(),
        actor_name: "Quell".to_owned(),
        verb: "webhook.disable".to_owned(),
        object_kind: "webhook".to_owned(),
        object_id: id.to_string(),
        outcome: "ok".to_owned(),
        detail: json!({ "name": name, "reason": "the receiver answered 410: it is gone for good" })
            .to_string(),
        request_id: None,
        remote: None,
    };
    audit::append(tx, &record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_an_hour_and_differ() {
        let first = Duration::from_secs(10);
        let none = Uuid::nil();
        let seconds: Vec<u64> = (1..=8).map(|attempt| backoff(first, attempt, none).as_secs()).collect();
        assert_eq!(seconds, [10, 30, 90, 270, 810, 2430, 3600, 3600]);
        assert_eq!(backoff(first, 1, Uuid::max()).as_millis(), 12_500);
        assert!(backoff(first, i64::MAX, Uuid::max()) <= LONGEST * 5 / 4);
    }
}
