//! What a program needs to start: the libraries that its file names (elf(5)), by the directories where its loader looks.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Most program headers, and most entries of a dynamic section, that are looked at.
const HEADERS: u64 = 64;
const ENTRIES: u64 = 1024;
/// Longest name of a library, or list of directories. Bytes.
const NAME: u64 = 512;
const LOAD: u64 = 1;
const DYNAMIC: u64 = 2;
const NEEDED: u64 = 1;
const STRINGS: u64 = 5;
const RPATH: u64 = 15;
const RUNPATH: u64 = 29;

/// An open file of this format, little-endian as every system that is served.
struct Elf {
    file: File,
    wide: bool,
}

/// The files that this one needs, of those that are there. None of a file of another format.
pub(super) fn needs(path: &Path, libraries: &[&str]) -> Vec<PathBuf> {
    let Some((names, own)) = Elf::open(path).and_then(|elf| elf.names()) else { return Vec::new() };
    let origin = path.parent().unwrap_or(Path::new("/")).to_string_lossy().into_owned();
    let own = own.iter().flat_map(|list| list.split(':'));
    let own = own.map(|dir| dir.replace("${ORIGIN}", &origin).replace("$ORIGIN", &origin));
    let dirs: Vec<PathBuf> = own.map(PathBuf::from).chain(libraries.iter().map(PathBuf::from)).collect();
    // The first is what the loader takes; which that is may differ by its cache, so all of them.
    let places = names.iter().flat_map(|name| dirs.iter().map(move |dir| dir.join(name)));
    places.filter_map(|place| std::fs::canonicalize(place).ok()).collect()
}

impl Elf {
    fn open(path: &Path) -> Option<Self> {
        let file = super::open(path).ok()?;
        let mut head = [0; 6];
        file.read_exact_at(&mut head, 0).ok()?;
        let [b'\x7f', b'E', b'L', b'F', class @ (1 | 2), 1] = head else { return None };
        Some(Self { file, wide: class == 2 })
    }

    /// A number of so many bytes.
    fn number(&self, at: u64, size: usize) -> Option<u64> {
        let mut bytes = [0; 8];
        self.file.read_exact_at(bytes.get_mut(..size)?, at).ok()?;
        Some(u64::from_le_bytes(bytes))
    }

    /// One whose place and size depend on the class: places of the narrow and of the wide one.
    fn word(&self, base: u64, narrow: u64, wide: u64) -> Option<u64> {
        if self.wide {
            self.number(base.checked_add(wide)?, 8)
        } else {
            self.number(base.checked_add(narrow)?, 4)
        }
    }

    fn half(&self, narrow: u64, wide: u64) -> Option<u64> {
        self.number(if self.wide { wide } else { narrow }, 2)
    }

    /// Names of libraries, and lists of directories.
    fn names(&self) -> Option<(Vec<String>, Vec<String>)> {
        let (first, size) = (self.word(0, 0x1c, 0x20)?, self.half(0x2a, 0x36)?);
        let (mut loads, mut dynamic) = (Vec::new(), None);
        for number in 0..self.half(0x2c, 0x38)?.min(HEADERS) {
            let header = first.checked_add(number * size)?;
            let (offset, address) = (self.word(header, 4, 8)?, self.word(header, 8, 16)?);
            let length = self.word(header, 16, 32)?;
            match self.number(header, 4)? {
                LOAD => loads.push((address, length, offset)),
                DYNAMIC => dynamic = Some((offset, length)),
                _ => {}
            }
        }
        let (start, length) = dynamic?;
        let entry = if self.wide { 16 } else { 8 };
        let (mut needed, mut dirs, mut strings) = (Vec::new(), Vec::new(), None);
        for number in 0..(length / entry).min(ENTRIES) {
            let at = start.checked_add(number * entry)?;
            let value = self.word(at, 4, 8)?;
            match self.word(at, 0, 0)? {
                0 => break,
                NEEDED => needed.push(value),
                STRINGS => strings = Some(value),
                RPATH | RUNPATH => dirs.push(value),
                _ => {}
            }
        }
        let strings = strings?;
        let place = loads.iter().find_map(|(address, length, offset)| {
            let within = strings.checked_sub(*address).filter(|within| within < length)?;
            offset.checked_add(within)
        })?;
        let text = |offsets: Vec<u64>| {
            offsets.into_iter().filter_map(|offset| self.text(place.checked_add(offset)?)).collect()
        };
        Some((text(needed), text(dirs)))
    }

    fn text(&self, at: u64) -> Option<String> {
        let mut bytes = vec![0; NAME as usize];
        let count = self.file.read_at(&mut bytes, at).ok()?;
        let end = bytes.get(..count)?.iter().position(|byte| *byte == 0)?;
        bytes.truncate(end);
        String::from_utf8(bytes).ok()
    }
}
