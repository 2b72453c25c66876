//! Investigation kits: signed by a key that the tenant registered, and every step checked as what it holds would be by itself.

use quell_catalog::library::Kind;
use quell_kit::{Asked, Error as KitError, Kit, Name, Step, Work};
use quell_store::{Error, Tx, kit_key};
use quell_wire::digest::hex;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Fault;

/// Checks a kit but for whose key it is, which stands in the database.
pub(super) fn look(body: &[u8]) -> Result<Value, Vec<Fault>> {
    let signed = quell_kit::open(body).map_err(|error| vec![fault(&error)])?;
    if !signed.is_by(signed.key) {
        return Err(vec![whole(
            "its signature does not fit: it was changed after it was signed, or says another key than the one that signed",
        )]);
    }
    let kit = Kit::read(signed.payload).map_err(|error| vec![fault(&error)])?;
    let faults: Vec<Fault> =
        kit.manifest.steps.iter().filter_map(|step| content(signed.payload, step).err()).flatten().collect();
    if !faults.is_empty() {
        return Err(faults);
    }
    let steps = kit.manifest.steps.iter().map(|step| format!("{} ({})", step.name, step.work.kind()));
    Ok(json!({
        "title": format!("{} {}", kit.manifest.name, kit.manifest.version),
        "signer": hex(signed.key),
        "steps": steps.collect::<Vec<_>>(),
        "files": kit.files.len(),
    }))
}

/// What a step brings along, looked at as the library looks at it where it stands alone.
fn content(payload: &[u8], step: &Step) -> Result<(), Vec<Fault>> {
    let (kind, file) = match &step.work {
        Work::Script { file, .. } => (Kind::Script, file),
        Work::Query { asked: Asked::File(file) } => (Kind::Query, file),
        Work::Yara { file, .. } => (Kind::Yara, file),
        Work::Evidence { file: Some(file), .. } => (Kind::Evidence, file),
        Work::Tool { .. } | Work::Query { asked: Asked::Sql(_) } | Work::Evidence { file: None, .. } => {
            return Ok(());
        }
    };
    let body = Kit::content(payload, file, kind.most_bytes()).map_err(|error| vec![fault(&error)])?;
    match super::look(kind, &body) {
        Ok(_) => Ok(()),
        Err(faults) => Err(faults.into_iter().map(|fault| within(file, step, fault)).collect()),
    }
}

fn within(file: &Name, step: &Step, fault: Fault) -> Fault {
    let place = if fault.line > 0 { format!(", line {}", fault.line) } else { String::new() };
    whole(&format!("{}{place} (step {}): {}", file.as_str(), step.name, fault.problem))
}

fn whole(problem: &str) -> Fault {
    Fault { line: 0, column: 0, problem: problem.to_owned() }
}

fn fault(error: &KitError) -> Fault {
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let (line, column) = error.place();
    let problem = format!("{error} {}", error.hint()).trim_end().to_owned();
    Fault { line: number(line), column: number(column), problem }
}

/// Why a kit with these facts is not taken: nobody registered its key.
pub(crate) fn foreign(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    kind: Kind,
    facts: &Value,
) -> Result<Option<String>, Error> {
    if kind != Kind::Kit {
        return Ok(None);
    }
    let signer = facts.get("signer").and_then(Value::as_str).unwrap_or_default();
    let known = kit_key::by_public(tx, tenant, signer)?;
    Ok(known
        .is_none()
        .then(|| format!("it was signed by the key {signer}, which is not registered for kits here")))
}
