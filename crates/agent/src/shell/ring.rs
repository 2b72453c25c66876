//! Output that the server does not have yet, numbered from the shell's first byte.

use std::collections::VecDeque;

/// Kept output.
#[derive(Debug, Default)]
pub(super) struct Ring {
    from: u64,
    bytes: VecDeque<u8>,
}

impl Ring {
    /// The number of the oldest byte that is kept.
    pub fn from(&self) -> u64 {
        self.from
    }

    /// The number of the byte that comes next.
    pub fn end(&self) -> u64 {
        self.from + self.bytes.len() as u64
    }

    /// How many bytes are kept.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Adds output.
    pub fn push(&mut self, data: &[u8]) {
        self.bytes.extend(data);
    }

    /// The server has everything before this. What it cannot have is no word of its.
    pub fn stored(&mut self, before: u64) {
        let count = before.saturating_sub(self.from).min(self.bytes.len() as u64) as usize;
        self.bytes.drain(..count);
        self.from += count as u64;
        if self.bytes.is_empty() {
            // A flood of output must not be remembered as room.
            self.bytes.shrink_to(64 << 10);
        }
    }

    /// At most `most` bytes from this number on.
    pub fn read(&self, at: u64, most: usize) -> Vec<u8> {
        let skip = at.saturating_sub(self.from).min(self.bytes.len() as u64) as usize;
        let end = self.bytes.len().min(skip + most);
        let (first, second) = self.bytes.as_slices();
        let mut data = Vec::with_capacity(end - skip);
        data.extend_from_slice(&first[skip.min(first.len())..end.min(first.len())]);
        data.extend_from_slice(&second[skip.saturating_sub(first.len())..end.saturating_sub(first.len())]);
        data
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_goes_and_numbers_stay() {
        let mut ring = Ring::default();
        ring.push(b"hello ");
        ring.push(b"world");
        assert_eq!((ring.read(6, 3), ring.end()), (b"wor".to_vec(), 11));
        ring.stored(6);
        ring.push(b"!");
        assert_eq!((ring.from(), ring.len(), ring.read(6, 100)), (6, 6, b"world!".to_vec()));
        ring.stored(3);
        assert_eq!(ring.from(), 6, "never back");
        ring.stored(u64::MAX);
        assert_eq!((ring.from(), ring.end(), ring.len()), (12, 12, 0), "never beyond");
        assert!(ring.read(0, 5).is_empty() && ring.read(99, 5).is_empty());
    }
}
