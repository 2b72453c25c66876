//! Markup that text cannot become: what is not a literal of this program is escaped on its way in.

use std::fmt::Write as _;

use crate::text::is_hidden;

/// A document that is being written.
#[derive(Debug, Default)]
pub struct Markup(String);

impl Markup {
    /// Adds markup of our own.
    pub fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Adds text: what has a meaning in markup is escaped, what hides is shown.
    pub fn text(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                // Writing into a string cannot fail.
                c if is_hidden(c) => {
                    let _ = write!(self.0, "\\u{{{:x}}}", u32::from(c));
                }
                c => self.0.push(c),
            }
        }
        self
    }

    /// Adds lines of text.
    pub fn lines(&mut self, text: &str) -> &mut Self {
        for (index, line) in text.lines().enumerate() {
            if index > 0 {
                self.raw("<br/>");
            }
            self.text(line);
        }
        self
    }

    /// Adds a number.
    pub fn number(&mut self, number: impl Into<i64>) -> &mut Self {
        let _ = write!(self.0, "{}", number.into());
        self
    }

    /// An element of ours around text.
    pub fn element(&mut self, open: &'static str, text: &str, close: &'static str) -> &mut Self {
        self.raw(open).text(text).raw(close)
    }

    /// The whole.
    pub fn finish(self) -> String {
        self.0
    }
}
