//! The programs that a site runs: those of the build that the calling program belongs to.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

use super::Error;

/// Where they are.
#[derive(Clone, Debug)]
pub struct Programs {
    /// `quell`.
    pub server: PathBuf,
    /// `quell-agent`.
    pub agent: PathBuf,
}

/// Tests of one program ask at once; one of them builds.
static BUILDING: Mutex<()> = Mutex::new(());

impl Programs {
    /// Finds them beside the calling program, a test's `deps` folder left out; the agent where `QUELL_LAB_AGENT` says, if it
    /// says so. Builds them where they are absent.
    pub fn of_this_build() -> Result<Self, Error> {
        let told =
            |error: std::io::Error| Error::Program(format!("the build's folder is not known: {error}"));
        let mut folder = std::env::current_exe().map_err(told)?;
        folder.pop();
        if folder.ends_with("deps") || folder.ends_with("examples") {
            folder.pop();
        }
        // A measurement may want the agent of another build than its own.
        let agent =
            std::env::var_os("QUELL_LAB_AGENT").map_or_else(|| folder.join("quell-agent"), PathBuf::from);
        let programs = Self { server: folder.join("quell"), agent };
        let _one = BUILDING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if programs.are_there() {
            return Ok(programs);
        }
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "-p", "quell", "-p", "quell-agent"]).current_dir(env!("CARGO_MANIFEST_DIR"));
        if folder.ends_with("release") {
            cargo.arg("--release");
        }
        let built = cargo.status().map_err(|error| Error::Program(format!("cargo does not run: {error}")))?;
        if built.success() && programs.are_there() {
            return Ok(programs);
        }
        Err(Error::Program(format!("quell or quell-agent is missing in {}", folder.display())))
    }

    fn are_there(&self) -> bool {
        self.server.is_file() && self.agent.is_file()
    }
}
