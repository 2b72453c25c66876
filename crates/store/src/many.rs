//! Statements of many rows: their texts, written when the program is compiled, and how a list is cut to fit them.
//!
//! A statement for each row costs PostgreSQL a round trip each. Arrays and JSON as parameters would take one text for each
//! database; lists of plain parameters are read by both alike, and their types are those of the columns. A text is fixed, so
//! each such statement has three: for many rows, for some, and for one. What is left over of one size is done with the next.

use crate::Error;

/// Rows of the two larger texts. The largest has few thousand parameters; SQLite takes 32,766 and PostgreSQL 65,535.
pub(crate) const SIZES: [usize; 2] = [256, 16];

/// A statement that takes any number of rows.
pub(crate) struct Many {
    /// By the rows that they take: as many as [`SIZES`] says, and one.
    pub texts: [&'static str; 3],
}

impl Many {
    /// Calls for each piece of a list, with the text that takes as many rows.
    pub fn each<T>(
        &self,
        mut rows: &[T],
        mut run: impl FnMut(&'static str, &[T]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        for (text, size) in self.texts.into_iter().zip(SIZES.into_iter().chain([1])) {
            let pieces = rows.chunks_exact(size);
            let rest = pieces.remainder();
            for piece in pieces {
                run(text, piece)?;
            }
            rows = rest;
        }
        Ok(())
    }
}

/// A row of parameters within a statement.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    /// What stands before the parameters of each row, and after them.
    pub around: (&'static str, &'static str),
    /// The number of the first parameter of the first row.
    pub first: usize,
    /// Parameters of each row.
    pub width: usize,
}

/// Bytes of a text; see [`write`].
pub(crate) const fn length(head: &str, shape: Shape, rows: usize, tail: &str) -> usize {
    fill(&mut [], head, shape, rows, tail)
}

/// `head`, then rows of numbered parameters with commas between, then `tail`.
pub(crate) const fn write<const N: usize>(head: &str, shape: Shape, rows: usize, tail: &str) -> [u8; N] {
    let mut text = [0; N];
    fill(&mut text, head, shape, rows, tail);
    text
}

/// Writes as much as there is room for; how much there is to write.
const fn fill(text: &mut [u8], head: &str, shape: Shape, rows: usize, tail: &str) -> usize {
    let Shape { around: (before, after), first, width } = shape;
    let mut at = put(text, 0, head.as_bytes());
    let mut row = 0;
    while row < rows {
        if row > 0 {
            at = put(text, at, b", ");
        }
        at = put(text, at, before.as_bytes());
        let mut column = 0;
        while column < width {
            if column > 0 {
                at = put(text, at, b", ");
            }
            at = put(text, at, b"$");
            at = number(text, at, first + row * width + column);
            column += 1;
        }
        at = put(text, at, after.as_bytes());
        row += 1;
    }
    put(text, at, tail.as_bytes())
}

const fn number(text: &mut [u8], mut at: usize, number: usize) -> usize {
    if number >= 10 {
        at = self::number(text, at, number / 10);
    }
    put(text, at, &[b'0' + (number % 10) as u8])
}

const fn put(text: &mut [u8], at: usize, bytes: &[u8]) -> usize {
    let mut index = 0;
    while index < bytes.len() {
        if at + index < text.len() {
            text[at + index] = bytes[index];
        }
        index += 1;
    }
    at + bytes.len()
}

/// Declares statements of many rows, and the list of them that tests walk over:
/// `NAME = head, (before, after) first width, tail`.
macro_rules! many {
    (@text $head:expr, $shape:expr, $rows:expr, $tail:expr) => {{
        const BYTES: [u8; $crate::many::length($head, $shape, $rows, $tail)] =
            $crate::many::write($head, $shape, $rows, $tail);
        // Every piece of it is a text already.
        match std::str::from_utf8(&BYTES) {
            Ok(text) => text,
            Err(_) => "",
        }
    }};
    ($($name:ident = $head:expr, $around:tt $first:literal $width:literal, $tail:expr;)*) => {
        $(const $name: $crate::many::Many = {
            const SHAPE: $crate::many::Shape =
                $crate::many::Shape { around: $around, first: $first, width: $width };
            $crate::many::Many {
                texts: [
                    $crate::many::many!(@text $head, SHAPE, $crate::many::SIZES[0], $tail),
                    $crate::many::many!(@text $head, SHAPE, $crate::many::SIZES[1], $tail),
                    $crate::many::many!(@text $head, SHAPE, 1, $tail),
                ],
            }
        };)*
        /// Every statement of this module, by name.
        pub(crate) const ALL: &[(&str, &str)] = &[$(
            (stringify!($name), $name.texts[0]),
            (stringify!($name), $name.texts[1]),
            (stringify!($name), $name.texts[2]),
        )*];
    };
}
pub(crate) use many;

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    many! {
        PUT = "INSERT INTO t (a, b, c) VALUES ", ("($1, ", ")") 2 2, " ON CONFLICT DO NOTHING";
        GET = "SELECT a FROM t WHERE b IN (", ("", "") 3 1, ")";
    }

    #[test]
    fn texts_number_their_parameters() {
        assert_eq!(PUT.texts[2], "INSERT INTO t (a, b, c) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING");
        assert!(PUT.texts[1].contains("VALUES ($1, $2, $3), ($1, $4, $5), ($1"));
        assert!(PUT.texts[1].ends_with("($1, $32, $33) ON CONFLICT DO NOTHING"));
        assert_eq!(GET.texts[2], "SELECT a FROM t WHERE b IN ($3)");
        assert!(GET.texts[0].ends_with(", $257, $258)"));
        assert_eq!(ALL.len(), 6);
    }

    #[test]
    fn a_list_is_cut_into_pieces_that_texts_take() {
        for count in [0, 1, 15, 16, 17, 255, 256, 300, 2000] {
            let list: Vec<usize> = (0..count).collect();
            let mut seen = Vec::new();
            GET.each(&list, |text, piece| {
                assert_eq!(text.matches('$').count(), piece.len());
                seen.extend_from_slice(piece);
                Ok(())
            })
            .unwrap();
            assert_eq!(seen, list);
        }
    }
}
