//! From deliveries to a letter or a post: the texts, and for those who are asked to decide a link of their own.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use quell_notify::{
    Kind, Notice,
    mail::{Address, Letter},
    notice::Party,
    template::{self, Entry, Scene, Template},
};
use quell_store::{
    Error, Micros, Tx, approval, approval_link,
    notice::{self, delivery::Delivery},
};
use quell_wire::digest::sha256;
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::json;
use uuid::Uuid;

use super::audience;
use super::settings::{self, Mail};
use super::told::PLAN;
use crate::api::time;
use crate::public::Public;

/// Where the page is that a link leads to. What follows the number sign stays with the browser: no log, no proxy and no
/// scanner of mail that fetches the page sends it on.
pub(crate) const PAGE: &str = "/approve";

/// What a letter is made of.
pub(super) struct Parts {
    /// What each delivery tells.
    pub notices: Vec<(Delivery, Notice)>,
    /// The tenant's words.
    pub template: Template,
    /// The relay's settings.
    pub mail: Mail,
}

/// Reads what the letter is made of; `None` where nothing of it is to be told any more.
pub(super) fn read(tx: &mut Tx<'_>, group: Vec<Delivery>) -> Result<Option<Parts>, Error> {
    let Some(first) = group.first() else { return Ok(None) };
    let tenant = first.tenant_id;
    let Some(mail) = settings::mail(tx, tenant)?.filter(|mail| mail.enabled) else { return Ok(None) };
    let mut notices = Vec::with_capacity(group.len());
    for row in group {
        if let Some(notice) = notice_of(tx, &row)?
            && is_still_asked(tx, tenant, &notice)?
        {
            notices.push((row, notice));
        }
    }
    let Some((_, notice)) = notices.first() else { return Ok(None) };
    let template = settings::template(tx, tenant, notice.kind)?;
    Ok(Some(Parts { notices, template, mail }))
}

/// The notice of a delivery.
pub(super) fn notice_of(tx: &mut Tx<'_>, row: &Delivery) -> Result<Option<Notice>, Error> {
    let Some(notice) = notice::get(tx, row.tenant_id, row.notice_id)? else { return Ok(None) };
    serde_json::from_str(&notice.body).map(Some).map_err(|_| Error::Corrupt("a notice".to_owned()))
}

/// Whether a request for approval waits still; a request that was decided asks nobody any more.
fn is_still_asked(tx: &mut Tx<'_>, tenant: Uuid, notice: &Notice) -> Result<bool, Error> {
    if notice.kind != Kind::ApprovalRequested {
        return Ok(true);
    }
    let requests = audience::requests(tx, tenant, notice)?;
    if notice.object.kind == PLAN {
        return Ok(!requests.is_empty());
    }
    Ok(requests.first().is_none_or(|request| request.state == "pending"))
}

/// A link for each delivery that asks a person to decide. Only its digest is stored: a link is made anew for each try.
pub(super) fn links(
    tx: &mut Tx<'_>,
    notices: &[(Delivery, Notice)],
    tokens: &[String],
    now: Micros,
) -> Result<Vec<Option<String>>, Error> {
    let mut links = Vec::with_capacity(notices.len());
    for ((row, notice), token) in notices.iter().zip(tokens) {
        let asked = match (notice.kind, row.person_id, notice.object.id.parse()) {
            (Kind::ApprovalRequested, Some(person), Ok(task)) => {
                approval::get(tx, row.tenant_id, task)?.map(|request| (person, request))
            }
            _ => None,
        };
        let Some((person, request)) = asked else {
            links.push(None);
            continue;
        };
        let link = approval_link::Link {
            tenant_id: row.tenant_id,
            id: Uuid::now_v7(),
            hash: sha256(&[token.as_bytes()]),
            task_id: request.task_id,
            person_id: person,
            created_at: now,
            expires_at: request.expires_at,
            used_at: None,
        };
        approval_link::insert(tx, &link)?;
        links.push(Some(token.clone()));
    }
    Ok(links)
}

/// As many tokens as there are deliveries; `None` when the system gives no randomness.
pub(super) fn tokens(count: usize) -> Option<Vec<String>> {
    (0..count)
        .map(|_| {
            let mut random = [0; 32];
            SystemRandom::new().fill(&mut random).ok()?;
            Some(format!("ql_{}", URL_SAFE_NO_PAD.encode(random)))
        })
        .collect()
}

/// The letter.
pub(super) fn letter(
    parts: Parts,
    links: Vec<Option<String>>,
    public: Option<&Public>,
    now: Micros,
) -> Result<Letter, String> {
    let Some((first, notice)) = parts.notices.first() else {
        return Err("there is nothing to tell".to_owned());
    };
    let (kind, folded) = (notice.kind, parts.notices.iter().map(|(row, _)| row.folded).sum::<i64>());
    let to = Address::parse(&first.destination).map_err(|error| error.to_string())?;
    let id = first.id.to_string();
    let entries = parts.notices.into_iter().zip(links).map(|((_, notice), token)| Entry {
        notice,
        link: token.zip(public).map(|(token, public)| public.link(&format!("{PAGE}#{token}"))),
    });
    let scene = Scene { entries: entries.collect(), folded: u64::try_from(folded).unwrap_or(0) };
    write(&parts.template, kind, scene, to, id, now)
}

/// A letter with made-up contents, for trying out the settings.
pub(crate) fn sample_letter(
    template: &Template,
    (tenant, by): (&str, &str),
    to: Address,
    now: Micros,
) -> Result<Letter, String> {
    let notice = Notice {
        headline: "A test: mail from Quell arrives".to_owned(),
        at: time::text(now),
        tenant: tenant.to_owned(),
        actor: Party { name: by.to_owned(), ..Party::default() },
        requester: None,
        target_count: None,
        targets: Vec::new(),
        reason: None,
        note: None,
        until: None,
        deciders: None,
        digest: None,
        ..Notice::sample(Kind::Test)
    };
    let scene = Scene { entries: vec![Entry { notice, link: None }], folded: 0 };
    write(template, Kind::Test, scene, to, Uuid::now_v7().to_string(), now)
}

fn write(
    template: &Template,
    kind: Kind,
    scene: Scene,
    to: Address,
    id: String,
    now: Micros,
) -> Result<Letter, String> {
    let (text, bad) = template::render(template, kind, scene).map_err(|bad| bad.to_string())?;
    if let Some(bad) = bad {
        tracing::warn!(%bad, kind = kind.as_str(), "a tenant's template failed; the default was used");
    }
    Ok(Letter { to, subject: text.subject, text: text.text, html: text.html, id, written_at: now })
}

/// The body of a post.
pub(crate) fn post_body(notice: &Notice) -> Vec<u8> {
    json!({ "type": notice.kind.event(), "timestamp": notice.at, "data": notice }).to_string().into_bytes()
}
