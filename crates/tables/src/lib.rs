//! The state of this machine as SQL tables, with osquery's names, columns and types.
//!
//! A [`Session`] answers one `SELECT` at a time: read-only, limited in time, memory and rows. Tables hold nothing; what a
//! statement asks for is looked up while it runs, and terms that narrow a table (`pid = 1`, `path LIKE '/etc/%'`) narrow
//! the looking. What is read was written by others, and may be an attacker's: every read has a bound, nothing that is no
//! regular file is read, and what cannot be read is counted ([`Summary::warnings`]) instead of ending the statement.
//!
//! Adding a table: a `static` [`Table`] in a file of its family, and its line in `list.rs`.

mod env;
mod file;
mod function;
mod hint;
mod list;
mod network;
mod package;
mod process;
pub mod query;
mod read;
mod relation;
pub mod rpmdb;
mod session;
mod startup;
mod statement;
mod system;
mod table;
mod user;

pub use env::{Env, Stop};
pub use list::schema;
pub use rusqlite::types::Value;
pub use session::{Error, Limits, Session, Summary, Taken};
pub use table::{Column, Kind, Row, Table};
