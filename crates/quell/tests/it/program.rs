//! Running the binary with an environment of its own.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// The binary, without what the caller's environment says about Quell.
pub fn quell(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quell"));
    for name in [
        "QUELL_URL",
        "QUELL_API_KEY",
        "QUELL_CA",
        "QUELL_DATA_DIR",
        "QUELL_DATABASE",
        "QUELL_SIGNER",
        "QUELL_SIGNER_DIR",
        "XDG_CONFIG_HOME",
    ] {
        command.env_remove(name);
    }
    command.env("HOME", home).stdin(Stdio::null());
    command
}

/// What a command said, and how it ended.
pub struct Said {
    /// Exit status.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// Runs to the end.
pub fn run(command: &mut Command) -> Said {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: status.code().unwrap_or(-1), out: text(stdout), err: text(stderr) }
}

/// A program that stays up; ended and collected with this value.
pub struct Running(Child);

impl Running {
    /// Starts it and reads its standard error until a line satisfies `ready`; answers the lines so far.
    pub fn start(mut command: Command, ready: impl Fn(&str) -> bool) -> (Self, Vec<String>, bool) {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut reader = BufReader::new(child.stderr.take().unwrap());
        let mut lines = Vec::new();
        let mut is_ready = false;
        let mut line = String::new();
        while !is_ready && reader.read_line(&mut line).unwrap() > 0 {
            is_ready = ready(&line);
            lines.push(std::mem::take(&mut line).trim_end().to_owned());
        }
        // Whoever closes this end would break the program's next line.
        std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
        (Self(child), lines, is_ready)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Ends it as SIGKILL does.
    pub fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// Asks it to end, as a key press does; answers its exit status.
    pub fn interrupt(&mut self) -> i32 {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        self.0.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
