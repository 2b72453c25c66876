//! Sigma rules as somebody may upload them, and records as anybody may make them: compiled within limits or refused with a
//! place; what was compiled is matched, alone and with others.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use quell_sigma::{Correlator, PACK, Record, RuleSet, Scope, Scratch, Value};

static SET: LazyLock<RuleSet> = LazyLock::new(|| {
    let texts: Vec<&str> = PACK.iter().map(|(_, text)| *text).collect();
    RuleSet::compile(&texts, &Scope::linux()).0
});

/// Every field has a piece of what came in.
struct Pieces<'a>(Vec<&'a [u8]>);

impl Record for Pieces<'_> {
    fn field(&self, name: &str) -> Option<Value<'_>> {
        let at = name.bytes().map(usize::from).sum::<usize>();
        self.0.get(at % (self.0.len() + 1)).map(|piece| Value::Bytes(piece))
    }

    fn each(&self, visit: &mut dyn FnMut(&str, Value<'_>)) {
        self.0.iter().for_each(|piece| visit("x", Value::Bytes(piece)));
    }
}

fuzz_target!(|bytes: &[u8]| {
    let record = Pieces(bytes.split(|byte| *byte == b'\n').collect());
    let mut scratch = Scratch::default();
    for category in ["process_creation", "file_event", "network_connection", "dns_query", "authentication"] {
        let hits = SET.matching_with(&mut scratch, category, &record);
        let _ = hits.first().map(|rule| SET.reasons(rule, &record));
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for scope in [Scope::linux(), Scope::any()] {
        let (set, problems) = RuleSet::compile(&[text], &scope);
        assert!(problems.iter().all(|problem| problem.line > 0 && problem.column > 0), "{problems:?}");
        let mut correlator = Correlator::new(&set);
        for rule in set.rules() {
            let hits = set.matching_with(&mut scratch, &rule.category, &record);
            assert!(hits.len() <= set.rules().len());
            correlator.observe(&set, 1, &hits, &record);
        }
        let _ = set.check_tests();
    }
});
