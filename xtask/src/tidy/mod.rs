//! `cargo xtask tidy`: what the compiler does not check and the architecture promises.

mod actions;
mod edges;
mod length;
mod source;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::cargo::{output, root};

/// A file of the project, and its text.
struct File {
    /// From the root.
    path: PathBuf,
    text: String,
}

/// Checks everything; prints what is too long.
pub fn run() -> Result<()> {
    let files = files()?;
    let rust: Vec<&File> =
        files.iter().filter(|file| file.path.extension().is_some_and(|e| e == "rs")).collect();
    let mut problems = edges::check()?;
    problems.extend(source::check(&files));
    problems.extend(actions::check(&rust));
    for remark in length::remarks(&rust) {
        eprintln!("long: {remark}");
    }
    for problem in &problems {
        eprintln!("untidy: {problem}");
    }
    if problems.is_empty() { Ok(()) } else { bail!("{} things are untidy", problems.len()) }
}

/// Every text file that is kept or about to be.
fn files() -> Result<Vec<File>> {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root());
    let names = match output(&mut git) {
        Ok(names) => names,
        Err(_) => walk()?,
    };
    let mut files = Vec::new();
    for name in names.split('\0').filter(|name| !name.is_empty()) {
        let path = PathBuf::from(name);
        // Deleted and not yet committed, or no text: not ours to read.
        if let Ok(text) = std::fs::read_to_string(root().join(&path)) {
            files.push(File { path, text });
        }
    }
    Ok(files)
}

/// The same for an unpacked archive, which has no history.
fn walk() -> Result<String> {
    let mut names = String::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
            let entry = entry?;
            let hidden =
                matches!(entry.file_name().to_str(), Some(".git" | "target" | "node_modules" | "dist"));
            let kind = entry.file_type()?;
            if kind.is_dir() && !hidden {
                folders.push(entry.path());
            } else if kind.is_file() {
                let path = entry.path();
                let path = path.strip_prefix(root()).unwrap_or(Path::new(""));
                names.push_str(&path.to_string_lossy());
                names.push('\0');
            }
        }
    }
    Ok(names)
}
