//! A person at a shell: keys out, output in, over as many connections as it takes.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::time::Duration;

use quell_wire::shell::{DATA, FromPerson, ToPerson};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::line::{Heard, Line};
use super::raw::{self, Raw};
use super::replay::RESET;
use super::tame::Tame;
use super::verb;
use crate::client::Client;
use crate::failure::Failure;
use crate::output::{terminal, text};

/// Between tries to come back.
const PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(3));
/// Tries in a row that fail. With the pauses, about five minutes.
const TRIES: u32 = 100;
/// Typed and not taken yet. Bytes.
const UNTAKEN: usize = 256 << 10;
/// A terminal's end of input, Ctrl-D: as a program that reads a terminal expects it.
const END_OF_INPUT: &[u8] = b"\x04";
/// Between two of them, once there is nothing more to type.
const OVER: Duration = Duration::from_secs(3);
/// So many of them; a shell that goes on then is ended.
const OVERS: u32 = 5;
/// How often it is told how much was shown. Bytes.
const ACK: u64 = 64 << 10;

/// What a key press means.
enum Key {
    /// Typed into the shell.
    Type(Vec<u8>),
    /// Leave; the shell goes on.
    Leave,
    /// End the shell.
    End,
    /// A verb was typed to its end.
    Verb(String),
}

/// Stays at the shell until it is over, or the person leaves.
pub async fn run(client: &Client, shell: &str, types: bool) -> Result<(), Failure> {
    let pen = types.then(|| uuid::Uuid::new_v4().simple().to_string());
    let raw = Raw::take()?;
    let mut person = Person {
        client,
        shell,
        pen,
        shown: None,
        acked: 0,
        sent: VecDeque::new(),
        taken: 0,
        keys: Keys::default(),
        verbs: 0,
        asked: None,
        tame: Tame::default(),
        at_line_begin: true,
        overs: 0,
    };
    let over = person.stay().await;
    if raw.is_some() {
        let mut out = std::io::stdout();
        let _ = out.write_all(RESET).and_then(|()| out.flush());
    }
    drop(raw);
    match over? {
        Some(words) => terminal::say(&words),
        None => {
            terminal::say(&format!("left; the shell goes on: quell shells attach {}", text::visible(shell)))
        }
    }
}

struct Person<'a> {
    client: &'a Client,
    shell: &'a str,
    pen: Option<String>,
    /// Output before this was shown.
    shown: Option<u64>,
    acked: u64,
    /// Typed and not taken.
    sent: VecDeque<u8>,
    taken: u64,
    keys: Keys,
    verbs: u64,
    asked: Option<u64>,
    tame: Tame,
    /// What was typed last ended its line.
    at_line_begin: bool,
    /// Ends of input that were typed.
    overs: u32,
}

type Over = Result<Option<String>, Failure>;

impl Person<'_> {
    async fn stay(&mut self) -> Over {
        let (sender, mut typed) = mpsc::channel::<Vec<u8>>(64);
        // Standard input cannot be waited for otherwise; the thread ends with the program.
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = std::io::stdin().read(&mut buffer) {
                if sender.blocking_send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        let (mut pause, mut tries) = (PAUSE.0, 0);
        loop {
            match Line::open(self.client, self.shell, self.pen.as_deref(), self.shown).await {
                Ok(mut line) => {
                    (pause, tries) = (PAUSE.0, 0);
                    if let Some(over) = self.at(&mut line, &mut typed).await? {
                        line.close().await;
                        return Ok(over);
                    }
                    self.note("the connection broke; coming back");
                }
                // Nothing broke yet: a server that is not there, or that refuses, is told at once.
                Err(failure) if self.shown.is_none() => return Err(failure),
                Err(failure) if failure.advice.code.as_deref() == Some("conflict") => {
                    return Ok(Some("the shell is over; quell shells replay shows it".to_owned()));
                }
                Err(failure) => {
                    tries += 1;
                    if tries > TRIES {
                        return Err(failure);
                    }
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE.1);
        }
    }

    /// Over one connection. Nothing where it broke; `Some(None)` where the person leaves.
    async fn at(
        &mut self,
        line: &mut Line,
        typed: &mut mpsc::Receiver<Vec<u8>>,
    ) -> Result<Option<Option<String>>, Failure> {
        let mut resized = signal(SignalKind::window_change()).map_err(|error| Failure::of(&error))?;
        let mut is_ready = false;
        let mut has_input = true;
        let mut over = interval(OVER);
        over.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let has_room = is_ready && has_input && self.sent.len() < UNTAKEN;
            let stands = tokio::select! {
                heard = line.hear() => match heard {
                    Heard::Output(offset, data) => self.show(line, offset, &data).await,
                    Heard::Message(message) => {
                        if let ToPerson::End { reason, by, exit_code, .. } = &message {
                            return Ok(Some(Some(ended(reason, by, *exit_code))));
                        }
                        is_ready |= matches!(message, ToPerson::Hello { .. });
                        self.hear(line, message).await
                    }
                    Heard::Alive => true,
                    Heard::Gone => false,
                },
                bytes = typed.recv(), if has_room => if let Some(bytes) = bytes {
                    self.at_line_begin = bytes.last().is_some_and(|last| matches!(last, b'\n' | b'\r'));
                    let mut stands = true;
                    for key in self.keys.read(&bytes, self.pen.is_some()) {
                        match key {
                            Key::Leave => return Ok(Some(None)),
                            Key::End => stands = line.say(&FromPerson::End {}).await,
                            Key::Type(bytes) => stands = self.type_in(line, &bytes).await,
                            Key::Verb(words) => stands = self.verb(line, &words).await,
                        }
                    }
                    stands
                } else {
                    has_input = false;
                    over.reset_immediately();
                    true
                },
                _ = over.tick(), if is_ready && !has_input && self.pen.is_some() => self.is_over(line).await,
                _ = resized.recv() => self.resize(line).await,
            };
            if !stands {
                return Ok(None);
            }
        }
    }

    async fn hear(&mut self, line: &mut Line, message: ToPerson) -> bool {
        match message {
            ToPerson::Hello { is_resumed, input, output, is_writer, .. } => {
                self.shown = Some(output);
                let end = self.taken + self.sent.len() as u64;
                if !(self.sent.is_empty() || is_resumed && (self.taken..=end).contains(&input)) {
                    self.note(&format!("{} bytes that you typed may not have arrived", self.sent.len()));
                    self.sent.clear();
                }
                if self.sent.is_empty() {
                    self.taken = input;
                } else {
                    self.sent.drain(..(input - self.taken) as usize);
                    self.taken = input;
                    let rest: Vec<u8> = self.sent.iter().copied().collect();
                    if !line.type_in(input, &rest).await {
                        return false;
                    }
                }
                !is_writer || self.resize(line).await
            }
            ToPerson::Taken { input, .. } => {
                let count = input.saturating_sub(self.taken).min(self.sent.len() as u64);
                self.sent.drain(..count as usize);
                self.taken += count;
                true
            }
            ToPerson::State { state, .. } => {
                if state == "lost" {
                    self.note("the endpoint is away; what you type waits for it");
                }
                true
            }
            ToPerson::Answer { id, is_over, is_ok, message, result, done, total } => {
                if self.asked == Some(id) {
                    let words = match (is_over, is_ok) {
                        (true, true) => verb::shown(&result),
                        (true, false) => format!("{}\r\n", text::visible(&message)),
                        (false, _) => format!("{done} of {total} bytes\r"),
                    };
                    self.print(words.as_bytes());
                }
                true
            }
            ToPerson::Beat {} | ToPerson::End { .. } => true,
        }
    }

    async fn show(&mut self, line: &mut Line, offset: u64, data: &[u8]) -> bool {
        let end = offset + data.len() as u64;
        let shown = self.shown.unwrap_or(offset);
        if let Some(fresh) = data.get(shown.saturating_sub(offset) as usize..) {
            // Who types has the terminal as programs want it; who looks on is asked nothing by the endpoint.
            if self.pen.is_some() {
                self.print(fresh);
            } else {
                let tamed = self.tame.pass(fresh);
                self.print(&tamed);
            }
        }
        self.shown = Some(shown.max(end));
        if end >= self.acked + ACK {
            self.acked = end;
            return line.say(&FromPerson::Ack { output: end }).await;
        }
        true
    }

    async fn type_in(&mut self, line: &mut Line, bytes: &[u8]) -> bool {
        let mut stands = self.pen.is_none();
        if self.pen.is_some() {
            for piece in bytes.chunks(DATA) {
                let offset = self.taken + self.sent.len() as u64;
                self.sent.extend(piece);
                stands = line.type_in(offset, piece).await;
            }
        }
        stands
    }

    /// Input from a pipe has an end: each program that still reads is told so, the shell last. What does not take it as its
    /// end is ended, for nobody will type there again.
    async fn is_over(&mut self, line: &mut Line) -> bool {
        self.overs += 1;
        if self.overs > OVERS {
            return line.say(&FromPerson::End {}).await;
        }
        if !std::mem::replace(&mut self.at_line_begin, true) && !self.type_in(line, b"\n").await {
            return false;
        }
        self.type_in(line, END_OF_INPUT).await
    }

    async fn resize(&self, line: &mut Line) -> bool {
        match raw::size().filter(|_| self.pen.is_some()) {
            Some(size) => line.say(&FromPerson::Resize { cols: size.cols, rows: size.rows }).await,
            None => true,
        }
    }

    async fn verb(&mut self, line: &mut Line, words: &str) -> bool {
        let mut words = verb::split(words);
        if words.is_empty() {
            return true;
        }
        if let Err(failure) = verb::prepare(self.client, self.shell, &mut words).await {
            let said = failure.render(crate::output::Format::Table).unwrap_or_default();
            self.print(format!("{}\r\n", text::visible(&said)).as_bytes());
            return true;
        }
        self.verbs += 1;
        self.asked = Some(self.verbs);
        let verb = words.remove(0);
        line.say(&FromPerson::Verb { id: self.verbs, verb, arguments: words }).await
    }

    #[expect(clippy::unused_self, reason = "where it goes may come to depend on the person")]
    fn print(&self, bytes: &[u8]) {
        let mut out = std::io::stdout();
        let _ = out.write_all(bytes).and_then(|()| out.flush());
    }

    fn note(&self, words: &str) {
        self.print(format!("\r\n[{words}]\r\n").as_bytes());
    }
}

fn ended(reason: &str, by: &str, exit_code: Option<i32>) -> String {
    let why = quell_catalog::endpoint::remote_shell::Ended::from_name(reason)
        .map_or_else(|| text::visible(reason).into_owned(), |ended| ended.words().to_owned());
    let mut words = format!("the shell is over: {why}");
    if !by.is_empty() {
        let _ = write!(words, " ({})", text::visible(by));
    }
    if let Some(code) = exit_code.filter(|_| reason == "exited") {
        let _ = write!(words, ", exit code {code}");
    }
    words
}

/// Reads key presses, and the few that are meant for this program: a tilde at the beginning of a line, as ssh has it.
#[derive(Debug)]
struct Keys {
    at_line_start: bool,
    has_tilde: bool,
    verb: Option<String>,
}

impl Default for Keys {
    fn default() -> Self {
        Self { at_line_start: true, has_tilde: false, verb: None }
    }
}

impl Keys {
    fn read(&mut self, bytes: &[u8], types: bool) -> Vec<Key> {
        let (mut keys, mut typed) = (Vec::new(), Vec::new());
        for byte in bytes {
            if let Some(verb) = &mut self.verb {
                match byte {
                    b'\r' | b'\n' => {
                        echo(b"\r\n");
                        keys.extend(self.verb.take().map(Key::Verb));
                    }
                    0x7f | 0x8 if verb.pop().is_some() => {
                        echo(b"\x08 \x08");
                    }
                    0x3 | 0x15 => {
                        echo(b"\r\n");
                        self.verb = None;
                    }
                    byte if byte.is_ascii_graphic() || *byte == b' ' => {
                        verb.push(char::from(*byte));
                        echo(&[*byte]);
                    }
                    _ => {}
                }
                continue;
            }
            if std::mem::take(&mut self.has_tilde) {
                match byte {
                    b'.' => {
                        flush(&mut keys, &mut typed);
                        keys.push(Key::Leave);
                        continue;
                    }
                    b'!' => {
                        flush(&mut keys, &mut typed);
                        keys.push(Key::End);
                        continue;
                    }
                    b':' if types => {
                        flush(&mut keys, &mut typed);
                        self.verb = Some(String::new());
                        echo(b"\r\nagent> ");
                        continue;
                    }
                    b'~' => {
                        typed.push(b'~');
                        self.at_line_start = false;
                        continue;
                    }
                    _ => typed.push(b'~'),
                }
            } else if *byte == b'~' && self.at_line_start {
                self.has_tilde = true;
                continue;
            }
            typed.push(*byte);
            self.at_line_start = matches!(byte, b'\r' | b'\n' | 0x3 | 0x4);
        }
        flush(&mut keys, &mut typed);
        keys
    }
}

fn flush(keys: &mut Vec<Key>, typed: &mut Vec<u8>) {
    if !typed.is_empty() {
        keys.push(Key::Type(std::mem::take(typed)));
    }
}

fn echo(bytes: &[u8]) {
    let mut out = std::io::stdout();
    let _ = out.write_all(bytes).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(keys: &mut Keys, text: &str) -> String {
        let word = |key: Key| match key {
            Key::Type(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Key::Leave => "<leave>".to_owned(),
            Key::End => "<end>".to_owned(),
            Key::Verb(words) => format!("<{words}>"),
        };
        keys.read(text.as_bytes(), true).into_iter().map(word).collect()
    }

    #[test]
    fn a_tilde_counts_at_the_beginning_of_a_line_alone() {
        let mut keys = Keys::default();
        assert_eq!(read(&mut keys, "a~.\r"), "a~.\r");
        assert_eq!(read(&mut keys, "~"), "");
        assert_eq!(read(&mut keys, "x\r~~.\r"), "~x\r~.\r");
        assert_eq!(read(&mut keys, "~:get '/a'\u{7f}b\r"), "<get '/ab>");
        assert_eq!(read(&mut keys, "ls\r~."), "ls\r<leave>");
        assert_eq!(read(&mut Keys::default(), "~!"), "<end>");
    }
}
