//! QEMU's control socket: one command at a time, its events passed over.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::{Value, json};

use super::channel::{Deadline, is_retry};
use super::error::{Error, io_error};

/// More than any answer that is asked for here.
const MAX_MESSAGE: usize = 1 << 20;
const ANSWER: Duration = Duration::from_secs(20);

/// A session on the control socket.
#[derive(Debug)]
pub(super) struct Qmp {
    stream: UnixStream,
    read: Vec<u8>,
}

impl Qmp {
    /// Takes the greeting and leaves the negotiation behind.
    pub(super) fn new(stream: UnixStream) -> Result<Self, Error> {
        let mut qmp = Self { stream, read: Vec::new() };
        let greeting = qmp.message(&Deadline::new("QEMU's greeting", ANSWER))?;
        if greeting.get("QMP").is_none() {
            return Err(Error::Protocol("QEMU's control socket greets with something else".into()));
        }
        qmp.execute("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// Carries out one command and gives what it returned.
    pub(super) fn execute(&mut self, command: &'static str, arguments: Value) -> Result<Value, Error> {
        let text = format!("{}\n", json!({ "execute": command, "arguments": arguments }));
        self.stream.write_all(text.as_bytes()).map_err(io_error("writing to QEMU"))?;
        let until = Deadline::new("an answer of QEMU", ANSWER);
        loop {
            let mut message = self.message(&until)?;
            if let Some(error) = message.get("error") {
                return Err(Error::Protocol(format!("QEMU refused {command}: {error}")));
            }
            if let Some(value) = message.get_mut("return") {
                return Ok(value.take());
            }
        }
    }

    /// Writes the machine's whole state to `file`, a plain name in QEMU's own directory. The machine stands still
    /// meanwhile and goes on afterwards.
    pub(super) fn save(&mut self, file: &str) -> Result<(), Error> {
        self.execute("stop", json!({}))?;
        // Bytes a second: not held back as it would be over a network.
        self.execute("migrate-set-parameters", json!({ "max-bandwidth": 8_u64 << 30 }))?;
        self.execute("migrate", json!({ "uri": format!("exec:cat > {file}") }))?;
        let until = Deadline::new("saving a guest's state", Duration::from_mins(1));
        loop {
            match self.execute("query-migrate", json!({}))?.get("status").and_then(Value::as_str) {
                Some("completed") => break,
                Some("failed" | "cancelled") => {
                    return Err(Error::Protocol("QEMU could not save the guest".into()));
                }
                _ => std::thread::sleep(Duration::from_millis(10).min(until.left()?)),
            }
        }
        self.execute("cont", json!({})).map(drop)
    }

    /// Lets a machine that is started from a saved state go on, once it is loaded: it was standing when it was saved.
    pub(super) fn go_on(&mut self) -> Result<(), Error> {
        let until = Deadline::new("restoring a guest's state", Duration::from_mins(1));
        loop {
            match self.execute("query-status", json!({}))?.get("status").and_then(Value::as_str) {
                Some("paused") => return self.execute("cont", json!({})).map(drop),
                Some("inmigrate") => std::thread::sleep(Duration::from_millis(2).min(until.left()?)),
                other => return Err(Error::Protocol(format!("a restored guest is {other:?}"))),
            }
        }
    }

    fn message(&mut self, until: &Deadline) -> Result<Value, Error> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                return serde_json::from_slice(&line)
                    .map_err(|_| Error::Protocol("QEMU's answer is no JSON".into()));
            }
            if self.read.len() > MAX_MESSAGE {
                return Err(Error::Protocol("QEMU's answer has no end".into()));
            }
            let mut buffer = [0; 4096];
            self.stream.set_read_timeout(Some(until.left()?)).map_err(io_error("reading from QEMU"))?;
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(Error::Protocol("QEMU closed its control socket".into())),
                Ok(more) => self.read.extend_from_slice(&buffer[..more]),
                Err(error) if is_retry(&error) => {}
                Err(error) => return Err(io_error("reading from QEMU")(error)),
            }
        }
    }
}
