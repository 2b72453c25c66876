//! Tables of what starts by itself.

pub(crate) mod crontab;
pub(crate) mod items;
pub(crate) mod systemd;
