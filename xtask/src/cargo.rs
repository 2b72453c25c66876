//! Calls of cargo, all with one target directory, so that a second checkout and a second command find what was built.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// The root of the workspace.
pub fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or(here.clone(), PathBuf::from)
}

/// Where everything is built: `CARGO_TARGET_DIR`, else a folder of the user's cache.
pub fn target() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("CARGO_TARGET_DIR")
        .or_else(|| set("XDG_CACHE_HOME").map(|cache| cache.join("quell/target")))
        .or_else(|| set("HOME").map(|home| home.join(".cache/quell/target")))
        .unwrap_or_else(|| root().join("target"))
}

/// `cargo` with these arguments, in the root.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root()).env("CARGO_TARGET_DIR", target());
    // Set by the cargo that runs this program. Build scripts watch them: with them in place, a call from here and one from
    // a shell would each undo the other's work and compile everything again.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") || name == "CARGO" {
            command.env_remove(&*name);
        }
    }
    command
}

/// Runs a command to its end; anything but success is an error that names it.
pub fn must(command: &mut Command) -> Result<()> {
    let words = words(command);
    let status = command.status().with_context(|| format!("starting `{words}`"))?;
    if !status.success() {
        bail!("`{words}` ended with {status}");
    }
    Ok(())
}

/// The output of a command that must succeed; its complaints go to the terminal.
pub fn output(command: &mut Command) -> Result<String> {
    let words = words(command);
    let output = command
        .stderr(std::process::Stdio::inherit())
        .output()
        .with_context(|| format!("starting `{words}`"))?;
    if !output.status.success() {
        bail!("`{words}` ended with {}", output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{words}` printed something that is not UTF-8"))
}

/// The command as it would be typed.
pub fn words(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|part| part.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}
