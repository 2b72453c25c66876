//! Actions on processes of an endpoint.

pub mod terminate;
