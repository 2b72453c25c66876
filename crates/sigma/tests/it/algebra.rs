//! What holds for every rule: the index only saves work, and a condition means what logic says.

use proptest::prelude::*;

use super::{compiled, rule};

/// A selection's values, and whether a record has them, worked out by hand.
#[derive(Clone, Debug)]
struct Selection {
    field: usize,
    how: usize,
    values: Vec<String>,
    all: bool,
}

const FIELDS: [&str; 3] = ["Image", "CommandLine", "User"];
const HOWS: [&str; 4] = ["", "|contains", "|startswith", "|endswith"];

impl Selection {
    fn holds(&self, record: &[(String, String)]) -> bool {
        let Some((_, value)) = record.iter().find(|(name, _)| name == FIELDS[self.field]) else {
            return false;
        };
        let value = value.to_lowercase();
        let one = |text: &String| match self.how {
            0 => value == *text,
            1 => value.contains(text.as_str()),
            2 => value.starts_with(text.as_str()),
            _ => value.ends_with(text.as_str()),
        };
        if self.all { self.values.iter().all(one) } else { self.values.iter().any(one) }
    }

    fn written(&self, name: &str) -> String {
        let all = if self.all { "|all" } else { "" };
        format!(
            "  {name}:\n    {}{}{all}: [{}]\n",
            FIELDS[self.field],
            HOWS[self.how],
            self.values.join(", ")
        )
    }
}

#[derive(Clone, Debug)]
enum Condition {
    Name(usize),
    Not(Box<Condition>),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
}

impl Condition {
    fn holds(&self, selections: &[bool]) -> bool {
        match self {
            Self::Name(at) => selections[*at],
            Self::Not(inner) => !inner.holds(selections),
            Self::And(one, other) => one.holds(selections) && other.holds(selections),
            Self::Or(one, other) => one.holds(selections) || other.holds(selections),
        }
    }

    fn written(&self) -> String {
        match self {
            Self::Name(at) => format!("s{at}"),
            Self::Not(inner) => format!("not {}", inner.written()),
            Self::And(one, other) => format!("({} and {})", one.written(), other.written()),
            Self::Or(one, other) => format!("({} or {})", one.written(), other.written()),
        }
    }
}

fn selections() -> impl Strategy<Value = Vec<Selection>> {
    let one = (0..3usize, 0..4usize, prop::collection::vec("[ab]{1,3}", 1..4), any::<bool>());
    prop::collection::vec(one.prop_map(|(field, how, values, all)| Selection { field, how, values, all }), 3)
}

fn condition() -> impl Strategy<Value = Condition> {
    (0..3usize).prop_map(Condition::Name).prop_recursive(4, 16, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|inner| Condition::Not(Box::new(inner))),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Condition::And(Box::new(a), Box::new(b))),
            (inner.clone(), inner).prop_map(|(a, b)| Condition::Or(Box::new(a), Box::new(b))),
        ]
    })
}

fn record() -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::vec(prop::option::of("[abAB]{0,5}"), 3).prop_map(|values| {
        let named = FIELDS.iter().zip(values);
        named.filter_map(|(name, value)| Some(((*name).to_owned(), value?))).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn rules_mean_what_logic_says(
        rules in prop::collection::vec((selections(), condition()), 1..6),
        records in prop::collection::vec(record(), 1..12),
    ) {
        let texts: Vec<String> = (0..).zip(&rules).map(|(number, (selections, condition))| {
            let written: String = (0..).zip(selections).map(|(at, one)| one.written(&format!("s{at}"))).collect();
            rule(number, &format!("{written}  condition: {}", condition.written()))
        }).collect();
        let set = compiled(&texts);
        for record in &records {
            let expected: Vec<String> = (0..).zip(&rules).filter(|(_, (selections, condition))| {
                condition.holds(&selections.iter().map(|one| one.holds(record)).collect::<Vec<_>>())
            }).map(|(number, _): (u32, _)| format!("rule {number}")).collect();
            let found: Vec<String> = set.matching("process_creation", record).iter().map(|rule| rule.title.clone()).collect();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn no_text_is_too_much(text in "\\PC{0,200}") {
        let (set, problems) = quell_sigma::RuleSet::compile(&[&text], &quell_sigma::Scope::linux());
        prop_assert!(set.rules().is_empty());
        prop_assert!(problems.iter().all(|problem| problem.line > 0 && problem.column > 0));
    }
}
