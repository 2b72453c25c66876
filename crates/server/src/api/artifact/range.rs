//! The `Range` header, as far as a resumed download needs it: one range of bytes (RFC 9110, section 14).

use std::ops::Range;

use http::{HeaderMap, header};

/// What a request asks for of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it.
    Whole,
    /// These bytes.
    Part(Range<u64>),
    /// Nothing that is there.
    Outside,
}

/// The part that is wanted of a file of `size` bytes with this `etag`. What is not understood is the whole, as the
/// standard has it; so is a range of another file's (`If-Range`).
pub(super) fn wanted(headers: &HeaderMap, size: u64, etag: &str) -> Wanted {
    let value = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    if value(header::IF_RANGE).is_some_and(|condition| condition != etag) {
        return Wanted::Whole;
    }
    let Some(range) = value(header::RANGE).and_then(|range| range.strip_prefix("bytes=")) else {
        return Wanted::Whole;
    };
    let Some((first, last)) = range.split_once('-') else { return Wanted::Whole };
    let (first, last) = (first.trim(), last.trim());
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first_byte), Ok(last_byte)) if digits(first) && digits(last) => part(first_byte, last_byte, size),
        (Ok(first_byte), Err(_)) if digits(first) && last.is_empty() => part(first_byte, u64::MAX, size),
        (Err(_), Ok(count)) if first.is_empty() && digits(last) => {
            if count == 0 || size == 0 {
                Wanted::Outside
            } else {
                Wanted::Part(size.saturating_sub(count)..size)
            }
        }
        (Ok(_) | Err(_), Ok(_) | Err(_)) => Wanted::Whole,
    }
}

fn part(first: u64, last: u64, size: u64) -> Wanted {
    if first > last {
        Wanted::Whole
    } else if first >= size {
        Wanted::Outside
    } else {
        Wanted::Part(first..last.saturating_add(1).min(size))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn asked(range: &str, condition: Option<&str>) -> Wanted {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, range.parse().unwrap());
        if let Some(condition) = condition {
            headers.insert(header::IF_RANGE, condition.parse().unwrap());
        }
        wanted(&headers, 100, "\"x\"")
    }

    #[test]
    fn ranges_are_read() {
        assert_eq!(asked("bytes=0-9", None), Wanted::Part(0..10));
        assert_eq!(asked("bytes=90-", None), Wanted::Part(90..100));
        assert_eq!(asked("bytes=90-1000", None), Wanted::Part(90..100));
        assert_eq!(asked("bytes=-10", None), Wanted::Part(90..100));
        assert_eq!(asked("bytes=-1000", None), Wanted::Part(0..100));
        assert_eq!(asked("bytes=100-", None), Wanted::Outside);
        assert_eq!(asked("bytes=-0", None), Wanted::Outside);
        for odd in ["bytes=9-0", "bytes=", "bytes=-", "bytes=a-b", "bytes=0-1,5-6", "lines=1-2", "bytes=+1-2"]
        {
            assert_eq!(asked(odd, None), Wanted::Whole, "{odd}");
        }
        assert_eq!(asked("bytes=0-9", Some("\"x\"")), Wanted::Part(0..10));
        assert_eq!(asked("bytes=0-9", Some("\"y\"")), Wanted::Whole);
    }
}
