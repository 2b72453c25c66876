//! SQL on the agent's own tables, of a machine on which nothing is: rows or an error, within the limits.
#![no_main]

use std::ops::ControlFlow;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use quell_tables::{Env, Limits, Session, Taken};

thread_local! {
    static SESSION: Session = {
        let limits = Limits { rows: 50, time: Duration::from_millis(100), heap: Some(256 << 20) };
        match Session::open(Env::at("/nonexistent"), limits) {
            Ok(session) => session,
            Err(error) => panic!("{error}"),
        }
    };
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(sql) = std::str::from_utf8(bytes) else { return };
    SESSION.with(|session| {
        let (mut width, mut rows) = (None, 0);
        let _ = session.query(sql, &mut |taken| {
            match taken {
                Taken::Columns(columns) => width = Some(columns.len()),
                Taken::Row(row) => {
                    assert_eq!(Some(row.len()), width);
                    rows += 1;
                }
            }
            ControlFlow::Continue(())
        });
        assert!(rows <= 50);
    });
});
