//! Texts that people write and others read: bounded, and without characters that deceive.

use crate::problem::Problem;

/// Tags of one endpoint.
const MOST_TAGS: usize = 32;

/// The text, trimmed, if it has between one and `most` characters and is clean.
pub(crate) fn checked(field: &str, text: &str, most: usize) -> Result<String, Problem> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Problem::bad_field(field, "must not be empty"));
    }
    bounded(field, text, most)
}

/// The same, where nothing is well too.
pub(crate) fn bounded(field: &str, text: &str, most: usize) -> Result<String, Problem> {
    if text.chars().count() > most {
        return Err(Problem::bad_field(field, format!("longer than {most} characters")));
    }
    if !quell_catalog::is_clean_text(text) {
        return Err(Problem::bad_field(field, "contains control characters"));
    }
    Ok(text.to_owned())
}

/// Tags as people give them: each once, in their order.
pub(crate) fn checked_tags(tags: &[String]) -> Result<Vec<String>, Problem> {
    if tags.len() > MOST_TAGS {
        return Err(Problem::bad_field("tags", format!("more than {MOST_TAGS}")));
    }
    let mut clean = Vec::with_capacity(tags.len());
    for (index, tag) in tags.iter().enumerate() {
        let tag = checked(&format!("tags[{index}]"), tag, 64)?;
        if !clean.contains(&tag) {
            clean.push(tag);
        }
    }
    Ok(clean)
}
