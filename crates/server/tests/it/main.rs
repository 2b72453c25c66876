//! The server as its callers see it: real sockets, a real SQLite file, real keys; where a test says so, a real PostgreSQL too.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "tests")]

mod access;
mod addresses;
mod approval;
mod artifacts;
mod blocklist;
mod bodies;
mod console;
mod document;
mod endpoints;
mod evidence;
mod gateway;
mod incidents;
mod ingest;
mod install;
mod library;
mod lists;
mod live;
mod notices;
mod overview;
mod own_settings;
mod passkeys;
mod people;
#[path = "../../../store/tests/it/postgres.rs"]
mod postgres;
mod preview;
mod protection;

mod response_plan;
mod rows;
mod shells;
mod signing;
mod signing_in;
mod sso;
mod start;
mod sweep;
mod tasks;
mod trust;
mod verification;
mod world;

/// Runs an `async fn()` once per database that its worlds are on.
macro_rules! both {
    ($($body:ident),+ $(,)?) => {
        mod sqlite {
            $(#[test] fn $body() { crate::world::on_sqlite(super::$body()); })+
        }
        mod postgresql {
            $(#[test] fn $body() { crate::world::on_postgres(super::$body()); })+
        }
    };
}
pub(crate) use both;
