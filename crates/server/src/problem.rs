//! Errors as people and programs see them: problem documents (RFC 9457), one code each, one page of advice each.
//!
//! A handler answers a [`Problem`]; the outermost layer gives it the request's id and writes it out, so that no
//! error leaves without one.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

macro_rules! codes {
    ($($variant:ident = $code:literal, $status:literal, $title:literal;)+) => {
        /// Every error code of the API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = concat!("`", $code, "` (", stringify!($status), "): ", $title, ".")] $variant,)+
        }

        impl Code {
            /// Every code, in the order of the list.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// The HTTP status that it travels with.
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)+ }
            }

            /// The same few words for every occurrence.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ }
            }

            /// The page of advice, Markdown.
            pub const fn page(self) -> &'static str {
                match self {
                    $(Self::$variant => include_str!(concat!("../../../docs/errors/", $code, ".md")),)+
                }
            }
        }
    };
}

codes! {
    MalformedJson = "malformed_json", 400, "The body is not JSON";
    InvalidUtf8 = "invalid_utf8", 400, "The body is not UTF-8";
    InvalidField = "invalid_field", 400, "A field is not acceptable";
    InvalidQuery = "invalid_query", 400, "The query is not acceptable";
    InvalidHeader = "invalid_header", 400, "A header is not acceptable";
    InvalidParams = "invalid_params", 400, "The parameters of the action are not acceptable";
    UnknownAction = "unknown_action", 400, "There is no such action";
    UnknownTarget = "unknown_target", 400, "A target is not known";
    AmbiguousTarget = "ambiguous_target", 400, "A name fits several endpoints";
    NoTargets = "no_targets", 400, "There is nothing to act on";
    CountNotConfirmed = "count_not_confirmed", 400, "The number of targets is not confirmed";
    Unauthenticated = "unauthenticated", 401, "A valid API key or session is needed";
    LoginFailed = "login_failed", 401, "The sign-in failed";
    TotpNeeded = "totp_needed", 401, "A one-time code is needed";
    PasskeyRefused = "passkey_refused", 401, "The passkey is not accepted";
    Forbidden = "forbidden", 403, "The caller's roles do not allow it";
    CrossSite = "cross_site", 403, "The request comes from another site";
    StepUpNeeded = "step_up_needed", 403, "The person has to confirm it";
    NotEligible = "not_eligible", 403, "The decision would not count";
    PolicyRefused = "policy_refused", 403, "The approval policy does not let anybody do this";
    NotFound = "not_found", 404, "There is no such thing";
    MethodNotAllowed = "method_not_allowed", 405, "The method does not fit the resource";
    NotAcceptable = "not_acceptable", 406, "The format is not offered";
    Conflict = "conflict", 409, "It stands in the way of something";
    IdempotencyConflict = "idempotency_conflict", 409, "The idempotency key was used for another request";
    TargetRefused = "target_refused", 409, "A target cannot take this action";
    NotOffered = "not_offered", 409, "The incident does not offer this";
    NotUndoable = "not_undoable", 409, "It cannot be undone";
    TaskOpen = "task_open", 409, "Commands of the task are open";
    TenantChanged = "tenant_changed", 409, "The session stands for another tenant";
    NotCancelable = "not_cancelable", 409, "It has ended already";
    LastAdministrator = "last_administrator", 409, "The tenant would be left without an administrator";
    ArtifactNotReady = "artifact_not_ready", 409, "The file is not complete";
    LinkGone = "link_gone", 410, "The link is over";
    ArchiveUnreadable = "archive_unreadable", 422, "The archive cannot be read here";
    ArtifactGone = "artifact_gone", 410, "The file is no longer kept";
    SetupClosed = "setup_closed", 410, "The first set-up is over";
    TicketGone = "ticket_gone", 410, "The link is no longer good";
    BodyTooLarge = "body_too_large", 413, "The body is too large";
    UnsupportedMediaType = "unsupported_media_type", 415, "The body's media type is not understood";
    RangeNotSatisfiable = "range_not_satisfiable", 416, "The range lies outside the file";
    TooManyRequests = "too_many_requests", 429, "Too many requests";
    RequestTimeout = "request_timeout", 408, "The request took too long";
    Internal = "internal", 500, "The server failed";
    Unavailable = "unavailable", 503, "The server cannot do it now";
    StorageFull = "storage_full", 507, "The server's disk is full";
}

impl Code {
    /// The code with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == name)
    }
}

/// The page of advice on a code, Markdown; `None` where there is no such code.
pub fn explain(code: &str) -> Option<&'static str> {
    Code::from_name(code).map(Code::page)
}

/// One field that is not acceptable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Field {
    /// Dotted path from the body's root, `targets.endpoints[2]`; `.` for the whole.
    pub field: String,
    /// What is wrong with it.
    pub problem: String,
    /// Where within the field, where it is a text of lines: from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The character in that line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
}

/// What the API answers when it does not do what was asked.
#[derive(Clone, Debug)]
pub struct Problem {
    code: Code,
    detail: String,
    hint: Option<String>,
    fields: Vec<Field>,
    retry_after_s: Option<u32>,
}

/// A problem document (RFC 9457), as `application/problem+json`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Document<'a> {
    /// A URI that names the kind of problem.
    #[serde(rename = "type")]
    kind: String,
    /// The HTTP status.
    status: u16,
    /// Stable code; `quell explain <code>` shows its page.
    code: &'static str,
    /// A few words, the same for every occurrence of the code.
    title: &'static str,
    /// What happened this time, safe to show.
    detail: &'a str,
    /// What to try.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
    /// Fields that are not acceptable.
    #[serde(skip_serializing_if = "<[Field]>::is_empty")]
    fields: &'a [Field],
    /// The request, as the server's log and audit name it.
    request_id: &'a str,
}

impl Problem {
    /// A problem with its detail, safe to show.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), hint: None, fields: Vec::new(), retry_after_s: None }
    }

    /// What to try.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// One more field that is not acceptable.
    #[must_use]
    pub fn field(self, field: impl Into<String>, problem: impl Into<String>) -> Self {
        self.field_at(field, (0, 0), problem)
    }

    /// The same with its line and column, each 0 where there is none.
    #[must_use]
    pub fn field_at(
        mut self,
        field: impl Into<String>,
        (line, column): (u32, u32),
        problem: impl Into<String>,
    ) -> Self {
        let place = |number: u32| (number > 0).then_some(number);
        self.fields.push(Field {
            field: field.into(),
            problem: problem.into(),
            line: place(line),
            column: place(column),
        });
        self
    }

    /// The same about a part of the body: its fields are below `field`, and what happened is said of `part`.
    #[must_use]
    pub fn within(mut self, field: &str, part: &str) -> Self {
        self.detail = format!("{part}: {}", self.detail);
        for inner in &mut self.fields {
            inner.field = format!("{field}.{}", inner.field);
        }
        self
    }

    /// Seconds after which a repeat may succeed.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// A single bad field of the body.
    pub fn bad_field(field: impl Into<String>, problem: impl Into<String>) -> Self {
        let (field, problem) = (field.into(), problem.into());
        Self::new(Code::InvalidField, format!("{field}: {problem}")).field(field, problem)
    }

    /// There is no such thing, or it is another tenant's: the two are not told apart.
    pub fn not_found(what: &str) -> Self {
        Self::new(Code::NotFound, format!("there is no such {what}"))
    }

    /// The server's own fault. The cause goes to the log, never to the caller.
    pub fn internal(cause: &(dyn std::error::Error + 'static)) -> Self {
        let mut chain = cause.to_string();
        let mut source = cause.source();
        while let Some(error) = source {
            chain.push_str(": ");
            chain.push_str(&error.to_string());
            source = error.source();
        }
        tracing::error!(error = %chain, "a request failed");
        Self::new(Code::Internal, "the server failed; its log has the cause under this request id")
    }

    /// Its code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// What happened, safe to show.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// What happened, what to try, and the fields that are not acceptable.
    pub(crate) fn into_words(self) -> (String, Option<String>, Vec<Field>) {
        (self.detail, self.hint, self.fields)
    }

    /// The finished answer.
    pub(crate) fn into_document(self, request_id: &str) -> Response {
        let document = Document {
            kind: format!("urn:quell:problem:{}", self.code.as_str()),
            status: self.code.status(),
            code: self.code.as_str(),
            title: self.code.title(),
            detail: &self.detail,
            hint: self.hint.as_deref(),
            fields: &self.fields,
            request_id,
        };
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.code == Code::Unauthenticated {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"quell\""));
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<quell_store::Error> for Problem {
    fn from(error: quell_store::Error) -> Self {
        use quell_store::Error as Store;
        match error {
            Store::NotFound(what) => Self::not_found(what),
            Store::Conflict(what) => {
                Self::new(Code::Conflict, format!("{what}: exists already, or was changed meanwhile"))
            }
            Store::Busy | Store::Unavailable(_) => {
                tracing::warn!(%error, "the database could not take a request");
                Self::new(Code::Unavailable, "the database cannot take the request now; nothing was changed")
                    .hint("Repeat it in a moment; send an Idempotency-Key with what must not happen twice.")
                    .retry_after(2)
            }
            Store::CommitUnknown(_) => {
                tracing::error!(%error, "a commit's fate is not known");
                Self::new(
                    Code::Unavailable,
                    "the database went away while the change was committed; it may have happened",
                )
                .hint("Look before repeating, or repeat with the same Idempotency-Key.")
            }
            Store::Full => {
                Self::new(Code::StorageFull, "the database has no space left; nothing was changed")
                    .hint("Free space on the server's disk.")
            }
            Store::Invalid(_)
            | Store::Corrupt(_)
            | Store::Schema(_)
            | Store::Address(_)
            | Store::Panicked
            | Store::Io(_)
            | Store::Database(_) => Self::internal(&error),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_code_has_its_page_and_none_is_left_over() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors");
        let pages: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let codes: BTreeSet<String> = Code::ALL.iter().map(|code| format!("{}.md", code.as_str())).collect();
        assert_eq!(pages, codes);
        for code in Code::ALL {
            let page = explain(code.as_str()).unwrap();
            assert!(page.starts_with(&format!("# {}\n", code.as_str())), "{}", code.as_str());
            for part in ["## What happened", "## Likely causes", "## What to try"] {
                assert!(page.contains(part), "{} lacks {part}", code.as_str());
            }
        }
    }

    #[test]
    fn each_status_is_one_of_an_error() {
        for code in Code::ALL {
            assert!((400..600).contains(&code.status()), "{}", code.as_str());
            assert_eq!(Code::from_name(code.as_str()), Some(*code));
        }
        assert_eq!(explain("no_such_code"), None);
    }
}
