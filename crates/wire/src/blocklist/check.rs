//! What each field of a delta may hold.

use super::{Delta, Error, Held, Kind, Part, Plain};
use crate::trust::is_id;
use crate::{limits, signed};

impl Delta {
    /// Reads encoded bytes, if every field is within its limit.
    pub fn read(bytes: &[u8]) -> Result<Self, Error> {
        signed::read(bytes)
    }

    /// Whether every field is within its limit and means something.
    pub fn check(&self) -> Result<(), Error> {
        let holds = |holds: bool, field| if holds { Ok(()) } else { Err(Error::Limit(field)) };
        holds(is_id(&self.tenant_id), "tenant_id")?;
        let from = Held { version: self.from_version, digest: self.base.clone() };
        holds(from.is_sound(), "base")?;
        holds((1..=i64::MAX.unsigned_abs()).contains(&self.to_version), "to_version")?;
        match &self.part {
            None => holds(self.from_version + 1 == self.to_version, "to_version")?,
            Some(part) => {
                holds(
                    self.from_version == 0 && self.removes.is_empty() && self.unexcepts.is_empty(),
                    "part",
                )?;
                holds(part.is_sound(), "part")?;
            }
        }
        holds(self.adds.iter().all(|group| group.expires_at_us >= 0), "expires_at_us")?;
        holds(self.adds.iter().all(|group| are_sound(group.kind, &group.values)), "adds")?;
        let plain = |list: &[Plain]| list.iter().all(|plain| are_sound(plain.kind, &plain.values));
        holds(plain(&self.removes), "removes")?;
        holds(plain(&self.excepts) && plain(&self.unexcepts), "excepts")
    }

    /// Objects and exceptions that it names.
    pub fn len(&self) -> usize {
        let plain = |list: &[Plain]| list.iter().map(|plain| plain.values.len()).sum::<usize>();
        self.adds.iter().map(|group| group.values.len()).sum::<usize>()
            + plain(&self.removes)
            + plain(&self.excepts)
            + plain(&self.unexcepts)
    }

    /// It changes nothing but the version.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Part {
    fn is_sound(&self) -> bool {
        self.snapshot.len() == 16
            && self.digest.len() == 32
            && (1..=limits::BLOCK_LIST_PARTS as u32).contains(&self.count)
            && self.index < self.count
    }
}

fn are_sound(kind: i32, values: &[Vec<u8>]) -> bool {
    values.iter().all(|value| is_sound(kind, value))
}

/// Whether bytes can be a value of this kind. Of a kind that is not known, the length alone is judged.
pub fn is_sound(kind: i32, value: &[u8]) -> bool {
    let text = |most: usize| (1..=most).contains(&value.len()) && value.iter().all(u8::is_ascii_graphic);
    match Kind::try_from(kind) {
        Ok(Kind::Sha1) => value.len() == 20,
        Ok(Kind::Sha256) => value.len() == 32,
        Ok(Kind::Ip) => is_network(value),
        Ok(Kind::Domain) => text(255) && value.iter().all(|byte| !byte.is_ascii_uppercase()),
        Ok(Kind::Url) => text(limits::BLOCK_LIST_VALUE),
        Ok(Kind::Sender) => text(320) && value.iter().all(|byte| !byte.is_ascii_uppercase()),
        Ok(Kind::Unspecified) | Err(_) => (1..=limits::BLOCK_LIST_VALUE).contains(&value.len()),
    }
}

fn is_network(value: &[u8]) -> bool {
    let Some((length, address)) = value.split_last() else { return false };
    let bits = address.len() * 8;
    let length = usize::from(*length);
    // Bit by bit there are at most 128, and only of what lies beyond the prefix.
    matches!(bits, 32 | 128)
        && length <= bits
        && (length..bits).all(|bit| address.get(bit / 8).is_some_and(|byte| byte << (bit % 8) & 0x80 == 0))
}
