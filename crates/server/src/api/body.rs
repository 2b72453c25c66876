//! JSON bodies: bounded, and refused with the place and the name of what is wrong.

use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::problem::{Code, Problem};

/// 1 MiB, the most that a body may hold.
pub(crate) const MOST: usize = 1 << 20;

/// A JSON body, in or out.
#[derive(Debug)]
pub(crate) struct Json<T>(pub T);

/// A JSON body of up to `LIMIT` bytes.
#[derive(Debug)]
pub(crate) struct JsonUpTo<T, const LIMIT: usize>(pub T);

/// A JSON value of up to `LIMIT` bytes, whichever it is: an array too.
#[derive(Debug)]
pub(crate) struct AnyJson<const LIMIT: usize>(pub serde_json::Value);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(bytes) => {
                let kind = HeaderValue::from_static("application/json");
                ([(header::CONTENT_TYPE, kind)], bytes).into_response()
            }
            Err(error) => Problem::internal(&error).into_response(),
        }
    }
}

/// What was made, with its address.
pub(crate) fn created<T: Serialize>(location: &str, value: T) -> Response {
    let mut response = (StatusCode::CREATED, Json(value)).into_response();
    if let Ok(value) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, value);
    }
    response
}

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        read(request, MOST).await.map(Self)
    }
}

impl<S: Sync, T: DeserializeOwned, const LIMIT: usize> FromRequest<S> for JsonUpTo<T, LIMIT> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        read(request, LIMIT).await.map(Self)
    }
}

impl<S: Sync, const LIMIT: usize> FromRequest<S> for AnyJson<LIMIT> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        parse_any(text(&collect(request, LIMIT).await?)?).map(Self)
    }
}

/// A JSON body with its bytes, to which a person's confirmation is bound.
#[derive(Debug)]
pub(crate) struct JsonBytes<T>(pub T, pub Bytes);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for JsonBytes<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let bytes = collect(request, MOST).await?;
        Ok(Self(parse(&bytes)?, bytes))
    }
}

async fn read<T: DeserializeOwned>(request: Request, most: usize) -> Result<T, Problem> {
    parse(&collect(request, most).await?)
}

/// Media types that say nothing of what they hold.
const RAW: &[&str] = &["application/octet-stream", "text/plain"];

/// A body as it is, up to `most` bytes.
pub(crate) async fn raw(request: Request, most: usize) -> Result<Bytes, Problem> {
    if !RAW.iter().any(|kind| is_of(request.headers(), kind)) {
        return Err(Problem::new(
            Code::UnsupportedMediaType,
            "the body must be application/octet-stream or text/plain",
        ));
    }
    collect_any(request, most).await
}

async fn collect(request: Request, most: usize) -> Result<Bytes, Problem> {
    if !is_of(request.headers(), "application/json") {
        return Err(Problem::new(Code::UnsupportedMediaType, "the body must be application/json")
            .hint("Send `Content-Type: application/json`."));
    }
    collect_any(request, most).await
}

pub(crate) async fn collect_any(request: Request, most: usize) -> Result<Bytes, Problem> {
    let collected = Limited::new(request.into_body(), most).collect().await;
    collected.map(http_body_util::Collected::to_bytes).map_err(|error| {
        if error.is::<LengthLimitError>()
            || error.source().is_some_and(<dyn std::error::Error>::is::<LengthLimitError>)
        {
            Problem::new(Code::BodyTooLarge, format!("the body is larger than {most} bytes"))
        } else {
            Problem::new(Code::MalformedJson, "the body broke off")
        }
    })
}

fn is_of(headers: &HeaderMap, wanted: &str) -> bool {
    let Some(kind) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(wanted))
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let text = text(bytes)?;
    // serde would read an array as a struct, field by field.
    if text.trim_start().starts_with('[') {
        return Err(Problem::new(Code::InvalidField, "the body must be a JSON object")
            .field(".", "must be an object"));
    }
    parse_any(text)
}

fn text(bytes: &[u8]) -> Result<&str, Problem> {
    std::str::from_utf8(bytes).map_err(|error| {
        Problem::new(Code::InvalidUtf8, format!("the body is not UTF-8 at byte {}", error.valid_up_to()))
    })
}

fn parse_any<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    if let Some(at) = escaped_nul(text.as_bytes()) {
        let detail = format!("the body contains NUL (\\u0000) at byte {at}");
        return Err(Problem::new(Code::InvalidField, detail).field(".", "must not contain NUL"));
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        explain(&path, &error.into_inner())
    })?;
    reader.end().map_err(|error| explain(".", &error))?;
    Ok(value)
}

/// Where JSON writes a NUL in a text. It stands there escaped or not at all; PostgreSQL keeps no text with one.
fn escaped_nul(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(found) = text.get(at..)?.iter().position(|byte| *byte == b'\\') {
        at += found;
        if text[at..].starts_with(b"\\u0000") {
            return Some(at);
        }
        // What is escaped may be a backslash itself.
        at += 2;
    }
    None
}

fn explain(path: &str, error: &serde_json::Error) -> Problem {
    let place = format!("line {}, column {}", error.line(), error.column());
    // serde_json ends its sentences with the place; it is told once, in the same words for all.
    let text = error.to_string();
    let sentence = text.rsplit_once(" at line ").map_or(text.as_str(), |(sentence, _)| sentence);
    match error.classify() {
        serde_json::error::Category::Data => {
            let field = missing(path, sentence).unwrap_or_else(|| path.to_owned());
            let problem = Problem::new(Code::InvalidField, format!("{field}: {sentence} ({place})"))
                .field(field, sentence);
            if sentence.starts_with("unknown field") {
                problem.hint("Leave the field out, or correct its name.")
            } else {
                problem
            }
        }
        serde_json::error::Category::Io
        | serde_json::error::Category::Syntax
        | serde_json::error::Category::Eof => {
            Problem::new(Code::MalformedJson, format!("{sentence} at {place}"))
        }
    }
}

/// The path of a field that is missing: serde knows only where it should have been.
fn missing(path: &str, sentence: &str) -> Option<String> {
    let name = sentence.strip_prefix("missing field `")?.strip_suffix('`')?;
    Some(if path == "." { name.to_owned() } else { format!("{path}.{name}") })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only parsed")]
    struct Outer {
        inner: Inner,
        list: Vec<u8>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only parsed")]
    struct Inner {
        name: String,
    }

    fn problem(body: &[u8]) -> String {
        let problem = parse::<Outer>(body).unwrap_err();
        format!("{problem:?}")
    }

    #[test]
    fn what_is_wrong_is_named() {
        insta::assert_snapshot!(
            [
                &b"{"[..],
                b"",
                b"{} x",
                b"{\"inner\":{\"name\":\"x\"},\"list\":[]} {}",
                b"{\"inner\":{\"name\":1},\"list\":[]}",
                b"{\"inner\":{\"nmae\":\"x\"},\"list\":[]}",
                b"{\"inner\":{\"name\":\"x\"},\"list\":[1,300]}",
                b"{\"inner\":{\"name\":\"x\"}}",
                b"[]",
                b"{\"inner\":\"\xff\"}",
            ]
            .map(problem)
            .join("\n")
        );
    }

    #[test]
    fn nul_is_refused_and_what_looks_like_it_is_not() {
        let read = |text: &str| parse_any::<serde_json::Value>(text);
        for bad in [r#"{"a":"\u0000"}"#, r#"["x\\\u0000"]"#, r#"{"\u0000":1}"#] {
            let problem = format!("{:?}", read(bad).unwrap_err());
            assert!(problem.contains("NUL"), "{bad}: {problem}");
        }
        for good in [r#"["\\u0000"]"#, r#"["\u0001"]"#, r#"["u0000"]"#] {
            assert!(read(good).is_ok(), "{good}");
        }
        assert!(read("\"\\").is_err());
    }

    #[test]
    fn depth_is_bounded() {
        let deep = b"[".repeat(100_000);
        assert!(parse::<serde_json::Value>(&deep).is_err());
        assert!(parse_any::<serde_json::Value>(text(&deep).unwrap()).is_err());
    }
}
