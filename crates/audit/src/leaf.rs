//! A record as the bytes that are hashed. Never changes: the trail of years hangs on it.

use quell_store::audit::Record;
use uuid::Uuid;

const DOMAIN: &[u8] = b"quell/audit-record/v1\0";

/// The bytes of a record: ids as 16 bytes, the time as 8 bytes big-endian, each text behind its length in 4 bytes
/// big-endian, and before a text that may be absent one byte that says whether it is there.
pub fn encode(record: &Record) -> Vec<u8> {
    let Record {
        tenant_id,
        id,
        at,
        actor_kind,
        actor_id,
        actor_name,
        verb,
        object_kind,
        object_id,
        outcome,
        detail,
        request_id,
        remote,
    } = record;
    let mut bytes = Vec::with_capacity(256 + detail.len());
    bytes.extend_from_slice(DOMAIN);
    bytes.extend_from_slice(tenant_id.as_bytes());
    bytes.extend_from_slice(id.as_bytes());
    bytes.extend_from_slice(&at.to_be_bytes());
    for text in [actor_kind, actor_id, actor_name, verb, object_kind, object_id, outcome, detail] {
        put(&mut bytes, text);
    }
    for text in [request_id, remote] {
        bytes.push(u8::from(text.is_some()));
        put(&mut bytes, text.as_deref().unwrap_or_default());
    }
    bytes
}

fn put(bytes: &mut Vec<u8>, text: &str) {
    // A record's texts are bounded far below 4 GiB by those who write it.
    bytes.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend_from_slice(text.as_bytes());
}

/// The record of which these are the bytes. `None` for any that [`encode`] did not make.
pub fn decode(bytes: &[u8]) -> Option<Record> {
    let mut rest = bytes.strip_prefix(DOMAIN)?;
    let rest = &mut rest;
    let record = Record {
        tenant_id: Uuid::from_bytes(take(rest)?),
        id: Uuid::from_bytes(take(rest)?),
        at: i64::from_be_bytes(take(rest)?),
        actor_kind: get(rest)?,
        actor_id: get(rest)?,
        actor_name: get(rest)?,
        verb: get(rest)?,
        object_kind: get(rest)?,
        object_id: get(rest)?,
        outcome: get(rest)?,
        detail: get(rest)?,
        request_id: get_optional(rest)?,
        remote: get_optional(rest)?,
    };
    // One spelling only: what is left over, or an absent text with letters, is no record.
    (encode(&record) == bytes).then_some(record)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*taken)
}

fn get(rest: &mut &[u8]) -> Option<String> {
    let length = usize::try_from(u32::from_be_bytes(take(rest)?)).ok()?;
    let (text, after) = rest.split_at_checked(length)?;
    *rest = after;
    String::from_utf8(text.to_vec()).ok()
}

/// Absent as `Some(None)`.
#[expect(clippy::option_option, reason = "unreadable is not absent")]
fn get_optional(rest: &mut &[u8]) -> Option<Option<String>> {
    let [is_there] = take(rest)?;
    let text = get(rest)?;
    Some((is_there == 1).then_some(text))
}

#[cfg(test)]
mod tests {
    use quell_wire::digest::{hex, sha256};

    use super::*;

    fn record() -> Record {
        Record {
            tenant_id: Uuid::from_u128(1),
            id: Uuid::from_u128(2),
            at: 3,
            actor_kind: "api_key".to_owned(),
            actor_id: "4".to_owned(),
            actor_name: "ops".to_owned(),
            verb: "task.submit".to_owned(),
            object_kind: "task".to_owned(),
            object_id: "5".to_owned(),
            outcome: "ok".to_owned(),
            detail: "{}".to_owned(),
            request_id: None,
            remote: Some("192.0.2.1".to_owned()),
        }
    }

    #[test]
    fn the_bytes_of_a_record_never_change() {
        let digest = hex(&sha256(&[&encode(&record())]));
        assert_eq!(digest, "83afcf3c011f76715a29202565335a9141075fe9a0fbeea8978c1d9ff343c83c");
    }

    #[test]
    fn what_was_encoded_is_read_again_and_nothing_else_is() {
        let bytes = encode(&record());
        assert_eq!(decode(&bytes), Some(record()));
        assert!((0..bytes.len()).all(|length| decode(&bytes[..length]).is_none()), "cut off");
        assert_eq!(decode(&[bytes.as_slice(), b"x"].concat()), None, "longer");
        let mut odd = bytes.clone();
        let at = DOMAIN.len() + 16 + 16 + 8;
        odd[at..at + 4].copy_from_slice(&u32::MAX.to_be_bytes());
        assert_eq!(decode(&odd), None, "a length beyond the end");
    }

    #[test]
    fn every_field_counts_and_none_runs_into_the_next() {
        let mut all = vec![encode(&record())];
        let mut with = |change: &dyn Fn(&mut Record)| {
            let mut changed = record();
            change(&mut changed);
            all.push(encode(&changed));
        };
        with(&|r| r.tenant_id = Uuid::from_u128(9));
        with(&|r| r.id = Uuid::from_u128(9));
        with(&|r| r.at = 4);
        with(&|r| r.actor_kind.push('x'));
        with(&|r| r.actor_id.push('x'));
        with(&|r| r.actor_name.push('x'));
        with(&|r| (r.actor_kind, r.actor_id) = ("api_ke".to_owned(), "y4".to_owned()));
        with(&|r| r.verb.push('x'));
        with(&|r| r.object_kind.push('x'));
        with(&|r| r.object_id.push('x'));
        with(&|r| r.outcome.push('x'));
        with(&|r| r.detail.push('x'));
        with(&|r| r.request_id = Some(String::new()));
        with(&|r| r.remote = None);
        with(&|r| (r.request_id, r.remote) = (r.remote.clone(), None));
        let distinct: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }
}
