//! How large the files of an order may be.

use quell_catalog::ActionKind;
use quell_wire::artifact::{Kind, ROWS_ALL, ROWS_PART};
use serde_json::Value;

/// What an archive adds to what is in it: headers, names, authentication codes.
const ENVELOPE: u64 = 1 << 20;

/// Bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Of one file.
    pub one: u64,
    /// Of all files of its kind together.
    pub all: u64,
}

/// What an order of this action with these parameters may send of a kind; `None` where it sends none.
pub fn of(kind: Kind, action: &str, params: &str) -> Option<Quota> {
    let params: Value = serde_json::from_str(params).ok()?;
    let declared = ActionKind::from_id(action)?.declared();
    let alone = |all: u64| Quota { one: all, all };
    match kind {
        Kind::Archive | Kind::File(_) => {
            let content = (declared.archive_bytes)(&params).ok()??;
            // What does not compress grows a little.
            Some(alone(content.saturating_add(content / 100).saturating_add(ENVELOPE)))
        }
        Kind::Recording => (declared.recording_bytes)(&params).ok()?.map(alone),
        Kind::Rows(_) => {
            let all = (declared.rows_bytes)(&params).ok()??.min(ROWS_ALL);
            Some(Quota { one: all.min(ROWS_PART), all })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_bounded_by_what_was_asked() {
        let archive = |action, params| of(Kind::Archive, action, params).map(|quota| quota.one);
        let asked = archive("file.collect", r#"{"path":"/etc/hostname","max_bytes":1000}"#);
        assert!(asked.is_some_and(|most| most > 1000 && most < 2 << 20));
        assert_eq!(archive("endpoint.isolate", "{}"), None);
        assert_eq!(archive("no.such", "{}"), None);
        assert_eq!(archive("file.collect", "no json"), None);
    }

    #[test]
    fn an_action_sends_only_the_kinds_that_it_declares() {
        let params = r#"{"path":"/etc/hostname"}"#;
        for kind in [Kind::Rows(0), Kind::Recording] {
            assert_eq!(of(kind, "file.collect", params), None, "{kind}");
        }
    }
}
