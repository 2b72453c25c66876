//! A recording, played at its own pace on this terminal.

use std::io::Write as _;
use std::time::Duration;

use futures_util::StreamExt as _;

use super::Replay;
use super::tame::Tame;
use crate::client::{Client, segment};
use crate::failure::Failure;

/// The longest recording that is played. Bytes.
const LONGEST: usize = 512 << 20;
/// What sets a terminal back after anything: attributes, cursor, screen, mouse, pasting.
pub const RESET: &[u8] =
    b"\x1b[0m\x1b[?25h\x1b[?1049l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[?1l\x1b>\x1b(B";

/// Plays it.
pub async fn run(client: &Client, wanted: &Replay) -> Result<(), Failure> {
    let path = format!("/api/v1/shells/{}/recording", segment(&wanted.id));
    let mut pieces = client.open(&path, &[]).await?.pieces();
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.next().await {
        bytes.extend(piece?);
        if bytes.len() > LONGEST {
            return Err(Failure::new("the recording is too long to be played; --raw writes it out"));
        }
    }
    let failed = |error: std::io::Error| Failure::of(&error);
    let mut out = std::io::stdout();
    if wanted.raw {
        return out.write_all(&bytes).and_then(|()| out.flush()).map_err(failed);
    }
    if !(wanted.speed > 0.0 && wanted.speed <= 1000.0) {
        return Err(Failure::new("--speed must be more than 0 and at most 1000"));
    }
    let text = String::from_utf8_lossy(&bytes);
    let (mut before, mut tame) = (wanted.from, Tame::default());
    for (at, data) in text.lines().filter_map(event) {
        if at > before {
            let pause = (at - before).min(wanted.idle.max(0.0)) / wanted.speed;
            tokio::time::sleep(Duration::from_secs_f64(pause.clamp(0.0, 3600.0))).await;
            before = at;
        }
        out.write_all(&tame.pass(data.as_bytes())).and_then(|()| out.flush()).map_err(failed)?;
    }
    out.write_all(RESET).and_then(|()| out.write_all(b"\r\n")).and_then(|()| out.flush()).map_err(failed)
}

/// Time and text of a line that says what the terminal wrote.
fn event(line: &str) -> Option<(f64, String)> {
    let (at, code, data) = serde_json::from_str::<(f64, String, String)>(line).ok()?;
    (code == "o").then_some((at, data))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_output_is_played() {
        assert_eq!(event(r#"[1.5,"o","hi"]"#), Some((1.5, "hi".to_owned())));
        assert_eq!(event(r#"[1.5,"i","hi"]"#), None);
        assert_eq!(event(r#"{"version":2}"#), None);
    }
}
