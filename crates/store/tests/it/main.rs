//! The store's conformance suite: the same bodies on SQLite and on a PostgreSQL that the test starts itself.

#![expect(clippy::unwrap_used, clippy::print_stderr, clippy::panic, reason = "tests")]

mod access;
mod backend;
mod blob;
mod blocklist;
mod command;
mod durability;
mod endpoint;
mod incident;
mod library;
mod notice;
mod postgres;
mod protection;
mod response_plan;
mod schema;
mod sign_on;
mod task;
mod trust;
mod writer;

/// Runs an `async fn(&World)` once per database.
macro_rules! both {
    ($($body:ident),+ $(,)?) => {
        mod sqlite {
            $(#[test] fn $body() { crate::backend::on_sqlite(async |world| super::$body(world).await); })+
        }
        mod postgresql {
            $(#[test] fn $body() { crate::backend::on_postgres(async |world| super::$body(world).await); })+
        }
    };
}
pub(crate) use both;
