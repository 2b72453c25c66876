//! Between agent and gateway: protocol buffers, numbered by byte.

use prost::{Message, Oneof};
use serde::{Deserialize, Serialize};

use super::{ANSWER, ARGUMENT, DATA, FRAME, FrameError, SIDE, is_arguments};
use crate::limits;

/// From agent to gateway.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct AgentFrame {
    /// One of these.
    #[prost(oneof = "FromAgent", tags = "1, 2, 3, 4, 5")]
    pub body: Option<FromAgent>,
}

/// What an agent says of its shell.
#[derive(Clone, PartialEq, Eq, Oneof)]
pub enum FromAgent {
    /// First frame of each connection.
    #[prost(message, tag = "1")]
    Begin(Begin),
    /// What the terminal wrote.
    #[prost(message, tag = "2")]
    Output(Data),
    /// Input was given to the terminal.
    #[prost(message, tag = "3")]
    Taken(Taken),
    /// A verb went on, or ended.
    #[prost(message, tag = "4")]
    Answer(Answer),
    /// The shell is over, and all its output was sent before.
    #[prost(message, tag = "5")]
    Ended(Ended),
}

/// From gateway to agent.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ServerFrame {
    /// One of these.
    #[prost(oneof = "FromServer", tags = "1, 2, 3, 4, 5, 6, 7")]
    pub body: Option<FromServer>,
}

/// What the gateway says to a shell.
#[derive(Clone, PartialEq, Eq, Oneof)]
pub enum FromServer {
    /// Answer to `Begin`: where output goes on.
    #[prost(message, tag = "1")]
    Resume(Offset),
    /// What a person typed.
    #[prost(message, tag = "2")]
    Input(Data),
    /// The terminal has another size.
    #[prost(message, tag = "3")]
    Resize(Size),
    /// Output before this is written down.
    #[prost(message, tag = "4")]
    Stored(Offset),
    /// A verb for the agent itself.
    #[prost(message, tag = "5")]
    Verb(Verb),
    /// Somebody ends the shell.
    #[prost(message, tag = "6")]
    End(End),
    /// The recording is stored. The last frame.
    #[prost(message, tag = "7")]
    Recorded(Recorded),
}

/// How a shell stands.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Begin {
    /// The program with its path.
    #[prost(string, tag = "1")]
    pub program: String,
    /// As whom it runs.
    #[prost(string, tag = "2")]
    pub user: String,
    /// When it began, the agent's clock, microseconds since 1970.
    #[prost(int64, tag = "3")]
    pub began_us: i64,
    /// The oldest output that is still kept.
    #[prost(uint64, tag = "4")]
    pub output_from: u64,
    /// Input that the terminal was given.
    #[prost(uint64, tag = "5")]
    pub input_taken: u64,
    /// Its size.
    #[prost(message, optional, tag = "6")]
    pub size: Option<Size>,
    /// There is no shell any more, only its end to be told.
    #[prost(bool, tag = "7")]
    pub is_over: bool,
}

/// Bytes of the terminal.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Data {
    /// Where they stand in all that was sent this way.
    #[prost(uint64, tag = "1")]
    pub offset: u64,
    /// The bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub data: Vec<u8>,
}

/// A place in the bytes of one way: everything before it.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Offset {
    /// Bytes.
    #[prost(uint64, tag = "1")]
    pub offset: u64,
}

/// Input was given to the terminal.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Taken {
    /// All before this.
    #[prost(uint64, tag = "1")]
    pub offset: u64,
    /// What was taken since the frame before: the terminal did not echo it. A password, as far as anybody can know.
    #[prost(bool, tag = "2")]
    pub is_hidden: bool,
}

/// Size of a terminal, in characters.
#[derive(Clone, Copy, PartialEq, Eq, Message, Serialize, Deserialize)]
pub struct Size {
    /// Columns.
    #[prost(uint32, tag = "1")]
    pub cols: u32,
    /// Rows.
    #[prost(uint32, tag = "2")]
    pub rows: u32,
}

impl Size {
    /// The usual one.
    pub const USUAL: Self = Self { cols: 80, rows: 24 };

    /// Whether a terminal can have it.
    pub const fn is_usable(self) -> bool {
        self.cols > 0 && self.cols <= SIDE && self.rows > 0 && self.rows <= SIDE
    }
}

/// A verb that the agent answers itself.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Verb {
    /// Names it in the answers; unique in the shell.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// `ls`, `get` …
    #[prost(string, tag = "2")]
    pub verb: String,
    /// Its arguments, as typed.
    #[prost(string, repeated, tag = "3")]
    pub arguments: Vec<String>,
    /// For `put`: SHA-256 of the file that the server holds.
    #[prost(bytes = "vec", tag = "4")]
    pub sha256: Vec<u8>,
}

/// How a verb goes on.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Answer {
    /// Which.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// It is over.
    #[prost(bool, tag = "2")]
    pub is_over: bool,
    /// It did what was asked.
    #[prost(bool, tag = "3")]
    pub is_ok: bool,
    /// A sentence where it did not.
    #[prost(string, tag = "4")]
    pub message: String,
    /// What it found, JSON.
    #[prost(bytes = "vec", tag = "5")]
    pub result: Vec<u8>,
    /// Bytes done.
    #[prost(uint64, tag = "6")]
    pub done: u64,
    /// Bytes in all; 0 where unknown.
    #[prost(uint64, tag = "7")]
    pub total: u64,
}

/// The end of a shell.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Ended {
    /// Why: a word of the catalogue's `Ended`.
    #[prost(string, tag = "1")]
    pub reason: String,
    /// Exit code, where it exited.
    #[prost(int32, optional, tag = "2")]
    pub exit_code: Option<i32>,
    /// Signal, where one ended it.
    #[prost(int32, optional, tag = "3")]
    pub signal: Option<i32>,
    /// Who ended it, where somebody did.
    #[prost(string, tag = "4")]
    pub by: String,
}

/// Ends a shell.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct End {
    /// Why: a word of the catalogue's `Ended`.
    #[prost(string, tag = "1")]
    pub reason: String,
    /// Who ends it.
    #[prost(string, tag = "2")]
    pub by: String,
}

/// The recording, as the server stored it.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Recorded {
    /// Its id.
    #[prost(string, tag = "1")]
    pub artifact_id: String,
    /// Bytes.
    #[prost(uint64, tag = "2")]
    pub size: u64,
    /// SHA-256.
    #[prost(bytes = "vec", tag = "3")]
    pub sha256: Vec<u8>,
    /// Why the shell ended, where the server knows better than the agent: a word of the catalogue's `Ended`.
    #[prost(string, tag = "4")]
    pub reason: String,
}

/// Reads a frame of an agent.
pub fn decode_from_agent(bytes: &[u8]) -> Result<FromAgent, FrameError> {
    if bytes.len() > FRAME {
        return Err(FrameError);
    }
    let body = AgentFrame::decode(bytes).ok().and_then(|frame| frame.body).ok_or(FrameError)?;
    let is_good = match &body {
        FromAgent::Begin(begin) => {
            begin.program.len() <= ARGUMENT
                && begin.user.len() <= limits::NAME
                && begin.size.is_none_or(Size::is_usable)
        }
        FromAgent::Output(output) => is_data(output),
        FromAgent::Taken(_) => true,
        FromAgent::Answer(answer) => answer.result.len() <= ANSWER && answer.message.len() <= limits::MESSAGE,
        FromAgent::Ended(ended) => ended.reason.len() <= limits::CODE && ended.by.len() <= limits::NAME,
    };
    if is_good { Ok(body) } else { Err(FrameError) }
}

/// Reads a frame of the gateway.
pub fn decode_from_server(bytes: &[u8]) -> Result<FromServer, FrameError> {
    if bytes.len() > FRAME {
        return Err(FrameError);
    }
    let body = ServerFrame::decode(bytes).ok().and_then(|frame| frame.body).ok_or(FrameError)?;
    let is_good = match &body {
        FromServer::Resume(_) | FromServer::Stored(_) => true,
        FromServer::Input(input) => is_data(input),
        FromServer::Resize(size) => size.is_usable(),
        FromServer::Verb(verb) => {
            verb.verb.len() <= limits::CODE
                && is_arguments(&verb.arguments)
                && matches!(verb.sha256.len(), 0 | 32)
        }
        FromServer::End(end) => end.reason.len() <= limits::CODE && end.by.len() <= limits::NAME,
        FromServer::Recorded(recorded) => {
            recorded.artifact_id.len() <= limits::ID
                && recorded.sha256.len() == 32
                && recorded.reason.len() <= limits::CODE
        }
    };
    if is_good { Ok(body) } else { Err(FrameError) }
}

fn is_data(data: &Data) -> bool {
    !data.data.is_empty() && data.data.len() <= DATA && data.offset.checked_add(DATA as u64).is_some()
}

/// The bytes of an agent's frame.
pub fn encode_from_agent(body: FromAgent) -> Vec<u8> {
    AgentFrame { body: Some(body) }.encode_to_vec()
}

/// The bytes of a gateway's frame.
pub fn encode_from_server(body: FromServer) -> Vec<u8> {
    ServerFrame { body: Some(body) }.encode_to_vec()
}
