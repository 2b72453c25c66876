//! Observables: what of a record can be looked for elsewhere, each with what it is.

use crate::event::{Event, LINE, OBSERVABLES, Observable, ObservableKind, cut};
use crate::expression::{Complaint, Expression, Scope, Wanted};
use crate::field::address;
use crate::group::timeless;
use crate::path::Path;
use crate::yaml::{Node, Problem, Value};

/// Rules of one pack.
const MOST: usize = 64;

/// How observables are read.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Elements to which kind and value are relative; the record itself where nothing is said.
    each: Option<Path>,
    kind: Kind,
    value: Expression,
}

#[derive(Clone, Debug)]
enum Kind {
    Always(ObservableKind),
    Read(Expression),
}

/// A list of them.
pub fn rules(node: Option<&Node>) -> Result<Vec<Rule>, Problem> {
    let Some(node) = node else { return Ok(Vec::new()) };
    if node.items().len() > MOST {
        return Err(Problem::at(node.place, format!("at most {MOST} observables")));
    }
    node.items().iter().map(Rule::parse).collect()
}

impl Rule {
    fn parse(node: &Node) -> Result<Self, Problem> {
        let map = node.map("an observable", &["each", "kind", "value"])?;
        let each = match map.get("each") {
            None => None,
            Some(each) => {
                Some(Path::parse(each.text("`each`")?).map_err(|why| Problem::at(each.place, why))?)
            }
        };
        let kind = map.must("kind")?;
        let kind = match &kind.value {
            Value::Text(word) if !word.starts_with('/') => {
                Kind::Always(ObservableKind::of(word).ok_or_else(|| {
                    let words = ObservableKind::ALL.map(ObservableKind::word).join(", ");
                    Problem::at(kind.place, "no such kind").hint(format!("There are {words}."))
                })?)
            }
            _ => Kind::Read(timeless(kind)?),
        };
        Ok(Self { each, kind, value: timeless(map.must("value")?)? })
    }

    pub fn fill(&self, scope: Scope<'_>, event: &mut Event) {
        let mut complaints = Vec::new();
        match &self.each {
            None => self.one(scope, event, &mut complaints),
            Some(each) => {
                for found in each.find(scope.base) {
                    let prefix = [scope.prefix, &each.pointer(&found)].concat();
                    self.one(Scope { base: found.value, prefix: &prefix, ..scope }, event, &mut complaints);
                }
            }
        }
        for (pointer, why) in complaints {
            event.remark(&pointer, why);
        }
    }

    fn one(&self, scope: Scope<'_>, event: &mut Event, complaints: &mut Vec<Complaint>) {
        let kind = match &self.kind {
            Kind::Always(kind) => Some(*kind),
            Kind::Read(expression) => {
                let got = expression.read(scope, Wanted::One, complaints).into_iter().next();
                got.and_then(|got| ObservableKind::of(&got.text))
            }
        };
        let Some(kind) = kind else { return };
        for got in self.value.read(scope, Wanted::All, complaints) {
            match value(kind, &got.text) {
                Ok(value) => {
                    let observable = Observable { kind, value };
                    if event.observables.len() < OBSERVABLES && !event.observables.contains(&observable) {
                        event.observables.push(observable);
                    }
                }
                Err(why) => complaints.push((got.pointer, why)),
            }
        }
    }
}

fn value(kind: ObservableKind, text: &str) -> Result<String, String> {
    match kind {
        ObservableKind::Address => address(text).map(|address| address.to_string()),
        ObservableKind::Hash | ObservableKind::Domain | ObservableKind::Mac => {
            Ok(cut(text.trim(), LINE).0.to_ascii_lowercase())
        }
        ObservableKind::Url
        | ObservableKind::File
        | ObservableKind::User
        | ObservableKind::Process
        | ObservableKind::CommandLine
        | ObservableKind::Email
        | ObservableKind::Other => Ok(cut(text, LINE).0),
    }
}
