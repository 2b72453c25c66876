//! What a text is looked for by.

/// The pattern of `LIKE … ESCAPE '!'` that finds the text in lower case, whatever it holds of what `LIKE` reads otherwise.
pub(crate) fn of(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for character in text.to_lowercase().chars() {
        if matches!(character, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}
