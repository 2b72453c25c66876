//! Asking the policy, and the trace of its answer.

use quell_catalog::{ActionKind, Effect, ManagedServices, Requesters, Spec};

use super::{Class, Managed, People, Policy, Requirement, Scope, covers};

/// Names in one line of the trace.
const SHOWN: usize = 5;

/// What the policy has to know of a target.
#[derive(Clone, Debug, Default)]
pub struct TargetFacts {
    /// The name, for the trace.
    pub name: String,
    /// On the list of exceptions from what the settings approve.
    pub is_excepted: bool,
    /// On the list of those for which the settings approve.
    pub is_selected: bool,
    /// Why it is protected; `None` where it is not.
    pub protected: Option<String>,
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// The action.
    pub spec: &'a Spec,
    /// As whom the requester is seen.
    pub class: Class,
    /// The resolved targets.
    pub targets: &'a [TargetFacts],
    /// Whether the requester acts under an open break-glass.
    pub break_glass: bool,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What is needed.
    pub require: Requirement,
    /// Whether people were passed over by a break-glass.
    pub broke_glass: bool,
    /// How it came about, a line a step.
    pub trace: Vec<String>,
}

/// Decides.
pub fn decide(policy: &Policy, question: &Question<'_>) -> Verdict {
    let mut trace = Vec::new();
    let require = by_requester(policy, question, &mut trace);
    let require = by_protection(policy, question, require, &mut trace);
    let broke_glass = question.break_glass && matches!(require, Requirement::People(_));
    let require = if broke_glass {
        trace.push("break-glass: carried out without the people who would have to agree".to_owned());
        Requirement::Auto
    } else {
        require
    };
    Verdict { require, broke_glass, trace }
}

fn by_requester(policy: &Policy, question: &Question<'_>, trace: &mut Vec<String>) -> Requirement {
    let Question { spec, class, .. } = question;
    if *class == Class::System {
        trace.push("the server takes back what was approved with its end".to_owned());
        return Requirement::Nothing;
    }
    // Before the tenant's rules: what the catalogue leaves to one kind of requester, no rule gives to another.
    let requesters = ActionKind::from_id(spec.id).map_or(Requesters::Anyone, ActionKind::requesters);
    if requesters == Requesters::Operations && *class != Class::Operations {
        trace.push(format!(
            "{} is asked for by an outside operations team alone; this was asked for by {}",
            spec.id,
            class.as_str()
        ));
        return Requirement::Refused;
    }
    let fits = |rule: &&super::Rule| {
        covers(&rule.actions, spec.id) && (rule.requesters.is_empty() || rule.requesters.contains(class))
    };
    if let Some((index, rule)) = policy.rules.iter().enumerate().find(|(_, rule)| fits(rule)) {
        trace.push(format!(
            "rule {} names {} by {}: {}",
            index + 1,
            spec.id,
            class.as_str(),
            said(&rule.require)
        ));
        return rule.require.clone();
    }
    match class {
        Class::Operations => by_settings(&policy.managed, question, trace),
        Class::Staff | Class::Automation | Class::System => {
            trace.push(format!("no rule names {} by {}: nothing is asked", spec.id, class.as_str()));
            Requirement::Nothing
        }
    }
}

fn by_settings(managed: &Managed, question: &Question<'_>, trace: &mut Vec<String>) -> Requirement {
    let id = question.spec.id;
    let people = || Requirement::People(managed.people.clone());
    match question.spec.managed_services {
        ManagedServices::NotNeeded => {
            trace.push(format!("{id} needs no approval of an outside team"));
            return Requirement::Nothing;
        }
        ManagedServices::Always => {
            trace.push(format!("a person agrees to each {id} of an outside team"));
            return people();
        }
        ManagedServices::Critical | ManagedServices::Recommended => {}
    }
    if !managed.auto_approve {
        trace.push("automatic approval is off: a person agrees".to_owned());
        return people();
    }
    if !managed.actions.iter().any(|action| action == id) {
        trace.push(format!("{id} is not ticked for automatic approval: a person agrees"));
        return people();
    }
    let outside = question.targets.iter().filter(|target| match managed.scope {
        Scope::All => target.is_excepted,
        Scope::Selected => !target.is_selected,
    });
    let (count, names) = shown(outside.map(|target| target.name.as_str()));
    if count > 0 {
        let why = match managed.scope {
            Scope::All => "on the list of exceptions",
            Scope::Selected => "not among the selected endpoints",
        };
        trace.push(format!("{why}: {names}: a person agrees"));
        return people();
    }
    trace.push(format!("the settings approve {id} on these endpoints"));
    Requirement::Auto
}

fn by_protection(
    policy: &Policy,
    question: &Question<'_>,
    require: Requirement,
    trace: &mut Vec<String>,
) -> Requirement {
    if question.spec.effect == Effect::ReadOnly || question.class == Class::System {
        return require;
    }
    let protected =
        question.targets.iter().filter_map(|target| target.protected.as_ref().map(|why| (target, why)));
    let named: Vec<String> = protected.map(|(target, why)| format!("{} ({why})", target.name)).collect();
    let (count, names) = shown(named.iter().map(String::as_str));
    if count == 0 || require == Requirement::Refused {
        return require;
    }
    trace
        .push(format!("protected: {names}: {}", said(&Requirement::People(policy.protected.people.clone()))));
    let floor = &policy.protected.people;
    match require {
        Requirement::People(People { quorum, roles }) => {
            Requirement::People(People { quorum: quorum.max(floor.quorum), roles: both(roles, &floor.roles) })
        }
        Requirement::Nothing | Requirement::Auto | Requirement::Refused => Requirement::People(floor.clone()),
    }
}

/// Roles that satisfy both; those of the floor where none does.
fn both(roles: Vec<String>, floor: &[String]) -> Vec<String> {
    match (roles.is_empty(), floor.is_empty()) {
        (_, true) => roles,
        (true, false) => floor.to_vec(),
        (false, false) => {
            let common: Vec<String> = roles.into_iter().filter(|role| floor.contains(role)).collect();
            if common.is_empty() { floor.to_vec() } else { common }
        }
    }
}

/// How many, and the first of them by name.
fn shown<'a>(names: impl Iterator<Item = &'a str>) -> (usize, String) {
    use std::fmt::Write as _;
    let (mut count, mut text) = (0, String::new());
    for name in names {
        count += 1;
        if count <= SHOWN {
            if count > 1 {
                text.push_str(", ");
            }
            text.extend(name.chars().filter(|c| !c.is_control()).take(80));
        }
    }
    if count > SHOWN {
        let _ = write!(text, " and {} more", count - SHOWN);
    }
    (count, text)
}

fn said(require: &Requirement) -> String {
    match require {
        Requirement::Nothing => "nothing is asked".to_owned(),
        Requirement::Auto => "approved by the rule".to_owned(),
        Requirement::Refused => "nobody may".to_owned(),
        Requirement::People(People { quorum, roles }) => {
            let who = if roles.is_empty() {
                "who may decide".to_owned()
            } else {
                format!("of {}", roles.join(", "))
            };
            if *quorum == 1 {
                format!("one person {who} agrees")
            } else {
                format!("{quorum} people {who} agree")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use quell_catalog::ActionKind;
    use serde_json::json;

    use super::*;

    fn spec(id: &str) -> &'static Spec {
        ActionKind::from_id(id).unwrap().spec()
    }

    fn ask(policy: &Policy, id: &str, class: Class, targets: &[TargetFacts]) -> Requirement {
        decide(policy, &Question { spec: spec(id), class, targets, break_glass: false }).require
    }

    fn policy(value: serde_json::Value) -> Policy {
        let policy: Policy = serde_json::from_value(value).unwrap();
        policy.check(|_| false).unwrap();
        policy
    }

    fn target(name: &str) -> TargetFacts {
        TargetFacts { name: name.to_owned(), ..TargetFacts::default() }
    }

    fn people(quorum: u32) -> Requirement {
        Requirement::People(People { quorum, roles: Vec::new() })
    }

    #[test]
    fn without_settings_only_an_outside_team_is_asked_for_people() {
        let policy = Policy::default();
        policy.check(|_| false).unwrap();
        for class in [Class::Staff, Class::Automation, Class::System] {
            assert_eq!(ask(&policy, "endpoint.isolate", class, &[target("a")]), Requirement::Nothing);
        }
        assert_eq!(ask(&policy, "endpoint.isolate", Class::Operations, &[target("a")]), people(1));
    }

    #[test]
    fn settings_approve_what_is_ticked_where_they_reach() {
        let all = policy(json!({ "managed": { "auto_approve": true } }));
        assert_eq!(ask(&all, "process.terminate", Class::Operations, &[target("a")]), Requirement::Auto);
        let excepted = TargetFacts { is_excepted: true, ..target("b") };
        assert_eq!(
            ask(&all, "process.terminate", Class::Operations, &[target("a"), excepted.clone()]),
            people(1)
        );
        let ticked = policy(json!({ "managed": { "auto_approve": true, "actions": ["endpoint.isolate"] } }));
        assert_eq!(ask(&ticked, "process.terminate", Class::Operations, &[target("a")]), people(1));
        let some = policy(json!({ "managed": { "auto_approve": true, "scope": "selected" } }));
        assert_eq!(ask(&some, "process.terminate", Class::Operations, &[target("a")]), people(1));
        let selected = TargetFacts { is_selected: true, ..target("c") };
        assert_eq!(
            ask(&some, "process.terminate", Class::Operations, std::slice::from_ref(&selected)),
            Requirement::Auto
        );
        assert_eq!(ask(&some, "process.terminate", Class::Operations, &[selected, target("a")]), people(1));
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        let policy = policy(json!({ "rules": [
            { "actions": ["file.*"], "requesters": ["automation"], "require": "refused" },
            { "actions": ["*"], "requesters": ["staff", "automation"], "require": { "people": { "quorum": 2 } } },
        ] }));
        assert_eq!(ask(&policy, "file.collect", Class::Automation, &[]), Requirement::Refused);
        assert_eq!(ask(&policy, "file.collect", Class::Staff, &[]), people(2));
        assert_eq!(ask(&policy, "endpoint.isolate", Class::Automation, &[]), people(2));
    }

    #[test]
    fn what_is_protected_asks_everybody_for_people_and_only_for_changes() {
        let policy =
            policy(json!({ "protected": { "people": { "quorum": 2, "roles": ["administrator"] } } }));
        let dc = TargetFacts { protected: Some("tag domain-controller".to_owned()), ..target("dc-1") };
        let targets = [target("a"), dc];
        let two = Requirement::People(People { quorum: 2, roles: vec!["administrator".to_owned()] });
        for class in [Class::Staff, Class::Automation, Class::Operations] {
            assert_eq!(ask(&policy, "endpoint.isolate", class, &targets), two);
        }
        assert_eq!(ask(&policy, "file.collect", Class::Staff, &targets), Requirement::Nothing);
        assert_eq!(ask(&policy, "endpoint.restore", Class::System, &targets), Requirement::Nothing);
    }

    #[test]
    fn what_is_left_to_an_outside_team_nobody_else_asks_for() {
        let id = "endpoint.run_investigation_kit";
        let open = policy(json!({ "rules": [{ "actions": ["*"], "require": "nothing" }] }));
        for class in [Class::Staff, Class::Automation] {
            assert_eq!(ask(&open, id, class, &[target("a")]), Requirement::Refused, "{class:?}");
            let question = Question { spec: spec(id), class, targets: &[], break_glass: true };
            assert_eq!(decide(&open, &question).require, Requirement::Refused, "{class:?} under break-glass");
        }
        assert_eq!(ask(&open, id, Class::Operations, &[target("a")]), Requirement::Nothing);
        assert_eq!(ask(&Policy::default(), id, Class::Operations, &[target("a")]), people(1));
    }

    #[test]
    fn protection_asks_for_more_never_for_less() {
        let policy = policy(json!({
            "rules": [{ "actions": ["*"], "require": { "people": { "quorum": 3, "roles": ["approver"] } } }],
        }));
        let dc = TargetFacts { protected: Some("listed".to_owned()), ..target("dc-1") };
        let expected = Requirement::People(People { quorum: 3, roles: vec!["approver".to_owned()] });
        assert_eq!(ask(&policy, "endpoint.isolate", Class::Staff, &[dc]), expected);
    }

    #[test]
    fn broken_glass_passes_people_over_and_nothing_else() {
        let policy = policy(json!({ "rules": [{ "actions": ["file.*"], "require": "refused" }] }));
        let ask = |id: &str| {
            let question =
                Question { spec: spec(id), class: Class::Operations, targets: &[], break_glass: true };
            decide(&policy, &question)
        };
        let isolate = ask("endpoint.isolate");
        assert!(isolate.broke_glass && isolate.require == Requirement::Auto);
        assert!(isolate.trace.last().unwrap().contains("break-glass"));
        assert_eq!(ask("file.collect").require, Requirement::Refused);
    }

    #[test]
    fn the_first_that_names_the_action_says_how_long_it_is_good() {
        let policy = policy(json!({ "valid_for": [
            { "actions": ["process.terminate", "file.*"], "seconds": 1800 },
            { "actions": ["*"], "seconds": 86400 },
            { "actions": ["file.collect"], "seconds": 60 },
        ] }));
        let good = ["process.terminate", "file.collect", "endpoint.isolate"].map(|id| policy.valid_for(id));
        assert_eq!(good, [Some(1800), Some(1800), Some(86_400)]);
        assert_eq!(Policy::default().valid_for("file.collect"), None);
        let stored: Policy = serde_json::from_value(json!({ "rules": [], "step_up": [] })).unwrap();
        assert_eq!(stored, Policy::default(), "settings from before are read");
    }

    #[test]
    fn the_trace_says_why_and_stays_short() {
        let targets: Vec<TargetFacts> =
            (0..40).map(|n| TargetFacts { is_excepted: true, ..target(&format!("w\u{1b}{n}")) }).collect();
        let policy = policy(json!({ "managed": { "auto_approve": true } }));
        let question = Question {
            spec: spec("endpoint.isolate"),
            class: Class::Operations,
            targets: &targets,
            break_glass: false,
        };
        let verdict = decide(&policy, &question);
        assert_eq!(
            verdict.trace,
            ["on the list of exceptions: w0, w1, w2, w3, w4 and 35 more: a person agrees"]
        );
    }

    #[test]
    fn a_policy_that_cannot_be_is_refused_by_name() {
        let check = |value: serde_json::Value| {
            serde_json::from_value::<Policy>(value)
                .map(|policy| policy.check(|role| role == "own").map_err(|e| e.field))
        };
        let field = |value| check(value).unwrap().unwrap_err();
        assert_eq!(field(json!({ "managed": { "actions": [] } })), "managed.actions");
        assert_eq!(field(json!({ "managed": { "actions": ["endpoint.explode"] } })), "managed.actions");
        assert_eq!(field(json!({ "managed": { "people": { "quorum": 0 } } })), "managed.people.quorum");
        assert_eq!(
            field(json!({ "protected": { "people": { "roles": ["king"] } } })),
            "protected.people.roles"
        );
        assert_eq!(
            field(json!({ "rules": [{ "actions": ["x.y"], "require": "nothing" }] })),
            "rules[0].actions"
        );
        for seconds in [0, 59, 2_592_001] {
            let valid_for = json!([{ "actions": ["*"], "seconds": seconds }]);
            assert_eq!(field(json!({ "valid_for": valid_for })), "valid_for[0].seconds");
        }
        let nothing = json!([{ "actions": ["*"], "seconds": 60 }, { "actions": [], "seconds": 60 }]);
        assert_eq!(field(json!({ "valid_for": nothing })), "valid_for[1].actions");
        let unknown = json!([{ "actions": ["endpoint.explode"], "seconds": 60 }]);
        assert_eq!(field(json!({ "valid_for": unknown })), "valid_for[0].actions");
        let many = vec![json!({ "actions": ["*"], "seconds": 60 }); 65];
        assert_eq!(field(json!({ "valid_for": many })), "valid_for");
        assert!(check(json!({ "valid_for": [{ "actions": ["*"], "seconds": -1 }] })).is_err());
        assert!(check(json!({ "managed": { "people": { "roles": ["own"] } } })).unwrap().is_ok());
        assert!(check(json!({ "anything": 1 })).is_err());
    }
}
