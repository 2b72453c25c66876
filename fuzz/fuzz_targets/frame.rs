//! Frames, enrolment bodies and tokens from the other side: any bytes end in a checked value or an error, and what
//! was accepted encodes to something that is accepted again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quell_wire::enrol::{self, EnrolRequest, EnrolResponse, RenewRequest, Token};
use quell_wire::frame;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(body) = frame::decode_from_agent(bytes) {
        let again = frame::decode_from_agent(&frame::encode_from_agent(body.clone()));
        assert_eq!(again.as_ref(), Ok(&body));
    }
    if let Ok(body) = frame::decode_from_server(bytes) {
        let again = frame::decode_from_server(&frame::encode_from_server(body.clone()));
        assert_eq!(again.as_ref(), Ok(&body));
    }
    let _ = enrol::decode::<EnrolRequest>(bytes);
    let _ = enrol::decode::<EnrolResponse>(bytes);
    let _ = enrol::decode::<RenewRequest>(bytes);
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Some(token) = Token::from_text(text)
    {
        assert_eq!(Token::from_text(&token.to_text()), Some(token));
    }
});
