//! What a search for endpoints looks at: the words by which people know a machine, in lower case, one text a row.

use serde_json::Value;

/// Longest text, bytes.
const MOST: usize = 4096;
/// Addresses and people of one endpoint that are found.
const ENTRIES: usize = 32;
/// Longest of what an agent says, bytes.
const WORD: usize = 256;
/// Between words, so that nothing is found across two of them.
const BETWEEN: char = '\n';

/// The text: what people gave first, since an agent must not push it out.
pub(super) fn text(name: &str, tags: &str, facts: &str) -> String {
    let tags: Vec<String> = serde_json::from_str(tags).unwrap_or_default();
    let facts: Value = serde_json::from_str(facts).unwrap_or_default();
    let said = |key: &str| facts.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let list = |key: &str| {
        let entries = facts.get(key).and_then(Value::as_array).into_iter().flatten();
        entries.filter_map(Value::as_str).take(ENTRIES).map(str::to_owned).collect::<Vec<_>>()
    };
    let system = format!("{} {}", said("os_name"), said("os_version"));
    let mut words = vec![name.to_owned()];
    words.extend(tags);
    words.push(said("hostname"));
    words.extend(list("addresses"));
    words.extend(list("logged_on"));
    words.push(system.trim().to_owned());
    let mut text = String::new();
    for word in words.iter().filter(|word| !word.is_empty()) {
        let word = word.get(..word.floor_char_boundary(WORD)).unwrap_or_default().to_lowercase();
        if text.len() + word.len() >= MOST {
            break;
        }
        if !text.is_empty() {
            text.push(BETWEEN);
        }
        text.extend(word.chars().filter(|character| !character.is_control()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_look_for_is_there_and_bounded() {
        let facts = serde_json::json!({ "hostname": "WEB-1.Example", "addresses": ["10.0.0.7", 7], "logged_on": ["Ann"],
            "os_name": "Debian GNU/Linux", "os_version": "12", "memory": 1 });
        let found = text("Reception", "[\"Lab\"]", &facts.to_string());
        assert_eq!(found, "reception\nlab\nweb-1.example\n10.0.0.7\nann\ndebian gnu/linux 12");
        let hostile =
            serde_json::json!({ "hostname": "x\n".repeat(5000), "addresses": vec!["ä".repeat(5000); 500] });
        let found = text("Reception", "[\"Lab\"]", &hostile.to_string());
        assert!(found.len() <= MOST && found.starts_with("reception\nlab\n"));
        assert_eq!(text("a", "no json", "no json"), "a");
    }
}
