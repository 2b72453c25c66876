//! What rules mean, what is refused, what the pack finds, and whether another engine agrees.
#![expect(clippy::unwrap_used, clippy::print_stdout, clippy::panic, reason = "tests")]

mod algebra;
mod correlation;
mod language;
mod pack;
mod parity;
mod refused;
mod speed;

use quell_sigma::{Problem, RuleSet, Scope};

/// A rule of processes around a detection in YAML, indented by two.
fn rule(number: u32, detection: &str) -> String {
    format!(
        "title: rule {number}\nid: 00000000-0000-4000-8000-{number:012x}\nlevel: low\n\
         logsource:\n  product: linux\n  category: process_creation\ndetection:\n{detection}\n"
    )
}

fn refused(problems: &[Problem]) -> Vec<String> {
    problems.iter().filter(|problem| problem.refused).map(ToString::to_string).collect()
}

/// A set of which nothing was refused.
fn compiled(texts: &[impl AsRef<str>]) -> RuleSet {
    let (set, problems) = RuleSet::compile(texts, &Scope::linux());
    assert_eq!(refused(&problems), Vec::<String>::new());
    set
}

/// `Field=value` with commas between.
fn event(text: &str) -> Vec<(String, String)> {
    let pairs = text.split(',').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap()).map(|(a, b)| (a.to_owned(), b.to_owned())).collect()
}
