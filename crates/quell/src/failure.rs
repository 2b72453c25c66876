//! What went wrong, in the one shape that a person sees: what happened to what, what to try, the code and the request.

use serde_json::{Value, json};

use crate::output::{Format, text};

/// Usage or a problem.
pub const PROBLEM: u8 = 1;
/// A task ended otherwise than succeeded.
pub const NOT_SUCCEEDED: u8 = 2;
/// The wait was over before the task.
pub const WAIT_OVER: u8 = 3;

/// The end of a command that did not do what was asked.
#[derive(Debug, Default)]
pub struct Failure {
    /// What happened to what. Empty where all is said already, and only the exit status remains.
    pub message: String,
    /// The exit status.
    pub exit: u8,
    /// What else is known.
    pub advice: Box<Advice>,
}

/// What helps with a failure.
#[derive(Debug, Default)]
pub struct Advice {
    /// What to try.
    pub hint: Option<String>,
    /// A stable code, for `quell explain`.
    pub code: Option<String>,
    /// The server's id of the request.
    pub request_id: Option<String>,
    /// Fields of the request and what is wrong with each.
    pub fields: Vec<(String, String)>,
}

impl Failure {
    /// A problem.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), exit: PROBLEM, ..Self::default() }
    }

    /// A problem with everything that caused it.
    pub fn of(error: &dyn std::error::Error) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            message = format!("{message}: {cause}");
            source = cause.source();
        }
        Self::new(message)
    }

    /// An exit status after an output that says it all.
    pub fn silent(exit: u8) -> Self {
        Self { exit, ..Self::default() }
    }

    /// Adds what to try.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.advice.hint = Some(hint.into());
        self
    }

    /// Puts what was being done before what happened.
    #[must_use]
    pub fn during(mut self, doing: &str) -> Self {
        self.message = format!("{doing}: {}", self.message);
        self
    }

    /// The text for a person, or one JSON object for a program. `None` where there is nothing to say.
    pub fn render(&self, format: Format) -> Option<String> {
        if self.message.is_empty() {
            return None;
        }
        Some(match format {
            Format::Table | Format::Csv => self.sentences(),
            Format::Json | Format::Jsonl => text::plain_json(&self.to_json().to_string()),
        })
    }

    fn sentences(&self) -> String {
        let mut lines = vec![format!("error: {}", text::visible(&self.message))];
        for (field, problem) in &self.advice.fields {
            lines.push(format!("  {}: {}", text::visible(field), text::visible(problem)));
        }
        if let Some(hint) = &self.advice.hint {
            lines.push(format!("hint: {}", text::visible(hint)));
        }
        if let Some(code) = &self.advice.code {
            let code = text::visible(code);
            lines.push(format!("code: {code} (more: quell explain {code})"));
        }
        if let Some(id) = &self.advice.request_id {
            lines.push(format!("request: {}", text::visible(id)));
        }
        lines.join("\n")
    }

    fn to_json(&self) -> Value {
        let Advice { hint, code, request_id, fields } = &*self.advice;
        let fields: Vec<Value> =
            fields.iter().map(|(field, problem)| json!({"field": field, "problem": problem})).collect();
        json!({"error": {
            "message": self.message, "hint": hint, "code": code, "request_id": request_id, "fields": fields,
        }})
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        // Who reads our output may stop at any line; that is no problem of ours.
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::silent(0);
        }
        Self::new(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_what_to_try_and_where_to_read_more() {
        let mut failure = Failure::new("submitting endpoint.isolate: `web-\u{202e}1` is not known")
            .hint("quell endpoints lists them");
        failure.advice.code = Some("endpoint_unknown".to_owned());
        failure.advice.request_id = Some("0190b0a0".to_owned());
        failure
            .advice
            .fields
            .push(("targets.endpoints[0]".to_owned(), "no such endpoint\u{1b}[2J".to_owned()));
        insta::assert_snapshot!(failure.render(Format::Table).unwrap_or_default());
        insta::assert_snapshot!(failure.render(Format::Json).unwrap_or_default());
        assert_eq!(failure.exit, PROBLEM);
    }

    #[test]
    fn a_reader_who_left_is_no_problem() {
        let failure = Failure::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
        assert_eq!((failure.exit, failure.render(Format::Table)), (0, None));
    }
}
