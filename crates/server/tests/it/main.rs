//! The server as its callers see it: real sockets, a real SQLite file, real keys.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod access;
mod addresses;
mod approval;
mod artifacts;
mod bodies;
mod console;
mod document;
mod endpoints;
mod gateway;
mod install;
mod lists;
mod live;
mod notices;
mod overview;
mod own_settings;
mod passkeys;
mod people;
mod preview;
mod scripts;
mod signing;
mod signing_in;
mod sso;
mod start;
mod sweep;
mod tasks;
mod trust;
mod verification;
mod world;
