//! What an indicator lists, or why it lists nothing.

use super::object::Object;
use super::{pattern, validity};
use crate::blocklist::import::csv::{bounded, plain};
use crate::blocklist::import::field::{Field, odd};
use crate::blocklist::import::{Entry, Imported};
use crate::blocklist::{RiskLevel, Value};

pub(super) fn take(imported: &mut Imported, object: &Object) -> Result<(), String> {
    // Whatever else is in a bundle says something about indicators, and lists nothing.
    if object.kind.text("type")? != Some("indicator") {
        return Ok(());
    }
    match object.revoked {
        Field::Absent | Field::Flag(false) => {}
        Field::Flag(true) => return Ok(()),
        _ => return Err(odd("revoked")),
    }
    match &object.indicator_types {
        // Of the vocabulary of STIX 2.1: known to be harmless.
        Field::Texts(types) if types.iter().any(|kind| kind == "benign") => {
            return Err("it is said to be benign".to_owned());
        }
        Field::Absent | Field::Texts(_) => {}
        _ => return Err(odd("indicator_types")),
    }
    if object.pattern_type.text("pattern_type")?.is_some_and(|kind| kind != "stix") {
        return Err("the pattern is in another language than STIX".to_owned());
    }
    let valid_from_us = validity::time(&object.valid_from, "valid_from")?;
    let valid_until_us = validity::time(&object.valid_until, "valid_until")?;
    let risk = match object.confidence {
        Field::Absent => None,
        Field::Whole(..=29) => Some(RiskLevel::Low),
        Field::Whole(30..=69) => Some(RiskLevel::Medium),
        Field::Whole(70..) => Some(RiskLevel::High),
        _ => return Err(odd("confidence")),
    };
    let note = object.name.text("name")?.map(bounded);
    for (kind, text) in pattern::comparisons(object.pattern.text("pattern")?.unwrap_or_default())? {
        let value = Value::parse(Some(kind), &text).map_err(|unfit| unfit.0)?;
        let note = note.clone();
        let entry = Entry { risk, valid_from_us, valid_until_us, note, ..plain(value) };
        imported.add(entry).map_err(|unfit| unfit.0)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use serde_json::json;

    use crate::blocklist::import;

    #[test]
    fn what_is_said_to_be_benign_is_not_listed() {
        let problem = |types: &[&str]| {
            let object = json!({ "type": "indicator", "pattern": "[domain-name:value = 'evil.example']",
                "pattern_type": "stix", "indicator_types": types });
            let bundle = json!({ "type": "bundle", "objects": [object] });
            import::read(bundle.to_string().as_bytes()).unwrap().problems.pop().map(|problem| problem.problem)
        };
        assert_eq!(problem(&["unknown", "benign"]).as_deref(), Some("it is said to be benign"));
        assert_eq!(problem(&["malicious-activity"]), None);
    }
}
