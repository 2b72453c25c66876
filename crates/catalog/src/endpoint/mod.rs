//! Actions on an endpoint as a whole.

pub mod isolate;
pub mod restore;
pub mod run_script;
