//! Tables of files. Each wants to be told which: `path = …`, `path LIKE …` or `directory = …`.

pub(crate) mod attributes;
pub(crate) mod find;
pub(crate) mod hash;
pub(crate) mod stat;
pub(crate) mod suid;
pub(crate) mod yara;
