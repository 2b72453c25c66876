//! A detection of an endpoint as a row: with what it is about and who did it, as far as that is known when it comes.

use quell_incident::Object;
use quell_incident::text::{hex, shown};
use quell_store::chain::{Chain, rows};
use quell_store::{Error, Micros, Tx, detection};
use quell_wire::activity::{Activity, Detection, Image, Process};
use quell_wire::limits;
use uuid::Uuid;

use super::search::remember;
use super::take::From;
use super::update::{Update, key, signed};
use super::{gather, word};

/// The row of a detection, belonging to no incident yet. `told_at` is its time as the endpoint told it.
pub(super) fn row(
    tx: &mut Tx<'_>,
    from: &From,
    chain: &Chain,
    update: &Update,
    (found, told_at): (&Detection, Micros),
) -> Result<detection::Detection, Error> {
    let activity = activity(tx, chain, update, found.activity)?;
    let process = match &activity {
        Some(activity) => process(tx, chain, update, activity)?,
        None => None,
    };
    let object = activity.as_ref().and_then(Object::of);
    let own_path = object.map_or(&[][..], |object| object.path);
    let path = if found.path.is_empty() { own_path } else { &found.path };
    let own_hash = activity.as_ref().filter(|_| path == own_path).and_then(hash).unwrap_or_default();
    let sha256 = if found.sha256.is_empty() { own_hash } else { &found.sha256 };
    let user = process.as_ref().map(user);
    let mut row = detection::Detection {
        tenant_id: from.tenant,
        id: Uuid::now_v7(),
        incident_id: None,
        origin: detection::OF_ENDPOINT.to_owned(),
        source: word::source(found.source()).to_owned(),
        source_id: format!("{}/{}", from.endpoint, found.id),
        endpoint_id: Some(from.endpoint),
        hint: None,
        chain_id: Some(chain.id),
        activity: Some(signed(found.activity)),
        at: found.at_us,
        told_at,
        received_at: update.received_at,
        rule: shown(found.rule.as_bytes(), limits::NAME),
        title: shown(found.title.as_bytes(), limits::NAME),
        severity: word::graded(found.severity()),
        verdict: Some(word::verdict(found.verdict()).to_owned()),
        techniques: serde_json::to_string(&found.techniques).unwrap_or_default(),
        note: shown(found.note.as_bytes(), limits::MESSAGE),
        path: (!path.is_empty()).then(|| path.to_vec()),
        sha256: (!sha256.is_empty()).then(|| sha256.to_vec()),
        user_name: user,
        protection: signed(found.protection),
        joined: None,
        body: None,
        search: String::new(),
    };
    if row.title.is_empty() {
        row.title.clone_from(&row.rule);
    }
    row.search = search(&row, &from.name, process.as_ref());
    Ok(row)
}

/// The hash of what an activity event is about.
pub(super) fn hash(activity: &Activity) -> Option<&[u8]> {
    Object::of(activity).map(|object| object.sha256).filter(|sha256| !sha256.is_empty())
}

/// Lines by which a detection is searched.
fn search(row: &detection::Detection, endpoint: &str, process: Option<&Process>) -> String {
    let path = row.path.as_deref().map(|path| shown(path, limits::PATH)).unwrap_or_default();
    let sha256 = row.sha256.as_deref().map(hex).unwrap_or_default();
    let line = process.map(|process| line(&process.image)).unwrap_or_default();
    let user = row.user_name.clone().unwrap_or_default();
    let mut search = String::new();
    let own = [&row.title, &row.rule, &path, &sha256, &user, &row.note, &line, &row.techniques];
    remember(&mut search, own.into_iter().map(String::as_str).chain([endpoint]));
    search
}

fn line(image: &Image) -> String {
    quell_incident::text::command_line(&image.arguments, image.arguments_cut).chars().take(500).collect()
}

fn user(process: &Process) -> String {
    let name = shown(process.user.as_bytes(), limits::NAME);
    if name.is_empty() { process.uid.to_string() } else { name }
}

fn activity(tx: &mut Tx<'_>, chain: &Chain, update: &Update, id: u64) -> Result<Option<Activity>, Error> {
    if let Some(activity) = update.activities.iter().find(|activity| activity.id == id) {
        return Ok(Some(activity.clone()));
    }
    let stored = rows::activity(tx, chain.tenant_id, chain.id, signed(id))?;
    Ok(stored.and_then(|row| gather::activity(&row.body)))
}

fn process(
    tx: &mut Tx<'_>,
    chain: &Chain,
    update: &Update,
    activity: &Activity,
) -> Result<Option<Process>, Error> {
    if let Some(process) = update.processes.iter().find(|process| process.key == activity.process) {
        return Ok(Some(process.clone()));
    }
    let (pid, start) = key(activity.process);
    let stored = rows::process(tx, chain.tenant_id, chain.id, pid, start)?;
    Ok(stored.and_then(|row| gather::process(&row.body)))
}
