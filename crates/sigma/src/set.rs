//! A set of rules: many texts read, checked against what records have, laid together by category.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use crate::correlation::{self, Correlation};
use crate::expression::Expression;
use crate::filter::Filter;
use crate::limits;
use crate::problem::Problem;
use crate::record::Record;
use crate::rule::{self, Rule, get};
use crate::scope::Scope;
use crate::selection;
use crate::shelf::{Scratch, Shelf};
use crate::test::Test;
use crate::yaml::{self, Node, Place};

/// Rules that are matched together.
#[derive(Debug, Default)]
pub struct RuleSet {
    rules: Vec<Rule>,
    shelves: HashMap<String, Shelf>,
    correlations: Vec<Correlation>,
    filters: usize,
}

/// What a set consists of and what it costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Rules.
    pub rules: usize,
    /// Correlations.
    pub correlations: usize,
    /// Filters.
    pub filters: usize,
    /// Tests, each once however many rules ask it.
    pub tests: usize,
    /// Rules that cost something with every record of their category.
    pub unindexed: usize,
    /// Bytes of the indexes.
    pub memory: usize,
}

/// What came of reading, before it is laid together.
struct Reading<'a> {
    scope: &'a Scope,
    rules: Vec<(Rule, Expression)>,
    correlations: Vec<(Rule, correlation::Written)>,
    filters: Vec<Filter>,
    ids: HashMap<Uuid, usize>,
    values: usize,
    regexes: usize,
    problems: Vec<Problem>,
}

impl RuleSet {
    /// Compiles texts, each with one document or several. What is refused is not in the set and stands among the problems,
    /// with its place; the rest is in it. Nothing that a rule says is passed over.
    pub fn compile(texts: &[impl AsRef<str>], scope: &Scope) -> (Self, Vec<Problem>) {
        let mut reading = Reading {
            scope,
            rules: Vec::new(),
            correlations: Vec::new(),
            filters: Vec::new(),
            ids: HashMap::new(),
            values: 0,
            regexes: 0,
            problems: Vec::new(),
        };
        let mut count = 0;
        for (source, text) in texts.iter().enumerate() {
            let (documents, broken) = yaml::documents(text.as_ref());
            for document in documents {
                count += 1;
                if count > limits::DOCUMENTS {
                    let message = format!("more than {} documents in a set", limits::DOCUMENTS);
                    reading.problems.push(Problem::at(document.place, message).of(source));
                    return reading.finish();
                }
                if let Err(problem) = reading.document(&document, source) {
                    reading.problems.push(problem.of(source));
                }
            }
            reading.problems.extend(broken.map(|problem| problem.of(source)));
        }
        reading.finish()
    }

    /// Every rule that the record hits, in the order of the texts.
    pub fn matching(&self, category: &str, record: &dyn Record) -> Vec<&Rule> {
        self.matching_with(&mut Scratch::default(), category, record)
    }

    /// As [`RuleSet::matching`], with room that is kept between records: nothing is allocated where nothing hits.
    pub fn matching_with(&self, scratch: &mut Scratch, category: &str, record: &dyn Record) -> Vec<&Rule> {
        let mut hits = Vec::new();
        if let Some(shelf) = self.shelves.get(category) {
            shelf.matching(scratch, record, |number| hits.push(&self.rules[number as usize]));
        }
        hits
    }

    /// What of a rule holds for a record, as it is written in the rule. For a person, after a hit.
    pub fn reasons(&self, rule: &Rule, record: &dyn Record) -> Vec<String> {
        let shelf = self.shelves.get(&rule.category);
        let reasons = shelf.map(|shelf| shelf.reasons(rule.number, record)).unwrap_or_default();
        reasons.into_iter().map(str::to_owned).collect()
    }

    /// The rules, in the order of the texts.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The correlations, in the order of the texts.
    pub fn correlations(&self) -> &[Correlation] {
        &self.correlations
    }

    /// Whether any rule is about records of the category: where none is, none has to be made.
    pub fn wants(&self, category: &str) -> bool {
        self.shelves.contains_key(category)
    }

    /// Fields that rules ask for, by category: what a record need not have, need not be found out. An empty name stands for
    /// every field.
    pub fn fields(&self) -> BTreeMap<&str, Vec<&str>> {
        self.shelves.iter().map(|(category, shelf)| (category.as_str(), shelf.fields().collect())).collect()
    }

    /// What it consists of and what it costs.
    pub fn size(&self) -> Size {
        let mut size = Size {
            rules: self.rules.len(),
            correlations: self.correlations.len(),
            filters: self.filters,
            ..Size::default()
        };
        for shelf in self.shelves.values() {
            let (_, tests, always, memory) = shelf.size();
            size.tests += tests;
            size.unindexed += always;
            size.memory += memory;
        }
        size
    }

    /// Tries the rules' own events: what must hit and does not, or hits and must not.
    pub fn check_tests(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut scratch = Scratch::default();
        for rule in &self.rules {
            let mut hits = |event: &rule::Event| {
                self.matching_with(&mut scratch, &rule.category, event).iter().any(|hit| hit.id == rule.id)
            };
            for (at, event) in rule.tests.hits.iter().enumerate() {
                if !hits(event) {
                    wrong.push(format!("{}: event {} must hit and does not", rule.title, at + 1));
                }
            }
            for (at, event) in rule.tests.misses.iter().enumerate() {
                if hits(event) {
                    wrong.push(format!("{}: event {} must not hit and does", rule.title, at + 1));
                }
            }
        }
        wrong
    }
}

impl Reading<'_> {
    fn document(&mut self, node: &Node, source: usize) -> Result<(), Problem> {
        let pairs = node.map("rule")?;
        let from = self.problems.len();
        let mut rule = rule::read(node.place, pairs, self.scope, &mut self.problems)?;
        rule.text = source;
        let kinds = ["detection", "correlation", "filter"];
        let present: Vec<_> = kinds.iter().filter_map(|kind| Some((*kind, get(pairs, kind)?))).collect();
        let [(kind, body)] = present[..] else {
            return Err(Problem::at(
                node.place,
                "a document has one of `detection`, `correlation` and `filter`",
            ));
        };
        if kind != "correlation" && rule.category.is_empty() {
            return Err(Problem::at(node.place, "`logsource` is missing"));
        }
        if let Some(line) = self.ids.insert(rule.id, rule.line) {
            return Err(Problem::at(
                node.place,
                format!("the id {} is that of another rule (line {line})", rule.id),
            ));
        }
        match kind {
            "detection" => self.rule(rule, body)?,
            "filter" => {
                let filter = Filter::read(body, &rule, self.scope, &mut self.problems)?;
                self.count(&filter.expression, node.place)?;
                self.filters.push(filter);
            }
            _ => {
                let written = correlation::read(body, &rule)?;
                self.correlations.push((rule, written));
            }
        }
        self.problems[from..].iter_mut().for_each(|problem| problem.text = source);
        let holds = self.filters.len() <= limits::FILTERS && self.correlations.len() <= limits::CORRELATIONS;
        if holds { Ok(()) } else { Err(Problem::at(node.place, "too many correlations or filters in a set")) }
    }

    fn rule(&mut self, rule: Rule, body: &Node) -> Result<(), Problem> {
        if self.rules.len() == limits::RULES {
            return Err(Problem::at(body.place, format!("more than {} rules in a set", limits::RULES)));
        }
        let expression = selection::read(body, &[], &rule.category, self.scope, &mut self.problems)?;
        self.count(&expression, body.place)?;
        for event in rule.tests.hits.iter().chain(&rule.tests.misses) {
            for (field, _) in &event.fields {
                if !self.scope.has_field(&rule.category, field) {
                    let message = format!("tests: records of {} have no field `{field}`", rule.category);
                    return Err(Problem::at(body.place, message));
                }
            }
        }
        self.rules.push((rule, expression));
        Ok(())
    }

    fn count(&mut self, expression: &Expression, place: Place) -> Result<(), Problem> {
        let mut regexes = 0;
        expression.each(&mut |leaf| regexes += usize::from(matches!(leaf.test, Test::Regex(_))));
        self.values += expression.leaves();
        self.regexes += regexes;
        if self.values > limits::VALUES_IN_SET {
            return Err(Problem::at(place, format!("more than {} values in a set", limits::VALUES_IN_SET)));
        }
        if self.regexes > limits::REGEXES {
            return Err(Problem::at(
                place,
                format!("more than {} regular expressions in a set", limits::REGEXES),
            ));
        }
        Ok(())
    }

    fn finish(mut self) -> (RuleSet, Vec<Problem>) {
        let mut by_category: HashMap<String, Vec<(u32, Expression)>> = HashMap::new();
        let mut rules = Vec::with_capacity(self.rules.len());
        for (number, (mut rule, mut expression)) in self.rules.into_iter().enumerate() {
            rule.number = number as u32;
            for filter in self.filters.iter().filter(|filter| filter.is_for(&rule)) {
                expression = Expression::all(vec![expression, filter.expression.clone()]);
            }
            by_category.entry(rule.category.clone()).or_default().push((number as u32, expression));
            rules.push(rule);
        }
        for filter in &self.filters {
            self.problems.extend(filter.idle(&rules));
        }
        let correlations =
            correlation::resolve(self.correlations, &mut rules, self.scope, &mut self.problems);
        let mut shelves = HashMap::new();
        for (category, rules) in by_category {
            match Shelf::new(rules.into_iter()) {
                Ok(shelf) => drop(shelves.insert(category, shelf)),
                Err(error) => {
                    let place = Place { line: 1, column: 1 };
                    self.problems.push(Problem::at(place, format!("the rules of {category}: {error}")));
                }
            }
        }
        let set = RuleSet { rules, shelves, correlations, filters: self.filters.len() };
        (set, self.problems)
    }
}
