//! Actions on files of an endpoint.

pub mod collect;
