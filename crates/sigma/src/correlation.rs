//! Correlations: rules that count the hits of others, in groups, within a time.

use crate::filter::is_called;
use crate::limits;
use crate::problem::{Problem, nearest, shown};
use crate::rule::{Rule, get};
use crate::scope::Scope;
use crate::yaml::{Key, Node, Place};

/// A rule about hits of other rules.
#[derive(Clone, Debug)]
pub struct Correlation {
    /// How it presents itself.
    pub rule: Rule,
    pub(crate) kind: Kind,
    /// Numbers of the rules whose hits it looks at, in the order in which they are named.
    pub(crate) rules: Vec<u32>,
    pub(crate) group_by: Vec<String>,
    /// Milliseconds.
    pub(crate) timespan: u64,
    /// Hits, values, or rules that it takes.
    pub(crate) enough: usize,
}

/// What is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Hits.
    Events,
    /// Different values of a field.
    Values(String),
    /// Different rules.
    Rules,
    /// Different rules, in the order in which they are named.
    Sequence,
}

/// A correlation before its rules are found.
#[derive(Debug)]
pub(crate) struct Written {
    place: Place,
    kind: Kind,
    rules: Vec<String>,
    group_by: Vec<String>,
    timespan: u64,
    enough: Option<usize>,
    generate: bool,
}

const KEYS: &[&str] = &["type", "rules", "group-by", "timespan", "condition", "generate"];

/// The body of a correlation.
pub(crate) fn read(body: &Node, rule: &Rule) -> Result<Written, Problem> {
    let pairs = body.map("correlation")?;
    for (key, _) in pairs {
        if !KEYS.contains(&key.text.as_str()) {
            let hint = match nearest(&key.text, KEYS.iter().copied()) {
                Some(name) => format!("Did you mean `{name}`?"),
                None => format!("There are {}.", KEYS.join(", ")),
            };
            return Err(
                Problem::at(key.place, format!("a correlation has no `{}`", shown(&key.text))).hint(hint)
            );
        }
    }
    let missing = |name: &str| Problem::at(body.place, format!("`{name}` is missing"));
    let of = |name: &str| get(pairs, name).ok_or_else(|| missing(name));
    if !rule.category.is_empty() {
        return Err(Problem::at(body.place, "a correlation has no logsource: its rules have"));
    }
    let rules = of("rules")?.texts("rules")?;
    if rules.is_empty() || rules.len() > limits::SELECTIONS {
        return Err(Problem::at(body.place, format!("one to {} rules", limits::SELECTIONS)));
    }
    let condition = Condition::read(pairs)?;
    Ok(Written {
        place: body.place,
        kind: condition.kind(of("type")?)?,
        rules: rules.into_iter().map(|(_, name)| name.to_owned()).collect(),
        group_by: match get(pairs, "group-by") {
            Some(node) => node.texts("group-by")?.into_iter().map(|(_, name)| name.to_owned()).collect(),
            None => Vec::new(),
        },
        timespan: timespan(of("timespan")?)?,
        enough: condition.enough,
        generate: match get(pairs, "generate").map(|node| node.text("generate")).transpose()? {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => return Err(Problem::at(body.place, "`generate` is true or false")),
        },
    })
}

/// `{gte: 10, field: QueryName}`.
struct Condition {
    enough: Option<usize>,
    field: Option<String>,
}

impl Condition {
    fn read(pairs: &[(Key, Node)]) -> Result<Self, Problem> {
        let mut read = Self { enough: None, field: None };
        let Some(node) = get(pairs, "condition") else { return Ok(read) };
        for (key, value) in node.map("condition")? {
            let more = match key.text.as_str() {
                "gte" => 0,
                "gt" => 1,
                "field" => {
                    read.field = Some(value.text("field")?.to_owned());
                    continue;
                }
                _ => {
                    return Err(Problem::at(key.place, format!("`{}` is not taken in a correlation", shown(&key.text)))
                        .hint("There are gte and gt: that something happened less often is known only when time is up."));
                }
            };
            let number =
                value.text(&key.text)?.parse::<usize>().ok().and_then(|number| number.checked_add(more));
            let in_range = number.filter(|number| (1..=limits::MOMENTS).contains(number));
            let Some(number) = in_range.filter(|_| read.enough.is_none()) else {
                let message = format!("one number from 1 to {}", limits::MOMENTS);
                return Err(Problem::at(value.place, message));
            };
            read.enough = Some(number);
        }
        Ok(read)
    }

    fn kind(&self, node: &Node) -> Result<Kind, Problem> {
        let text = node.text("type")?;
        let kind = match (text, &self.field) {
            ("event_count", None) => Kind::Events,
            ("value_count", Some(field)) => Kind::Values(field.clone()),
            ("temporal", None) => Kind::Rules,
            ("temporal_ordered", None) => Kind::Sequence,
            ("event_count" | "temporal" | "temporal_ordered", Some(_)) => {
                return Err(Problem::at(node.place, format!("a condition of {text} has no `field`")));
            }
            ("value_count", None) => {
                return Err(Problem::at(node.place, "value_count needs `condition: field:`"));
            }
            _ => {
                return Err(Problem::at(node.place, format!("there is no correlation `{}`", shown(text)))
                    .hint("There are event_count, value_count, temporal and temporal_ordered."));
            }
        };
        if self.enough.is_none() && matches!(kind, Kind::Events | Kind::Values(_)) {
            return Err(Problem::at(node.place, "`condition` is missing").hint("condition: {gte: 10}"));
        }
        Ok(kind)
    }
}

/// `30s`, `5m`, `2h`, `1d`, in milliseconds.
fn timespan(node: &Node) -> Result<u64, Problem> {
    let text = node.text("timespan")?;
    let wrong = || {
        Problem::at(
            node.place,
            format!("`{}` is no time span of at most {} hours", shown(text), limits::TIMESPAN / 3600),
        )
        .hint("A number and s, m, h or d: 5m")
    };
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86400,
        _ => return Err(wrong()),
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    match number.checked_mul(seconds) {
        Some(seconds @ 1..=limits::TIMESPAN) => Ok(seconds * 1000),
        _ => Err(wrong()),
    }
}

/// Finds the rules that correlations name, and silences those that none wants to hear of by themselves.
pub(crate) fn resolve(
    written: Vec<(Rule, Written)>,
    rules: &mut [Rule],
    scope: &Scope,
    problems: &mut Vec<Problem>,
) -> Vec<Correlation> {
    let mut found = Vec::new();
    let mut loud = vec![false; rules.len()];
    let mut counted = vec![false; rules.len()];
    for (rule, written) in written {
        let source = rule.text;
        let generate = written.generate;
        match one(rule, written, rules, scope) {
            Err(problem) => problems.push(problem.of(source)),
            Ok(correlation) => {
                for number in &correlation.rules {
                    counted[*number as usize] = true;
                    loud[*number as usize] |= generate;
                }
                found.push(correlation);
            }
        }
    }
    for (number, rule) in rules.iter_mut().enumerate() {
        rule.alerts = loud[number] || !counted[number];
    }
    found
}

fn one(rule: Rule, written: Written, rules: &[Rule], scope: &Scope) -> Result<Correlation, Problem> {
    let wrong = |message: String| Problem::at(written.place, message);
    let mut numbers: Vec<u32> = Vec::new();
    for name in &written.rules {
        let Some(rule) = rules.iter().find(|rule| is_called(rule, name)) else {
            return Err(wrong(format!("there is no rule `{}`", shown(name)))
                .hint("Rules are named by `id` or `name`; a correlation of correlations is not taken."));
        };
        if numbers.contains(&rule.number) {
            return Err(wrong(format!("`{}` is named twice", shown(name))));
        }
        let counted = match &written.kind {
            Kind::Values(field) => Some(field),
            _ => None,
        };
        for field in written.group_by.iter().chain(counted) {
            if !scope.has_field(&rule.category, field) {
                return Err(wrong(format!("records of {} have no field `{}`", rule.category, shown(field))));
            }
        }
        numbers.push(rule.number);
    }
    let all = numbers.len();
    let enough = match written.kind {
        Kind::Rules | Kind::Sequence if written.enough.is_some_and(|enough| enough > all) => {
            return Err(wrong(format!("it takes more rules than the {all} that it names")));
        }
        Kind::Sequence if written.enough.is_some_and(|enough| enough != all) => {
            return Err(wrong("a sequence takes all of its rules".to_owned()));
        }
        _ => written.enough.unwrap_or(all),
    };
    Ok(Correlation {
        rule,
        kind: written.kind,
        rules: numbers,
        group_by: written.group_by,
        timespan: written.timespan,
        enough,
    })
}
