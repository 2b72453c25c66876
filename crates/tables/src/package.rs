//! Tables of what is installed.

pub(crate) mod apt;
pub(crate) mod deb;
pub(crate) mod python;
pub(crate) mod rpm;
pub(crate) mod version;
