//! What an endpoint says of itself: shown to people, never trusted, bounded and cleaned before it is kept.

use quell_wire::limits;
use serde_json::Value;

/// Longest host name that is kept, bytes (RFC 1035 allows 253).
const NAME: usize = 253;
/// Longest system or processor name that is kept, bytes.
const WORD: usize = 32;

/// Facts fit to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Host name, without control characters; `unnamed` where there is none. It becomes the endpoint's name at
    /// enrolment and never after.
    pub name: String,
    /// `linux`, `windows`, `macos`; `unknown` where nothing usable was said.
    pub os: String,
    /// `x86_64`, `aarch64`; `unknown` where nothing usable was said.
    pub arch: String,
    /// Whether it says that it is isolated; `None` where it does not say.
    pub isolated: Option<bool>,
    /// All of it, JSON with sorted keys, so that what is equal is written equally.
    pub json: String,
}

/// Reads facts; `None` where they are no JSON object within the limits.
pub fn read(bytes: &[u8]) -> Option<Facts> {
    if bytes.len() > limits::FACTS {
        return None;
    }
    let facts: Value = if bytes.is_empty() {
        Value::Object(serde_json::Map::new())
    } else {
        serde_json::from_slice(bytes).ok()?
    };
    let object = facts.as_object()?;
    let text = |key: &str| object.get(key).and_then(Value::as_str);
    Some(Facts {
        name: text("hostname").and_then(|name| clean(name, NAME)).unwrap_or_else(|| "unnamed".to_owned()),
        os: text("os").and_then(word).unwrap_or_else(|| "unknown".to_owned()),
        arch: text("arch").and_then(word).unwrap_or_else(|| "unknown".to_owned()),
        isolated: object.get("isolation").map(|isolation| !isolation.is_null()),
        json: facts.to_string(),
    })
}

/// A text of an agent without control characters, at most `most` bytes; `None` where nothing is left.
pub fn clean(text: &str, most: usize) -> Option<String> {
    let mut clean = String::new();
    for character in text.chars().filter(|c| !c.is_control() && !is_invisible(*c)) {
        if clean.len() + character.len_utf8() > most {
            break;
        }
        clean.push(character);
    }
    let clean = clean.trim();
    (!clean.is_empty()).then(|| clean.to_owned())
}

/// Characters that change how the text around them is shown (Unicode bidirectional controls, byte order mark).
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn word(text: &str) -> Option<String> {
    let fits = !text.is_empty()
        && text.len() <= WORD
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    fits.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn hostile_names_are_made_harmless() {
        let facts =
            read(br#"{"hostname":"web\u001b[31m-1\r\n\u202e","os":"linux","arch":"<script>","z":1,"a":2}"#)
                .unwrap();
        assert_eq!(facts.name, "web[31m-1");
        assert_eq!((facts.os.as_str(), facts.arch.as_str()), ("linux", "unknown"));
        assert!(facts.json.starts_with(r#"{"a":2,"#), "{}", facts.json);
        let long = format!(r#"{{"hostname":"{}"}}"#, "ä".repeat(4096));
        assert!(read(long.as_bytes()).unwrap().name.len() <= NAME);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for bad in [&b"[]"[..], b"null", b"{", b"\xff", &b"[".repeat(60_000), &vec![b' '; limits::FACTS + 1]]
        {
            assert_eq!(read(bad), None);
        }
        assert_eq!(read(b"").unwrap().name, "unnamed");
    }
}
