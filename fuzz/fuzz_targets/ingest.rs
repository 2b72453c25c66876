//! Records as some product, or somebody in its name, may send them, read by every pack that is known; and, behind a line of `%%`,
//! records for a pack of the sender's own. Whatever becomes an event is within its bounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quell_ingest::{Limits, Pack};

fuzz_target!(|bytes: &[u8]| {
    let cut = bytes.windows(4).position(|window| window == b"\n%%\n");
    let Some(at) = cut else {
        for pack in Pack::builtin() {
            read(pack, bytes);
        }
        return;
    };
    let Ok(yaml) = std::str::from_utf8(&bytes[..at]) else { return };
    match Pack::load(yaml) {
        Ok(pack) => read(&pack, &bytes[at + 4..]),
        Err(problem) => assert!(problem.line > 0 && problem.column > 0 && !problem.message.is_empty(), "{problem:?}"),
    }
});

fn read(pack: &Pack, body: &[u8]) {
    let mut read = pack.read(body, Limits::default());
    for event in read.by_ref().flatten() {
        assert!(event.title.len() <= 512 && event.source_id.len() <= 256 && event.raw_sha256.len() == 64, "{event:?}");
        assert!(event.techniques.len() <= 16 && event.observables.len() <= 64 && event.remarks.len() <= 8, "{event:?}");
        assert!(event.at_us >= 0 && !event.title.contains('\0'), "{event:?}");
        let text = serde_json::to_string(&event).expect("an event is JSON");
        assert_eq!(serde_json::from_str::<quell_ingest::Event>(&text).expect("and JSON is an event"), event);
    }
    assert!(read.records() as u64 >= read.skipped());
}
