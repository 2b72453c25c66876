//! One action a file: what is asked, and what must be seen on the endpoint and outside of it.

pub mod collect;
pub mod isolate;
pub mod restore;
pub mod run_script;
pub mod terminate;
