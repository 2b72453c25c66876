//! Files that are written from the code, never by hand: the OpenAPI document, the types of the console's client, and the
//! reference of the command line.

use std::fs;

use anyhow::{Context as _, Result, bail};

use crate::cargo::{cargo, must, output, root, target};
use crate::console;

/// Each file, and the command of the binary that prints it.
const FILES: &[(&str, &str)] = &[("openapi/v1.json", "openapi"), ("docs/cli.md", "reference")];

/// Writes what differs.
pub fn write() -> Result<()> {
    for (path, text) in generated()? {
        if fs::read_to_string(root().join(path)).is_ok_and(|old| old == text) {
            continue;
        }
        let file = root().join(path);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        }
        fs::write(&file, text).with_context(|| format!("writing {path}"))?;
        eprintln!("wrote {path}");
    }
    match console::node() {
        Err(error) => eprintln!("the types of the console's client are not written: {error:#}"),
        Ok(()) if console::write_client()? => eprintln!("wrote {}", console::CLIENT),
        Ok(()) => {}
    }
    Ok(())
}

/// Says which files are not what the code says.
pub fn check() -> Result<()> {
    let mut stale = Vec::new();
    for (path, text) in generated()? {
        let old = fs::read_to_string(root().join(path)).unwrap_or_default();
        if old == text {
            continue;
        }
        let line = old.lines().zip(text.lines()).position(|(old, new)| old != new);
        let line = line.unwrap_or(old.lines().count().min(text.lines().count())) + 1;
        stale.push(format!("{path} differs from line {line} on"));
    }
    match console::node() {
        Err(error) => eprintln!("the types of the console's client are not looked at: {error:#}"),
        Ok(()) if console::check_client()? => {}
        Ok(()) => stale.push(format!("{} differs", console::CLIENT)),
    }
    if stale.is_empty() { Ok(()) } else { bail!("{}; run `cargo xtask gen`", stale.join("; ")) }
}

fn generated() -> Result<Vec<(&'static str, String)>> {
    must(&mut cargo(&["build", "--package", "quell"]))?;
    let binary = target().join("debug").join("quell");
    FILES
        .iter()
        .map(|(path, command)| {
            let text = output(std::process::Command::new(&binary).arg(command).env_remove("QUELL_URL"))?;
            Ok((*path, text))
        })
        .collect()
}
