//! What can be done: every action declared once. No I/O, no async.
