//! Archives and manifests as an endpoint may send them: read within bounds, or refused.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use quell_evidence::Manifest;
use quell_evidence::archive::Reader;

fuzz_target!(|bytes: &[u8]| {
    let _ = Manifest::read(bytes);
    let Ok(mut reader) = Reader::open(Cursor::new(bytes)) else { return };
    for index in 0..reader.entries().len().min(16) {
        let announced = reader.entries()[index].size;
        let mut given = 0;
        let read = reader.read(index, b"secret", 1 << 20, |piece| given += piece.len() as u64);
        assert!(given <= announced.min(1 << 20));
        assert!(read.is_err() || given == announced);
    }
});
