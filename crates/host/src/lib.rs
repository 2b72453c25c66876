//! Facts and levers of an operating system. The only crate with unsafe code.
#![expect(unsafe_code, reason = "system calls without a safe wrapper; each block says why it is sound")]

#[cfg(target_os = "linux")]
pub mod file;
#[cfg(unix)]
pub mod inherit;
#[cfg(target_os = "linux")]
pub mod isolate;
#[cfg(unix)]
pub mod keep;
#[cfg(target_os = "linux")]
pub mod namespace;
#[cfg(target_os = "linux")]
pub mod process;
pub mod program;
#[cfg(target_os = "linux")]
pub mod script;
#[cfg(target_os = "linux")]
pub mod system;
#[cfg(target_os = "linux")]
pub mod users;

/// Bytes as lower-case hexadecimal digits.
#[cfg(target_os = "linux")]
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
