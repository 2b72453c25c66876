//! Tables of the network: interfaces, routes, neighbours, and how names are found.

pub(crate) mod interfaces;
pub(crate) mod names;
mod netlink;
pub(crate) mod routes;
