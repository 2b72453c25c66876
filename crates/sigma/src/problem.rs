//! What is wrong with a rule, and where. A rule that is not wholly understood is refused: half a rule would be silence that
//! looks like peace.

use crate::yaml::Place;

/// What is wrong with a rule, or worth knowing about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct Problem {
    /// Which of the texts that were handed in, from 0.
    pub text: usize,
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it; empty where nothing can be said.
    pub hint: String,
    /// The rule is not in the set. Otherwise a remark: it is.
    pub refused: bool,
}

impl Problem {
    pub(crate) fn at(place: Place, message: impl Into<String>) -> Self {
        let Place { line, column } = place;
        Self { text: 0, line, column, message: message.into(), hint: String::new(), refused: true }
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    #[must_use]
    pub(crate) fn remark(mut self) -> Self {
        self.refused = false;
        self
    }

    #[must_use]
    pub(crate) fn of(mut self, text: usize) -> Self {
        self.text = text;
        self
    }
}

/// A foreign word as it may be shown: no control characters, not long.
pub(crate) fn shown(text: &str) -> String {
    let short: String = text.chars().filter(|c| !c.is_control()).take(60).collect();
    if text.chars().nth(60).is_some() { short + "…" } else { short }
}

/// The known word that was probably meant: one or two letters away.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > 40 {
        return None;
    }
    let near = |known: &'a str| (distance(word, known), known);
    let (distance, found) = known.into_iter().map(near).min()?;
    (distance <= 2 && distance < word.len()).then_some(found)
}

/// Edits between two words, letters of either case alike.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.to_lowercase().chars().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in other.iter().enumerate() {
            let best = (corner + usize::from(a != *b)).min(row[j] + 1).min(row[j + 1] + 1);
            corner = std::mem::replace(&mut row[j + 1], best);
        }
    }
    row[other.len()]
}
