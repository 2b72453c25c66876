//! What the journal's file holds: records, each framed by its length and a salted CRC-32.
//!
//! Within one write the CRC of each record goes on from that of the record before it. Of a write whose beginning
//! the disk lost, the rest is then no valid record, and cannot be taken for one that was written after damage.

use prost::{Message, Oneof};

/// First bytes of the file.
pub const MAGIC: &[u8; 8] = b"quelljn1";
/// Magic and salt.
pub const HEADER: usize = 16;
/// Length and CRC before each record.
pub const FRAME: usize = 8;
/// No record is longer: an intent or an outcome, both bounded by the protocol's frame, and a little around it.
pub const LONGEST: usize = (1 << 20) + (64 << 10);

/// One record.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Record {
    /// One of these.
    #[prost(oneof = "Body", tags = "1, 2, 3, 4, 5, 6")]
    pub body: Option<Body>,
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Oneof)]
pub enum Body {
    /// An order passed every check and will be carried out.
    #[prost(message, tag = "1")]
    Accepted(Accepted),
    /// Its work begins.
    #[prost(message, tag = "2")]
    Started(Started),
    /// It ended.
    #[prost(message, tag = "3")]
    Finished(Finished),
    /// The server holds the outcome.
    #[prost(message, tag = "4")]
    Acknowledged(Acknowledged),
    /// Remains of an acknowledged order: it may never be carried out again.
    #[prost(message, tag = "5")]
    Spent(Spent),
    /// Records were lost.
    #[prost(message, tag = "6")]
    Damaged(Damaged),
}

/// An order as it is kept: everything but its secrets.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Accepted {
    /// Its id.
    #[prost(string, tag = "1")]
    pub order_id: String,
    /// SHA-256 of the signed bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub order_sha256: Vec<u8>,
    /// The encoded intent: action and parameters.
    #[prost(bytes = "vec", tag = "3")]
    pub intent: Vec<u8>,
    /// Its digest.
    #[prost(bytes = "vec", tag = "4")]
    pub intent_digest: Vec<u8>,
    /// May not start before, microseconds since 1970.
    #[prost(int64, tag = "5")]
    pub not_before_us: i64,
    /// May not start after, microseconds since 1970.
    #[prost(int64, tag = "6")]
    pub not_after_us: i64,
}

/// An attempt begins.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Started {
    /// The order.
    #[prost(string, tag = "1")]
    pub order_id: String,
    /// The agent's clock, microseconds since 1970.
    #[prost(int64, tag = "2")]
    pub at_us: i64,
    /// 1 for the first.
    #[prost(uint32, tag = "3")]
    pub attempt: u32,
}

/// The end of an order.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Finished {
    /// The order.
    #[prost(string, tag = "1")]
    pub order_id: String,
    /// The encoded outcome.
    #[prost(bytes = "vec", tag = "2")]
    pub outcome: Vec<u8>,
    /// The agent's signature over it.
    #[prost(bytes = "vec", tag = "3")]
    pub signature: Vec<u8>,
}

/// The server holds the outcome.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Acknowledged {
    /// The order.
    #[prost(string, tag = "1")]
    pub order_id: String,
}

/// Remains of an acknowledged order.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Spent {
    /// The order.
    #[prost(string, tag = "1")]
    pub order_id: String,
    /// SHA-256 of the signed bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub order_sha256: Vec<u8>,
    /// When its window ended, microseconds since 1970.
    #[prost(int64, tag = "3")]
    pub not_after_us: i64,
}

/// Records were lost: an unknown order from before this moment may have been carried out already.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Damaged {
    /// The agent's clock when the damage was found, microseconds since 1970.
    #[prost(int64, tag = "1")]
    pub at_us: i64,
}

/// Seed of the first record of a write. With it a record reads as it did before records were seeded, so that files
/// from then are still read.
pub const FIRST: u32 = 0;

/// Frames a record; gives its CRC, which is the seed of the next record of the same write. The salt is the file's
/// own: bytes that came from outside cannot contain a valid frame.
pub fn frame(salt: [u8; 8], seed: u32, body: &Body, out: &mut Vec<u8>) -> u32 {
    let from = out.len();
    out.extend_from_slice(&[0; FRAME]);
    // The one field of [`Record`], written without a copy of it.
    body.encode(out);
    let (head, payload) = out[from..].split_at_mut(FRAME);
    let length = (payload.len() as u32).to_le_bytes();
    head[..4].copy_from_slice(&length);
    let sum = crc(salt, seed, length, payload);
    head[4..].copy_from_slice(&sum.to_le_bytes());
    sum
}

/// What a frame says of itself, true or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Bytes of the record with its frame.
    pub len: usize,
    /// Its CRC.
    pub sum: u32,
}

/// Reads what stands where a frame begins. `None` where no record can follow within these bytes.
pub fn head(bytes: &[u8]) -> Option<Head> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (sum, payload) = rest.split_first_chunk::<4>()?;
    let size = u32::from_le_bytes(*length) as usize;
    let fits = size > 0 && size <= LONGEST.min(payload.len());
    fits.then(|| Head { len: FRAME + size, sum: u32::from_le_bytes(*sum) })
}

/// Reads one framed record at the beginning of some bytes. `None` where no valid one with this seed stands there.
pub fn read(salt: [u8; 8], seed: u32, bytes: &[u8]) -> Option<(Body, Head)> {
    let head = head(bytes)?;
    let length = *bytes.first_chunk()?;
    let payload = bytes.get(FRAME..head.len)?;
    if crc(salt, seed, length, payload) != head.sum {
        return None;
    }
    let record = Record::decode(payload).ok()?;
    Some((record.body?, head))
}

fn crc(salt: [u8; 8], seed: u32, length: [u8; 4], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(seed);
    hasher.update(&salt);
    hasher.update(&length);
    hasher.update(payload);
    hasher.finalize()
}
