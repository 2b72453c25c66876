//! Detections: selections by name, and the condition that joins them.

use crate::condition::{self, Selections};
use crate::expression::{Expression, Leaf};
use crate::limits;
use crate::problem::{Problem, nearest, shown};
use crate::rule::get;
use crate::scope::Scope;
use crate::test::Test;
use crate::value;
use crate::yaml::{Key, Node, Place, Yaml};

/// What the selections beside a condition come to. `others` are keys that are no selections. Remarks are added to `problems`.
pub(crate) fn read(
    node: &Node,
    others: &[&str],
    category: &str,
    scope: &Scope,
    problems: &mut Vec<Problem>,
) -> Result<Expression, Problem> {
    let pairs = node.map("detection")?;
    let mut selections: Selections = Vec::new();
    let fields = Fields { category, scope };
    for (key, value) in pairs {
        if key.text == "timeframe" {
            return Err(Problem::at(key.place, "`timeframe` is not taken")
                .hint("Write a correlation: a document of its own with `correlation:`."));
        }
        if key.text == "condition" || others.contains(&key.text.as_str()) {
            continue;
        }
        name(key)?;
        let expression = selection(value, 0)?;
        fields.check(&expression, value.place)?;
        selections.push((key.text.clone(), expression));
    }
    if selections.len() > limits::SELECTIONS {
        return Err(Problem::at(node.place, format!("more than {} selections", limits::SELECTIONS)));
    }
    let Some(condition) = get(pairs, "condition") else {
        return Err(Problem::at(node.place, "`condition` is missing").hint("condition: selection"));
    };
    joined(condition, &selections, problems)
}

/// The selections as the condition joins them.
fn joined(node: &Node, selections: &Selections, problems: &mut Vec<Problem>) -> Result<Expression, Problem> {
    let mut unused: Vec<String> = selections.iter().map(|(name, _)| name.clone()).collect();
    let mut ways = Vec::new();
    // Several conditions are several ways to hit.
    for (place, text) in node.texts("condition")? {
        ways.push(condition::read(text, place, selections, &mut unused)?);
    }
    if ways.is_empty() {
        return Err(Problem::at(node.place, "`condition` is empty"));
    }
    for name in unused {
        let message = format!("nothing uses the selection `{}`", shown(&name));
        problems.push(Problem::at(node.place, message).remark());
    }
    let expression = Expression::any(ways);
    if expression.leaves() > limits::VALUES {
        return Err(Problem::at(node.place, format!("more than {} values", limits::VALUES)));
    }
    Ok(expression)
}

fn name(key: &Key) -> Result<(), Problem> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let reserved = ["and", "or", "not", "of", "them", "all", "any", "1"];
    let holds = !key.text.is_empty() && key.text.len() <= 100 && key.text.chars().all(is_word);
    if holds && !reserved.contains(&key.text.to_ascii_lowercase().as_str()) {
        return Ok(());
    }
    Err(Problem::at(key.place, format!("`{}` cannot be the name of a selection", shown(&key.text)))
        .hint("Letters, digits, `_`, `-` and `.`; no word of conditions."))
}

/// A mapping is all of its fields, a list one of its items, a text alone stands anywhere.
fn selection(node: &Node, depth: usize) -> Result<Expression, Problem> {
    match &node.value {
        Yaml::Map(pairs) if pairs.is_empty() => Err(Problem::at(node.place, "a selection without fields")),
        Yaml::Map(pairs) => {
            let items = pairs.iter().map(|(key, node)| value::item(key, node));
            Ok(Expression::all(items.collect::<Result<_, _>>()?))
        }
        Yaml::List(items) if items.is_empty() || depth > 0 => {
            Err(Problem::at(node.place, "a list of mappings or of words"))
        }
        Yaml::List(items) => {
            let items = items.iter().map(|item| selection(item, depth + 1));
            Ok(Expression::any(items.collect::<Result<_, _>>()?))
        }
        Yaml::Text(_) => value::keyword(node),
        Yaml::Null => Err(Problem::at(node.place, "a selection without fields")),
    }
}

/// Whether records have the fields that a rule asks for.
struct Fields<'a> {
    category: &'a str,
    scope: &'a Scope,
}

impl Fields<'_> {
    fn check(&self, expression: &Expression, place: Place) -> Result<(), Problem> {
        let mut unknown = None;
        let mut look = |field: &str| {
            if unknown.is_none() && !self.scope.has_field(self.category, field) {
                unknown = Some(field.to_owned());
            }
        };
        expression.each(&mut |leaf: &Leaf| {
            leaf.field.iter().for_each(|field| look(field));
            if let Test::Field { name, .. } = &leaf.test {
                look(name);
            }
        });
        let Some(field) = unknown else { return Ok(()) };
        let known: Vec<&str> = self.scope.fields(self.category).collect();
        let meant = nearest(&field, known.iter().copied());
        let meant = meant.map(|name| format!("Did you mean `{name}`? ")).unwrap_or_default();
        let message = format!("records of {} have no field `{}`", self.category, shown(&field));
        Err(Problem::at(place, message).hint(format!("{meant}There are {}.", known.join(", "))))
    }
}
