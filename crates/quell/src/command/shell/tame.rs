//! What an endpoint's terminal wrote, as far as it may reach the terminal of somebody who only looks: text, colours, and
//! what moves and clears. Titles, links, the clipboard, printing, the mouse, and questions that a terminal answers as if
//! they were typed are left out; the console leaves the same out.

/// Bytes of a control sequence at most; longer ones are none.
const LONGEST: usize = 64;
/// Private modes (DECSET) that only change what is seen.
const MODES: &[&[u8]] = &[b"3", b"5", b"6", b"7", b"12", b"25", b"47", b"1047", b"1048", b"1049"];

/// Takes output in pieces, wherever they are cut.
#[derive(Debug, Default)]
pub struct Tame {
    state: State,
    /// The control sequence so far, without its beginning.
    sequence: Vec<u8>,
    /// Bytes of a character of several that are still to come.
    rest: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// After ESC.
    Escape,
    /// After ESC and an intermediate byte: one more comes.
    Charset,
    /// Within CSI.
    Control,
    /// Within OSC, DCS, SOS, PM or APC.
    String,
    /// After ESC within these.
    StringEscape,
    /// After 0xc2, with which the C1 controls begin.
    Half,
}

impl Tame {
    /// What is left of a piece.
    pub fn pass(&mut self, piece: &[u8]) -> Vec<u8> {
        let mut shown = Vec::with_capacity(piece.len());
        for byte in piece {
            self.take(*byte, &mut shown);
        }
        shown
    }

    #[expect(clippy::match_same_arms, reason = "read as a table of states")]
    fn take(&mut self, byte: u8, shown: &mut Vec<u8>) {
        self.state = match (self.state, byte) {
            // They end whatever was begun.
            (State::String, 0x07) | (_, 0x18 | 0x1a) => State::Text,
            (State::String, 0x1b) => State::StringEscape,
            (State::String, _) => State::String,
            (State::StringEscape, b'\\') => State::Text,
            (_, 0x1b) => {
                self.rest = 0;
                State::Escape
            }
            (State::Text, _) => self.text(byte, shown),
            (State::Half, 0xa0..=0xbf) => {
                shown.extend([0xc2, byte]);
                State::Text
            }
            // A C1 control, or no character.
            (State::Half, 0x80..=0x9f) => State::Text,
            (State::Half, _) => self.text(byte, shown),
            (State::Escape | State::StringEscape, b'[') => {
                self.sequence.clear();
                State::Control
            }
            (State::Escape | State::StringEscape, b']' | b'P' | b'X' | b'^' | b'_') => State::String,
            (State::Escape, b'(' | b')' | b'*' | b'+' | b'#') => {
                self.sequence = vec![byte];
                State::Charset
            }
            // Save, restore, index, next line, tab stop, reverse index, set back.
            (State::Escape, b'7' | b'8' | b'D' | b'E' | b'H' | b'M' | b'c') => {
                shown.extend([0x1b, byte]);
                State::Text
            }
            (State::Charset, 0x30..=0x7e) => {
                shown.extend([0x1b, self.sequence.first().copied().unwrap_or(b'('), byte]);
                State::Text
            }
            (State::Control, 0x20..=0x3f) if self.sequence.len() < LONGEST => {
                self.sequence.push(byte);
                State::Control
            }
            (State::Control, 0x20..=0x3f) => State::Control,
            (State::Control, 0x40..=0x7e) => {
                if self.sequence.len() < LONGEST && is_seen(&self.sequence, byte) {
                    shown.extend([0x1b, b'[']);
                    shown.extend(&self.sequence);
                    shown.push(byte);
                }
                State::Text
            }
            (State::Escape | State::StringEscape | State::Charset | State::Control, _) => State::Text,
        };
    }

    fn text(&mut self, byte: u8, shown: &mut Vec<u8>) -> State {
        match byte {
            0xc2 => {
                self.rest = 0;
                return State::Half;
            }
            0x80..=0xbf if self.rest == 0 => return State::Text,
            0x80..=0xbf => self.rest -= 1,
            0xc3..=0xdf => self.rest = 1,
            0xe0..=0xef => self.rest = 2,
            0xf0..=0xf4 => self.rest = 3,
            // Bell, backspace, tab, line feed, line tab, form feed, carriage return, the two character sets.
            0x07..=0x0f | 0x20..=0x7e => self.rest = 0,
            // Among them ENQ, which a terminal answers.
            _ => return State::Text,
        }
        shown.push(byte);
        State::Text
    }
}

/// Whether a control sequence only changes what is seen.
fn is_seen(sequence: &[u8], last: u8) -> bool {
    let is_plain = |bytes: &[u8]| bytes.iter().all(|byte| matches!(byte, b'0'..=b'9' | b';' | b':'));
    match sequence {
        [b'?', modes @ ..] => match last {
            b'h' | b'l' => modes.split(|byte| *byte == b';').all(|mode| MODES.contains(&mode)),
            b'J' | b'K' => is_plain(modes),
            _ => false,
        },
        [shape @ .., b' '] if last == b'q' => is_plain(shape),
        b"!" => last == b'p',
        // Insertion.
        mode if matches!(last, b'h' | b'l') => mode == b"4",
        plain => is_plain(plain) && b"@ABCDEFGHIJKLMPSTXZ`abdefgmrsu".contains(&last),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_passes_and_what_acts_does_not() {
        let seen: &[&[u8]] = &[
            "plain é \u{20ac} \u{1F600}\r\n\t".as_bytes(),
            b"\x1b[1;38:5:3mred\x1b[0m\x1b[2J\x1b[3;4H\x1b[?25l\x1b[?1049h\x1b(B\x1b7\x1b8\x1b[4h\x1b[2 q",
        ];
        for text in seen {
            assert_eq!(Tame::default().pass(text), *text);
            let mut tame = Tame::default();
            let single: Vec<u8> = text.iter().flat_map(|byte| tame.pass(&[*byte])).collect();
            assert_eq!(single, *text, "however it is cut");
        }
        let acting: &[&[u8]] = &[
            b"\x1b]52;c;ZXZpbA==\x07",
            b"\x1b]0;title\x1b\\",
            b"\x1bP$qm\x1b\\",
            b"\x1b_apc\x1b\\",
            b"\x1b[6n\x1b[c\x1b[>c\x1b[?6n\x1b[21t\x1b[?1$p\x1b[>q\x1b[x\x1b[5i\x1b[?u\x1b[>4;2m\x1bZ\x05",
            b"\x1b[?1004h\x1b[?1003h\x1b[?2004h\x1b[?25;1004h",
            "\u{9d}52;c;ZXZpbA==\u{9c}".as_bytes(),
            b"\x9b6n",
        ];
        for text in acting {
            let left = Tame::default().pass(text);
            let left = String::from_utf8_lossy(&left);
            assert!(!left.contains(['\x1b', '\x05', '\u{9b}', '\u{9d}']), "{text:?}: {left:?}");
        }
        // What stands behind is seen again, also where a string never ended properly.
        assert_eq!(Tame::default().pass(b"a\x1b]52;c;x\x07b\x1b[6nc\x1b]x\x1b[1md\x18e"), b"abc\x1b[1mde");
        let long = [b"\x1b[".as_slice(), &[b'1'; 100], b"mx"].concat();
        assert_eq!(Tame::default().pass(&long), b"x");
    }
}
