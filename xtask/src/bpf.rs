//! The recorder's programs for the kernel: compiled here, and kept beside their source, so that nobody needs a compiler for
//! them in order to build Quell.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::cargo::{must, output, root};

const FOLDER: &str = "crates/host/bpf";
const SOURCE: &str = "recorder.bpf.c";
const OBJECT: &str = "recorder.bpf.o";
/// What the object was made from, and by which compiler.
const RECORD: &str = "recorder.bpf.built";

/// Compiles, and writes down from what.
pub fn write() -> Result<()> {
    let folder = root().join(FOLDER);
    let compiler = compiler().context("install the packages clang and llvm")?;
    compile(&folder, &folder.join(OBJECT))?;
    let mut files = sources(&folder)?;
    files.push(OBJECT.to_owned());
    let digests = output(Command::new("sha256sum").args(&files).current_dir(&folder))?;
    fs::write(folder.join(RECORD), format!("{compiler}\n{digests}"))?;
    eprintln!("wrote {FOLDER}/{OBJECT}");
    Ok(())
}

/// Compiles anew and compares. The error says what differs; the text why nothing could be compared.
pub fn check() -> Result<Option<String>> {
    let folder = root().join(FOLDER);
    let record = fs::read_to_string(folder.join(RECORD)).context("no record of how it was made")?;
    let made_by = record.lines().next().unwrap_or_default();
    match compiler() {
        Ok(here) if here == made_by => {}
        Ok(here) => return Ok(Some(format!("it was made by {made_by}, and here is {here}"))),
        Err(error) => return Ok(Some(format!("clang and llvm are not installed: {error:#}"))),
    }
    let again = std::env::temp_dir().join(format!("quell-{}-{OBJECT}", std::process::id()));
    let made = compile(&folder, &again).and_then(|()| Ok(fs::read(&again)?));
    let _ = fs::remove_file(&again);
    if made? != fs::read(folder.join(OBJECT))? {
        bail!("{FOLDER}/{OBJECT} is not what its source makes; run `cargo xtask bpf`");
    }
    Ok(None)
}

/// Without names of folders in it, so that the same source gives the same bytes everywhere.
fn compile(folder: &Path, object: &Path) -> Result<()> {
    let mut clang = Command::new("clang");
    clang.args(["-O2", "-g", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function", "-Wno-unused-parameter"]);
    // The instructions of 5.10, and nothing later; and its order of blocks: kernels before 6.7 take the end of a loop that
    // lies right before its beginning for one that never ends.
    clang.args(["-target", "bpfel", "-mcpu=v2", "-mllvm", "-disable-block-placement"]);
    clang.args(["-fdebug-compilation-dir=.", "-c", SOURCE, "-o"]);
    must(clang.arg(object).current_dir(folder))?;
    // What describes the types stays (BTF); what debuggers want goes.
    must(Command::new("llvm-strip").arg("-g").arg(object))
}

/// `clang 14.0.6`
fn compiler() -> Result<String> {
    let text = output(Command::new("clang").arg("--version"))?;
    must(Command::new("llvm-strip").arg("--version").stdout(std::process::Stdio::null()))?;
    let words: Vec<&str> = text.split_whitespace().collect();
    let version = words.iter().position(|word| *word == "version").and_then(|at| words.get(at + 1));
    Ok(format!("clang {}", version.context("a clang without a version")?))
}

fn sources(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path: PathBuf = entry?.path();
        if path.extension().is_some_and(|end| end == "c" || end == "h") {
            names.extend(path.file_name().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_object_is_what_the_source_makes() {
        if let Some(why) = check().unwrap() {
            println!("skipped: {why}");
        }
    }
}
