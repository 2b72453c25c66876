//! The rules of one category, laid together: tests that several rules ask are asked once, and a rule is looked at only when a
//! test has passed without which it cannot hit.

use std::collections::HashMap;

use crate::expression::{Expression, Leaf};
use crate::index::{Found, Index, Seen, TestNumber};
use crate::pattern::Shape;
use crate::record::{Decimal, Record, bytes};
use crate::test::Test;

/// The number of a rule in its set.
pub(crate) type RuleNumber = u32;

/// The rules of one category.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    tests: Vec<Asked>,
    fields: Vec<Field>,
    rules: Vec<Shelved>,
    /// Rules that no test can rule out.
    always: Vec<u32>,
}

/// A test, and who waits for it.
#[derive(Debug)]
struct Asked {
    field: Option<u32>,
    test: Test,
    written: String,
    /// Found by the index; otherwise asked when a rule wants to know.
    indexed: bool,
    /// Rules, by their place on the shelf, that are looked at when it passes.
    wakes: Vec<u32>,
}

#[derive(Debug)]
struct Field {
    /// Empty where it is any field.
    name: String,
    index: Option<Index>,
}

#[derive(Debug)]
struct Shelved {
    number: RuleNumber,
    tree: Tree,
}

/// An expression over the shelf's tests.
#[derive(Debug)]
enum Tree {
    All(Box<[Tree]>),
    Any(Box<[Tree]>),
    Not(Box<Tree>),
    Test(TestNumber),
}

/// Room for matching, kept between records so that none of it is asked for anew.
#[derive(Debug, Default)]
pub struct Scratch {
    passed: Bits,
    failed: Bits,
    /// A text was seen without which the test cannot pass; whether it does is asked when a rule wants to know.
    perhaps: Bits,
    woken: Bits,
    queue: Vec<u32>,
    seen: Seen,
}

#[derive(Debug, Default)]
struct Bits(Vec<u64>);

impl Bits {
    fn clear(&mut self, length: usize) {
        self.0.clear();
        self.0.resize(length.div_ceil(64), 0);
    }

    fn has(&self, at: u32) -> bool {
        self.0[at as usize / 64] & (1 << (at % 64)) != 0
    }

    /// Whether it is new.
    fn insert(&mut self, at: u32) -> bool {
        let is_new = !self.has(at);
        self.0[at as usize / 64] |= 1 << (at % 64);
        is_new
    }
}

impl Shelf {
    /// Lays rules together.
    ///
    /// # Errors
    /// The index became too large.
    pub fn new(rules: impl Iterator<Item = (RuleNumber, Expression)>) -> Result<Self, String> {
        let mut shelf = Self::default();
        let (mut names, mut known) = (HashMap::new(), HashMap::new());
        for (number, expression) in rules {
            let tree = shelf.tree(expression, &mut names, &mut known);
            let tree = shelf.cheapest_first(tree);
            shelf.rules.push(Shelved { number, tree });
        }
        for number in 0..shelf.fields.len() {
            let of_field = |asked: &&Asked| asked.field == u32::try_from(number).ok();
            let tests = (0..).zip(&shelf.tests).filter(|(_, asked)| of_field(asked));
            let (index, rest) = Index::new(tests.map(|(at, asked)| (at, &asked.test)))?;
            shelf.fields[number].index = index;
            for test in rest {
                shelf.tests[test as usize].indexed = false;
            }
        }
        shelf.wake();
        Ok(shelf)
    }

    fn tree(
        &mut self,
        expression: Expression,
        names: &mut HashMap<String, u32>,
        known: &mut HashMap<(Option<String>, String), TestNumber>,
    ) -> Tree {
        match expression {
            Expression::All(items) => {
                Tree::All(items.into_iter().map(|item| self.tree(item, names, known)).collect())
            }
            Expression::Any(items) => {
                Tree::Any(items.into_iter().map(|item| self.tree(item, names, known)).collect())
            }
            Expression::Not(item) => Tree::Not(Box::new(self.tree(*item, names, known))),
            Expression::Leaf(Leaf { field, test, written }) => {
                let key = (field, test.key());
                if let Some(number) = known.get(&key) {
                    return Tree::Test(*number);
                }
                let name = key.0.clone().unwrap_or_default();
                let at = *names.entry(name.clone()).or_insert_with(|| {
                    self.fields.push(Field { name, index: None });
                    self.fields.len() as u32 - 1
                });
                let number = self.tests.len() as TestNumber;
                self.tests.push(Asked { field: Some(at), test, written, indexed: true, wakes: Vec::new() });
                known.insert(key, number);
                Tree::Test(number)
            }
        }
    }

    /// What is known already is asked before what has to be tried, and that before regular expressions.
    fn cheapest_first(&self, tree: Tree) -> Tree {
        let sorted = |items: Box<[Tree]>| {
            let mut items: Vec<Tree> = items.into_iter().map(|item| self.cheapest_first(item)).collect();
            items.sort_by_key(|item| self.cost(item));
            items.into_boxed_slice()
        };
        match tree {
            Tree::All(items) => Tree::All(sorted(items)),
            Tree::Any(items) => Tree::Any(sorted(items)),
            Tree::Not(item) => Tree::Not(Box::new(self.cheapest_first(*item))),
            Tree::Test(_) => tree,
        }
    }

    fn cost(&self, tree: &Tree) -> u8 {
        match tree {
            Tree::All(items) | Tree::Any(items) => {
                items.iter().map(|item| self.cost(item)).max().unwrap_or(0)
            }
            Tree::Not(item) => self.cost(item),
            Tree::Test(number) => match &self.tests[*number as usize].test {
                Test::Regex(_) => 2,
                Test::Text {
                    shape: Shape::Exact(_) | Shape::Prefix(_) | Shape::Suffix(_) | Shape::Contains(_),
                    cased: false,
                } => 0,
                _ => 1,
            },
        }
    }

    /// Says of each rule which tests wake it.
    fn wake(&mut self) {
        for at in 0..self.rules.len() {
            match self.needed(&self.rules[at].tree) {
                None => self.always.push(at as u32),
                Some(needed) => {
                    for test in needed.tests {
                        self.tests[test as usize].wakes.push(at as u32);
                    }
                }
            }
        }
        for asked in &mut self.tests {
            asked.wakes.sort_unstable();
            asked.wakes.dedup();
        }
    }

    /// Tests of which one has to pass for the tree to hold; `None` where there are none such that the index finds.
    fn needed(&self, tree: &Tree) -> Option<Needed> {
        match tree {
            Tree::Not(_) => None,
            Tree::Test(number) => {
                let asked = &self.tests[*number as usize];
                let literals = asked.test.literals().filter(|_| asked.indexed)?;
                let length = literals.iter().map(|literal| literal.len()).min().unwrap_or(0);
                // The end of a program's path is shared by all that the program does; what it was called with is not.
                let name = asked.field.map_or("", |at| self.fields[at as usize].name.as_str());
                let common = name.ends_with("Image") || name == "User";
                Some(Needed { tests: vec![*number], worth: if common { length.min(4) } else { length } })
            }
            Tree::All(items) => items.iter().filter_map(|item| self.needed(item)).max_by_key(Needed::rank),
            Tree::Any(items) => {
                let all = items.iter().map(|item| self.needed(item)).collect::<Option<Vec<_>>>()?;
                let worth = all.iter().map(|needed| needed.worth).min()?;
                Some(Needed { tests: all.into_iter().flat_map(|needed| needed.tests).collect(), worth })
            }
        }
    }

    /// Calls `hit` for every rule that the record hits, in the order of the set.
    pub fn matching(&self, scratch: &mut Scratch, record: &dyn Record, mut hit: impl FnMut(RuleNumber)) {
        scratch.passed.clear(self.tests.len());
        scratch.failed.clear(self.tests.len());
        scratch.perhaps.clear(self.tests.len());
        scratch.woken.clear(self.rules.len());
        scratch.queue.clear();
        for field in &self.fields {
            let Some(index) = &field.index else { continue };
            let mut room = Decimal::default();
            if field.name.is_empty() {
                record.each(&mut |_, value| self.look(index, bytes(value, &mut Decimal::default()), scratch));
            } else if let Some(value) = record.field(&field.name) {
                self.look(index, bytes(value, &mut room), scratch);
            }
        }
        let mut queue = std::mem::take(&mut scratch.queue);
        queue.extend_from_slice(&self.always);
        queue.sort_unstable();
        for at in &queue {
            let rule = &self.rules[*at as usize];
            if self.holds(&rule.tree, scratch, record) {
                hit(rule.number);
            }
        }
        scratch.queue = queue;
    }

    fn look(&self, index: &Index, value: &[u8], scratch: &mut Scratch) {
        let Scratch { passed, perhaps, woken, queue, seen, .. } = scratch;
        index.look(value, seen, |number, found| {
            let told = match found {
                Found::Passes => &mut *passed,
                Found::Perhaps => &mut *perhaps,
            };
            if told.insert(number) {
                let wakes = &self.tests[number as usize].wakes;
                queue.extend(wakes.iter().filter(|rule| woken.insert(**rule)));
            }
        });
    }

    fn holds(&self, tree: &Tree, scratch: &mut Scratch, record: &dyn Record) -> bool {
        match tree {
            Tree::All(items) => items.iter().all(|item| self.holds(item, scratch, record)),
            Tree::Any(items) => items.iter().any(|item| self.holds(item, scratch, record)),
            Tree::Not(item) => !self.holds(item, scratch, record),
            Tree::Test(number) => self.passes(*number, scratch, record),
        }
    }

    fn passes(&self, number: TestNumber, scratch: &mut Scratch, record: &dyn Record) -> bool {
        let asked = &self.tests[number as usize];
        if scratch.passed.has(number) {
            return true;
        }
        if scratch.failed.has(number) || (asked.indexed && !scratch.perhaps.has(number)) {
            return false;
        }
        let passes = asked.test.passes_in(record, self.field(asked));
        if passes {
            scratch.passed.insert(number)
        } else {
            scratch.failed.insert(number)
        };
        passes
    }

    fn field(&self, asked: &Asked) -> Option<&str> {
        let name = asked.field.map(|at| self.fields[at as usize].name.as_str());
        name.filter(|name| !name.is_empty())
    }

    /// What of a rule holds for a record: its tests that pass, as they are written. For a person, after a hit.
    pub fn reasons(&self, rule: RuleNumber, record: &dyn Record) -> Vec<&str> {
        let mut scratch = Scratch::default();
        self.matching(&mut scratch, record, |_| {});
        let mut reasons = Vec::new();
        for shelved in self.rules.iter().filter(|shelved| shelved.number == rule) {
            self.collect(&shelved.tree, &mut scratch, record, &mut reasons);
        }
        reasons.dedup();
        reasons
    }

    fn collect<'a>(
        &'a self,
        tree: &'a Tree,
        scratch: &mut Scratch,
        record: &dyn Record,
        into: &mut Vec<&'a str>,
    ) {
        match tree {
            Tree::All(items) | Tree::Any(items) => {
                for item in items {
                    if self.holds(item, scratch, record) {
                        self.collect(item, scratch, record, into);
                    }
                }
            }
            Tree::Not(_) => {}
            Tree::Test(number) => into.push(&self.tests[*number as usize].written),
        }
    }

    /// Fields that some rule asks for; empty stands for any.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|field| field.name.as_str())
    }

    /// Rules, tests, rules that every record costs something, bytes of the indexes.
    pub fn size(&self) -> (usize, usize, usize, usize) {
        let memory = self.fields.iter().filter_map(|field| field.index.as_ref()).map(Index::memory).sum();
        (self.rules.len(), self.tests.len(), self.always.len(), memory)
    }
}

/// Tests of which one has to pass.
struct Needed {
    tests: Vec<TestNumber>,
    /// The shortest of their texts: the longer, the rarer.
    worth: usize,
}

impl Needed {
    fn rank(&self) -> (usize, std::cmp::Reverse<usize>) {
        (self.worth.min(12), std::cmp::Reverse(self.tests.len()))
    }
}
