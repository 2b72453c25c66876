//! Rows as agents send them: any bytes, packed or not, end in rows within the limits or in words about what is wrong.
#![no_main]

use std::io::Write as _;
use std::ops::ControlFlow;

use flate2::Compression;
use flate2::write::GzEncoder;
use libfuzzer_sys::fuzz_target;

/// The server's own file: it is no library.
#[path = "../../crates/server/src/rows"]
mod rows {
    pub type Row = serde_json::Map<String, serde_json::Value>;
    pub mod part;
}

fuzz_target!(|bytes: &[u8]| {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    let packed = packer.write_all(bytes).and_then(|()| packer.finish()).unwrap_or_default();
    for body in [bytes, &packed] {
        let mut seen = 0_u64;
        let ended = rows::part::read(body, 1, |number, _row| {
            assert!(number >= 1);
            seen += 1;
            if seen < 100 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        assert!(ended.next.is_none() || seen == 100);
        assert!(ended.unpacked <= rows::part::UNPACKED);
    }
});
