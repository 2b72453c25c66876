//! Filters: documents that keep rules of others silent where somebody knows better, without touching them.

use crate::expression::Expression;
use crate::problem::{Problem, shown};
use crate::rule::{Rule, get};
use crate::scope::Scope;
use crate::selection;
use crate::yaml::{Node, Place, Yaml};

/// What has to hold besides for rules to hit.
#[derive(Debug)]
pub(crate) struct Filter {
    place: Place,
    source: usize,
    category: String,
    /// Ids or names; `None` for every rule of the category.
    rules: Option<Vec<String>>,
    pub expression: Expression,
}

impl Filter {
    pub fn read(
        body: &Node,
        rule: &Rule,
        scope: &Scope,
        problems: &mut Vec<Problem>,
    ) -> Result<Self, Problem> {
        let pairs = body.map("filter")?;
        let Some(rules) = get(pairs, "rules") else {
            return Err(Problem::at(body.place, "`rules` is missing")
                .hint("Ids or names of rules, or `any` for every rule of the category."));
        };
        let names = match &rules.value {
            Yaml::Text(text) if text.eq_ignore_ascii_case("any") => None,
            _ => Some(rules.texts("rules")?.into_iter().map(|(_, name)| name.to_owned()).collect()),
        };
        Ok(Self {
            place: body.place,
            source: rule.text,
            category: rule.category.clone(),
            rules: names,
            expression: selection::read(body, &["rules"], &rule.category, scope, problems)?,
        })
    }

    pub fn is_for(&self, rule: &Rule) -> bool {
        let is_named = |name: &String| is_called(rule, name);
        rule.category == self.category && self.rules.as_ref().is_none_or(|names| names.iter().any(is_named))
    }

    /// A name that no rule has: what was to be kept silent is not, or is gone.
    pub fn idle(&self, rules: &[Rule]) -> Vec<Problem> {
        let names = self.rules.iter().flatten();
        let unknown = names.filter(|name| !rules.iter().any(|rule| is_called(rule, name)));
        let remark = |name: &String| {
            Problem::at(self.place, format!("there is no rule `{}` to filter", shown(name)))
                .of(self.source)
                .remark()
        };
        unknown.map(remark).collect()
    }
}

/// Whether a document means this rule: by id, or by name.
pub(crate) fn is_called(rule: &Rule, name: &str) -> bool {
    (!rule.name.is_empty() && rule.name == name) || uuid::Uuid::parse_str(name).is_ok_and(|id| id == rule.id)
}
