//! Queries of a library: any text is a query or a problem with its place.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match quell_tables::query::parse(text) {
        Ok(query) => assert!(!query.title.is_empty() && !query.sql.is_empty()),
        Err(problem) => assert!(problem.line > 0 && problem.column > 0, "{problem:?}"),
    }
});
