//! The rules that come along: each finds what it says, and none of them takes ordinary work for an attack.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use quell_sigma::{Correlator, Level, PACK, RuleSet, Scope, Scratch};

use super::compiled;

/// Name and text of each rule.
pub fn pack() -> Vec<(String, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../packs/rules");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "yml"))
        .map(|path| {
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn the_table_names_every_file() {
    let files = pack();
    let table: Vec<_> = PACK.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    assert_eq!(table, files);
}

#[test]
fn each_rule_finds_what_it_says_and_not_what_it_should_not() {
    let pack = pack();
    let mut wrong = String::new();
    for (name, text) in &pack {
        let (set, problems) = RuleSet::compile(&[text], &Scope::linux());
        for problem in problems.iter().filter(|problem| !problem.message.starts_with("there is no rule")) {
            writeln!(wrong, "{name}: {problem} {}", problem.hint).unwrap();
        }
        for failure in set.check_tests() {
            writeln!(wrong, "{name}: {failure}").unwrap();
        }
        for rule in set.rules() {
            if rule.tests.hits.is_empty() || rule.tests.misses.is_empty() || rule.techniques.is_empty() {
                writeln!(wrong, "{name}: a test that hits, one that does not, and a technique").unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_pack_covers_what_intruders_do() {
    let texts: Vec<_> = pack().into_iter().map(|(_, text)| text).collect();
    let set = compiled(&texts);
    let techniques: BTreeSet<_> = set.rules().iter().flat_map(|rule| rule.techniques.clone()).collect();
    println!("{:?}\n{} techniques: {techniques:?}", set.size(), techniques.len());
    let level = |level| set.rules().iter().filter(|rule| rule.level == level).count();
    println!(
        "critical {}, high {}, medium {}, low {}, informational {}",
        level(Level::Critical),
        level(Level::High),
        level(Level::Medium),
        level(Level::Low),
        level(Level::Informational)
    );
    assert!(set.rules().len() >= 60 && techniques.len() >= 30);
    for wanted in [
        "T1059.004",
        "T1053.003",
        "T1543.002",
        "T1098.004",
        "T1548.001",
        "T1070.003",
        "T1070.004",
        "T1222.002",
        "T1027",
        "T1140",
        "T1105",
        "T1071.004",
        "T1095",
        "T1046",
        "T1018",
        "T1082",
        "T1033",
        "T1087.001",
        "T1069.001",
        "T1003.008",
        "T1552.001",
        "T1552.003",
        "T1552.004",
        "T1574.006",
        "T1547.006",
        "T1562.001",
        "T1562.004",
        "T1136.001",
        "T1485",
        "T1486",
        "T1489",
        "T1496",
        "T1560.001",
        "T1048",
        "T1090",
        "T1620",
        "T1036.003",
        "T1036.005",
        "T1055.008",
        "T1014",
    ] {
        assert!(techniques.contains(wanted), "{wanted}");
    }
}

/// `category | user | parent | parent's command line | program | command line or object`, one event a line.
pub fn ordinary() -> Vec<(String, Vec<(String, String)>)> {
    let file = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ordinary.txt"));
    let text = std::fs::read_to_string(file).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(event).collect()
}

fn event(line: &str) -> (String, Vec<(String, String)>) {
    let columns: Vec<&str> = line.splitn(6, " | ").collect();
    let [category, user, parent, parent_line, image, what] = columns[..] else { panic!("{line}") };
    let mut fields =
        vec![("User", user), ("ParentImage", parent), ("ParentCommandLine", parent_line), ("Image", image)];
    match category {
        "process_creation" => fields.push(("CommandLine", what)),
        "file_event" => fields.push(("TargetFilename", what)),
        "dns_query" => fields.push(("QueryName", what)),
        _ => {
            let (address, port) = what.rsplit_once(':').unwrap();
            fields.extend([("DestinationIp", address), ("DestinationPort", port), ("Initiated", "true")]);
        }
    }
    let owned = fields.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    (category.to_owned(), owned.collect())
}

#[test]
pub fn ordinary_work_is_not_called_an_attack() {
    let texts: Vec<_> = pack().into_iter().map(|(_, text)| text).collect();
    let set = compiled(&texts);
    let mut scratch = Scratch::default();
    let (mut wrong, mut medium) = (String::new(), BTreeSet::new());
    let events = ordinary();
    for (category, event) in &events {
        for rule in set.matching_with(&mut scratch, category, event) {
            if rule.level >= Level::High {
                writeln!(wrong, "{}: {event:?} by {:?}", rule.title, set.reasons(rule, event)).unwrap();
            } else if rule.level == Level::Medium {
                medium.insert(format!("{}: {}", rule.title, event[event.len() - 1].1));
            }
        }
    }
    println!(
        "{} ordinary events, {} medium:\n{}",
        events.len(),
        medium.len(),
        medium.into_iter().collect::<Vec<_>>().join("\n")
    );
    assert!(wrong.is_empty(), "{wrong}");
    assert!(events.len() > 200);
}

#[test]
fn what_is_nothing_by_itself_is_something_together() {
    let texts: Vec<_> = pack().into_iter().map(|(_, text)| text).collect();
    let set = compiled(&texts);
    let mut correlator = Correlator::new(&set);
    let mut told = Vec::new();
    let mut see = |now: u64, category: &str, fields: &[(&str, &str)]| {
        let event: Vec<_> =
            fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let hits = set.matching(category, &event);
        told.extend(correlator.observe(&set, now, &hits, &event).iter().map(|rule| rule.title.clone()));
    };
    for (at, program) in ["uname", "whoami", "groups", "ss"].iter().enumerate() {
        let image = format!("/usr/bin/{program}");
        see(
            at as u64 * 1000,
            "process_creation",
            &[("Image", &image), ("CommandLine", program), ("ParentProcessId", "812")],
        );
    }
    for number in 0..20 {
        let name = format!("/home/eva/{number}.docx.locked");
        see(
            60_000 + number,
            "file_event",
            &[("Image", "/tmp/x"), ("TargetFilename", &name), ("ProcessId", "900")],
        );
    }
    for number in 0..10 {
        see(
            90_000 + number,
            "authentication",
            &[("User", "root"), ("SourceIp", "203.0.113.9"), ("Outcome", "failure")],
        );
    }
    assert_eq!(
        told,
        [
            "Much looking around in a short time",
            "Many files get names as encrypted ones have",
            "Many logins fail from one address"
        ]
    );
}
