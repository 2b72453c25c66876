//! A shell's stream from either side, and from the person at it: any bytes end in a checked frame or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quell_wire::shell;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(body) = shell::decode_from_agent(bytes) {
        assert_eq!(shell::decode_from_agent(&shell::encode_from_agent(body.clone())), Ok(body));
    }
    if let Ok(body) = shell::decode_from_server(bytes) {
        assert_eq!(shell::decode_from_server(&shell::encode_from_server(body.clone())), Ok(body));
    }
    if let Ok((offset, data)) = shell::decode_bytes(bytes) {
        assert_eq!(shell::encode_bytes(offset, data), bytes);
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = shell::decode_from_person(text);
    }
});
