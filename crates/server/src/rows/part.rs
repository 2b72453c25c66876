//! One part of rows: gzip of JSON lines, read from a line on, within bounds.

use std::io::{BufRead, BufReader, Read};
use std::ops::ControlFlow;

use flate2::bufread::GzDecoder;
use quell_catalog::rows::MOST_COLUMNS;
use serde_json::Value;

use super::Row;

/// Bytes of one part, unpacked, that are looked at. The rest is left out.
pub const UNPACKED: u64 = 128 << 20;
/// Bytes of one row. Agents keep to a quarter of it.
const ROW: usize = 256 << 10;
/// Of what comes unpacked at a time.
const BUFFER: usize = 64 << 10;

/// How the reading of a part ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// The line to go on with; `None` at the end of the part.
    pub next: Option<u64>,
    /// Bytes that were unpacked.
    pub unpacked: u64,
    /// What could not be read, in words.
    pub fault: Option<String>,
}

/// Reads the rows of a part from line `from` on (the first is 0), until `take` has enough.
pub fn read(compressed: &[u8], from: u64, mut take: impl FnMut(u64, Row) -> ControlFlow<()>) -> Ended {
    let mut lines = BufReader::with_capacity(BUFFER, GzDecoder::new(compressed).take(UNPACKED));
    let mut ended = Ended::default();
    let (mut line, mut bytes, mut bad) = (0, Vec::new(), 0_u64);
    loop {
        bytes.clear();
        let whole = match next_line(&mut lines, &mut bytes) {
            Ok(Some((whole, read))) => {
                ended.unpacked += read;
                whole
            }
            Ok(None) => break,
            Err(error) => {
                ended.fault = Some(format!("it cannot be unpacked beyond line {line}: {error}"));
                break;
            }
        };
        let number = line;
        line += 1;
        if number < from || (whole && bytes.iter().all(u8::is_ascii_whitespace)) {
            continue;
        }
        let row = if whole { row(&bytes) } else { None };
        let Some(row) = row else {
            bad += 1;
            continue;
        };
        if take(number, row).is_break() {
            ended.next = Some(line);
            return ended;
        }
    }
    if ended.fault.is_none() && ended.unpacked >= UNPACKED {
        ended.fault = Some(format!("it unpacks to more than {} MiB: the rest is left out", UNPACKED >> 20));
    }
    if ended.fault.is_none() && bad > 0 {
        ended.fault =
            Some(format!("{bad} of its lines are no rows of plain values and at most {} KiB", ROW >> 10));
    }
    ended
}

/// A line into `bytes`, without its end: whether all of it is there, and how many bytes it took. What is longer than a
/// row may be is passed over.
fn next_line(lines: &mut impl BufRead, bytes: &mut Vec<u8>) -> std::io::Result<Option<(bool, u64)>> {
    let (mut whole, mut read) = (true, 0);
    loop {
        let available = lines.fill_buf()?;
        if available.is_empty() {
            return Ok((read > 0).then_some((whole, read)));
        }
        let newline = available.iter().position(|byte| *byte == b'\n');
        let piece = &available[..newline.unwrap_or(available.len())];
        if bytes.len() + piece.len() > ROW {
            whole = false;
            bytes.clear();
        } else if whole {
            bytes.extend_from_slice(piece);
        }
        let used = piece.len() + usize::from(newline.is_some());
        lines.consume(used);
        read += used as u64;
        if newline.is_some() {
            return Ok(Some((whole, read)));
        }
    }
}

/// Whether this is a row: no more values than columns, and each a plain one. A list of zeros takes sixteen times its text.
fn is_row(row: &Row) -> bool {
    row.len() <= MOST_COLUMNS && row.values().all(|value| !value.is_array() && !value.is_object())
}

fn row(bytes: &[u8]) -> Option<Row> {
    // Depth is bounded by the parser.
    match serde_json::from_slice(bytes).ok()? {
        Value::Object(row) if is_row(&row) => Some(row),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(pieces: &[&[u8]]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        for piece in pieces {
            encoder.write_all(piece).unwrap();
        }
        encoder.finish().unwrap()
    }

    fn all(compressed: &[u8], from: u64) -> (Vec<(u64, Row)>, Ended) {
        let mut rows = Vec::new();
        let ended = read(compressed, from, |line, row| {
            rows.push((line, row));
            ControlFlow::Continue(())
        });
        (rows, ended)
    }

    #[test]
    fn rows_come_from_a_line_on_until_there_are_enough() {
        let part = gzip(&[b"{\"a\":1}\n{\"a\":2}\n\n{\"a\":3}"]);
        let (rows, ended) = all(&part, 0);
        assert_eq!(rows.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [0, 1, 3]);
        assert_eq!((ended.next, ended.fault), (None, None));
        assert_eq!(all(&part, 2).0.len(), 1);
        let ended = read(&part, 0, |_, _| ControlFlow::Break(()));
        assert_eq!(ended.next, Some(1));
    }

    #[test]
    fn what_is_no_row_is_passed_over_and_said() {
        let deep = [b"[".repeat(1000), b"]".repeat(1000)].concat();
        let deep = [b"{\"a\":".as_slice(), &deep, b"}\n"].concat();
        let wide: Vec<String> = (0..300).map(|at| format!("\"c{at}\":1")).collect();
        let wide = format!("{{{}}}\n", wide.join(","));
        let long = [b"{\"a\":\"".as_slice(), &b"x".repeat(ROW), b"\"}\n"].concat();
        let pieces: [&[u8]; 10] = [
            b"{\"a\":1}\n",
            b"[1]\n",
            b"{\"a\":\"\xff\"}\n",
            b"no json\n",
            b"{\"a\":[0]}\n",
            b"{\"a\":{}}\n",
            &deep,
            wide.as_bytes(),
            &long,
            b"{\"a\":2}\n",
        ];
        let (rows, ended) = all(&gzip(&pieces), 0);
        assert_eq!(rows.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [0, 9]);
        assert!(ended.fault.unwrap().starts_with("8 of its lines"));
    }

    #[test]
    fn a_bomb_is_looked_at_within_its_bound() {
        let blank = vec![b' '; 1 << 20];
        let bomb = gzip(&vec![blank.as_slice(); 300]);
        assert!(bomb.len() < 2 << 20);
        let (rows, ended) = all(&bomb, 0);
        assert!(rows.is_empty() && ended.unpacked <= UNPACKED);
        assert!(ended.fault.is_some());
        for broken in [b"no gzip".as_slice(), &gzip(&[b"{\"a\":1}\n"])[..12], b""] {
            let (_, ended) = all(broken, 0);
            assert!(ended.fault.is_some(), "{broken:?}");
        }
    }
}
