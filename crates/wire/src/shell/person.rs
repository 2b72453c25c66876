//! Between server and people's ends: the terminal's bytes as they are, everything else as JSON.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{DATA, FRAME, FrameError, Size, is_arguments};
use crate::limits;

/// What a person's end says beside what is typed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum FromPerson {
    /// The terminal has another size. From whoever types only.
    Resize {
        /// Columns.
        cols: u32,
        /// Rows.
        rows: u32,
    },
    /// Output before this was shown.
    Ack {
        /// Bytes.
        output: u64,
    },
    /// A verb for the agent itself.
    Verb {
        /// Names it in the answers to this person.
        id: u64,
        /// `ls`, `get` …
        verb: String,
        /// Its arguments.
        #[serde(default)]
        arguments: Vec<String>,
    },
    /// Ends the shell.
    End {},
}

/// What a person's end is told beside what the terminal wrote.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToPerson {
    /// The first message.
    Hello {
        /// Whether what this person types is given to the terminal.
        is_writer: bool,
        /// Nobody else typed since this person's end was there last: what was not taken may be sent again.
        is_resumed: bool,
        /// Input that the terminal was given: the offset at which this end goes on.
        input: u64,
        /// The offset of the first output that follows.
        output: u64,
        /// Output that there is already. What in it asks the terminal something, asked long ago: no answer is due.
        written: u64,
    },
    /// Said every five seconds: an end that hears nothing for longer knows that the connection broke.
    Beat {},
    /// How the shell stands: told at once and whenever it changes.
    State {
        /// `waiting` (the endpoint did not begin yet), `open`, `lost` (the endpoint is away) or `ended`.
        state: String,
        /// The program with its path; empty while waiting.
        program: String,
        /// As whom it runs.
        user: String,
        /// Columns.
        cols: u32,
        /// Rows.
        rows: u32,
        /// Who looks on, and who types.
        people: Vec<Person>,
        /// Whether this end types still: another one that came takes its place.
        is_writer: bool,
        /// When it ends at the latest, microseconds since 1970; 0 while not known.
        ends_us: i64,
    },
    /// Input before this was given to the terminal.
    Taken {
        /// Bytes.
        input: u64,
        /// It was not echoed.
        is_hidden: bool,
    },
    /// A verb went on, or ended.
    Answer {
        /// As this person named it.
        id: u64,
        /// It is over.
        is_over: bool,
        /// It did what was asked.
        is_ok: bool,
        /// A sentence where it did not.
        message: String,
        /// What it found.
        result: Value,
        /// Bytes done.
        done: u64,
        /// Bytes in all; 0 where unknown.
        total: u64,
    },
    /// The shell is over, or this person's part in it. The last message.
    End {
        /// Why.
        reason: String,
        /// Who ended it.
        by: String,
        /// Exit code.
        exit_code: Option<i32>,
        /// Signal.
        signal: Option<i32>,
    },
}

/// Somebody at a shell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Their name.
    pub name: String,
    /// Whether they type.
    pub is_writer: bool,
}

/// Reads a text message of a person's end.
pub fn decode_from_person(text: &str) -> Result<FromPerson, FrameError> {
    if text.len() > FRAME {
        return Err(FrameError);
    }
    let said: FromPerson = serde_json::from_str(text).map_err(|_| FrameError)?;
    let is_good = match &said {
        FromPerson::Resize { cols, rows } => Size { cols: *cols, rows: *rows }.is_usable(),
        FromPerson::Verb { verb, arguments, .. } => verb.len() <= limits::CODE && is_arguments(arguments),
        FromPerson::Ack { .. } | FromPerson::End {} => true,
    };
    if is_good { Ok(said) } else { Err(FrameError) }
}

/// Terminal bytes as a person's end sends and gets them.
pub fn encode_bytes(offset: u64, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(8 + data.len());
    bytes.extend_from_slice(&offset.to_be_bytes());
    bytes.extend_from_slice(data);
    bytes
}

/// Reads them.
pub fn decode_bytes(bytes: &[u8]) -> Result<(u64, &[u8]), FrameError> {
    let (offset, data) = bytes.split_first_chunk::<8>().ok_or(FrameError)?;
    let offset = u64::from_be_bytes(*offset);
    if data.is_empty() || data.len() > DATA || offset.checked_add(DATA as u64).is_none() {
        return Err(FrameError);
    }
    Ok((offset, data))
}
