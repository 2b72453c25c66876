//! What an agent keeps of a shell: output that the server does not have yet, whatever the server says it has, and the notes of
//! files that were moved, however they were torn.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/agent/src/shell/moved.rs"]
#[expect(dead_code, reason = "it is fuzzed without the agent around it")]
mod moved;
#[path = "../../crates/agent/src/shell/ring.rs"]
mod ring;

fuzz_target!(|bytes: &[u8]| {
    let (files, _) = moved::parse(bytes);
    let lines = files.iter().map(|file| serde_json::to_string(file).expect("a note") + "\n");
    assert_eq!(moved::parse(lines.collect::<String>().as_bytes()), (files, 0), "what was read is written and read again");
    let (mut ring, mut all) = (ring::Ring::default(), Vec::new());
    // A letter, a number, and the output that so many bytes after it are.
    let mut rest = bytes;
    while let Some((head, after)) = rest.split_first_chunk::<9>() {
        let number = u64::from_le_bytes(*head[1..].first_chunk().expect("eight of nine"));
        rest = after;
        match head[0] % 4 {
            0 => {
                let (data, after) = rest.split_at(rest.len().min(usize::from(head[1])));
                ring.push(data);
                all.extend_from_slice(data);
                rest = after;
            }
            1 => ring.stored(number),
            2 => ring.stored(ring.from().saturating_add(number % 300)),
            _ => {
                let at = ring.from().saturating_add(number % 1000);
                let data = ring.read(at, usize::from(head[8]));
                let from = usize::try_from(at).expect("small").min(all.len());
                assert_eq!(data, all[from..all.len().min(from + usize::from(head[8]))]);
                let _ = ring.read(number, usize::from(head[2]));
            }
        }
        assert_eq!((ring.end(), ring.len() as u64), (all.len() as u64, ring.end() - ring.from()));
    }
});
