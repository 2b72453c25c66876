//! Files and functions that have grown long. Said, not refused: a table may be long.

use super::File;

const FILE: usize = 350;
const FUNCTION: usize = 40;

/// What exceeds.
pub fn remarks(files: &[&File]) -> Vec<String> {
    let mut remarks = Vec::new();
    for file in files {
        if file.path.iter().any(|part| part == "tests" || part == "tests.rs") {
            continue;
        }
        let lines: Vec<&str> = without_tests(&file.text);
        if lines.len() > FILE {
            remarks.push(format!("{}: {} lines", file.path.display(), lines.len()));
        }
        for (at, name, length) in functions(&lines) {
            if length > FUNCTION {
                remarks.push(format!("{}:{at}: `{name}` has {length} lines", file.path.display()));
            }
        }
    }
    remarks
}

/// Tests stand at the end of a file.
fn without_tests(text: &str) -> Vec<&str> {
    text.lines().take_while(|line| *line != "#[cfg(test)]").collect()
}

/// First line (from 1), name and length of each function. Reads the layout that rustfmt writes: the brace that ends a
/// function stands in the column where the function began.
fn functions<'a>(lines: &[&'a str]) -> Vec<(usize, &'a str, usize)> {
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        let indent = line.len() - line.trim_start().len();
        let ends = |line: &&str| {
            line.trim_end() == format!("{}}}", " ".repeat(indent))
                || line.ends_with(';') && line.len() - line.trim_start().len() == indent
        };
        if let Some(length) = lines[at..].iter().position(ends) {
            found.push((at + 1, name, length + 1));
        }
    }
    found
}

fn function_name(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("fn ")?;
    let modifiers = ["pub", "pub(crate)", "pub(super)", "const", "async", "unsafe", "extern", "\"C\""];
    if !before.split_whitespace().all(|word| modifiers.contains(&word)) {
        return None;
    }
    after.split(['(', '<']).next().filter(|name| !name.is_empty() && !line.trim_end().ends_with('}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_those_of_the_layout() {
        let text = "//! x\nfn short() {}\n\nimpl A {\n    pub async fn long(\n        &self,\n    ) {\n        b();\n    }\n}\n";
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(functions(&lines), [(5, "long", 5)]);
        let file = File {
            path: "crates/x/src/a.rs".into(),
            text: format!("{}#[cfg(test)]\n{}", "x\n".repeat(351), "y\n".repeat(900)),
        };
        assert_eq!(remarks(&[&file]), ["crates/x/src/a.rs: 351 lines"]);
    }
}
