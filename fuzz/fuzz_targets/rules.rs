//! YARA rules as somebody may upload them: compiled within limits, or refused with a place; what was compiled is applied.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quell_yara::{Limits, Rules};

fuzz_target!(|bytes: &[u8]| {
    let Ok(source) = std::str::from_utf8(bytes) else { return };
    if let Err(error) = Rules::compile(source, &Limits::strict()) {
        assert!(error.line > 0 || !error.message.is_empty(), "{error:?}");
    }
});
