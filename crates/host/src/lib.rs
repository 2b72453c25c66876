//! Facts and levers of an operating system. The only crate with unsafe code.
#![expect(unsafe_code, reason = "system calls without a safe wrapper; each block says why it is sound")]

#[cfg(target_os = "linux")]
pub mod behalf;
#[cfg(target_os = "linux")]
pub mod blocknet;
#[cfg(target_os = "linux")]
pub mod clamd;
#[cfg(target_os = "linux")]
pub mod confine;
#[cfg(target_os = "linux")]
pub mod core;
#[cfg(target_os = "linux")]
pub mod dns;
#[cfg(target_os = "linux")]
pub mod evidence;
#[cfg(target_os = "linux")]
pub mod file;
#[cfg(target_os = "linux")]
pub mod guard;
#[cfg(target_os = "linux")]
pub mod heap;
#[cfg(unix)]
pub mod inherit;
#[cfg(target_os = "linux")]
pub mod isolate;
#[cfg(unix)]
pub mod keep;
#[cfg(target_os = "linux")]
pub mod namegate;
#[cfg(target_os = "linux")]
pub mod namespace;
#[cfg(target_os = "linux")]
pub mod osquery;
#[cfg(target_os = "linux")]
pub mod process;
pub mod program;
#[cfg(target_os = "linux")]
pub mod pty;
#[cfg(target_os = "linux")]
pub mod recorder;
#[cfg(target_os = "linux")]
pub mod script;
#[cfg(target_os = "linux")]
mod signals;
#[cfg(target_os = "linux")]
pub mod system;
#[cfg(target_os = "linux")]
pub mod tree;
#[cfg(target_os = "linux")]
pub mod users;
#[cfg(target_os = "linux")]
pub mod vault;
pub mod vtab;
#[cfg(target_os = "linux")]
pub mod worker;

/// Bytes as lower-case hexadecimal digits.
#[cfg(target_os = "linux")]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Reads hex digits of either case into exactly this many bytes.
#[cfg(target_os = "linux")]
pub(crate) fn unhex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let digit = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
    let (pairs, []) = text.as_chunks::<2>() else { return None };
    let mut bytes = [0; N];
    if pairs.len() != N {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}
