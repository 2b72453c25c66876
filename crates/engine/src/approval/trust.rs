//! What the tenant's root of trust demands: the endpoints see to it, so people are asked for it here before they refuse.
//!
//! Nothing rests on these checks. A server that left them out would get the same orders refused, only later.

use std::collections::BTreeSet;

use prost::Message as _;
use quell_access::Requirement;
use quell_access::policy::{People, Verdict};
use quell_store::{Tx, approval, task::Task, trust};
use quell_wire::trust::{Pinned, SignedTrustBundle};
use quell_wire::{ApproverSignature, Intent};
use uuid::Uuid;

use crate::Error;

/// Asks people where the root demands their signatures. A broken glass does not help: no endpoint would carry it out.
pub(super) fn raise(tx: &mut Tx<'_>, tenant: Uuid, action: &str, verdict: &mut Verdict) -> Result<(), Error> {
    let demanded = pinned(tx, tenant)?.and_then(|pinned| pinned.bundle().quorum(action));
    let Some(quorum) = demanded else { return Ok(()) };
    let mut people = match &verdict.require {
        Requirement::Refused => return Ok(()),
        Requirement::People(people) => people.clone(),
        Requirement::Nothing | Requirement::Auto => People { quorum, roles: Vec::new() },
    };
    people.quorum = people.quorum.max(quorum);
    verdict.require = Requirement::People(people);
    verdict.broke_glass = false;
    verdict.trace.push(format!("the tenant's root of trust demands signatures of {quorum} approvers"));
    Ok(())
}

/// Refuses an approval that the endpoints would not count.
pub(super) fn check(
    tx: &mut Tx<'_>,
    task: &Task,
    signature: Option<&ApproverSignature>,
) -> Result<(), Error> {
    let Some(pinned) = pinned(tx, task.tenant_id)? else { return Ok(()) };
    if pinned.bundle().quorum(&task.action).is_none() {
        return Ok(());
    }
    let signature = signature.ok_or_else(|| {
        Error::NotEligible(
            "the tenant's root of trust demands your own signature; `quell trust sign --approve` makes it"
                .to_owned(),
        )
    })?;
    let intent = Intent::read(&task.intent).ok_or(Error::Corrupt("intent"))?;
    let of = |signature: &ApproverSignature| {
        pinned.signer(&intent, &task.intent_digest, signature).map(|key| key.human.clone())
    };
    let human = of(signature).map_err(|why| Error::NotEligible(why.to_string()))?;
    let earlier = approval::decisions(tx, task.tenant_id, task.id)?;
    let signed = earlier.iter().filter_map(|row| ApproverSignature::decode(row.signature.as_deref()?).ok());
    let humans: BTreeSet<String> = signed.filter_map(|signature| of(&signature).ok()).collect();
    if humans.contains(&human) {
        return Err(Error::NotEligible("a key of the same human signed already".to_owned()));
    }
    Ok(())
}

fn pinned(tx: &mut Tx<'_>, tenant: Uuid) -> Result<Option<Pinned>, Error> {
    let Some(row) = trust::newest(tx, tenant)? else { return Ok(None) };
    let signed = SignedTrustBundle { bundle: row.bundle, signature: row.signature, key_id: row.key_id };
    Pinned::kept(&tenant.to_string(), signed).map(Some).map_err(|_| Error::Corrupt("trust bundle"))
}
