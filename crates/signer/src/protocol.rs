//! What server and signer say to each other: a length, four bytes, most significant first, and so many bytes of protobuf.
//!
//! The client begins with [`Hello`] and hears [`Welcome`] with the keys; then it asks to sign, as often as it likes, and is
//! answered in order. It hears of a rotation with the first answer after it. Both ends bound what they read before they
//! make room for it.

use std::io::{self, Read, Write};

use prost::{Message, Oneof};
use quell_wire::keys::SignedKeySet;

/// The version of this protocol that this program speaks.
pub const VERSION: u32 = 1;
/// Bytes of a frame: more than the largest order with room for many small ones.
pub const FRAME: usize = 4 << 20;
/// Orders in one request.
pub const ORDERS: usize = 256;

/// From the server.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Asked {
    /// What.
    #[prost(oneof = "Ask", tags = "1, 2, 3")]
    pub ask: Option<Ask>,
}

/// What a server asks.
#[derive(Clone, PartialEq, Eq, Oneof)]
pub enum Ask {
    /// The first frame.
    #[prost(message, tag = "1")]
    Hello(Hello),
    /// Orders to sign.
    #[prost(message, tag = "2")]
    Sign(Sign),
    /// Whether the signer is still there.
    #[prost(message, tag = "3")]
    Ping(Ping),
}

/// Which versions the server speaks.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Hello {
    /// The oldest.
    #[prost(uint32, tag = "1")]
    pub oldest: u32,
    /// The newest.
    #[prost(uint32, tag = "2")]
    pub newest: u32,
}

/// Orders to sign.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Sign {
    /// Chosen by the server, given back with the answer.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// Encoded [`quell_wire::Order`]s, at most [`ORDERS`].
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub orders: Vec<Vec<u8>>,
    /// Encoded [`quell_wire::blocklist::Delta`]s, answered after the orders; with them at most [`ORDERS`].
    #[prost(bytes = "vec", repeated, tag = "3")]
    pub deltas: Vec<Vec<u8>>,
    /// Encoded [`quell_wire::protection::Protection`]s, answered after the deltas; with both at most [`ORDERS`].
    #[prost(bytes = "vec", repeated, tag = "4")]
    pub protections: Vec<Vec<u8>>,
}

/// Whether the signer is still there.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Ping {}

/// From the signer.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Said {
    /// What.
    #[prost(oneof = "Say", tags = "1, 2, 3, 4")]
    pub say: Option<Say>,
}

/// What a signer says.
#[derive(Clone, PartialEq, Eq, Oneof)]
pub enum Say {
    /// The answer to [`Hello`].
    #[prost(message, tag = "1")]
    Welcome(Welcome),
    /// The answer to [`Sign`].
    #[prost(message, tag = "2")]
    Signed(Signed),
    /// The answer to [`Ping`].
    #[prost(message, tag = "3")]
    Pong(Pong),
    /// The last frame of a conversation that went wrong.
    #[prost(message, tag = "4")]
    Sorry(Sorry),
}

/// The conversation begins.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Welcome {
    /// The version that both speak from here on.
    #[prost(uint32, tag = "1")]
    pub version: u32,
    /// The keys.
    #[prost(message, optional, tag = "2")]
    pub keys: Option<PublicKeys>,
}

/// The public side of the order keys.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct PublicKeys {
    /// An encoded [`quell_wire::keys::KeySet`]: what agents are to trust now.
    #[prost(bytes = "vec", tag = "1")]
    pub set: Vec<u8>,
    /// Rotations so far, oldest first.
    #[prost(message, repeated, tag = "2")]
    pub rotations: Vec<SignedKeySet>,
}

/// What became of the orders of one request.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Signed {
    /// The request's id.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// One for each order, in their order.
    #[prost(message, repeated, tag = "2")]
    pub answers: Vec<Answered>,
    /// Only when the keys changed since they were last said here.
    #[prost(message, optional, tag = "3")]
    pub keys: Option<PublicKeys>,
}

/// What became of one order: a signature, or a refusal.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Answered {
    /// Signature in [`quell_wire::keys::Domain::Order`].
    #[prost(bytes = "vec", tag = "1")]
    pub signature: Vec<u8>,
    /// Which key signed.
    #[prost(string, tag = "2")]
    pub key_id: String,
    /// Why it was not signed.
    #[prost(message, optional, tag = "3")]
    pub refused: Option<Refused>,
}

/// Why an order was not signed.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Refused {
    /// A stable code.
    #[prost(string, tag = "1")]
    pub code: String,
    /// For people.
    #[prost(string, tag = "2")]
    pub message: String,
    /// Where the same order may be signed later: in how many milliseconds to ask again. Zero: never.
    #[prost(uint32, tag = "3")]
    pub retry_after_ms: u32,
}

/// The signer is there.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Pong {
    /// As with [`Signed`].
    #[prost(message, optional, tag = "1")]
    pub keys: Option<PublicKeys>,
}

/// Why the signer hangs up.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Sorry {
    /// A stable code: `version`, `protocol`, `busy`.
    #[prost(string, tag = "1")]
    pub code: String,
    /// For people.
    #[prost(string, tag = "2")]
    pub message: String,
}

/// A frame as it goes over the wire.
pub fn frame(message: &impl Message) -> Vec<u8> {
    let length = message.encoded_len();
    let mut bytes = Vec::with_capacity(4 + length);
    bytes.extend_from_slice(&(length as u32).to_be_bytes());
    // A vector grows as needed: encoding into one does not fail.
    let _ = message.encode(&mut bytes);
    bytes
}

/// How long a frame says to be; refused beyond `most`.
pub fn length(head: [u8; 4], most: usize) -> io::Result<usize> {
    let length = u32::from_be_bytes(head) as usize;
    if length > most {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame is longer than the protocol allows"));
    }
    Ok(length)
}

/// Reads a frame; `None` where the other end hung up between two.
pub fn read<M: Message + Default>(stream: &mut impl Read, most: usize) -> io::Result<Option<M>> {
    let mut head = [0; 4];
    let first = stream.read(&mut head)?;
    if first == 0 {
        return Ok(None);
    }
    if let Some(rest) = head.get_mut(first..) {
        stream.read_exact(rest)?;
    }
    let length = length(head, most)?;
    // Room is made as bytes come, not as they are promised.
    let mut bytes = Vec::new();
    stream.take(length as u64).read_to_end(&mut bytes)?;
    if bytes.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    decode(&bytes).map(Some)
}

/// Reads the bytes of a frame.
pub fn decode<M: Message + Default>(bytes: &[u8]) -> io::Result<M> {
    M::decode(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a frame is malformed"))
}

/// Writes a frame.
pub fn write(stream: &mut impl Write, message: &impl Message) -> io::Result<()> {
    stream.write_all(&frame(message))?;
    stream.flush()
}
