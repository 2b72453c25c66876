//! What runs a script.

use quell_catalog::endpoint::run_script::Interpreter;
use quell_catalog::library::Kind;
use serde_json::Value;

use super::Said;
use crate::problem::Problem;

/// The interpreter that was said; scripts have one, and nothing else has.
pub fn interpreter(kind: Kind, said: &Said) -> Result<Option<Interpreter>, Problem> {
    match (kind, &said.interpreter) {
        (Kind::Script, Some(name)) => serde_json::from_value(Value::from(name.as_str()))
            .map(Some)
            .map_err(|_| Problem::bad_field("interpreter", "must be bash, sh, python or powershell")),
        (_, None) => Ok(None),
        (_, Some(_)) => Err(Problem::bad_field("interpreter", "scripts alone have one")),
    }
}
