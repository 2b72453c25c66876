//! Definitions of evidence, imported from anywhere: each file is refused with its place, or read; what was read leads to paths
//! and commands without a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quell_evidence::{Knowledge, SourceKind, System, User, allowed, expand, parse, resolve};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let set = match parse(text) {
        Ok(set) => set,
        Err(error) => {
            assert!(error.line > 0 && error.column > 0);
            return;
        }
    };
    let user = User { username: b"a*".to_vec(), homedir: b"/home/a*".to_vec(), uid: 1 };
    let knowledge = Knowledge { users: vec![user], ..Knowledge::default() };
    let names: Vec<String> = set.definitions().iter().map(|known| known.name.clone()).collect();
    for step in resolve(&set, &names, System::Linux).steps {
        match step.kind {
            SourceKind::File { paths, separator }
            | SourceKind::Path { paths, separator }
            | SourceKind::Directory { paths, separator } => {
                for path in paths {
                    for pattern in expand(path, *separator, &knowledge).unwrap_or_default() {
                        let _ = pattern.segments.iter().filter(|segment| segment.matches(bytes)).count();
                    }
                }
            }
            SourceKind::Command { program, arguments } => drop(allowed(program, arguments)),
            _ => {}
        }
    }
});
