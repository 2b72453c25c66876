//! Notices on their way out: e-mail by SMTP, webhooks, and the texts of both.
//!
//! This crate sends and says how it went; what is to be told to whom, and when it is tried again, is decided by who uses
//! it. Everything that goes into a text is made inert first ([`text`]), every address that is connected to is looked at
//! first ([`reach`]), and nothing that a receiver answers is believed to be short, quick or honest.

pub mod kind;
pub mod mail;
pub mod notice;
pub mod reach;
pub mod template;
pub mod text;
mod verdict;
pub mod webhook;

pub use kind::Kind;
pub use notice::Notice;
pub use reach::Reach;
pub use verdict::Verdict;
