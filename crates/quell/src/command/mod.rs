//! One subcommand a file.

pub mod approvals;
pub mod artifacts;
pub mod audit;
pub mod break_glass;
pub mod completions;
pub mod demo;
pub mod endpoints;
pub mod explain;
pub mod gateway;
pub mod keys;
pub mod login;
pub mod mail;
pub mod notices;
pub mod openapi;
pub mod overview;
pub mod passkeys;
pub mod policy;
pub mod reference;
pub mod release_code;
pub mod scripts;
pub mod server;
pub mod signer;
pub mod sso;
pub mod tasks;
pub mod trust;
pub mod webhooks;
