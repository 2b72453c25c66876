//! Texts that people hand over as files.

use std::io::Read;
use std::path::Path;

use crate::failure::Failure;

/// A file of text, at most `most` bytes; `-` is standard input.
pub fn text(path: &Path, most: u64) -> Result<String, Failure> {
    let failed = |problem: String| Failure::new(format!("reading {}: {problem}", path.display()));
    let mut text = String::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin().lock().take(most + 1).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(most + 1).read_to_string(&mut text))
    };
    match read.map_err(|error| failed(error.to_string()))? as u64 {
        size if size > most => Err(failed(format!("more than {most} bytes"))),
        _ => Ok(text),
    }
}
