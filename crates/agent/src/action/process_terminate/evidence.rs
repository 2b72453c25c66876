//! What a termination tells: who was ended, who was left, and whether anything that was meant still runs.

use std::time::{Duration, Instant};

use quell_catalog::evidence::Probe;
use quell_catalog::process::terminate::{Ended, Outcome, Spared};
use quell_host::process::{self, Found, How, Identity, Process, Selector};
use quell_wire::limits;

use super::HUNT;
use crate::runner::{Cancel, chain};

/// Bytes of a command line or path in an outcome; shorter where many are named.
const CAPS: [usize; 4] = [4096, 1024, 256, 64];
/// The outcome's part of the frame.
const ROOM: usize = limits::RESULT - (32 << 10);
/// The final look is repeated for so long, and after this pause, while some executable cannot be read. A time and no
/// number: where executables are hashed, one look may take a second.
const LOOK_FOR: Duration = Duration::from_secs(2);
const BETWEEN: Duration = Duration::from_millis(100);

pub(super) fn ended(identity: Identity, process: Option<&Process>, how: How) -> Ended {
    let how = match how {
        How::AlreadyGone => "already_gone",
        How::Asked => "exited",
        How::Killed => "killed",
    };
    Ended {
        pid: identity.pid,
        start_time: identity.start_time,
        path: path(process),
        command_line: process.and_then(|process| process.command.clone()).unwrap_or_default(),
        how: how.to_owned(),
    }
}

pub(super) fn spared(identity: Identity, process: Option<&Process>, reason: String) -> Spared {
    Spared { pid: identity.pid, path: path(process), reason }
}

fn path(process: Option<&Process>) -> String {
    let exe = process.and_then(|process| process.exe.as_ref());
    exe.map(|exe| exe.path.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Looks anew whether anything that was meant still runs. A process in the middle of its own end cannot be
/// read for a moment, so it is looked at again before it counts as unknown. Beside the probe: how many are unknown,
/// where none is known to run.
pub(super) fn probe(selector: &Selector, before: &Found, cancel: &Cancel) -> (Probe, u64) {
    let subject = match selector {
        Selector::Identity(identity) => format!("process {identity}"),
        Selector::Sha1(_) => "processes whose executable has this SHA-1".to_owned(),
        Selector::Sha256(_) => "processes whose executable has this SHA-256".to_owned(),
        Selector::Path(path) => format!("processes started from {}", clip(&path.to_string_lossy(), 256)),
    };
    let look = || {
        let until = Instant::now() + HUNT;
        process::still_running(selector, &|| cancel.is_asked() || Instant::now() >= until)
    };
    let until = Instant::now() + LOOK_FOR;
    let mut found = look();
    while found.as_ref().is_ok_and(|found| found.matches.is_empty() && found.unreadable > 0)
        && Instant::now() < until
        && !cancel.is_asked()
    {
        std::thread::sleep(BETWEEN);
        found = look();
    }
    let (after, held, unread) = match found {
        Ok(found) => {
            let unread = if found.matches.is_empty() { found.unreadable } else { 0 };
            (count(&found), found.matches.is_empty() && found.unreadable == 0, unread)
        }
        Err(error) => (chain(&error), false, 0),
    };
    let probe = Probe {
        subject,
        method: "process list".to_owned(),
        before: Some(count(before)),
        after,
        held,
        proves: true,
    };
    (probe, unread)
}

fn count(found: &Found) -> String {
    let running = match found.matches.len() {
        0 => "not running".to_owned(),
        1 => "running".to_owned(),
        more => format!("{more} running"),
    };
    match found.unreadable {
        0 => running,
        unknown => format!("{running}, and {unknown} processes whose executable could not be read"),
    }
}

pub(super) fn members_probe(members: &[Identity]) -> Probe {
    let left = members.iter().filter(|member| !matches!(member.is_running(), Ok(false))).count();
    Probe {
        subject: format!("{} processes that were ended", members.len()),
        method: "pid and start time".to_owned(),
        before: Some("running".to_owned()),
        after: if left == 0 { "gone".to_owned() } else { format!("{left} still running") },
        held: left == 0,
        proves: true,
    }
}

/// Cuts texts until the outcome fits its frame.
pub(super) fn fit(mut outcome: Outcome) -> Outcome {
    for cap in CAPS {
        for one in &mut outcome.ended {
            one.path = clip(&one.path, cap);
            one.command_line = clip(&one.command_line, cap);
        }
        for one in &mut outcome.spared {
            one.path = clip(&one.path, cap);
            one.reason = clip(&one.reason, cap);
        }
        if serde_json::to_vec(&outcome).is_ok_and(|bytes| bytes.len() <= ROOM) {
            break;
        }
    }
    outcome
}

fn clip(text: &str, most: usize) -> String {
    text[..text.floor_char_boundary(most)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::NAMED;
    use super::*;

    #[test]
    fn an_outcome_of_hostile_command_lines_fits_its_frame() {
        let one = Ended {
            pid: u32::MAX,
            start_time: u64::MAX,
            path: "\u{1}".repeat(4096),
            command_line: "\u{1b}".repeat(32 << 10),
            how: "killed".into(),
        };
        let spared = Spared { pid: 7, path: "\u{2}".repeat(4096), reason: "\u{3}".repeat(9000) };
        let few =
            Outcome { ended: vec![one.clone()], spared: vec![], truncated: false, unread: 0, probes: vec![] };
        assert_eq!(fit(few).ended[0].command_line.len(), 4096, "cut at 4 KiB where there is room");
        let many = Outcome {
            ended: vec![one; NAMED],
            spared: vec![spared; NAMED],
            truncated: false,
            unread: 0,
            probes: vec![],
        };
        assert!(serde_json::to_vec(&fit(many)).is_ok_and(|bytes| bytes.len() <= limits::RESULT));
    }
}
