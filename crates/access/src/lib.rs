//! Who may do what: permissions, roles, reach, and who must agree before an action is carried out.
//!
//! Pure: no I/O, no clock, no randomness. The server reads rows and asks here; the engine asks the same functions again
//! when an order is given out. One file per idea: [`Permission`], [`Role`], [`Access`], [`policy`], [`quorum`].

pub mod email;
mod grant;
pub mod password;
mod permission;
pub mod policy;
pub mod quorum;
mod reach;
mod role;
pub mod totp;

pub use grant::{Access, Grant, GrantError, Grants};
pub use permission::{Permission, Permissions};
pub use policy::{Policy, Requirement};
pub use reach::{Actions, Reach};
pub use role::Role;
