//! Answers of name servers, as far as a watcher needs them (RFC 1035): which name was asked for, which names it led through,
//! and to which addresses. Bytes of strangers, so everything is bounded and nothing panics; a cut message gives what it holds.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Records that are read of one message.
const RECORDS: usize = 64;
/// Longest name, and most labels of one (RFC 1035, 3.1). Bytes.
const NAME: usize = 255;
const LABELS: usize = 128;
const HEADER: usize = 12;
const A: u16 = 1;
const CNAME: u16 = 5;
const AAAA: u16 = 28;
const OPT: u16 = 41;
/// "No such name" (RFC 1035, 4.1.1).
const NO_NAME: u8 = 3;
/// Size of an answer that is asked for by `OPT`. Bytes.
const ROOM: u16 = 1232;
/// `OPT` without its options, the option that says why (RFC 8914: "Blocked"), and one that fills up (RFC 7830). Bytes.
const OPT_HEAD: usize = 11;
const WHY: [u8; 6] = [0, 15, 0, 2, 0, 15];
const PADDING: u16 = 12;

/// What one answer says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The name that was asked for first, then those that it led through; lower case, without a final dot.
    pub names: Vec<String>,
    /// Addresses, and for how many seconds they hold.
    pub addresses: Vec<(IpAddr, u32)>,
    /// The code of the response: 0 where there is no error.
    pub code: u8,
}

/// Reads an answer; `None` where it is none, or names nothing.
pub fn answer(message: &[u8]) -> Option<Answer> {
    let flags = u16_at(message, 2)?;
    if flags & 0x8000 == 0 || u16_at(message, 4)? == 0 {
        return None;
    }
    let (questions, answers) = (usize::from(u16_at(message, 4)?), usize::from(u16_at(message, 6)?));
    let mut at = HEADER;
    let mut found = Answer { code: message.get(3)? & 0xf, ..Answer::default() };
    for number in 0..questions.min(4) {
        let (name, after) = name(message, at)?;
        if number == 0 {
            found.names.push(name);
        }
        at = after + 4;
    }
    for _ in 0..answers.min(RECORDS) {
        let Some(next) = record(message, at, &mut found) else { break };
        at = next;
    }
    Some(found)
}

/// The answer "there is no such name" in place of this one, to the same question. It says that the name was blocked where the
/// answer shows that whoever asked understands it.
pub fn refuse(message: &[u8]) -> Option<Vec<u8>> {
    let (mut new, with_options) = begun(message)?;
    if with_options {
        new.extend(options(WHY.len()));
        new.extend(WHY);
        new[11] = 1;
    }
    Some(new)
}

/// The same where the message keeps its length, of which `message` may be only the beginning: what is left over is filled up.
pub fn refuse_in_place(message: &mut [u8], length: usize) -> Option<()> {
    let (mut new, _) = begun(message)?;
    let left = length.checked_sub(new.len())?;
    if left >= OPT_HEAD + 4 {
        let filled = left - OPT_HEAD - 4;
        new.extend(options(left - OPT_HEAD));
        new.extend(PADDING.to_be_bytes());
        new.extend(u16::try_from(filled).ok()?.to_be_bytes());
        new[11] = 1;
    } else if left > 0 {
        // No record is as short as this: there is none that could be known.
        return None;
    }
    let (begin, rest) = message.split_at_mut_checked(new.len())?;
    begin.copy_from_slice(&new);
    rest.fill(0);
    Some(())
}

/// Header and question of the answer, without records; and whether the answer has options.
fn begun(message: &[u8]) -> Option<(Vec<u8>, bool)> {
    let (_, after) = name(message, HEADER)?;
    let mut new = message.get(..after + 4)?.to_vec();
    let count = |at| u16_at(message, at).map(usize::from);
    let records = count(6)? + count(8)? + count(10)?;
    let (mut at, mut with_options) = (new.len(), false);
    for _ in 0..records.min(RECORDS) {
        let Some((_, head)) = name(message, at) else { break };
        let (Some(kind), Some(length)) = (u16_at(message, head), u16_at(message, head + 8)) else { break };
        with_options |= kind == OPT;
        at = head + 10 + usize::from(length);
    }
    // Not authoritative, not cut; one question, nothing else.
    new[2] &= 0b1111_1001;
    new[3] = 0x80 | NO_NAME;
    new[4..12].copy_from_slice(&[0, 1, 0, 0, 0, 0, 0, 0]);
    Some((new, with_options))
}

/// The record for options of this length.
fn options(length: usize) -> [u8; OPT_HEAD] {
    let ([k0, k1], [r0, r1]) = (OPT.to_be_bytes(), ROOM.to_be_bytes());
    let [l0, l1] = (length as u16).to_be_bytes();
    [0, k0, k1, r0, r1, 0, 0, 0, 0, l0, l1]
}

fn record(message: &[u8], at: usize, found: &mut Answer) -> Option<usize> {
    let (owner, at) = name(message, at)?;
    let (kind, class) = (u16_at(message, at)?, u16_at(message, at + 2)?);
    let ttl = u32::from(u16_at(message, at + 4)?) << 16 | u32::from(u16_at(message, at + 6)?);
    let length = usize::from(u16_at(message, at + 8)?);
    let start = at + 10;
    let data = message.get(start..start + length)?;
    if class == 1 {
        match kind {
            A => found.addresses.push((Ipv4Addr::from(<[u8; 4]>::try_from(data).ok()?).into(), ttl)),
            AAAA => found.addresses.push((Ipv6Addr::from(<[u8; 16]>::try_from(data).ok()?).into(), ttl)),
            CNAME => {
                for name in [Some(owner), name(message, start).map(|(name, _)| name)].into_iter().flatten() {
                    if !found.names.contains(&name) {
                        found.names.push(name);
                    }
                }
            }
            _ => {}
        }
    }
    Some(start + length)
}

/// A name, and where what follows it begins. Pointers lead backwards only, so that every walk ends.
fn name(message: &[u8], at: usize) -> Option<(String, usize)> {
    let (mut text, mut at, mut after, mut limit) = (String::new(), at, None, message.len());
    for _ in 0..LABELS {
        let length = usize::from(*message.get(at)?);
        match length >> 6 {
            0 if length == 0 => return Some((text, after.unwrap_or(at + 1))),
            0 => {
                let label = message.get(at + 1..at + 1 + length)?;
                if text.len() + length + 1 > NAME {
                    return None;
                }
                if !text.is_empty() {
                    text.push('.');
                }
                // What is no plain text cannot be listed, and must not look as if it could.
                text.extend(label.iter().map(|byte| match byte.to_ascii_lowercase() {
                    byte if byte.is_ascii_graphic() && byte != b'.' => char::from(byte),
                    _ => '?',
                }));
                at += 1 + length;
            }
            3 => {
                let target = usize::from(u16_at(message, at)? & 0x3fff);
                after.get_or_insert(at + 2);
                if target >= at.min(limit) {
                    return None;
                }
                (at, limit) = (target, target);
            }
            _ => return None,
        }
    }
    None
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// Bad.example is www.bad.example is 192.0.2.7, for five minutes.
    fn message() -> Vec<u8> {
        let mut bytes = vec![0, 1, 0x81, 0x80, 0, 1, 0, 2, 0, 0, 0, 0];
        bytes.extend(b"\x03Bad\x07example\0\0\x01\0\x01");
        bytes.extend(b"\xc0\x0c\0\x05\0\x01\0\0\0\x05\0\x06\x03www\xc0\x0c");
        bytes.extend(b"\xc0\x29\0\x01\0\x01\0\0\x01\x2c\0\x04\xc0\x00\x02\x07");
        bytes
    }

    #[test]
    fn an_answer_names_what_was_asked_and_where_it_led() {
        let found = answer(&message()).unwrap();
        assert_eq!(found.names, ["bad.example", "www.bad.example"]);
        assert_eq!(found.addresses, [("192.0.2.7".parse().unwrap(), 300)]);
    }

    #[test]
    fn a_refused_answer_says_no_such_name_to_the_same_question() {
        let whole = message();
        let new = refuse(&whole).unwrap();
        assert_eq!(new[..12], [0, 1, 0x81, 0x83, 0, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(new[12..], whole[12..29]);
        let mut stream = whole.clone();
        refuse_in_place(&mut stream, whole.len()).unwrap();
        assert_eq!((stream.len(), stream[3], stream[11]), (whole.len(), 0x83, 1));
        assert_eq!(answer(&stream).unwrap().names, ["bad.example"]);
        assert_eq!(answer(&stream).unwrap().code, 3);
        // The length that the filling says is what is left, of a message that goes on in the next packet too.
        let mut cut = whole[..45].to_vec();
        refuse_in_place(&mut cut, whole.len()).unwrap();
        assert_eq!(cut, stream[..45]);
        let mut with_options = whole;
        with_options[11] = 1;
        with_options.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
        assert_eq!(
            refuse(&with_options).unwrap()[29..],
            *b"\0\0\x29\x04\xd0\0\0\0\0\0\x06\0\x0f\0\x02\0\x0f"
        );
    }

    #[test]
    fn no_message_leads_astray() {
        let whole = message();
        for end in 0..whole.len() {
            if let Some(found) = answer(&whole[..end]) {
                assert!(found.addresses.is_empty());
            }
        }
        for at in 0..whole.len() {
            for byte in [0, 0x3f, 0x40, 0xc0, 0xff] {
                let mut other = whole.clone();
                other[at] = byte;
                let _ = (answer(&other), refuse(&other), refuse_in_place(&mut other, 60));
            }
        }
        let mut round = whole[..12].to_vec();
        round.extend([0xc0, 12, 0, 1, 0, 1]);
        assert_eq!(answer(&round), None);
        let mut question = whole;
        question[2] = 1;
        assert_eq!(answer(&question), None, "a question");
    }
}
