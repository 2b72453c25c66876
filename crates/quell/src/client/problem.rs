//! Answers that are no success, and connections that do not come about.

use std::error::Error as _;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Response, StatusCode, Url};
use serde_json::Value;

use crate::failure::{Advice, Failure};

/// The most of a problem document.
const MOST: usize = 256 << 10;

/// How long to pause before a repeat, where the answer says that one may help.
pub fn later(response: &Response) -> Option<Duration> {
    let status = response.status();
    if status != StatusCode::TOO_MANY_REQUESTS && status != StatusCode::SERVICE_UNAVAILABLE {
        return None;
    }
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Lets success pass; reads the problem document of anything else (RFC 9457).
pub async fn check(mut response: Response) -> Result<Response, Failure> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let is_problem = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|kind| kind.starts_with("application/problem+json"));
    let mut body = Vec::new();
    while let Ok(Some(piece)) = response.chunk().await {
        if body.len() + piece.len() > MOST {
            break;
        }
        body.extend_from_slice(&piece);
    }
    match serde_json::from_slice::<Value>(&body) {
        Ok(document) if is_problem => Err(from_document(&document)),
        _ => Err(Failure::new(format!("the server answered {status}"))
            .hint("is QUELL_URL the address of a Quell server?")),
    }
}

/// The failure that a problem document describes.
pub fn from_document(document: &Value) -> Failure {
    let text = |name: &str| document.get(name).and_then(Value::as_str).map(str::to_owned);
    let message = text("detail").or_else(|| text("title")).unwrap_or_else(|| "the server refused".to_owned());
    let fields = document.get("fields").and_then(Value::as_array).map(|fields| {
        fields
            .iter()
            .filter_map(|field| {
                let name = field.get("field")?.as_str()?;
                // In a text of lines, the place as editors and compilers write it.
                let place = |part: &str| field.get(part).and_then(Value::as_u64);
                let name = match (place("line"), place("column")) {
                    (Some(line), Some(column)) => format!("{name}:{line}:{column}"),
                    (Some(line), None) => format!("{name}:{line}"),
                    _ => name.to_owned(),
                };
                Some((name, field.get("problem")?.as_str()?.to_owned()))
            })
            // The message of a single field says it already.
            .filter(|(name, problem)| name.contains(':') || !message.contains(problem.as_str()))
            .collect()
    });
    let advice = Advice {
        fields: fields.unwrap_or_default(),
        hint: text("hint").or_else(|| text("code").as_deref().and_then(usual_hint).map(str::to_owned)),
        code: text("code"),
        request_id: text("request_id"),
    };
    Failure { advice: Box::new(advice), ..Failure::new(message) }
}

/// What usually helps, where the server says nothing better.
fn usual_hint(code: &str) -> Option<&'static str> {
    Some(match code {
        "not_eligible" => "quell approvals show <task> names who must agree; whoever asked never does",
        "policy_refused" => "quell policy show; whoever keeps the settings can change them",
        "forbidden" => "quell whoami shows what your roles allow; somebody with another role can do it",
        "cross_site" => "programs send a key or a session's token and no cookie: quell login",
        _ => return None,
    })
}

/// Why no answer came.
pub fn transport(base: &Url, error: reqwest::Error) -> Failure {
    let error = error.without_url();
    let failure = Failure::new(format!("no answer from {base}: {}", chain(&error)));
    if error.is_connect() {
        return failure.hint("is the server running (quell server), and is QUELL_URL right?");
    }
    if error.is_timeout() {
        return failure
            .hint("it may have happened: look before repeating, or repeat with the same --idempotency-key");
    }
    failure
}

/// An error with its causes.
pub fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Format;
    use serde_json::json;

    #[test]
    fn a_problem_document_becomes_a_failure() {
        let document = json!({
            "type": "urn:quell:problem:invalid_params", "status": 400, "code": "invalid_params",
            "title": "The parameters of the action are not acceptable", "detail": "params: 2 fields are not acceptable",
            "hint": "GET /api/v1/actions/endpoint.isolate shows the schema.",
            "fields": [{"field": "params.allow[0].network", "problem": "not an address or network in CIDR form"},
                       {"field": "params.canaries[3]", "problem": "must be a unicast address\u{1b}[31m"}],
            "request_id": "0190b0a0-0000-7000-8000-000000000000",
        });
        insta::assert_snapshot!(
            from_document(&document)
                .during("submitting endpoint.isolate for web-1")
                .render(Format::Table)
                .unwrap_or_default()
        );
        assert_eq!(from_document(&json!({})).message, "the server refused");
    }

    #[test]
    fn what_is_not_allowed_comes_with_what_to_try() {
        for code in ["not_eligible", "policy_refused", "forbidden", "cross_site"] {
            let document =
                json!({"code": code, "detail": "your decision would not count: you asked for it\u{1b}[2J"});
            let said = from_document(&document).render(Format::Table).unwrap_or_default();
            assert!(said.contains("\nhint: ") && said.contains(&format!("quell explain {code}")), "{said}");
            assert!(!said.contains('\u{1b}'), "{said}");
        }
        let own = from_document(&json!({"code": "forbidden", "detail": "no", "hint": "ask Ann"}));
        assert_eq!(own.advice.hint.as_deref(), Some("ask Ann"));
    }
}
