//! Parameters and outcomes of every action: any JSON is refused, or is accepted and stays as it is when checked again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quell_catalog::{ActionKind, Observed};
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else { return };
    for kind in ActionKind::ALL {
        let declared = kind.declared();
        if let Ok(params) = (declared.check_params)(&value) {
            assert_eq!((declared.check_params)(&params).as_ref(), Ok(&params));
            let _ = declared.redacted(&params);
            let _ = (declared.judge)(&params, &value, &Observed::default());
            let _ = (declared.undo)(&params, &value);
        }
        if let Ok(outcome) = (declared.check_outcome)(&value) {
            assert_eq!((declared.check_outcome)(&outcome).as_ref(), Ok(&outcome));
        }
    }
});
