//! The levers on a real kernel: real processes, files and scripts.
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use std::time::{Duration, Instant};

#[cfg(target_os = "linux")]
mod blocknet;
mod core;
mod file;
#[cfg(target_os = "linux")]
mod guard;
#[cfg(target_os = "linux")]
mod isolate;
#[cfg(target_os = "linux")]
mod namegate;
mod process;
mod pty;
#[cfg(target_os = "linux")]
mod recorder;
#[cfg(target_os = "linux")]
mod recorder_files;
#[cfg(target_os = "linux")]
mod recorder_load;
#[cfg(target_os = "linux")]
mod recorder_network;
mod script;
#[cfg(target_os = "linux")]
mod start;
#[cfg(target_os = "linux")]
mod stranger;
#[cfg(target_os = "linux")]
mod tree;
#[cfg(target_os = "linux")]
mod unit;
mod vault;
mod worker;

/// Waits for a condition, at most twenty seconds.
#[track_caller]
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < end, "no sign of {what} within twenty seconds");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}
