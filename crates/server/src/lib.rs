//! REST, OpenAPI, agent gateway; wires agents into the engine.
//!
//! Two ports, never one: people and programs use `/api/v1` ([`api`]), agents use the gateway ([`gateway`]).
//! The tenant of a request comes from its key or its certificate, never from the request itself. What changes
//! anything writes its audit record in the same transaction.

mod api;
mod api_tls;
mod approve;
mod auth;
mod background;
mod blocklist;
mod config;
pub mod console;
mod directory;
mod first_key;
pub mod gateway;
mod health;
mod incident;
mod install;
mod library;
mod listen;
mod live;
mod metrics;
mod notices;
pub mod openapi;
pub mod pki;
mod problem;
mod protection;
mod public;
mod recover;
mod retention;
mod rows;
mod run;
mod seal;
mod sealing;
mod serve;
mod setup_code;
mod shell;
mod signing;
mod state;
pub mod tls;
mod trail;
mod turns;
mod verification;

pub use config::{ApiTls, Config, ConfigError, Limits, TlsFiles};
pub use first_key::FirstKey;
pub use listen::Listeners;
pub use problem::{Code, Field, Problem, explain};
pub use quell_access::Role;
pub use quell_notify::Reach;
pub use recover::{RecoverError, recover};
pub use run::{Error, Server, run};
pub use setup_code::OpenSetup;
pub use signing::{Error as SigningError, Keeper, Launcher, Signing};
pub use trail::{Trail, TrailError, TrailProblem, TrailReport, Wanted, verify_trails};
