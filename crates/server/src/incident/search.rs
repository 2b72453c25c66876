//! By what incidents and detections are searched: lines of lower case, each once.

/// Bytes of all lines.
const MOST: usize = 4_000;

/// Adds lines to what something is searched by, each once, as far as there is room.
pub(crate) fn remember<'a>(search: &mut String, lines: impl Iterator<Item = &'a str>) {
    for line in lines {
        let line = line.replace(['\0', '\n'], " ").to_lowercase();
        let is_known = search.split('\n').any(|known| known == line);
        if !line.is_empty() && !is_known && search.len() + line.len() < MOST {
            if !search.is_empty() {
                search.push('\n');
            }
            search.push_str(&line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_there_once_and_there_is_an_end() {
        let mut search = String::new();
        remember(&mut search, ["Curl", "/tmp/x", "curl", "", "a\0b\nc"].into_iter());
        assert_eq!(search, "curl\n/tmp/x\na b c");
        let long = "x".repeat(MOST);
        remember(&mut search, [long.as_str(), "after"].into_iter());
        assert_eq!(search, "curl\n/tmp/x\na b c\nafter");
    }
}
