//! Facts and levers of an operating system. The only crate with unsafe code.
