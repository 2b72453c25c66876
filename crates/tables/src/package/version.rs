//! The order of versions, as Debian defines it (deb-version(7)).

use std::cmp::Ordering;

/// Compares two versions: epoch, upstream version, revision.
pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    let (epoch_a, rest_a) = epoch(a);
    let (epoch_b, rest_b) = epoch(b);
    epoch_a.cmp(&epoch_b).then_with(|| {
        let (upstream_a, revision_a) = rest_a.rsplit_once('-').unwrap_or((rest_a, ""));
        let (upstream_b, revision_b) = rest_b.rsplit_once('-').unwrap_or((rest_b, ""));
        part(upstream_a.as_bytes(), upstream_b.as_bytes())
            .then_with(|| part(revision_a.as_bytes(), revision_b.as_bytes()))
    })
}

fn epoch(text: &str) -> (u64, &str) {
    let split = text.split_once(':').and_then(|(epoch, rest)| Some((epoch.parse().ok()?, rest)));
    split.unwrap_or((0, text))
}

/// `~` comes before the end, letters before all else.
fn weight(byte: Option<u8>) -> i32 {
    match byte {
        Some(b'~') => -1,
        None => 0,
        Some(byte) if byte.is_ascii_digit() => 0,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(byte),
        Some(byte) => i32::from(byte) + 256,
    }
}

/// Runs of other characters and runs of digits in turn.
fn part(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        loop {
            let (x, y) = (a.first().copied(), b.first().copied());
            let is_over = |byte: Option<u8>| byte.is_none_or(|byte| byte.is_ascii_digit());
            if is_over(x) && is_over(y) {
                break;
            }
            let order = weight(x).cmp(&weight(y));
            if order != Ordering::Equal {
                return order;
            }
            a = a.get(1..).unwrap_or_default();
            b = b.get(1..).unwrap_or_default();
        }
        let (x, after_x) = digits(a);
        let (y, after_y) = digits(b);
        let order = x.len().cmp(&y.len()).then_with(|| x.cmp(y));
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (after_x, after_y);
    }
    Ordering::Equal
}

/// The digits at the beginning, without zeros in front, and the rest.
fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let zeros = digits.iter().take_while(|byte| **byte == b'0').count();
    (&digits[zeros..], rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_debian_orders_them() {
        let rising =
            ["1.0~rc1", "1.0", "1.0-1", "1.0-1+b1", "1.0-1.1", "1.0a", "1.0+x", "1.2", "1.10", "1:0.1"];
        for (at, a) in rising.iter().enumerate() {
            for (also, b) in rising.iter().enumerate() {
                assert_eq!(compare(a, b), at.cmp(&also), "{a} and {b}");
            }
        }
        assert_eq!(compare("1.007", "1.7"), Ordering::Equal);
        assert_eq!(compare("0:1", "1"), Ordering::Equal);
    }
}
