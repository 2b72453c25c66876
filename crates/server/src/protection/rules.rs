//! Bodies of rules, made of what comes with the program and of what the library has: compiled here exactly as agents compile
//! them, so that none is handed out that an agent of this version would refuse.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use quell_sigma::{Level, RuleSet, Scope};
use quell_wire::digest::sha256;
use quell_wire::limits;
use quell_wire::protection::{BETWEEN, documents};
use quell_yara::{Limits, Named};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::settings::Severity;
use crate::library::Fault;

/// For compiling YARA rules.
const COMPILE: Duration = Duration::from_secs(15);
/// Rules of one body that are listed by name.
const NAMED: usize = 5000;
/// Faults that are told of one look.
const TOLD: usize = 50;
/// Characters of a rule's title.
const TITLE: usize = 200;

/// A rule as people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Rule {
    /// `behaviour` or `yara`.
    pub source: String,
    /// What exclusions and detections name it by: a UUID, or the name of a YARA rule.
    pub id: String,
    /// What it finds.
    pub title: String,
    /// How bad a hit is.
    #[schema(value_type = String)]
    pub severity: Severity,
    /// Techniques of MITRE ATT&CK that it says it finds.
    pub techniques: Vec<String>,
    /// Where it comes from: `built-in`, or an item of the library with its version.
    pub from: String,
    /// Whether it is in force, or disabled.
    pub enabled: bool,
}

/// Where rules come from.
#[derive(Clone, Debug)]
pub(crate) struct Set {
    /// As [`Rule::from`].
    pub from: String,
    /// The field of the settings that names it.
    pub field: String,
    /// The text.
    pub text: String,
}

/// What is wrong, and with which field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub field: String,
    /// Where it comes from; empty where it is about the whole.
    pub from: String,
    pub fault: Fault,
}

/// A body, ready to be handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Body {
    pub bytes: Vec<u8>,
    pub sha256: [u8; 32],
}

/// What came of compiling sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Compiled {
    /// `None` where no rule is in force.
    pub body: Option<Body>,
    /// In force and disabled.
    pub rules: Vec<Rule>,
}

impl Body {
    fn of(text: String) -> Self {
        let bytes = text.into_bytes();
        Self { sha256: sha256(&[&bytes]), bytes }
    }
}

/// One document of a set.
struct Document<'a> {
    set: &'a Set,
    /// Lines before it.
    before: u32,
    text: &'a str,
}

fn cut(sets: &[Set]) -> Vec<Document<'_>> {
    let mut found = Vec::new();
    for set in sets {
        for text in documents(&set.text) {
            let offset = text.as_ptr() as usize - set.text.as_ptr() as usize;
            let before = set.text.get(..offset).unwrap_or_default().matches('\n').count();
            found.push(Document { set, before: number(before), text });
        }
    }
    found
}

fn number(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn compiled(documents: &[Document<'_>]) -> (RuleSet, Vec<Wrong>, usize) {
    let texts: Vec<&str> = documents.iter().map(|document| document.text).collect();
    let (set, problems) = RuleSet::compile(&texts, &Scope::linux());
    let mut remarks = 0;
    let mut wrong = Vec::new();
    for problem in problems {
        if !problem.refused {
            remarks += 1;
        } else if wrong.len() < TOLD {
            let at = documents.get(problem.text);
            let words = format!("{} {}", problem.message, problem.hint).trim_end().to_owned();
            wrong.push(Wrong {
                field: at.map_or_else(|| "behaviour".to_owned(), |at| at.set.field.clone()),
                from: at.map(|at| at.set.from.clone()).unwrap_or_default(),
                fault: Fault {
                    line: at.map_or(0, |at| at.before) + number(problem.line),
                    column: number(problem.column),
                    problem: words,
                },
            });
        }
    }
    (set, wrong, remarks)
}

/// Behaviour rules of these sets, without those that are disabled by their id.
pub(crate) fn behaviour(sets: &[Set], disabled: &BTreeSet<String>) -> Result<Compiled, Vec<Wrong>> {
    let all = cut(sets);
    let (set, wrong, _) = compiled(&all);
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let rules = listed(&set, &all, disabled);
    let off: BTreeSet<usize> =
        heads(&set).filter(|rule| disabled.contains(&rule.id.to_string())).map(|rule| rule.text).collect();
    let kept = all.into_iter().enumerate().filter(|(at, _)| !off.contains(at));
    let kept: Vec<Document<'_>> = kept.map(|(_, document)| document).collect();
    if !off.is_empty() {
        // A correlation may have lost a rule that it counts.
        let (_, wrong, _) = compiled(&kept);
        if !wrong.is_empty() {
            return Err(wrong);
        }
    }
    let text = joined(&kept);
    if text.len() as u64 > limits::PROTECTION_RULES {
        return Err(vec![too_long("behaviour", text.len())]);
    }
    // What goes out is what was looked at.
    let (again, problems) = RuleSet::compile(&documents(&text), &Scope::linux());
    if problems.iter().any(|problem| problem.refused) || heads(&again).count() + off.len() != rules_in(&set) {
        let problem = "the rules are others without their tests".to_owned();
        let fault = Fault { line: 0, column: 0, problem };
        return Err(vec![Wrong { field: "behaviour".to_owned(), from: String::new(), fault }]);
    }
    Ok(Compiled { body: (!kept.is_empty()).then(|| Body::of(text)), rules })
}

/// The documents one after another, without their own tests: those were looked at here, and are a good part of a text.
fn joined(documents: &[Document<'_>]) -> String {
    let mut text = String::new();
    for document in documents {
        text.push_str(BETWEEN);
        let mut is_test = false;
        for line in document.text.trim_end().lines() {
            // A key of the document itself begins a line, and what belongs to it does not.
            if line.starts_with(|first: char| first.is_ascii_alphabetic() || first == '"' || first == '\'') {
                is_test = line.starts_with("tests:");
            }
            if !is_test {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    text
}

/// Rules and correlations.
fn heads(set: &RuleSet) -> impl Iterator<Item = &quell_sigma::Rule> {
    set.rules().iter().chain(set.correlations().iter().map(|correlation| &correlation.rule))
}

fn rules_in(set: &RuleSet) -> usize {
    heads(set).count()
}

fn listed(set: &RuleSet, documents: &[Document<'_>], disabled: &BTreeSet<String>) -> Vec<Rule> {
    let one = |rule: &quell_sigma::Rule| {
        let id = rule.id.to_string();
        Rule {
            source: "behaviour".to_owned(),
            enabled: !disabled.contains(&id),
            id,
            title: rule.title.chars().take(TITLE).collect(),
            severity: severity(rule.level),
            techniques: rule.techniques.iter().take(limits::TECHNIQUES).cloned().collect(),
            from: documents.get(rule.text).map(|document| document.set.from.clone()).unwrap_or_default(),
        }
    };
    heads(set).take(NAMED).map(one).collect()
}

fn severity(level: Level) -> Severity {
    match level {
        Level::Informational => Severity::Informational,
        Level::Low => Severity::Low,
        Level::Medium => Severity::Medium,
        Level::High => Severity::High,
        Level::Critical => Severity::Critical,
    }
}

fn too_long(field: &str, length: usize) -> Wrong {
    let problem = format!("{length} bytes of rules in all, and {} are allowed", limits::PROTECTION_RULES);
    Wrong { field: field.to_owned(), from: String::new(), fault: Fault { line: 0, column: 0, problem } }
}

/// YARA rules of these sets, as one text.
pub(crate) fn yara(sets: &[Set]) -> Result<Compiled, Vec<Wrong>> {
    let mut text = String::new();
    // The first line of each set in the text, from 0.
    let mut begins = Vec::new();
    let mut lines = 0;
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for set in sets {
        let wrong = |line, column, problem: String| {
            let fault = Fault { line, column, problem };
            vec![Wrong { field: set.field.clone(), from: set.from.clone(), fault }]
        };
        let rules =
            compile_yara(&set.text).map_err(|fault| wrong(fault.line, fault.column, fault.problem))?;
        for rule in rules.named() {
            if rule.is_global && sets.len() > 1 {
                let words = format!("rule {} is global: it would silence the rules of other sets", rule.name);
                return Err(wrong(0, 0, words));
            }
            if let Some(other) = names.insert(rule.name.clone(), set.from.clone()) {
                return Err(wrong(
                    0,
                    0,
                    format!("rule {} is in {other} too; names are given once", rule.name),
                ));
            }
        }
        begins.push(lines);
        text.push_str(set.text.trim_end());
        text.push('\n');
        lines = number(text.matches('\n').count());
    }
    if sets.is_empty() {
        return Ok(Compiled::default());
    }
    if text.len() as u64 > limits::PROTECTION_RULES {
        return Err(vec![too_long("yara", text.len())]);
    }
    let rules = compile_yara(&text).map_err(|fault| {
        let at = begins.iter().rposition(|begin| fault.line > *begin).unwrap_or(0);
        let set = sets.get(at);
        vec![Wrong {
            field: set.map_or_else(|| "yara".to_owned(), |set| set.field.clone()),
            from: set.map(|set| set.from.clone()).unwrap_or_default(),
            fault: Fault { line: fault.line.saturating_sub(begins.get(at).copied().unwrap_or(0)), ..fault },
        }]
    })?;
    let shown = rules.named().filter(|rule| !rule.is_private).take(NAMED);
    let rules = shown.map(|rule| shown_yara(&rule, &names)).collect();
    Ok(Compiled { body: Some(Body::of(text)), rules })
}

fn compile_yara(text: &str) -> Result<quell_yara::Rules, Fault> {
    quell_yara::compile_within(text, Limits::strict(), COMPILE).map_err(|error| {
        let hint = error.hint.map_or_else(String::new, |hint| format!(" ({hint})"));
        let problem = format!("{}{hint}", error.message);
        Fault { line: error.line, column: error.column, problem }
    })
}

fn shown_yara(rule: &Named, names: &BTreeMap<String, String>) -> Rule {
    let said = rule.said("severity").or_else(|| rule.said("level"));
    let title = rule.said("description").unwrap_or(&rule.name);
    let is_technique = |tag: &&String| {
        tag.len() >= 5
            && tag.starts_with('T')
            && tag.bytes().skip(1).all(|byte| byte.is_ascii_digit() || byte == b'_')
    };
    Rule {
        source: "yara".to_owned(),
        id: rule.name.clone(),
        title: title.chars().take(TITLE).collect(),
        severity: said.and_then(Severity::from_name).unwrap_or(Severity::High),
        techniques: rule.tags.iter().filter(is_technique).map(|tag| tag.replace('_', ".")).collect(),
        from: names.get(&rule.name).cloned().unwrap_or_default(),
        enabled: true,
    }
}

/// What is known of a body of behaviour rules that the library would take. Its rules' own tests must hold.
pub(crate) fn check_behaviour(text: &str) -> Result<Value, Vec<Fault>> {
    let sets = [Set { from: String::new(), field: String::new(), text: text.to_owned() }];
    let all = cut(&sets);
    let whole = |problem: String| Fault { line: 0, column: 0, problem };
    let (set, wrong, remarks) = compiled(&all);
    if !wrong.is_empty() {
        return Err(wrong.into_iter().map(|wrong| wrong.fault).collect());
    }
    let failed = set.check_tests();
    if !failed.is_empty() {
        return Err(failed.into_iter().take(TOLD).map(whole).collect());
    }
    if heads(&set).next().is_none() && set.size().filters == 0 {
        return Err(vec![whole("there is no rule in it".to_owned())]);
    }
    let mut facts = json!({ "rules": heads(&set).count() });
    if remarks > 0 {
        facts["remarks"] = json!(remarks);
    }
    Ok(facts)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::*;

    const NET: &str = "5a4b6f0e-7d8c-4f2e-9a51-3c1d2e4f5a6b";
    const TMP: &str = "5a4b6f0e-7d8c-4f2e-9a51-3c1d2e4f5a6c";

    fn rule(id: &str, level: &str, value: &str) -> String {
        format!(
            "title: Rule {value}\nid: {id}\nlevel: {level}\ntags: [attack.t1059.004]\n\
            logsource: {{product: linux, category: process_creation}}\ndetection:\n  selection:\n    \
            CommandLine|contains: {value}\n  condition: selection\n"
        )
    }

    fn set(from: &str, text: &str) -> Set {
        Set { from: from.to_owned(), field: format!("behaviour.{from}"), text: text.to_owned() }
    }

    #[test]
    fn sets_become_one_body_that_agents_compile_too() {
        let sets = [
            set("one@1", &format!("# ours\n---\n{}...\n", rule(NET, "high", "/dev/tcp/"))),
            set("two@4", &format!("{}\n---\n", rule(TMP, "low", "/tmp/x"))),
        ];
        let made = behaviour(&sets, &BTreeSet::new()).unwrap();
        let text = String::from_utf8(made.body.clone().unwrap().bytes).unwrap();
        let (again, problems) = RuleSet::compile(&documents(&text), &Scope::linux());
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(again.rules().len(), 2);
        let [first, second] = &made.rules[..] else { panic!("{:?}", made.rules) };
        assert_eq!((first.from.as_str(), first.severity), ("one@1", Severity::High));
        assert_eq!(second.techniques, ["T1059.004"]);
        let less = behaviour(&sets, &BTreeSet::from([NET.to_owned()])).unwrap();
        assert!(!less.rules[0].enabled && less.rules[1].enabled);
        assert!(!String::from_utf8(less.body.unwrap().bytes).unwrap().contains("/dev/tcp/"));
        let none = behaviour(&sets, &BTreeSet::from([NET.to_owned(), TMP.to_owned()])).unwrap();
        assert_eq!((none.body, none.rules.len()), (None, 2));
    }

    #[test]
    fn a_fault_is_told_with_its_set_and_line() {
        let broken = format!("{}---\n{}", rule(NET, "high", "a"), rule(TMP, "bad", "b"));
        let wrong =
            behaviour(&[set("x@1", "# nothing\n"), set("y@2", &broken)], &BTreeSet::new()).unwrap_err();
        let line = broken.lines().position(|line| line == "level: bad").unwrap() + 1;
        assert_eq!((wrong[0].from.as_str(), wrong[0].field.as_str()), ("y@2", "behaviour.y@2"));
        assert_eq!(wrong[0].fault.line as usize, line, "{wrong:?}");
        let twice = [set("x@1", &rule(NET, "high", "a")), set("y@2", &rule(NET, "low", "b"))];
        assert_eq!(behaviour(&twice, &BTreeSet::new()).unwrap_err()[0].from, "y@2");
        let fault = &check_behaviour(&broken).unwrap_err()[0];
        assert_eq!(fault.line as usize, line);
        assert!(check_behaviour("# nothing\n").is_err());
        assert_eq!(check_behaviour(&rule(NET, "high", "a")).unwrap()["rules"], 1);
        let failing = format!("{}tests: {{hits: [{{CommandLine: other}}]}}\n", rule(NET, "high", "a"));
        assert!(check_behaviour(&failing).unwrap_err()[0].problem.contains("must hit"));
    }

    #[test]
    fn yara_rules_become_one_text() {
        let one = set(
            "shells@1",
            "rule web : T1505_003 { meta: severity = \"critical\" strings: $a = \"eval(base64\" condition: $a }",
        );
        let two = set(
            "tools@2",
            "import \"hash\"\nrule tool { strings: $a = \"mimikatz\" condition: $a }\nprivate rule p { condition: true }",
        );
        let made = yara(&[one.clone(), two.clone()]).unwrap();
        let shown: Vec<_> =
            made.rules.iter().map(|rule| (rule.id.as_str(), rule.severity, rule.from.as_str())).collect();
        assert_eq!(shown, [("web", Severity::Critical, "shells@1"), ("tool", Severity::High, "tools@2")]);
        assert_eq!(made.rules[0].techniques, ["T1505.003"]);
        let body = made.body.unwrap();
        assert_eq!(
            quell_yara::Rules::compile(std::str::from_utf8(&body.bytes).unwrap(), &Limits::strict())
                .unwrap()
                .count(),
            3
        );
        let twice = yara(&[one.clone(), set("more@1", &one.text)]).unwrap_err();
        assert!(twice[0].fault.problem.contains("shells@1"), "{twice:?}");
        let global = set("g@1", "global rule g { condition: filesize > 9 }");
        assert!(yara(std::slice::from_ref(&global)).is_ok());
        assert!(yara(&[two, global]).unwrap_err()[0].fault.problem.contains("global"));
        assert_eq!(yara(&[]).unwrap(), Compiled::default());
    }
}
