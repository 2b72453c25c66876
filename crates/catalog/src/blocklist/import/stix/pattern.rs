//! Patterns of STIX, as far as a list can say what they say: comparisons for equality, joined by `OR`.

use crate::blocklist::Kind;

/// Bytes of a pattern, and comparisons of one.
const PATTERN: usize = 8 << 10;
const COMPARISONS: usize = 64;

/// `[path = 'value' OR path = 'value'] OR [path = 'value']`.
pub(super) fn comparisons(pattern: &str) -> Result<Vec<(Kind, String)>, String> {
    if pattern.len() > PATTERN {
        return Err("the pattern is too long".to_owned());
    }
    let mut tokens = tokens(pattern)?.into_iter();
    let mut found = Vec::new();
    let simple = "only comparisons with `=`, joined by OR, are understood";
    loop {
        if tokens.next() != Some(Token::Open) {
            return Err(simple.to_owned());
        }
        loop {
            let (Some(Token::Word(path)), Some(Token::Equals), Some(Token::Text(text))) =
                (tokens.next(), tokens.next(), tokens.next())
            else {
                return Err(simple.to_owned());
            };
            found.push((kind(&path)?, text));
            if found.len() > COMPARISONS {
                return Err(format!("more than {COMPARISONS} comparisons"));
            }
            match tokens.next() {
                Some(Token::Word(word)) if word == "OR" => {}
                Some(Token::Close) => break,
                _ => return Err(simple.to_owned()),
            }
        }
        match tokens.next() {
            None => return Ok(found),
            Some(Token::Word(word)) if word == "OR" => {}
            Some(_) => return Err(simple.to_owned()),
        }
    }
}

fn kind(path: &str) -> Result<Kind, String> {
    let path = path.replace(['\'', '"'], "").to_ascii_lowercase();
    Ok(match path.as_str() {
        "file:hashes.sha-256" | "file:hashes.sha256" => Kind::Sha256,
        "file:hashes.sha-1" | "file:hashes.sha1" => Kind::Sha1,
        "ipv4-addr:value" | "ipv6-addr:value" => Kind::Ip,
        "domain-name:value" => Kind::Domain,
        "url:value" => Kind::Url,
        "email-addr:value" | "email-message:from_ref.value" | "email-message:sender_ref.value" => {
            Kind::Sender
        }
        _ => {
            return Err(format!(
                "{:?} is nothing that can be listed",
                path.chars().take(60).collect::<String>()
            ));
        }
    })
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    Equals,
    /// A parenthesis, which groups what a list cannot say.
    Group,
    Word(String),
    Text(String),
}

fn tokens(pattern: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            c if c.is_whitespace() => continue,
            '[' => Token::Open,
            ']' => Token::Close,
            '=' => Token::Equals,
            '(' | ')' => Token::Group,
            '\'' => {
                let mut text = String::new();
                loop {
                    match chars.next() {
                        Some('\\') => text.extend(chars.next()),
                        Some('\'') => break,
                        Some(c) => text.push(c),
                        None => return Err("a quote is not closed".to_owned()),
                    }
                }
                Token::Text(text)
            }
            c => {
                let mut word = String::from(c);
                let mut is_quoted = false;
                while let Some(c) =
                    chars.next_if(|c| is_quoted || !(c.is_whitespace() || "[]()=".contains(*c)))
                {
                    // A property's name may be quoted within its path: hashes.'SHA-256'.
                    is_quoted ^= c == '\'';
                    word.push(c);
                }
                Token::Word(word)
            }
        });
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use serde_json::json;

    use crate::blocklist::RiskLevel;
    use crate::blocklist::import::{self, Imported};

    fn bundle(patterns: &[&str]) -> Imported {
        let objects: Vec<_> = patterns
            .iter()
            .map(|pattern| {
                json!({ "type": "indicator", "pattern": pattern, "pattern_type": "stix", "confidence": 80,
                "name": "n", "valid_until": "2027-01-01T00:00:00.5Z" })
            })
            .chain([json!({ "type": "malware", "name": "x" })])
            .collect();
        import::read(json!({ "type": "bundle", "objects": objects }).to_string().as_bytes()).unwrap()
    }

    #[test]
    fn simple_patterns_are_understood() {
        let imported = bundle(&[
            "[file:hashes.'SHA-256' = 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa']",
            "[ipv4-addr:value='192.0.2.0/24' OR domain-name:value = 'Evil.example']",
            "[url:value = 'http://evil.example/it\\'s'] OR [email-addr:value = 'a@evil.example']",
        ]);
        assert_eq!(imported.problems, []);
        let shown: Vec<String> = imported.entries.iter().map(|entry| entry.value.to_string()).collect();
        assert_eq!(
            shown[1..],
            ["192.0.2.0/24", "evil.example", "http://evil.example/it's", "a@evil.example"]
        );
        let first = &imported.entries[0];
        assert_eq!((first.risk, first.valid_until_us), (Some(RiskLevel::High), Some(1_798_761_600_500_000)));
    }

    #[test]
    fn what_a_list_cannot_say_is_told() {
        for pattern in [
            "[a:b = 'x' AND c:d = 'y']",
            "[ipv4-addr:value = '192.0.2.1'] FOLLOWEDBY [ipv4-addr:value = '192.0.2.2']",
            "[ipv4-addr:value != '192.0.2.1']",
            "[ipv4-addr:value LIKE '192.%']",
            "[file:hashes.MD5 = 'd41d8cd98f00b204e9800998ecf8427e']",
            "[ipv4-addr:value = '192.0.2.1",
            "[ipv4-addr:value = '0.0.0.0/0']",
            "",
            "[",
            "]]]]",
        ] {
            let imported = bundle(&[pattern]);
            assert_eq!((imported.entries.len(), imported.problem_count), (0, 1), "{pattern}");
        }
    }
}
