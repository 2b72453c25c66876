//! What an outcome, which its endpoint signs, says of a file that came with it.

use serde_json::Value;

/// The SHA-256 by which the outcome names the file with this artifact id: its archive, its recording, a part of its rows, or
/// one that a shell's verb moved.
/// Nothing deeper is looked at: rows hold what was found, and that may be anything.
pub fn sealed<'a>(outcome: &'a Value, artifact: &str) -> Option<&'a str> {
    let of = |file: &'a Value| {
        let is_it = file.get("artifact_id").and_then(Value::as_str) == Some(artifact);
        file.get("sha256").and_then(Value::as_str).filter(|_| is_it)
    };
    let told = outcome.as_object()?;
    let one = told.values().find_map(|file| {
        let parts = file.get("parts").and_then(Value::as_array);
        of(file).or_else(|| parts.into_iter().flatten().find_map(of))
    });
    let moved = told.get("files").and_then(Value::as_array).into_iter().flatten();
    one.or_else(|| moved.filter_map(|file| file.get("artifact")).find_map(of))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_kind_of_file_is_found_and_nothing_that_rows_say() {
        let outcome = json!({
            "archive": { "artifact_id": "a", "sha256": "1" }, "recording": { "artifact_id": "b", "sha256": "2" },
            "rows": { "parts": [{ "artifact_id": "c", "sha256": "3" }],
                "shown": [{ "artifact_id": "d", "sha256": "4" }] },
            "files": [{ "sha256": "6", "artifact": { "artifact_id": "e", "sha256": "5" } }, { "artifact_id": "f", "sha256": "7" }],
        });
        let found = ["a", "b", "c", "d", "e", "f"].map(|id| sealed(&outcome, id));
        assert_eq!(found, [Some("1"), Some("2"), Some("3"), None, Some("5"), None]);
        assert_eq!(sealed(&json!(null), "a"), None);
    }
}
