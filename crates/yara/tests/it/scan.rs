//! What a look finds, and where it stops.

use std::io::Write;
use std::time::{Duration, Instant};

use quell_yara::{Externals, Limits, MetaValue, Region, Rules, ScanLimits, Stopped};

fn rules(source: &str) -> Rules {
    Rules::compile(source, &Limits::default()).unwrap()
}

#[test]
fn a_match_tells_everything() {
    let mut rules = rules(
        r#"private rule hidden { strings: $h = "evil" condition: $h }
           rule shown : one two { meta: author = "me" score = 7 sure = true strings: $a = "evil" xor(0-5) $b = /n[0-9]+/ condition: hidden and all of them }"#,
    );
    let scan = rules.scan(b"..evil..dwhm n42", &Externals::default(), &ScanLimits::default());
    assert_eq!(scan.matches.len(), 1, "private rules are not shown");
    let found = &scan.matches[0];
    assert_eq!((found.rule.as_str(), found.namespace.as_str()), ("shown", "default"));
    assert_eq!(found.tags, ["one", "two"]);
    assert_eq!(
        found.meta,
        [
            ("author".to_owned(), MetaValue::Text("me".to_owned())),
            ("score".to_owned(), MetaValue::Integer(7)),
            ("sure".to_owned(), MetaValue::Boolean(true))
        ]
    );
    let strings: Vec<_> =
        found.strings.iter().map(|s| (s.id.as_str(), s.offset, s.length, s.data.as_slice(), s.xor)).collect();
    assert_eq!(
        strings,
        [("a", 2, 4, &b"evil"[..], Some(0)), ("a", 8, 4, b"dwhm", Some(1)), ("b", 13, 3, b"n42", None)]
    );
}

#[test]
fn matches_are_bounded() {
    let mut rules = rules("rule a { strings: $a = \"xyz\" $b = \"yzx\" condition: any of them }");
    let bytes = b"xyz".repeat(10_000);
    let limits = ScanLimits { per_string: 50, in_all: 70, ..ScanLimits::default() };
    let scan = rules.scan(&bytes, &Externals::default(), &limits);
    assert_eq!((scan.matches[0].strings.len(), scan.truncated), (70, true));
    let scan = rules.scan(&bytes, &Externals::default(), &ScanLimits { strings: false, ..limits });
    assert!(scan.matches[0].strings.is_empty() && !scan.truncated);
}

#[test]
fn a_rule_that_never_ends_is_given_up() {
    let mut rules = rules(
        "rule a { condition: for all i in (0..9000000000) : ( for all j in (0..9000000000) : (i + j >= 0) ) }",
    );
    let begun = Instant::now();
    let limits = ScanLimits { time: Duration::from_millis(300), ..ScanLimits::default() };
    let scan = rules.scan(b"x", &Externals::default(), &limits);
    assert_eq!(scan.stopped, Some(Stopped::Time));
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    let mut slow = rules_slow();
    let begun = Instant::now();
    let scan = slow.scan(&b"ab".repeat(8 << 20), &Externals::default(), &limits);
    println!("a costly regular expression: {:?} after {:?}", scan.stopped, begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(20));
}

fn rules_slow() -> Rules {
    rules("rule a { strings: $a = /(a|b)*(a|b)*(a|b)*c/ condition: #a > 1 }")
}

#[test]
fn files_are_read_to_their_bound_and_externals_are_theirs() {
    let mut rules = rules(
        r#"rule named { condition: filename == "x.tar.gz" and extension == ".gz" and filepath matches /^\/tmp\// and owner == "" }
           rule tail { strings: $a = "the end" condition: $a }"#,
    );
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&vec![b'.'; 300_000]).unwrap();
    file.write_all(b"the end").unwrap();
    let mut buffer = Vec::new();
    let mut scan = |most| {
        let externals = Externals::of_path("/tmp/x.tar.gz");
        rules.scan_file(&file, most, &externals, &ScanLimits::default(), &mut buffer).unwrap()
    };
    let names = |scan: &quell_yara::Scan| scan.matches.iter().map(|m| m.rule.clone()).collect::<Vec<_>>();
    let whole = scan(1 << 20);
    assert_eq!((names(&whole), whole.bytes), (vec!["named".to_owned(), "tail".to_owned()], 300_007));
    assert_eq!(whole.matches[1].strings[0].offset, 300_000);
    let part = scan(300_003);
    assert_eq!((names(&part), part.bytes), (vec!["named".to_owned()], 300_003));
}

#[test]
fn memory_is_looked_at_by_address() {
    let mut rules = rules("rule a { strings: $a = \"a needle in a haystack\" condition: $a }");
    let hay = b"a needle in a haystack".to_vec().into_boxed_slice();
    let at = hay.as_ptr() as u64;
    let page = at & !4095;
    let memory = std::fs::File::open("/proc/self/mem").unwrap();
    let regions = [Region { start: 4096, length: 64 << 20 }, Region { start: page, length: 8192 }];
    let scan = rules.scan_memory(&memory, &regions, &ScanLimits::default());
    assert!(scan.matches[0].strings.iter().any(|found| found.offset == at && found.length == 22));
    assert_eq!(scan.unreadable, 64 << 20, "nothing is mapped there");
    assert_eq!(scan.bytes, 8192);
}
