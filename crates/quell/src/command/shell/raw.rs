//! The person's own terminal, set so that every key goes to the endpoint, and set back however this program ends.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use quell_wire::shell::{SIDE, Size};
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr};

use crate::failure::Failure;

/// How the terminal was, for a panic's hook too.
static BEFORE: OnceLock<Arc<Mutex<Option<Termios>>>> = OnceLock::new();

/// The terminal in raw mode, until this is dropped.
pub struct Raw(());

impl Raw {
    /// Takes the terminal over; nothing where standard input is none.
    pub fn take() -> Result<Option<Self>, Failure> {
        let input = std::io::stdin();
        if !isatty(&input) {
            return Ok(None);
        }
        let failed = |errno: rustix::io::Errno| Failure::new(format!("the terminal cannot be set: {errno}"));
        let before = tcgetattr(&input).map_err(failed)?;
        let mut raw = before.clone();
        raw.make_raw();
        let held = BEFORE.get_or_init(|| {
            let usual = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |about| {
                back();
                usual(about);
            }));
            Arc::default()
        });
        *held.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
        tcsetattr(&input, OptionalActions::Drain, &raw).map_err(failed)?;
        Ok(Some(Self(())))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        back();
    }
}

/// Sets the terminal as it was.
fn back() {
    let Some(held) = BEFORE.get() else { return };
    if let Some(before) = held.lock().unwrap_or_else(PoisonError::into_inner).take() {
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &before);
    }
}

/// The terminal's size, where standard output is one.
pub fn size() -> Option<Size> {
    let size = tcgetwinsize(std::io::stdout()).ok()?;
    let side = |count: u16| u32::from(count).clamp(1, SIDE);
    (size.ws_col > 0).then(|| Size { cols: side(size.ws_col), rows: side(size.ws_row) })
}
