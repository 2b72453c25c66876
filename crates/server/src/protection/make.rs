//! From settings to what can be handed out: references resolved, rules compiled.

use std::collections::BTreeSet;
use std::time::Duration;

use quell_catalog::library::Kind;
use quell_engine::reference;
use quell_store::{Store, Tx, library};
use quell_wire::limits;
use uuid::Uuid;

use super::pack;
use super::rules::{self, Compiled, Set, Wrong};
use super::settings::Settings;
use crate::library::place_to_work;
use crate::problem::{Code, Problem};

/// Compiling everything takes no longer.
const TIME: Duration = Duration::from_secs(20);
/// Faults that are told.
const TOLD: usize = 20;

/// Settings, with what is handed out for them.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    /// With references to versions.
    pub settings: Settings,
    pub behaviour: Compiled,
    pub yara: Compiled,
}

impl Made {
    /// Every rule, in force or disabled.
    pub fn rules(&self) -> impl Iterator<Item = &rules::Rule> {
        self.behaviour.rules.iter().chain(&self.yara.rules)
    }
}

/// Checks settings, finds the rules that they name and compiles them. What stands in `before` already may be out of use in the
/// library meanwhile.
pub(crate) async fn make(
    store: &Store,
    tenant: Uuid,
    settings: Settings,
    before: Option<Settings>,
) -> Result<Made, Problem> {
    let settings = settings.checked()?;
    let (settings, behaviour, yara) =
        store.read(move |tx| find(tx, tenant, settings, before.as_ref())).await?;
    let place = place_to_work().await?;
    let work = tokio::task::spawn_blocking(move || {
        let _place = place;
        compile(settings, behaviour, &yara)
    });
    let late = || Problem::bad_field("behaviour", format!("not compiled within {} s", TIME.as_secs()));
    let made = tokio::time::timeout(TIME, work).await.map_err(|_| late())?;
    made.map_err(|error| Problem::internal(&error))?
}

/// Reads the sets that settings name.
fn find(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    mut settings: Settings,
    before: Option<&Settings>,
) -> Result<(Settings, Vec<Set>, Vec<Set>), Problem> {
    let no_rules = Vec::new();
    let known = before.map_or(&no_rules, |before| &before.behaviour.rules);
    let mut behaviour = if settings.behaviour.built_in { pack::sets() } else { Vec::new() };
    behaviour.extend(sets(
        tx,
        tenant,
        Kind::Sigma,
        ("behaviour.rules", &mut settings.behaviour.rules),
        known,
    )?);
    let known = before.map_or(&no_rules, |before| &before.yara.rules);
    let yara = sets(tx, tenant, Kind::Yara, ("yara.rules", &mut settings.yara.rules), known)?;
    Ok((settings, behaviour, yara))
}

fn sets(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    kind: Kind,
    (field, named): (&str, &mut Vec<String>),
    known: &[String],
) -> Result<Vec<Set>, Problem> {
    let (mut found, mut size, mut seen) = (Vec::new(), 0, BTreeSet::new());
    for (index, text) in named.iter_mut().enumerate() {
        let field = format!("{field}[{index}]");
        let absent = || Problem::bad_field(&field, "the library has it no more");
        let version = match text.rsplit_once('@').filter(|_| known.contains(text)) {
            Some((name, number)) => {
                let item = library::by_name(tx, tenant, kind.as_str(), name)?.ok_or_else(absent)?;
                let number = number.parse().map_err(|_| absent())?;
                library::version(tx, tenant, item.id, number)?.ok_or_else(absent)?
            }
            None => reference::find(tx, tenant, kind, text, &field).map_err(unfound)?,
        };
        let item = library::get(tx, tenant, version.item_id)?.ok_or_else(absent)?;
        *text = format!("{}@{}", item.name, version.version);
        if !seen.insert(version.item_id) {
            return Err(Problem::bad_field(&field, format!("{} is named twice", item.name)));
        }
        size += version.size.unsigned_abs();
        if size > limits::PROTECTION_RULES {
            let most = limits::PROTECTION_RULES >> 20;
            return Err(Problem::bad_field(&field, format!("rules of more than {most} MiB in all")));
        }
        let body = library::body(tx, tenant, &version.sha256)?.ok_or_else(absent)?;
        let body = String::from_utf8(body).map_err(|_| Problem::bad_field(&field, "is not UTF-8"))?;
        found.push(Set { from: text.clone(), field, text: body });
    }
    Ok(found)
}

/// The field is one of the settings, not a parameter of an action.
fn unfound(error: quell_engine::Error) -> Problem {
    match error {
        quell_engine::Error::Params(wrong) => Problem::bad_field(wrong.field, wrong.problem),
        other => other.into(),
    }
}

fn compile(settings: Settings, behaviour: Vec<Set>, yara: &[Set]) -> Result<Made, Problem> {
    let disabled = settings.disabled();
    let behaviour = rules::behaviour(&behaviour, &disabled).map_err(|wrong| refused(&wrong))?;
    // A rule of the pack may have gone with a newer program; one that never was is a slip.
    let is_known = |id: &String| behaviour.rules.iter().any(|rule| rule.id == *id);
    if settings.behaviour.built_in
        && let Some(index) = settings.behaviour.disabled.iter().position(|id| !is_known(id))
    {
        let field = format!("behaviour.disabled[{index}]");
        return Err(Problem::bad_field(field, "no rule of these sets has this id"));
    }
    let yara = rules::yara(yara).map_err(|wrong| refused(&wrong))?;
    Ok(Made { settings, behaviour, yara })
}

fn refused(wrong: &[Wrong]) -> Problem {
    let words = |one: &Wrong| {
        let from = if one.from.is_empty() { String::new() } else { format!("{}: ", one.from) };
        let place = match (one.fault.line, one.fault.column) {
            (0, _) => String::new(),
            (line, 0) => format!("line {line}: "),
            (line, column) => format!("line {line}, column {column}: "),
        };
        format!("{from}{place}{}", one.fault.problem)
    };
    let first = wrong.first().map(words).unwrap_or_default();
    let more = if wrong.len() > 1 { format!(" (and {} more)", wrong.len() - 1) } else { String::new() };
    wrong.iter().take(TOLD).fold(
        Problem::new(Code::InvalidField, format!("{first}{more}")),
        |problem, one| {
            let from = if one.from.is_empty() { String::new() } else { format!("{}: ", one.from) };
            let (line, column) = (one.fault.line, one.fault.column);
            problem.field_at(one.field.clone(), (line, column), format!("{from}{}", one.fault.problem))
        },
    )
}
