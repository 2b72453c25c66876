//! Rules of single files: a header that says why, names that say what, nothing of one person's machine.

use super::File;
use crate::cargo::root;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] =
    &["utils", "util", "common", "helpers", "helper", "manager", "managers", "misc", "stuff"];

/// Where programs are started: the levers of a system, endpoints made of namespaces, and what runs those.
const STARTERS: &[&str] = &["crates/host", "crates/lab", "crates/quell/src/demo", "xtask"];

/// Everything that is wrong with these files.
pub fn check(files: &[File]) -> Vec<String> {
    let here = root().to_string_lossy().into_owned();
    let mut problems = Vec::new();
    for file in files {
        let path = file.path.display();
        if file.path.extension().is_some_and(|extension| extension == "rs") {
            problems.extend(rust(file).map(|problem| format!("{path}: {problem}")));
        }
        if let Some(name) = empty_name(file) {
            problems.push(format!("{path}: `{name}` says nothing about what is inside"));
        }
        if let Some(at) = file.text.find(&here) {
            let line = file.text[..at].lines().count().max(1);
            problems.push(format!("{path}:{line}: names the folder where this checkout happens to be"));
        }
    }
    problems
}

fn rust(file: &File) -> impl Iterator<Item = String> {
    let header = file.text.trim_start();
    // A `//!` may follow the attributes of a crate.
    let headed = header
        .lines()
        .take_while(|line| !line.trim().is_empty() || header.starts_with("//!"))
        .any(|line| line.starts_with("//!"));
    let in_host = file.path.starts_with("crates/host");
    let opens_unsafe = !in_host
        && file.text.lines().any(|line| {
            line.trim_start().starts_with('#') && line.contains(concat!("expect(uns", "afe_code"))
        });
    let tests = file.path.iter().any(|part| part == "tests" || part == "examples" || part == "tests.rs");
    let may_start = tests || STARTERS.iter().any(|folder| file.path.starts_with(folder));
    let code = file.text.split("#[cfg(test)]").next().unwrap_or_default();
    let starts = !may_start
        && code.lines().any(|line| {
            line.contains(concat!("process::", "Command")) && !line.trim_start().starts_with("//")
        });
    [
        starts.then(|| "programs are started by crates/host alone".to_owned()),
        (!headed).then(|| "does not begin with `//!` and why it exists".to_owned()),
        opens_unsafe.then(|| "unsafe code lives in crates/host alone".to_owned()),
    ]
    .into_iter()
    .flatten()
}

fn empty_name(file: &File) -> Option<&'static str> {
    let parts = file.path.iter().filter_map(|part| part.to_str());
    let stems: Vec<&str> = parts.map(|part| part.split('.').next().unwrap_or(part)).collect();
    EMPTY_NAMES.iter().copied().find(|name| stems.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(path: &str, text: &str) -> Vec<String> {
        check(&[File { path: path.into(), text: text.to_owned() }])
    }

    #[test]
    fn headers_and_names_are_asked_for() {
        assert!(problems("crates/x/src/cut.rs", "//! Why.\nfn a() {}\n").is_empty());
        assert!(problems("crates/x/tests/it.rs", "#![expect(x)]\n//! Why.\n").is_empty());
        assert_eq!(problems("crates/x/src/cut.rs", "fn a() {}\n").len(), 1);
        assert_eq!(problems("crates/x/src/utils.rs", "//! Why.\n").len(), 1);
        assert_eq!(problems("crates/common/src/cut.rs", "//! Why.\n").len(), 1);
        assert_eq!(problems("README.md", &format!("cd {}\n", root().display())).len(), 1);
        assert!(problems("docs/commonplace.md", "").is_empty());
        let starter = concat!("//! Why.\nuse std::process::", "Command;\n");
        assert_eq!(problems("crates/agent/src/x.rs", starter).len(), 1);
        assert!(problems("crates/host/src/x.rs", starter).is_empty());
        assert!(problems("crates/agent/tests/it/x.rs", starter).is_empty());
    }
}
