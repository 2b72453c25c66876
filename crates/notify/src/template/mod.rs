//! Texts of notices: the defaults that come with Quell, and those that a tenant puts in their place.
//!
//! A tenant's template is a program of somebody who may not harm the server or other tenants. It is rendered with fuel,
//! into a bounded buffer, in a dialect in which no value can grow: see [`mod@dialect`].

mod default;
mod dialect;
mod render;

pub use render::{Entry, Letter, Scene, render, render_default};

use crate::Kind;

/// The longest subject template, in bytes.
pub const SUBJECT: usize = 500;
/// The longest text of a template, in bytes.
pub const BODY: usize = 32 << 10;

/// What a tenant says instead of the default; what is absent stays the default's.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// The subject, one line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The plain text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The HTML.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
}

/// A part of a template that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{part}: {problem}{}", line.map(|line| format!(" (line {line})")).unwrap_or_default())]
pub struct BadTemplate {
    /// `subject`, `text` or `html`.
    pub part: &'static str,
    /// In which line of it, from 1.
    pub line: Option<usize>,
    /// What is wrong.
    pub problem: String,
}

impl Template {
    /// What the parts are where the tenant says nothing.
    pub fn default_of(kind: Kind) -> Self {
        Self {
            subject: Some(default::subject(kind).to_owned()),
            text: Some(default::TEXT.to_owned()),
            html: Some(default::HTML.to_owned()),
        }
    }

    /// Renders every part with made-up values, all of which are there: a name that is misspelt is found now. Answers what
    /// came out.
    pub fn check(&self, kind: Kind) -> Result<Letter, BadTemplate> {
        for (part, text, most) in
            [("subject", &self.subject, SUBJECT), ("text", &self.text, BODY), ("html", &self.html, BODY)]
        {
            let Some(text) = text else { continue };
            let bad = |line, problem: String| BadTemplate { part, line, problem };
            if text.len() > most {
                return Err(bad(None, format!("longer than {most} bytes")));
            }
            dialect::check(text).map_err(|wrong| bad(Some(wrong.line), wrong.problem))?;
        }
        render::check(self, kind)
    }
}
