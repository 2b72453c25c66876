//! Fields that are read together. `within` says to which part of the record their paths are relative: the first of its paths at
//! which an object stands. So the fields of one process never come from two.

use std::borrow::Cow;

use serde_json::Value;

use crate::event::Event;
use crate::expression::{Expression, Scope, paths};
use crate::field::{Field, Shape};
use crate::path::Path;
use crate::yaml::{Node, Problem, unknown};

const WITHIN: &str = "within";

#[derive(Clone, Debug, Default)]
pub struct Group {
    within: Vec<Path>,
    fields: Vec<(Field, Expression)>,
    groups: Vec<Group>,
}

impl Group {
    /// Reads it; keys in `others` are somebody else's.
    pub fn parse(node: &Node, what: &str, shape: &Shape, others: &[&str]) -> Result<Self, Problem> {
        let mut group = Self::default();
        for (key, place, value) in node.entries(what)? {
            let field = shape.fields.iter().find(|(name, _)| name == key);
            let inner = shape.groups.iter().find(|(name, _)| name == key);
            match (field, inner) {
                (Some((_, field)), _) => group.fields.push((*field, timeless(value)?)),
                (None, Some((name, shape))) => group.groups.push(Self::parse(value, name, shape, &[WITHIN])?),
                (None, None) if key == WITHIN && others.contains(&WITHIN) => group.within = paths(value)?,
                (None, None) if others.contains(&key.as_str()) => {}
                (None, None) => {
                    let mut names = others.to_vec();
                    names.extend(shape.fields.iter().map(|(name, _)| name));
                    names.extend(shape.groups.iter().map(|(name, _)| name));
                    return Err(unknown(key, *place, what, &names));
                }
            }
        }
        Ok(group)
    }

    /// Takes over what the record has.
    pub fn fill(&self, scope: Scope<'_>, event: &mut Event) {
        let Some((base, prefix)) = self.base(scope) else { return };
        let scope = Scope { base, prefix: &prefix, ..scope };
        let mut complaints = Vec::new();
        for (field, expression) in &self.fields {
            for got in expression.read(scope, field.wanted(), &mut complaints) {
                if let Err(why) = field.put(event, &got.text) {
                    complaints.push((got.pointer, why));
                }
            }
        }
        for (pointer, why) in complaints {
            event.remark(&pointer, why);
        }
        for group in &self.groups {
            group.fill(scope, event);
        }
    }

    fn base<'a>(&self, scope: Scope<'a>) -> Option<(&'a Value, Cow<'a, str>)> {
        if self.within.is_empty() {
            return Some((scope.base, Cow::Borrowed(scope.prefix)));
        }
        self.within.iter().find_map(|path| {
            let found = path.find(scope.base).into_iter().find(|one| one.value.is_object())?;
            Some((found.value, Cow::Owned([scope.prefix, &path.pointer(&found)].concat())))
        })
    }
}

/// An expression for a field that is no time.
pub fn timeless(node: &Node) -> Result<Expression, Problem> {
    let expression = Expression::parse(node)?;
    if expression.is_of_time() {
        return Err(Problem::at(node.place, "only `at` has a time"));
    }
    Ok(expression)
}
