//! An intent in words: what an approver signs, read from the bytes that are signed.

use jiff::Timestamp;
use quell_catalog::ActionKind;
use quell_wire::Intent;
use quell_wire::digest::{Digest, hex};
use serde_json::Value;

use crate::failure::Failure;
use crate::output::text;

/// What the intent says, line by line.
pub(super) fn describe(
    intent: &Intent,
    digest: &Digest,
    targets: Option<&[(String, String)]>,
) -> Result<String, Failure> {
    let shown = |text: &str| text::visible(text).into_owned();
    let params: Value = serde_json::from_slice(&intent.params)
        .map_err(|_| Failure::new("the intent's parameters cannot be read; do not sign it"))?;
    let title = match ActionKind::from_id(&intent.action) {
        Some(kind) => format!(" ({})", kind.spec().title),
        None => " (unknown to this program)".to_owned(),
    };
    let requester = match &intent.requester {
        Some(who) => format!("{} ({} {})", shown(&who.name), shown(&who.kind), shown(&who.id)),
        None => "nobody".to_owned(),
    };
    let mut lines = vec![
        format!("action     {}{title}, revision {}", shown(&intent.action), intent.revision),
        format!("targets    {}", intent.target_count),
        format!("requester  {requester}"),
        format!("asked      {}", moment(intent.created_at_us)),
        format!("expires    {}", moment(intent.expires_at_us)),
        format!("tenant     {}", shown(&intent.tenant_id)),
        format!("task       {}", shown(&intent.task_id)),
    ];
    match targets {
        // The id is what is signed, the name is what the server says of it.
        Some(targets) => lines
            .extend(targets.iter().map(|(id, name)| format!("endpoint   {}  ({})", shown(id), shown(name)))),
        None => lines.push("endpoints  not shown: ask for the task at the server to see which".to_owned()),
    }
    if intent.revert_after_us > 0 {
        lines.push(format!("undone     by itself after {} s", intent.revert_after_us / 1_000_000));
    }
    if let Value::Object(params) = &params {
        for (name, value) in params {
            lines.push(format!("param      {} = {}", shown(name), text::plain_json(&value.to_string())));
        }
    }
    lines.push(format!("digest     {}", hex(digest)));
    Ok(lines.join("\n"))
}

fn moment(at_us: i64) -> String {
    Timestamp::from_microsecond(at_us)
        .map_or_else(|_| at_us.to_string(), |moment| moment.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use quell_wire::Requester;

    use super::*;

    #[test]
    fn a_deed_is_shown_with_nothing_hidden_in_it() {
        let intent = Intent {
            tenant_id: "acme".into(),
            task_id: "0190".into(),
            action: "endpoint.run_script".into(),
            revision: 1,
            params: serde_json::to_vec(&serde_json::json!({
                "script": "sha256:00", "arguments": ["--all", "\u{202e}txt.exe\u{1b}[2J"],
            }))
            .unwrap(),
            requester: Some(Requester {
                kind: "person".into(),
                id: "0191".into(),
                name: "Carl\nrequester  Ann".into(),
            }),
            created_at_us: 1_795_334_462_123_456,
            expires_at_us: 1_795_338_062_123_456,
            target_count: 12,
            revert_after_us: 0,
            ..Intent::default()
        };
        insta::assert_snapshot!(describe(&intent, &[7; 32], None).unwrap());
    }
}
