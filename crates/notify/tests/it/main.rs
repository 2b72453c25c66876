//! Mail to a real mail server, and posts to receivers that do what receivers do.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

mod mail;
mod webhook;
