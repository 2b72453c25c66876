//! Strong tags of what is changed as a whole, so that nobody overwrites what they never saw (RFC 9110, section 13.1.1).

use http::{HeaderMap, HeaderValue, header};
use quell_wire::digest::{hex, sha256};
use serde::Serialize;

use crate::problem::{Code, Problem};

/// Longest `If-Match` that is read, bytes.
const LONGEST: usize = 1000;

/// The tag of a value: of what is stored, not of what is told beside it.
pub(in crate::api) fn of<T: Serialize>(value: &T) -> Result<String, Problem> {
    let text = serde_json::to_vec(value).map_err(|error| Problem::internal(&error))?;
    Ok(format!("\"{}\"", hex(&sha256(&[&text]))))
}

/// The header that an answer bears.
pub(in crate::api) fn header(tag: &str) -> [(header::HeaderName, HeaderValue); 1] {
    // A tag is hexadecimal digits in quotes.
    [(header::ETAG, HeaderValue::from_str(tag).unwrap_or(HeaderValue::from_static("\"\"")))]
}

/// What a request says that it saw.
pub(in crate::api) struct IfMatch(Option<String>);

impl IfMatch {
    /// Reads the header.
    pub fn read(headers: &HeaderMap) -> Result<Self, Problem> {
        let mut lines = headers.get_all(header::IF_MATCH).iter();
        let Some(line) = lines.next() else { return Ok(Self(None)) };
        let wrong =
            || Problem::new(Code::InvalidHeader, "If-Match: must be one line of tags, each in quotes");
        let text = line.to_str().map_err(|_| wrong())?.trim();
        let is_tag =
            |tag: &str| tag.len() >= 2 && tag.trim_start_matches("W/").starts_with('"') && tag.ends_with('"');
        let is_list = text == "*" || text.split(',').all(|tag| is_tag(tag.trim()));
        if lines.next().is_some() || text.len() > LONGEST || !is_list {
            return Err(wrong());
        }
        Ok(Self(Some(text.to_owned())))
    }

    /// Refuses where something else stands there now than what was seen; `None` for what cannot be read.
    pub fn check(&self, now: Option<&str>, what: &str) -> Result<(), Problem> {
        let Some(seen) = &self.0 else { return Ok(()) };
        if seen == "*" || seen.split(',').any(|tag| Some(tag.trim()) == now) {
            return Ok(());
        }
        Err(Problem::new(
            Code::Conflict,
            format!("somebody else changed {what} meanwhile; nothing was stored"),
        )
        .hint("Read it again, and make the change on what holds now."))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn read(text: &str) -> Result<IfMatch, Problem> {
        IfMatch::read(&[(header::IF_MATCH, HeaderValue::from_str(text).unwrap())].into_iter().collect())
    }

    #[test]
    fn only_what_was_seen_is_replaced() {
        let (tag, other) = (of(&["a"]).unwrap(), of(&["b"]).unwrap());
        assert_ne!(tag, other);
        for seen in [tag.clone(), format!("{other}, {tag}"), "*".to_owned()] {
            assert!(read(&seen).unwrap().check(Some(&tag), "it").is_ok(), "{seen}");
        }
        for seen in [other, format!("W/{tag}"), "\"\"".to_owned()] {
            assert!(read(&seen).unwrap().check(Some(&tag), "it").is_err(), "{seen}");
        }
        assert!(read(&tag).unwrap().check(None, "it").is_err());
        assert!(IfMatch::read(&HeaderMap::new()).unwrap().check(None, "it").is_ok());
        for wrong in ["", "abc", "\"a\", b", "\""] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
        assert!(read(&format!("\"{}\"", "a".repeat(LONGEST))).is_err());
    }
}
