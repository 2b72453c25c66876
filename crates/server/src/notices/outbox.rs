//! Writing down what is to be told to whom: one row for each receiver, fewer where many say the same.

use quell_notify::{Kind, Notice};
use quell_store::{
    Error, Micros, Tx,
    notice::{self, delivery},
    webhook,
};
use uuid::Uuid;

use super::{audience, settings};

const MINUTE: Micros = 60_000_000;
/// How long notices alike are gathered into one mail after the first was sent.
const FOLD: Micros = 10 * MINUTE;
/// Requests for approval to one person within a minute, beyond which they wait for a common mail.
const REQUESTS: i64 = 5;
/// Mails of a tenant within an hour, beyond which those that may wait are held back.
const MAILS: i64 = 300;
/// The most webhooks of a tenant.
pub(crate) const WEBHOOKS: i64 = 50;

/// Writes a notice with its deliveries; nothing where it was written before.
pub(crate) fn write(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    id: Uuid,
    notice: &Notice,
    now: Micros,
) -> Result<(), Error> {
    let body = serde_json::to_string(notice).map_err(|error| Error::Corrupt(error.to_string()))?;
    let row = notice::Notice {
        tenant_id: tenant,
        id,
        kind: notice.kind.as_str().to_owned(),
        object_id: notice.object.id.clone(),
        body,
        created_at: now,
    };
    if !notice::insert(tx, &row)? {
        return Ok(());
    }
    for hook in webhook::active(tx, tenant, WEBHOOKS)? {
        if wants(&hook, notice.kind) {
            delivery::insert(tx, &fresh(&row, "webhook", &hook.id.to_string(), now))?;
        }
    }
    let Some(mail) = settings::mail(tx, tenant)?.filter(|mail| mail.enabled) else { return Ok(()) };
    for reader in audience::audience(tx, tenant, notice, &mail)? {
        let row =
            delivery::Delivery { person_id: reader.person, ..fresh(&row, "mail", &reader.address, now) };
        by_mail(tx, row, notice, now)?;
    }
    Ok(())
}

/// Whether a webhook is told of this kind.
pub(crate) fn wants(hook: &webhook::Webhook, kind: Kind) -> bool {
    let kinds: Vec<String> = serde_json::from_str(&hook.kinds).unwrap_or_default();
    kinds.is_empty() || kinds.iter().any(|name| name == kind.as_str())
}

fn fresh(notice: &notice::Notice, channel: &str, destination: &str, now: Micros) -> delivery::Delivery {
    delivery::Delivery {
        tenant_id: notice.tenant_id,
        id: Uuid::now_v7(),
        notice_id: notice.id,
        channel: channel.to_owned(),
        destination: destination.to_owned(),
        person_id: None,
        kind: notice.kind.clone(),
        state: "pending".to_owned(),
        attempts: 0,
        created_at: now,
        next_at: now,
        claim: None,
        last_error: None,
        sent_at: None,
        fold_key: None,
        folded: 0,
    }
}

fn by_mail(tx: &mut Tx<'_>, mut row: delivery::Delivery, notice: &Notice, now: Micros) -> Result<(), Error> {
    let (tenant, to) = (row.tenant_id, row.destination.clone());
    if notice.kind == Kind::ApprovalRequested {
        // None is left out; many wait a moment, and go out together.
        if delivery::recent_of_kind(tx, tenant, &to, &row.kind, now - MINUTE)? >= REQUESTS {
            row.next_at = now + MINUTE;
        }
    } else if notice.kind.may_fold() {
        let key = fold_key(notice);
        if delivery::fold(tx, tenant, &to, &key, now - FOLD)? {
            return Ok(());
        }
        // The first of its kind goes at once, the second waits for those that may follow.
        if let Some(last) = delivery::last_of_key(tx, tenant, &to, &key, now - FOLD)? {
            row.next_at = last + FOLD;
        }
        row.fold_key = Some(key);
        if delivery::mails_since(tx, tenant, now - 60 * MINUTE)? >= MAILS {
            "held".clone_into(&mut row.state);
            row.last_error = Some(format!("more than {MAILS} mails within an hour"));
        }
    }
    delivery::insert(tx, &row)
}

/// Notices of one kind, about what one requester does with one action, are alike.
fn fold_key(notice: &Notice) -> String {
    let who = notice.requester.as_ref().unwrap_or(&notice.actor);
    let what = notice.action.as_deref().unwrap_or(&notice.object.kind);
    format!("{}/{}/{what}", notice.kind.as_str(), who.id)
}
