//! The server's receipt: that the file arrived stands in the audit trail, under a signed checkpoint.

use jiff::Timestamp;
use prost::Message as _;
use quell_audit::{Checkpoint, Keys, decode, open};
use quell_store::audit::Record;
use quell_wire::digest::Digest;
use quell_wire::keys::key_id;
use quell_wire::merkle::includes;
use serde_json::Value;
use uuid::Uuid;

use super::{Check, unhex};
use crate::output::table::field;
use crate::output::text;

/// Checks it. Also answers the record, where it holds: nothing else of the receipt was signed.
pub(super) fn check(custody: &Value, sha256: &str, known: Option<&str>) -> (Check, Option<Record>) {
    match proven(custody, sha256, known) {
        Ok((record, key)) => {
            let whose =
                if known.is_some() { "the key that you named" } else { "compare it with the server's" };
            let at = moment(&record).map_or_else(String::new, |at| format!("{at:.6}"));
            let detail = format!("received {at}, signed by key {}, {whose}", key_id(&key));
            (Check::new("receipt", true, detail), Some(record))
        }
        Err(why) => (Check::new("receipt", false, why), None),
    }
}

fn proven(custody: &Value, sha256: &str, known: Option<&str>) -> Result<(Record, Vec<u8>), String> {
    let bytes = |path: &str| unhex(&field(custody, &format!("/receipt{path}")));
    let parts = (bytes("/record"), bytes("/checkpoint"), bytes("/signature"), bytes("/key"));
    let (Some(record), Some(body), Some(signature), Some(key)) = parts else {
        return Err("there is none in it".to_owned());
    };
    if known.is_some_and(|known| known.to_ascii_lowercase() != text::hex(&key)) {
        return Err("it is signed with another key than the one you named".to_owned());
    }
    let signed = Checkpoint::decode(body.as_slice()).map_err(|_| "no checkpoint")?;
    let tenant = Uuid::from_slice(&signed.tenant).unwrap_or_default();
    let row = quell_store::checkpoint::Checkpoint {
        tenant_id: tenant,
        batch: signed.batch.cast_signed(),
        body,
        signature,
        key_id: key_id(&key),
    };
    open(&row, &Keys::new([key.clone()]))
        .map_err(|fault| format!("the checkpoint cannot be believed: {fault}"))?;
    if !stands(custody, &record, signed.root, signed.count) {
        return Err("the record does not stand under the checkpoint".to_owned());
    }
    let record = decode(&record).filter(|record| record.tenant_id == tenant).ok_or("the record is none")?;
    if !is_of_file(&record, &field(custody, "/artifact_id"), sha256) {
        return Err("the record is of another file, or of something else than its arrival".to_owned());
    }
    let told = field(custody, "/receipt/received_at").parse::<Timestamp>().ok();
    if told.is_none() || told != moment(&record) {
        return Err("it tells another time of arrival than the record that was signed".to_owned());
    }
    Ok((record, key))
}

fn stands(custody: &Value, record: &[u8], root: Vec<u8>, count: u64) -> bool {
    let proof: Option<Vec<Digest>> = custody
        .pointer("/receipt/proof")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
        .map(|hash| unhex(hash.as_str()?)?.try_into().ok())
        .collect();
    let root: Option<Digest> = root.try_into().ok();
    let index = custody.pointer("/receipt/index").and_then(Value::as_u64);
    match (proof, root, index) {
        (Some(proof), Some(root), Some(index)) => includes(&root, record, index, count, &proof),
        _ => false,
    }
}

/// Field by field: a name that somebody chose stands in a record too, and may look like any of them.
fn is_of_file(record: &Record, artifact: &str, sha256: &str) -> bool {
    record.verb == "artifact.store"
        && record.outcome == "ok"
        && record.object_kind == "artifact"
        && record.object_id == artifact
        && detail(record, "/sha256") == sha256
}

/// A text of the record's detail.
pub(super) fn detail(record: &Record, pointer: &str) -> String {
    serde_json::from_str(&record.detail)
        .map_or_else(|_| String::new(), |detail: Value| field(&detail, pointer))
}

fn moment(record: &Record) -> Option<Timestamp> {
    Timestamp::from_microsecond(record.at).ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use quell_wire::keys::{Domain, SigningKey};
    use quell_wire::merkle::Tree;
    use serde_json::json;

    use super::*;

    const ARTIFACT: &str = "0198c0de-0000-8000-8000-000000000001";

    fn record(verb: &str, actor_name: &str) -> Record {
        Record {
            tenant_id: Uuid::from_u128(1),
            id: Uuid::from_u128(2),
            at: 1_795_334_462_123_456,
            actor_kind: "api_key".to_owned(),
            actor_id: "4".to_owned(),
            actor_name: actor_name.to_owned(),
            verb: verb.to_owned(),
            object_kind: "artifact".to_owned(),
            object_id: ARTIFACT.to_owned(),
            outcome: "ok".to_owned(),
            detail: json!({ "sha256": "aa" }).to_string(),
            request_id: None,
            remote: None,
        }
    }

    /// A custody whose receipt is of this record, rightly signed.
    fn custody(record: &Record) -> Value {
        let key = SigningKey::from_pkcs8(&SigningKey::generate().unwrap()).unwrap();
        let leaf = quell_audit::encode(record);
        let checkpoint = Checkpoint {
            tenant: record.tenant_id.as_bytes().to_vec(),
            count: 1,
            root: Tree::new(std::slice::from_ref(&leaf)).unwrap().root().to_vec(),
            first: record.id.as_bytes().to_vec(),
            last: record.id.as_bytes().to_vec(),
            ..Checkpoint::default()
        };
        let body = checkpoint.encode_to_vec();
        let signature = key.sign(Domain::AuditCheckpoint, &body);
        json!({ "artifact_id": ARTIFACT, "receipt": {
            "received_at": "2026-11-22T08:01:02.123456Z", "index": 0, "proof": [],
            "record": text::hex(&leaf), "checkpoint": text::hex(&body), "signature": text::hex(&signature),
            "key": text::hex(&key.public()),
        } })
    }

    fn holds(custody: &Value, sha256: &str) -> bool {
        check(custody, sha256, None).0.holds == Some(true)
    }

    #[test]
    fn a_receipt_is_of_one_file_and_of_its_arrival() {
        let good = custody(&record("artifact.store", "agent"));
        assert!(holds(&good, "aa"), "{}", check(&good, "aa", None).0.detail);
        assert!(!holds(&good, "bb"));
        let named = format!("artifact.store \"sha256\":\"bb\" {ARTIFACT}");
        assert!(!holds(&custody(&record("artifact.download", &named)), "bb"), "a name is no field");
    }

    #[test]
    fn the_time_is_the_one_that_was_signed() {
        let mut edited = custody(&record("artifact.store", "agent"));
        edited["receipt"]["received_at"] = json!("1999-01-01T00:00:00Z");
        assert!(!holds(&edited, "aa"));
    }
}
