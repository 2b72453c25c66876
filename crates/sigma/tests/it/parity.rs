//! Beside pySigma: every rule of the pack and every feature of the language, over events that were made from theirs, gets the
//! same verdict from its SQLite backend.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use quell_sigma::{Event, Scope, Scratch};
use serde_json::{Value, json};

use super::{compiled, event, language, pack, rule};

/// What is installed; exact versions, so that a difference is ours.
const PACKAGES: [&str; 2] = ["pysigma==2.0.1", "pysigma-backend-sqlite==2.1.1"];
/// How long installing may take, and answering.
const PATIENCE: Duration = Duration::from_mins(5);

/// The Python that has the packages; it is made once. `Err` says why there is none.
fn python() -> Result<PathBuf, String> {
    let home = std::env::var_os("HOME").ok_or("HOME is not set")?;
    let folder = Path::new(&home).join(".cache/quell/sigma-python");
    let (python, stamp) = (folder.join("bin/python3"), folder.join("packages"));
    let wanted = PACKAGES.join("\n");
    if std::fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) {
        return Ok(python);
    }
    let mut environment = Command::new("python3");
    run(environment.args(["-m", "venv"]).arg(&folder), "the environment could not be made")?;
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1"]);
    run(install.args(PACKAGES), "the packages could not be loaded")?;
    std::fs::write(stamp, wanted).map_err(|error| error.to_string())?;
    Ok(python)
}

fn run(command: &mut Command, otherwise: &str) -> Result<(), String> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| format!("{otherwise}: {error}"))?;
    let began = Instant::now();
    loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(format!("{otherwise}: {status}")),
            None if began.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(50)),
            None => {
                child.kill().and_then(|()| child.wait()).map_err(|error| error.to_string())?;
                return Err(format!("{otherwise}: it took too long"));
            }
        }
    }
}

/// Category and text of rules.
type Rules = Vec<(String, String)>;
/// Events by category.
type Events = BTreeMap<String, BTreeSet<Vec<(String, String)>>>;

/// Every rule with events of its own, ordinary ones, and what comes of mixing and spoiling them.
fn corpus() -> (Rules, Events) {
    let (mut rules, mut events) = (Rules::new(), Events::new());
    for (number, (detection, hits, misses)) in (0x1000..).zip(language::CASES.iter().chain(language::WORDS)) {
        // The name that the specification has for `wide`, and they do not.
        if detection.contains("|utf16le|") {
            continue;
        }
        rules.push(("process_creation".to_owned(), rule(number, detection)));
        let own = hits.iter().chain(*misses).map(|text| event(text));
        events.entry("process_creation".to_owned()).or_default().extend(own);
    }
    for (_, text) in pack::pack() {
        let (set, _) = quell_sigma::RuleSet::compile(&[&text], &Scope::linux());
        let Some(rule) = set.rules().first() else { continue };
        rules.push((rule.category.clone(), text));
        let own = rule.tests.hits.iter().chain(&rule.tests.misses).map(|event| event.fields.clone());
        events.entry(rule.category.clone()).or_default().extend(own);
    }
    for (category, event) in pack::ordinary() {
        events.entry(category).or_default().insert(event);
    }
    for events in events.values_mut() {
        events.retain(|event| is_as_recorded(event));
        spoil(events);
    }
    (rules, events)
}

/// Adds events that are others with fields exchanged, cut, lengthened or in another case.
fn spoil(events: &mut BTreeSet<Vec<(String, String)>>) {
    let mut dice = super::speed::Dice(11);
    let all: Vec<_> = events.iter().cloned().collect();
    for _ in 0..all.len() * 3 {
        let any = |dice: &mut super::speed::Dice| all[dice.next(all.len() as u64) as usize].clone();
        let (mut one, other) = (any(&mut dice), any(&mut dice));
        for (name, value) in other {
            if dice.next(3) == 0 {
                one.retain(|(known, _)| *known != name);
                one.push((name, value));
            }
        }
        for (_, value) in one.iter_mut().filter(|(_, value)| !is_typed(value)) {
            let at = dice.next(value.chars().count() as u64 + 1) as usize;
            match dice.next(8) {
                0 => *value = value.to_ascii_uppercase(),
                1 => *value = value.chars().skip(at).collect(),
                2 => *value = value.chars().take(at).collect(),
                3 => *value = format!("x{value}"),
                4 => value.push_str(" x"),
                _ => {}
            }
            // What ends a line has a meaning of its own for `$` there.
            while value.ends_with('\n') {
                value.pop();
            }
        }
        one.sort();
        events.insert(one);
    }
}

/// Numbers and addresses: SQLite orders what is none among them, and finds networks by how they are written.
fn is_typed(value: &str) -> bool {
    value.parse::<i64>().is_ok() || value.parse::<std::net::IpAddr>().is_ok()
}

/// Whether the values are what the names of their fields say.
fn is_as_recorded(event: &[(String, String)]) -> bool {
    let holds = |(name, value): &(String, String)| {
        !(name.ends_with("Port") || name.ends_with("Id"))
            || value.parse::<i64>().is_ok_and(|number| number.to_string() == *value)
    };
    event.iter().all(holds)
}

/// Their verdicts, rule by rule: numbers of events, or why there are none.
fn theirs(python: &Path, rules: &Rules, events: &[(String, Vec<Event>)], fields: &[String]) -> Vec<Value> {
    let event = |event: &Event| {
        event.fields.iter().map(|(a, b)| (a.clone(), json!(b))).collect::<serde_json::Map<_, _>>()
    };
    let question = json!({
        "fields": fields,
        "rules": rules.iter().map(|(category, text)| json!({"category": category, "text": text})).collect::<Vec<_>>(),
        "events": events.iter().map(|(category, events)| {
            json!({"category": category, "events": events.iter().map(event).collect::<Vec<_>>()})
        }).collect::<Vec<_>>(),
    });
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parity.py");
    let mut child =
        Command::new(python).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(question.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn another_engine_says_the_same() {
    let python = match python() {
        Ok(python) => python,
        Err(reason) => return println!("skipped: {reason}"),
    };
    let (rules, events) = corpus();
    let fields: BTreeSet<String> =
        events.values().flatten().flatten().map(|(name, _)| name.clone()).collect();
    let fields: BTreeSet<String> = Scope::linux()
        .categories()
        .flat_map(|name| Scope::linux().fields(name).map(str::to_owned).collect::<Vec<_>>())
        .chain(fields)
        .collect();
    let events: Vec<(String, Vec<Event>)> = events
        .into_iter()
        .map(|(category, events)| (category, events.into_iter().map(|fields| Event { fields }).collect()))
        .collect();
    let answers = theirs(&python, &rules, &events, &fields.into_iter().collect::<Vec<_>>());
    let (mut compared, mut hits, mut wrong) = (0, 0, Vec::new());
    let mut scratch = Scratch::default();
    for ((category, text), answer) in rules.iter().zip(&answers) {
        let set = compiled(&[text]);
        let title = &set.rules()[0].title;
        let events = &events.iter().find(|(name, _)| name == category).unwrap().1;
        let Some(theirs) = answer["hits"].as_array() else {
            wrong.push(format!("{title}: {}", answer["error"]));
            continue;
        };
        let theirs: BTreeSet<usize> = theirs.iter().map(|number| number.as_u64().unwrap() as usize).collect();
        for (number, event) in events.iter().enumerate() {
            let ours = !set.matching_with(&mut scratch, category, event).is_empty();
            compared += 1;
            hits += usize::from(ours);
            if ours != theirs.contains(&number) {
                wrong.push(format!(
                    "{title}: ours {ours}: {:?}\n{}",
                    event.fields,
                    text.lines().filter(|l| l.starts_with("  ")).collect::<Vec<_>>().join("\n")
                ));
            }
        }
    }
    let told: Vec<_> = wrong.iter().take(12).cloned().collect();
    println!("{compared} verdicts of {} rules compared, {hits} hits, {} otherwise", rules.len(), wrong.len());
    assert!(hits > 10_000);
    assert!(wrong.is_empty(), "{} otherwise\n{}", wrong.len(), told.join("\n"));
}
