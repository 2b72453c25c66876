//! Progress on standard error, where a terminal is. Elsewhere these draw nothing.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

const TICK: Duration = Duration::from_millis(120);

/// A bar over the commands of a task.
pub fn commands(total: u64) -> ProgressBar {
    let bar = bar(Some(total), "{spinner} {msg} {wide_bar} {pos}/{len} {elapsed}");
    bar.enable_steady_tick(TICK);
    bar
}

/// A bar over the bytes of a download; a counter where the length is not known.
pub fn bytes(total: Option<u64>) -> ProgressBar {
    match total {
        Some(_) => bar(total, "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}"),
        None => bar(total, "{spinner} {msg} {bytes} {bytes_per_sec}"),
    }
}

/// A counter of what is being looked at.
pub fn count(what: &'static str) -> ProgressBar {
    bar(None, "{spinner} {pos} {msg} {elapsed}").with_message(what)
}

fn bar(total: Option<u64>, template: &str) -> ProgressBar {
    // Ten times a second; hidden where standard error is no terminal.
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr_with_hz(10));
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
