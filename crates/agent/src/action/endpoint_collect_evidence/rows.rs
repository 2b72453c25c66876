//! The manifest's rows while they are made: compressed in memory, for a hundred thousand of them would be more than an
//! agent should hold, and nothing of a collection may lie on the disk in the clear.

use std::io::{self, Read as _, Write};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use quell_evidence::FileRow;

/// Rows of files, as the items of a JSON list.
pub(super) struct Rows {
    packed: DeflateEncoder<Vec<u8>>,
    is_begun: bool,
}

impl Rows {
    pub fn new() -> Self {
        Self { packed: DeflateEncoder::new(Vec::new(), Compression::new(4)), is_begun: false }
    }

    pub fn push(&mut self, row: &FileRow) -> io::Result<()> {
        if self.is_begun {
            self.packed.write_all(b",\n")?;
        }
        self.is_begun = true;
        serde_json::to_writer(&mut self.packed, row).map_err(io::Error::from)
    }

    /// Writes the items.
    pub fn write(self, out: &mut dyn Write) -> io::Result<()> {
        let packed = self.packed.finish()?;
        let mut plain = DeflateDecoder::new(packed.as_slice());
        let mut buffer = vec![0; 32 << 10];
        loop {
            match plain.read(&mut buffer)? {
                0 => return Ok(()),
                n => out.write_all(&buffer[..n])?,
            }
        }
    }
}
