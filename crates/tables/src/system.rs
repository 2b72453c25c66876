//! Tables of the machine as a whole.

pub(crate) mod devices;
pub(crate) mod identity;
pub(crate) mod kernel;
pub(crate) mod load;
pub(crate) mod security;
pub(crate) mod storage;
