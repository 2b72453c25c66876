//! The binary quell.
fn main() {}
