//! The server as its callers see it: real sockets, a real SQLite file, real keys.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod access;
mod addresses;
mod artifacts;
mod bodies;
mod document;
mod endpoints;
mod gateway;
mod lists;
mod live;
mod overview;
mod scripts;
mod start;
mod tasks;
mod trust;
mod world;
