//! A packet with answers of a name server, and the same packet with what must not be known taken out of it.
//!
//! A datagram becomes shorter. In a stream the number of bytes is what both ends count by, so there an answer keeps its length.

use crate::dns::{self, Answer};

use super::{PORT, TCP, UDP};

/// Headers between IPv6's own and the transport's that are passed over.
const HEADERS: usize = 4;
const UDP_HEADER: usize = 8;
/// Messages of one segment that are looked at.
const MESSAGES: usize = 64;

/// The packet with refused answers in place of those that `is_refused`, or `None` where it may pass as it is.
pub fn refused(packet: &[u8], is_refused: &mut impl FnMut(&Answer) -> bool) -> Option<Vec<u8>> {
    let place = Place::of(packet)?;
    match place.protocol {
        UDP => datagram(packet, &place, is_refused),
        TCP => segment(packet, &place, is_refused),
        _ => None,
    }
}

/// Where the transport's header is.
struct Place {
    four: bool,
    protocol: u8,
    /// Where it begins, and where the packet ends.
    start: usize,
    end: usize,
}

impl Place {
    fn of(packet: &[u8]) -> Option<Self> {
        let place = match packet.first()? >> 4 {
            4 => Self::four(packet)?,
            6 => Self::six(packet)?,
            _ => return None,
        };
        let fits = place.start <= place.end && place.end <= packet.len();
        (fits && number(packet, place.start)? == PORT).then_some(place)
    }

    fn four(packet: &[u8]) -> Option<Self> {
        let start = usize::from(packet.first()? & 0xf) * 4;
        let end = usize::from(number(packet, 2)?);
        // A later fragment has no header; the first one may be only the beginning of an answer.
        let is_whole = number(packet, 6)?.trailing_zeros() >= 14;
        (start >= 20 && is_whole).then_some(Self { four: true, protocol: *packet.get(9)?, start, end })
    }

    fn six(packet: &[u8]) -> Option<Self> {
        let (mut protocol, mut start) = (*packet.get(6)?, 40);
        let end = start + usize::from(number(packet, 4)?);
        for _ in 0..HEADERS {
            match protocol {
                // Hop by hop, routing, destination options.
                0 | 43 | 60 => {
                    protocol = *packet.get(start)?;
                    start += 8 + usize::from(*packet.get(start + 1)?) * 8;
                }
                _ => break,
            }
        }
        Some(Self { four: false, protocol, start, end })
    }

    /// The checksum of a transport's header and what follows, with its addresses (RFC 768, RFC 9293, RFC 8200).
    fn checksum(&self, packet: &[u8]) -> Option<u16> {
        let rest = packet.get(self.start..self.end)?;
        let addresses = if self.four { packet.get(12..20)? } else { packet.get(8..40)? };
        let length = (rest.len() as u32).to_be_bytes();
        Some(sum(&[addresses, &length, &[0, self.protocol], rest]))
    }
}

fn datagram(packet: &[u8], place: &Place, is_refused: &mut impl FnMut(&Answer) -> bool) -> Option<Vec<u8>> {
    let body = place.start + UDP_HEADER;
    let message = packet.get(body..place.end)?;
    let answer = dns::answer(message)?;
    if answer.code != 0 || !is_refused(&answer) {
        return None;
    }
    let mut new = [packet.get(..body)?, &dns::refuse(message)?].concat();
    let length = u16::try_from(new.len()).ok()?;
    let start = place.start;
    put(&mut new, start + 4, length.checked_sub(start as u16)?)?;
    put(&mut new, start + 6, 0)?;
    if place.four {
        put(&mut new, 2, length)?;
        put(&mut new, 10, 0)?;
        let header = sum(&[new.get(..start)?]);
        put(&mut new, 10, header)?;
    } else {
        put(&mut new, 4, length.checked_sub(40)?)?;
    }
    let checksum = Place { end: new.len(), ..*place }.checksum(&new)?;
    // 0 says that there is none.
    put(&mut new, start + 6, if checksum == 0 { 0xffff } else { checksum })?;
    Some(new)
}

fn segment(packet: &[u8], place: &Place, is_refused: &mut impl FnMut(&Answer) -> bool) -> Option<Vec<u8>> {
    let header = usize::from(packet.get(place.start + 12)? >> 4) * 4;
    let mut new = packet.get(..place.end)?.to_vec();
    let mut at = place.start + header;
    let mut is_changed = false;
    for _ in 0..MESSAGES {
        // Each message after its length (RFC 7766); or a message alone, whose length came in a segment before.
        let Some(rest) = new.get_mut(at..).filter(|rest| rest.len() > 2) else { break };
        let length = usize::from(number(rest, 0)?);
        let mut change = |message: &mut [u8], length: usize| {
            let answer = dns::answer(message)?;
            (answer.code == 0 && is_refused(&answer)).then(|| dns::refuse_in_place(message, length))?
        };
        let seen = length.min(rest.len() - 2);
        if let Some(message) = rest.get_mut(2..2 + seen).filter(|message| dns::answer(message).is_some()) {
            is_changed |= change(message, length).is_some();
            at += 2 + length;
        } else if !is_changed && at == place.start + header {
            let whole = rest.len();
            is_changed = change(rest, whole).is_some();
            break;
        } else {
            break;
        }
    }
    if !is_changed {
        return None;
    }
    put(&mut new, place.start + 16, 0)?;
    let checksum = place.checksum(&new)?;
    put(&mut new, place.start + 16, checksum)?;
    Some(new)
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn put(bytes: &mut [u8], at: usize, number: u16) -> Option<()> {
    *bytes.get_mut(at..)?.first_chunk_mut()? = number.to_be_bytes();
    Some(())
}

/// The internet checksum (RFC 1071) over parts of an even length each, but the last.
fn sum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0_u64;
    for part in parts {
        let (pairs, last) = part.as_chunks::<2>();
        sum += pairs.iter().map(|pair| u64::from(u16::from_be_bytes(*pair))).sum::<u64>();
        sum += last.first().map_or(0, |byte| u64::from(*byte) << 8);
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
