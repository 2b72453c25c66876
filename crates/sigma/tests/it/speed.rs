//! What a thousand rules cost for an event.

use std::fmt::Write as _;
use std::time::Instant;

use quell_sigma::Scratch;

use super::{compiled, rule};

/// Numbers that look like chance and are the same each time.
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    fn word(&mut self) -> String {
        let length = 4 + self.next(6);
        (0..length).map(|_| char::from(b'a' + self.next(26) as u8)).collect()
    }
}

/// Rules as they are written: programs and their arguments, filters, regular expressions, alternatives, wildcards.
fn detection(dice: &mut Dice, kind: u32) -> String {
    let [a, b, c, d] = [dice.word(), dice.word(), dice.word(), dice.word()];
    match kind % 5 {
        0 => format!(
            "  s:\n    Image|endswith: ['/{a}', '/{b}']\n    CommandLine|contains|all: [' -{c}', '/{d}/']\n  condition: s"
        ),
        1 => format!(
            "  i:\n    Image|endswith: /bash\n  c:\n    CommandLine|contains: ['{a}', '{b} {c}', '--{d}']\n  f:\n    \
             ParentImage|endswith: '/{a}'\n  condition: i and c and not f"
        ),
        2 => format!("  s:\n    CommandLine|re: '{a}\\s+-[a-z]+\\s+{b}'\n  condition: s"),
        3 => format!(
            "  a1:\n    CommandLine|contains: '{a}'\n  a2:\n    ParentImage|endswith: '/{b}'\n    User: root\n  condition: 1 of a*"
        ),
        _ => format!("  s:\n    Image: '/usr/*/{a}'\n    CommandLine|contains: '{b}'\n  condition: s"),
    }
}

#[test]
fn a_thousand_rules_cost_little() {
    let mut dice = Dice(7);
    let texts: Vec<String> = (0..1000).map(|number| rule(number, &detection(&mut dice, number))).collect();
    let began = Instant::now();
    let set = compiled(&texts);
    let compiling = began.elapsed();
    let line = "/bin/bash -e /usr/share/foo/configure --prefix=/usr --sysconfdir=/etc --build=x86_64-linux-gnu \
                --disable-option-checking CFLAGS=-g -O2";
    let event = |line: &str| {
        [
            ("Image", "/usr/bin/bash"),
            ("CommandLine", line),
            ("ParentImage", "/usr/bin/make"),
            ("ParentCommandLine", "make -j4 all"),
            ("User", "root"),
            ("CurrentDirectory", "/home/build/src"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    };
    let long = (0..).map_while(|n: u32| (n < 700).then(|| format!("a{n}"))).collect::<Vec<_>>().join(" ");
    let mut told = format!("1000 rules: compiled in {compiling:?}, {:?}\n", set.size());
    let mut scratch = Scratch::default();
    for (name, event) in
        [("ordinary", event(line)), ("4 KB", event(&long)), ("hostile", event(&"a".repeat(4096)))]
    {
        let mut best = f64::MAX;
        for _ in 0..10 {
            let began = Instant::now();
            for _ in 0..200 {
                assert!(set.matching_with(&mut scratch, "process_creation", &event).is_empty());
            }
            best = best.min(began.elapsed().as_secs_f64() / 200.0 * 1e6);
        }
        writeln!(told, "{name}: {best:.1} µs for an event").unwrap();
        // The build of developers is not optimised; the bound is against what grows, not against a slow machine.
        assert!(best < if cfg!(debug_assertions) { 2000.0 } else { 100.0 }, "{name}: {best}");
    }
    println!("{told}");
}

/// Of the pack, over what machines ordinarily do, and over a line in which everything stands that rules look for.
#[test]
fn the_pack_costs_little() {
    let began = Instant::now();
    let set = compiled(&super::pack::pack().into_iter().map(|(_, text)| text).collect::<Vec<_>>());
    let compiling = began.elapsed();
    let ordinary: Vec<_> =
        super::pack::ordinary().into_iter().filter(|(name, _)| name == "process_creation").collect();
    let bait: String = set
        .rules()
        .iter()
        .flat_map(|rule| &rule.tests.hits)
        .flat_map(|event| &event.fields)
        .fold(String::new(), |line, (_, value)| format!("{line} {value}"));
    let bait: String = bait.chars().take(4096).collect();
    let hostile = vec![(
        "process_creation".to_owned(),
        vec![("Image".to_owned(), "/bin/sh".to_owned()), ("CommandLine".to_owned(), bait)],
    )];
    let mut scratch = Scratch::default();
    for (name, events, most) in [("ordinary", &ordinary, 20.0), ("hostile, 4 KB", &hostile, 5000.0)] {
        let mut best = f64::MAX;
        for _ in 0..5 {
            let began = Instant::now();
            for (category, event) in events {
                std::hint::black_box(set.matching_with(&mut scratch, category, event).len());
            }
            best = best.min(began.elapsed().as_secs_f64() / events.len() as f64 * 1e6);
        }
        println!("the pack, compiled in {compiling:?}: {name}: {best:.1} µs for an event");
        assert!(best < if cfg!(debug_assertions) { most * 20.0 } else { most }, "{name}: {best}");
    }
}
