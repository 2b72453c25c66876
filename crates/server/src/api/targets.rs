//! Endpoints as requests name them: by id, or by a name that only one has.

use std::collections::HashSet;

use quell_store::{Error, endpoint};
use uuid::Uuid;

use super::query::parse_id;
use crate::problem::{Code, Problem};
use crate::state::App;

/// Longest host name (RFC 1035), and more than any id.
const LONGEST: usize = 255;

/// What a name leads to.
enum Found {
    One(Uuid),
    None,
    Several(usize),
}

/// The endpoints of a request for an action, in their order, each once. Names are looked up; ids are taken as they are,
/// since the engine looks at each endpoint in the transaction that writes the task.
pub(crate) async fn named(app: &App, tenant: Uuid, names: Vec<String>) -> Result<Vec<Uuid>, Problem> {
    let ids: Option<Vec<Uuid>> = names.iter().map(|name| parse_id(name)).collect();
    match ids {
        Some(ids) => Ok(ids),
        None => find(app, tenant, names).await,
    }
}

/// The endpoints of these names, in their order, each once. Every name that does not fit is told.
async fn find(app: &App, tenant: Uuid, names: Vec<String>) -> Result<Vec<Uuid>, Problem> {
    let asked = names.clone();
    let found = app.store.read(move |tx| {
        asked
            .iter()
            .map(|name| {
                if let Some(id) = parse_id(name) {
                    return Ok(endpoint::get(tx, tenant, id)?.map_or(Found::None, |row| Found::One(row.id)));
                }
                if name.len() > LONGEST {
                    return Ok(Found::None);
                }
                let ids = endpoint::by_name(tx, tenant, name)?;
                Ok(match ids.as_slice() {
                    [] => Found::None,
                    [one] => Found::One(*one),
                    several => Found::Several(several.len()),
                })
            })
            .collect::<Result<Vec<_>, Error>>()
    });
    let found = found.await?;
    let mut seen = HashSet::new();
    let (mut ids, mut wrong, mut code) = (Vec::with_capacity(found.len()), Vec::new(), Code::AmbiguousTarget);
    for (index, (name, found)) in names.iter().zip(found).enumerate() {
        match found {
            Found::One(id) if seen.insert(id) => ids.push(id),
            Found::One(_) => {}
            Found::None => {
                code = Code::UnknownTarget;
                wrong.push((index, format!("there is no active endpoint {}", shown(name))));
            }
            Found::Several(count) => {
                wrong.push((index, format!("{count} active endpoints are named {}", shown(name))));
            }
        }
    }
    let Some((_, first)) = wrong.first() else { return Ok(ids) };
    let detail = if wrong.len() == 1 {
        first.clone()
    } else {
        format!("{first}, and {} more do not fit", wrong.len() - 1)
    };
    let hint = if code == Code::UnknownTarget {
        "Names are exact; `GET /api/v1/endpoints` lists what there is."
    } else {
        "Use the id of the one that is meant."
    };
    let problem = Problem::new(code, detail).hint(hint);
    Err(wrong
        .into_iter()
        .take(100)
        .fold(problem, |problem, (index, text)| problem.field(format!("targets.endpoints[{index}]"), text)))
}

/// The endpoint of a query.
pub(crate) async fn find_one(app: &App, tenant: Uuid, name: &str) -> Result<Uuid, Problem> {
    let ids = find(app, tenant, vec![name.to_owned()]).await?;
    ids.first().copied().ok_or_else(|| Problem::not_found("endpoint"))
}

fn shown(name: &str) -> String {
    let short: String = name.chars().take(80).collect();
    format!("{short:?}")
}
