//! What passed through a shell, as its journal holds it: read to its end, whatever tore it, turned into a recording whose every
//! line is one event, and searched.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/server/src/shell/cast.rs"]
mod cast;
#[path = "../../crates/server/src/shell/journal.rs"]
#[expect(dead_code, reason = "it is fuzzed without the server around it")]
mod journal;

fuzz_target!(|bytes: &[u8]| {
    let (mut reader, mut writer) = (journal::Reader::over(bytes), cast::Writer::default());
    // What is looked for comes from a person: a few letters of the journal's own end do.
    let wanted = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(3)..]).into_owned();
    let (mut search, mut foreign) = (cast::Search::new(&wanted), cast::Search::new("a"));
    let mut read = 0;
    while let Some(record) = reader.next_record().expect("memory is read without an error") {
        read += 13 + record.data.len();
        if let Some(line) = writer.line(&record) {
            assert_eq!(line.find('\n'), Some(line.len() - 1), "one line each");
            if record.kind != journal::Kind::Begin {
                let (at, ..): (f64, String, String) = serde_json::from_str(&line).expect("an event");
                assert!(at >= 0.0, "no event before the beginning");
            }
            let _ = search.look(&line);
        }
    }
    assert!(read <= bytes.len());
    // A recording that somebody else may have written.
    for line in String::from_utf8_lossy(bytes).lines() {
        let _ = foreign.look(line);
    }
    for (found, _) in [search.end(), foreign.end()] {
        assert!(found.iter().all(|found| !found.text.chars().any(char::is_control)), "{found:?}");
    }
});
