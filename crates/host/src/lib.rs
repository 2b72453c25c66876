//! Facts and levers of an operating system. The only crate with unsafe code.
#![expect(unsafe_code, reason = "system calls without a safe wrapper; each block says why it is sound")]

pub mod file;
#[cfg(target_os = "linux")]
pub mod isolate;
#[cfg(target_os = "linux")]
pub mod namespace;
pub mod process;
pub mod system;
