//! A kit as somebody may upload it: taken apart, and its archive read to the end or refused. The archive is also read where no
//! signature holds, for whoever has a key may write what they like.
#![no_main]

use std::io::Read;

use libfuzzer_sys::fuzz_target;
use quell_kit::{Entry, Error, Kit, MOST_FILES, MOST_UNPACKED, each, open};

fuzz_target!(|bytes: &[u8]| {
    let payload = match open(bytes) {
        Ok(signed) => {
            let _ = signed.is_by(signed.key);
            signed.payload
        }
        Err(_) => bytes,
    };
    let (mut files, mut size) = (0usize, 0u64);
    let _ = each(payload, |entry: &Entry, content: &mut dyn Read| {
        let name = entry.name.as_str();
        assert!(!name.starts_with('/') && name.split('/').all(|part| part != ".." && !part.is_empty()), "{name}");
        files += 1;
        size += std::io::copy(content, &mut std::io::sink()).unwrap_or_default();
        Ok::<_, Error>(())
    });
    assert!(files <= MOST_FILES && size <= MOST_UNPACKED + (1 << 20), "{files} files, {size} bytes");
    if let Ok(kit) = Kit::read(payload) {
        assert!(!kit.manifest.steps.is_empty());
    }
});
