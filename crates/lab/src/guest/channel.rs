//! Requests to a guest over its virtio port. See `answer.sh` for the other end.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::error::{Error, io_error};

/// Larger answers are cut by the guest, larger announcements refused here.
const MAX_OUTPUT: usize = 16 << 20;
const MAX_LINE: usize = 256;

/// How a program in the guest ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Exit status as a shell tells it: 128 + signal for a signal, 137 also when the time was up.
    pub status: i32,
    /// At most 16 MiB.
    pub stdout: Vec<u8>,
    /// At most 16 MiB.
    pub stderr: Vec<u8>,
}

impl Output {
    /// Whether the exit status is zero.
    pub fn success(&self) -> bool {
        self.status == 0
    }

    /// Standard output as text, without space at its end.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim_end().to_owned()
    }
}

/// The host's end of the port.
#[derive(Debug)]
pub(super) struct Channel {
    stream: UnixStream,
    next: u64,
}

impl Channel {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self { stream, next: 1 }
    }

    /// Sends a line that asks for no answer.
    pub(super) fn tell(&mut self, line: &str) -> Result<(), Error> {
        self.stream.write_all(format!("{line}\n").as_bytes()).map_err(io_error("writing to the guest"))
    }

    /// Waits for a line whose first word is `word` and gives the rest. Other lines are of an earlier boot.
    pub(super) fn expect(
        &mut self,
        word: &str,
        what: &'static str,
        limit: Duration,
    ) -> Result<String, Error> {
        let until = Deadline::new(what, limit);
        loop {
            let line = self.line(&until)?;
            if let Some(rest) = line.strip_prefix(word) {
                return Ok(rest.trim().to_owned());
            }
        }
    }

    /// Sends a request and waits for its answer; `limit` bounds the program, some seconds come on top for the way.
    pub(super) fn request(&mut self, kind: &str, payload: &[u8], limit: Duration) -> Result<Output, Error> {
        let id = self.send(kind, payload, limit)?;
        let until = Deadline::new("an answer of the guest", limit + Duration::from_secs(20));
        let header = loop {
            let line = self.line(&until)?;
            let mut words = line.split_ascii_whitespace();
            if words.next() == Some(id.to_string().as_str()) {
                break words.map(str::parse).collect::<Result<Vec<usize>, _>>();
            }
        };
        let Ok([status, out, err]) = header.unwrap_or_default().try_into().map(|numbers: [usize; 3]| numbers)
        else {
            return Err(Error::Protocol("a guest's answer without its three numbers".into()));
        };
        if out > MAX_OUTPUT || err > MAX_OUTPUT {
            return Err(Error::Protocol(format!("a guest announces {out} and {err} bytes of output")));
        }
        let stdout = self.bytes(out, &until)?;
        let stderr = self.bytes(err, &until)?;
        Ok(Output { status: i32::try_from(status).unwrap_or(i32::MAX), stdout, stderr })
    }

    /// Sends a request without waiting.
    pub(super) fn send(&mut self, kind: &str, payload: &[u8], limit: Duration) -> Result<u64, Error> {
        let id = self.next;
        self.next += 1;
        self.stream
            .set_write_timeout(Some(Duration::from_mins(1)))
            .map_err(io_error("writing to the guest"))?;
        self.tell(&format!("{id} {kind} {} {}", payload.len(), limit.as_secs().max(1)))?;
        self.stream.write_all(payload).map_err(io_error("writing to the guest"))?;
        Ok(id)
    }

    fn line(&mut self, until: &Deadline) -> Result<String, Error> {
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            if line.len() > MAX_LINE {
                return Err(Error::Protocol("a guest's line without an end".into()));
            }
            line.extend(self.bytes(1, until)?);
        }
        line.pop();
        String::from_utf8(line).map_err(|_| Error::Protocol("a guest's line that is no text".into()))
    }

    fn bytes(&mut self, count: usize, until: &Deadline) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; count];
        let mut have = 0;
        while have < count {
            self.stream.set_read_timeout(Some(until.left()?)).map_err(io_error("reading from the guest"))?;
            match self.stream.read(&mut bytes[have..]) {
                Ok(0) => return Err(Error::Protocol("QEMU closed the guest's port".into())),
                Ok(more) => have += more,
                Err(error) if is_retry(&error) => {}
                Err(error) => return Err(io_error("reading from the guest")(error)),
            }
        }
        Ok(bytes)
    }
}

/// A wait that ends.
#[derive(Debug)]
pub(super) struct Deadline {
    what: &'static str,
    limit: Duration,
    end: Instant,
}

impl Deadline {
    pub(super) fn new(what: &'static str, limit: Duration) -> Self {
        Self { what, limit, end: Instant::now() + limit }
    }

    /// What is left of it; never zero.
    pub(super) fn left(&self) -> Result<Duration, Error> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(Error::Timeout { what: self.what, limit: self.limit }) } else { Ok(left) }
    }
}

/// Whether a read with a time limit may simply be repeated.
pub(super) fn is_retry(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), WouldBlock | TimedOut | Interrupted)
}

/// Words as one shell command, each quoted.
pub(super) fn quoted<S: AsRef<str>>(words: &[S]) -> Result<String, Error> {
    let mut line = String::new();
    for word in words {
        let word = word.as_ref();
        if word.contains('\0') {
            return Err(Error::Invalid(format!("a word with a NUL byte: {word:?}")));
        }
        let _ = write!(line, "'{}' ", word.replace('\'', r"'\''"));
    }
    if line.is_empty() {
        return Err(Error::Invalid("an empty command".into()));
    }
    line.pop();
    Ok(line)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// A channel whose other end has said `bytes` and gone.
    fn heard(bytes: &[u8]) -> (Channel, UnixStream) {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(bytes).unwrap();
        (Channel::new(ours), theirs)
    }

    #[test]
    fn an_answer_is_matched_to_its_request() {
        let (mut channel, _theirs) = heard(b"up of-an-earlier-boot\n1 3 2 1\n\n\0!");
        let output = channel.request("run", b"true", Duration::from_secs(1)).unwrap();
        assert_eq!(output, Output { status: 3, stdout: b"\n\0".to_vec(), stderr: b"!".to_vec() });
    }

    #[test]
    fn nonsense_is_refused() {
        let long = vec![b'x'; 5000];
        for said in [&b"1 0 99999999999 0\n"[..], b"1 0\n", b"1 a b c\n", b"1 0 0 0 0\n", &long, b"\xff\n"] {
            let answer = heard(said).0.request("run", b"", Duration::from_secs(1));
            assert!(matches!(answer, Err(Error::Protocol(_))), "{said:?}");
        }
    }

    #[test]
    fn silence_is_a_timeout() {
        let (mut channel, _theirs) = heard(b"");
        let answer = channel.expect("ready", "the guest", Duration::from_millis(20));
        assert!(matches!(answer, Err(Error::Timeout { what: "the guest", .. })));
    }

    #[test]
    fn words_stay_words() {
        assert_eq!(quoted(&["echo", "it's $HOME", ""]).unwrap(), r"'echo' 'it'\''s $HOME' ''");
        assert!(quoted(&["a\0b"]).is_err());
        assert!(quoted::<&str>(&[]).is_err());
    }
}
