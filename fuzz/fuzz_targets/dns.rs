//! Packets and messages that the kernel hands over: any bytes end in a verdict or in none; a refused answer says so and names
//! no address, and in a stream it keeps its length.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quell_host::{blocknet, dns, namegate};

fuzz_target!(|bytes: &[u8]| {
    let _ = blocknet::read_logged(bytes);
    let _ = namegate::verdict(7, bytes, &mut |_| true);
    if let Some(packet) = namegate::refused(bytes, &mut |_| true) {
        // What was refused once is not refused again.
        assert!(packet.len() >= 20 && packet.len() <= bytes.len() + 32);
    }
    // A name may point into the header, which says something else then: what is left is no answer to anybody.
    let says_no = |message: &[u8]| {
        dns::answer(message).is_none_or(|again| again.code == 3 && again.addresses.is_empty())
    };
    if let Some(new) = dns::refuse(bytes) {
        assert!(says_no(&new));
    }
    let mut message = bytes.to_vec();
    if dns::refuse_in_place(&mut message, bytes.len()).is_some() {
        assert!(message.len() == bytes.len() && says_no(&message));
    }
});
