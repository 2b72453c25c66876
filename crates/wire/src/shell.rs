//! The frames of a remote shell: one WebSocket of its own between agent and gateway, and what people's ends say.
//!
//! Both ways are numbered by byte, so that a connection that broke is taken up where it stood: output is kept by the agent
//! until the server has written it down, input is kept by the server until the agent has given it to the terminal. What is
//! already there is passed over, so nothing is typed or shown twice.
//!
//! Between server and people the bytes of the terminal are binary messages (eight bytes of offset, big-endian, and the
//! data) and everything else is JSON: a browser reads both without a library.

mod frame;
mod person;

pub use frame::{
    Answer, Begin, Data, End, Ended, FromAgent, FromServer, Offset, Recorded, Size, Taken, Verb,
    decode_from_agent, decode_from_server, encode_from_agent, encode_from_server,
};
pub use person::{FromPerson, Person, ToPerson, decode_bytes, decode_from_person, encode_bytes};

/// `GET` with upgrade, below it `{order_id}`: the WebSocket of one shell.
pub const SHELLS: &str = "/agent/v1/shells";
/// The path of a file that a person gave to a shell, below `{order_id}`: `/files/{artifact_id}`.
pub const FILES: &str = "files";
/// The WebSocket subprotocol of people's ends.
pub const SUBPROTOCOL: &str = "quell.shell.v1";

/// Bytes of terminal data in one frame.
pub const DATA: usize = 64 << 10;
/// A message of either leg. Bytes.
pub const FRAME: usize = 512 << 10;
/// The answer of a verb, JSON. Bytes.
pub const ANSWER: usize = 384 << 10;
/// Input that is on its way to the agent and not yet taken. Bytes.
pub const INPUT_WINDOW: u64 = 256 << 10;
/// Output that the agent keeps until the server has it. Bytes.
pub const OUTPUT_KEPT: usize = 4 << 20;
/// Output that is on its way and not acknowledged while the connection stands. Bytes.
pub const OUTPUT_WINDOW: usize = 512 << 10;
/// Arguments of a verb, and the bytes of each.
pub const ARGUMENTS: usize = 16;
/// Bytes of one argument.
pub const ARGUMENT: usize = 4096;
/// Columns and rows of a terminal.
pub const SIDE: u32 = 1000;
/// The largest file that a person may give to a shell. Bytes: 32 MiB.
pub const PUT: u64 = 32 << 20;

/// A frame that is not accepted. The connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame of a shell is malformed or beyond a limit")]
pub struct FrameError;

fn is_arguments(arguments: &[String]) -> bool {
    arguments.len() <= ARGUMENTS
        && arguments.iter().all(|argument| argument.len() <= ARGUMENT && !argument.contains('\0'))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn frames_come_back_as_they_went() {
        let output = FromAgent::Output(Data { offset: 7, data: b"x".to_vec() });
        assert_eq!(decode_from_agent(&encode_from_agent(output.clone())).unwrap(), output);
        let input = FromServer::Input(Data { offset: 0, data: vec![3] });
        assert_eq!(decode_from_server(&encode_from_server(input.clone())).unwrap(), input);
        assert_eq!(decode_bytes(&encode_bytes(9, b"ab")).unwrap(), (9, b"ab".as_slice()));
        let said = decode_from_person(r#"{"type":"verb","id":1,"verb":"ls","arguments":["/"]}"#).unwrap();
        assert!(matches!(said, FromPerson::Verb { id: 1, .. }));
    }

    #[test]
    fn what_is_beyond_a_limit_is_refused() {
        let frame = |data: Vec<u8>, offset| encode_from_agent(FromAgent::Output(Data { offset, data }));
        assert!(decode_from_agent(&frame(vec![0; DATA], 0)).is_ok());
        for bad in
            [frame(vec![0; DATA + 1], 0), frame(Vec::new(), 0), frame(vec![0], u64::MAX), vec![0xff; 9]]
        {
            assert_eq!(decode_from_agent(&bad), Err(FrameError));
        }
        let size =
            |cols, rows| decode_from_server(&encode_from_server(FromServer::Resize(Size { cols, rows })));
        assert!(size(80, 24).is_ok() && size(0, 24).is_err() && size(80, SIDE + 1).is_err());
        let verb =
            |arguments| FromServer::Verb(Verb { id: 1, verb: "ls".into(), arguments, sha256: Vec::new() });
        for bad in
            [vec!["a".to_owned(); ARGUMENTS + 1], vec!["a\0".to_owned()], vec!["a".repeat(ARGUMENT + 1)]]
        {
            assert_eq!(decode_from_server(&encode_from_server(verb(bad))), Err(FrameError));
        }
        for bad in ["{}", "[]", r#"{"type":"resize","cols":0,"rows":1}"#, r#"{"type":"end","more":1}"#] {
            assert_eq!(decode_from_person(bad), Err(FrameError), "{bad}");
        }
        assert!(decode_bytes(b"1234567").is_err() && decode_bytes(&[0; 8]).is_err());
        assert!(decode_bytes(&encode_bytes(u64::MAX, b"a")).is_err());
    }
}
