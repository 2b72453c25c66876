//! How large the archive of an order may be.

use quell_catalog::ActionKind;
use serde_json::Value;

/// What an archive adds to what is in it: headers, names, authentication codes.
const ENVELOPE: u64 = 1 << 20;

/// Bytes that the archive of an order with these parameters may have; `None` where the action sends none.
pub fn archive(action: &str, params: &str) -> Option<u64> {
    let params: Value = serde_json::from_str(params).ok()?;
    let content = (ActionKind::from_id(action)?.declared().archive_bytes)(&params).ok()??;
    // What does not compress grows a little.
    Some(content.saturating_add(content / 100).saturating_add(ENVELOPE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_bounded_by_what_was_asked() {
        let asked = archive("file.collect", r#"{"path":"/etc/hostname","max_bytes":1000}"#);
        assert!(asked.is_some_and(|most| most > 1000 && most < 2 << 20));
        assert_eq!(archive("endpoint.isolate", "{}"), None);
        assert_eq!(archive("no.such", "{}"), None);
        assert_eq!(archive("file.collect", "no json"), None);
    }
}
