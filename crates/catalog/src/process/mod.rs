//! Actions on processes of an endpoint.

pub mod dump_memory;
pub mod list;
pub mod start;
pub mod terminate;
