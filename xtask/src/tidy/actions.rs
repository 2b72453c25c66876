//! Actions: every declaration stands in the list, and no match over them hides a new one.

use super::File;

/// Everything that is wrong.
pub fn check(files: &[&File]) -> Vec<String> {
    let list = files.iter().find(|file| file.path.ends_with("crates/catalog/src/list.rs"));
    let list = list.map(|file| file.text.as_str()).unwrap_or_default();
    let mut problems = Vec::new();
    for file in files {
        if let Some(name) = unlisted(file, list) {
            problems
                .push(format!("{}: `{name}` is declared and does not stand in list.rs", file.path.display()));
        }
        for line in wildcards(&file.text) {
            problems.push(format!("{}:{line}: a match over actions has a wildcard", file.path.display()));
        }
    }
    problems
}

/// The action that a file of the catalogue declares and the list does not name.
fn unlisted(file: &File, list: &str) -> Option<String> {
    let inside = file.path.strip_prefix("crates/catalog/src").ok()?;
    if !file.text.contains("const SPEC: Spec = Spec {") {
        return None;
    }
    let (_, rest) = file.text.split_once("impl Action for ")?;
    let module: Vec<&str> = inside.iter().filter_map(|part| part.to_str()).collect();
    let name =
        format!("crate::{}::{}", module.join("::").trim_end_matches(".rs"), rest.split_whitespace().next()?);
    (!list.contains(&format!("=> {name},"))).then_some(name)
}

/// Lines (from 1) of wildcard arms within matches that name actions. Reads the layout that rustfmt writes.
fn wildcards(text: &str) -> Vec<usize> {
    let lines: Vec<&str> = text.lines().collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let code = line.trim_end();
        if !(code.contains("match ") && code.ends_with('{')) || code.trim_start().starts_with("//") {
            continue;
        }
        let depth = indent(line);
        let body = lines[at + 1..].iter().take_while(|line| line.trim().is_empty() || indent(line) > depth);
        let arms: Vec<(usize, &str)> = body
            .enumerate()
            .filter(|(_, line)| indent(line) == depth + 4)
            .map(|(arm, line)| (at + 2 + arm, line.trim_start()))
            .collect();
        let over_actions =
            arms.iter().any(|(_, arm)| arm.trim_start_matches("| ").starts_with("ActionKind::"));
        if over_actions {
            found.extend(arms.iter().filter(|(_, arm)| is_wildcard(arm)).map(|(number, _)| *number));
        }
    }
    found
}

/// `_ =>`, `_ if … =>`, or a name that takes whatever comes.
fn is_wildcard(arm: &str) -> bool {
    let Some((pattern, _)) = arm.split_once("=>") else { return false };
    let name = pattern.split(" if ").next().unwrap_or(pattern).trim();
    !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_over_actions_is_found_and_others_are_not() {
        let text = "fn a() {\n    match kind {\n        ActionKind::FileCollect => 1,\n        _ => 2,\n    }\n    match n {\n        1 => ActionKind::FileCollect,\n        _ => x,\n    }\n    match kind {\n        ActionKind::FileCollect => match n {\n            _ => 1,\n        },\n        other => 3,\n    }\n}\n";
        assert_eq!(wildcards(text), [4, 14]);
    }

    #[test]
    fn a_declaration_that_is_not_listed_is_found() {
        let file = File {
            path: "crates/catalog/src/file/delete.rs".into(),
            text: "impl Action for Delete {\n    const SPEC: Spec = Spec {\n".to_owned(),
        };
        assert_eq!(unlisted(&file, "").as_deref(), Some("crate::file::delete::Delete"));
        assert_eq!(unlisted(&file, "    FileDelete => crate::file::delete::Delete,\n"), None);
    }
}
