//! Answers of what may be no `clamd`: bounded, printable, or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quell_host::clamd::{Answer, Error, Way, parse};

fuzz_target!(|bytes: &[u8]| {
    for way in [Way::Descriptor, Way::Stream] {
        let shown = match parse(bytes, way) {
            Ok(Answer::Found(text)) | Err(Error::Garbage(text) | Error::Refused(text)) => text,
            _ => String::new(),
        };
        assert!(shown.len() <= 256 && !shown.chars().any(char::is_control), "{shown:?}");
    }
});
