//! Paths with wildcards and with names of the knowledge base in them.
//!
//! Wildcards are those of the format: `*` and `?` within a name, `[…]` for a set, `**` for a directory at any depth (at
//! most three levels, `**N` for N), `{a,b}` for alternatives. What the knowledge base puts in is taken as it is: a home
//! directory that is called `*` matches itself alone.

use std::collections::{BTreeMap, BTreeSet};

/// Bytes of one path at most.
const LONGEST: usize = 4096;
/// Alternatives that one path may stand for.
const ALTERNATIVES: usize = 64;
/// Users that a path is made for at most.
pub(crate) const USERS: usize = 5000;
/// Levels of `**` without a number, and the most with one.
const DEEP: u32 = 3;
const DEEPEST: u32 = 10;
/// Names in one path at most.
const SEGMENTS: usize = 128;

/// What is known of the system that definitions are read for.
#[derive(Clone, Debug, Default)]
pub struct Knowledge {
    /// Its accounts.
    pub users: Vec<User>,
    /// What `%%environ_name%%` and single names such as `%%hostname%%` stand for.
    pub values: BTreeMap<String, String>,
}

/// An account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// Its name, as bytes.
    pub username: Vec<u8>,
    /// Its home directory, as bytes.
    pub homedir: Vec<u8>,
    /// Its number.
    pub uid: u32,
}

/// One part of a path between two separators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Exactly this name.
    Name(Vec<u8>),
    /// Names of this shape.
    Like(Vec<Part>),
    /// Directories, this many levels at most, or none.
    Deep(u32),
}

/// A part of a name's shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// This byte.
    Byte(u8),
    /// Any byte.
    One,
    /// Any bytes, or none.
    Many,
    /// A byte of these ranges, or none of them where `not`.
    Set {
        /// First and last byte of each.
        ranges: Vec<(u8, u8)>,
        /// None of them.
        not: bool,
    },
}

/// An absolute path with wildcards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// From the root.
    pub segments: Vec<Segment>,
}

impl Segment {
    /// Whether a name has this shape.
    pub fn matches(&self, name: &[u8]) -> bool {
        match self {
            Self::Name(wanted) => wanted == name,
            Self::Like(parts) => like(parts, name),
            Self::Deep(_) => true,
        }
    }
}

/// Without recursion: on a mismatch the last `*` takes one byte more.
fn like(parts: &[Part], name: &[u8]) -> bool {
    let (mut part, mut at) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while at < name.len() {
        match parts.get(part) {
            Some(Part::Many) => {
                retry = Some((part, at));
                part += 1;
                continue;
            }
            Some(one) if fits(one, name[at]) => {
                part += 1;
                at += 1;
                continue;
            }
            _ => {}
        }
        match &mut retry {
            Some((star, from)) => {
                *from += 1;
                (part, at) = (*star + 1, *from);
            }
            None => return false,
        }
    }
    parts[part.min(parts.len())..].iter().all(|part| *part == Part::Many)
}

fn fits(part: &Part, byte: u8) -> bool {
    match part {
        Part::Byte(wanted) => *wanted == byte,
        Part::One => true,
        Part::Many => false,
        Part::Set { ranges, not } => {
            ranges.iter().any(|(first, last)| (*first..=*last).contains(&byte)) != *not
        }
    }
}

/// A path as it was read: text, wildcards and names.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Byte(u8),
    /// A byte that the knowledge base gave: never a wildcard.
    Known(u8),
    Slash,
    Open,
    Close,
    Comma,
    Value(String),
}

fn tokens(text: &str, separator: u8) -> Result<Vec<Token>, String> {
    if text.len() > LONGEST {
        return Err(format!("longer than {LONGEST} bytes"));
    }
    if text.bytes().any(|byte| byte == 0) {
        return Err("holds a NUL".to_owned());
    }
    let mut tokens = Vec::with_capacity(text.len());
    let mut rest = text;
    let mut open = false;
    while let Some(byte) = rest.as_bytes().first().copied() {
        if let Some(named) = rest.strip_prefix("%%") {
            let Some((name, behind)) = named.split_once("%%") else {
                return Err("`%%` without its end".to_owned());
            };
            if name.is_empty() || name.len() > 100 {
                return Err("`%%%%` without a name in between".to_owned());
            }
            tokens.push(Token::Value(name.to_ascii_lowercase()));
            rest = behind;
            continue;
        }
        tokens.push(match byte {
            _ if byte == separator => Token::Slash,
            b'{' if !open => {
                open = true;
                Token::Open
            }
            b'{' => return Err("alternatives within alternatives".to_owned()),
            b'}' if open => {
                open = false;
                Token::Close
            }
            b',' if open => Token::Comma,
            _ => Token::Byte(byte),
        });
        // Bytes of one character all stand for themselves, so a cut within it does no harm.
        rest = rest.get(1..).unwrap_or_else(|| {
            let width = rest.chars().next().map_or(1, char::len_utf8);
            tokens.extend(rest.as_bytes()[1..width].iter().map(|byte| Token::Byte(*byte)));
            &rest[width..]
        });
    }
    if open {
        return Err("`{` without its `}`".to_owned());
    }
    Ok(tokens)
}

/// Whether a path of a definition can be read at all.
pub(crate) fn check(text: &str, separator: u8) -> Result<(), String> {
    let read = tokens(text, separator)?;
    let first = read.first().ok_or("an empty path")?;
    if separator == b'/' && !matches!(first, Token::Slash | Token::Value(_) | Token::Open) {
        return Err("not absolute: a path begins with `/` or with a name between `%%`".to_owned());
    }
    for flat in alternatives(&read)? {
        pattern(&flat)?;
    }
    Ok(())
}

/// The paths that a path of a definition stands for on a system. On failure the name that is not known there.
pub fn expand(text: &str, separator: u8, knowledge: &Knowledge) -> Result<Vec<Pattern>, String> {
    let read = tokens(text, separator)?;
    let mut patterns: Vec<Pattern> = Vec::new();
    for flat in alternatives(&read)? {
        let of_users =
            flat.iter().any(|token| matches!(token, Token::Value(name) if name.starts_with("users.")));
        if !of_users {
            patterns.push(pattern(&known(&flat, knowledge, None)?)?);
            continue;
        }
        // Before the accounts are asked: a name that nobody has is the same fault without accounts.
        known(&flat, knowledge, Some(&User::default()))?;
        let mut seen = BTreeSet::new();
        for user in knowledge.users.iter().take(USERS) {
            let made = known(&flat, knowledge, Some(user))?;
            // Many accounts of a system share one home that is none.
            let unique: Vec<u8> = made
                .iter()
                .map(|token| match token {
                    Token::Byte(byte) | Token::Known(byte) => *byte,
                    _ => b'/',
                })
                .collect();
            if !seen.insert(unique) {
                continue;
            }
            if let Ok(pattern) = pattern(&made) {
                patterns.push(pattern);
            }
        }
    }
    patterns.retain(|pattern| !pattern.segments.is_empty());
    Ok(patterns)
}

fn known(tokens: &[Token], knowledge: &Knowledge, user: Option<&User>) -> Result<Vec<Token>, String> {
    let mut made = Vec::with_capacity(tokens.len());
    for token in tokens {
        let Token::Value(name) = token else {
            made.push(token.clone());
            continue;
        };
        let unknown = || format!("%%{name}%% is not known on this system");
        let value: Vec<u8> = match (name.as_str(), user) {
            // No name stands between two separators.
            ("users.homedir" | "users.userprofile", Some(user)) => {
                user.homedir.strip_suffix(b"/").unwrap_or(&user.homedir).to_vec()
            }
            ("users.username", Some(user)) => user.username.clone(),
            ("users.uid", Some(user)) => user.uid.to_string().into_bytes(),
            (name, _) if name.starts_with("users.") => return Err(unknown()),
            (name, _) => knowledge.values.get(name).ok_or_else(unknown)?.clone().into_bytes(),
        };
        made.extend(
            value.into_iter().map(|byte| if byte == b'/' { Token::Slash } else { Token::Known(byte) }),
        );
    }
    Ok(made)
}

fn alternatives(tokens: &[Token]) -> Result<Vec<Vec<Token>>, String> {
    let mut made: Vec<Vec<Token>> = vec![Vec::new()];
    let mut rest = tokens;
    while let Some((token, behind)) = rest.split_first() {
        rest = behind;
        if *token != Token::Open {
            for path in &mut made {
                path.push(token.clone());
            }
            continue;
        }
        let end = rest.iter().position(|token| *token == Token::Close).unwrap_or(rest.len());
        let choices: Vec<&[Token]> = rest[..end].split(|token| *token == Token::Comma).collect();
        rest = rest.get(end + 1..).unwrap_or_default();
        if made.len() * choices.len() > ALTERNATIVES {
            return Err(format!("stands for more than {ALTERNATIVES} paths"));
        }
        made =
            made.iter().flat_map(|path| choices.iter().map(move |choice| [path, *choice].concat())).collect();
    }
    Ok(made)
}

fn pattern(tokens: &[Token]) -> Result<Pattern, String> {
    let mut segments = Vec::new();
    for part in tokens.split(|token| *token == Token::Slash) {
        match segment(part)? {
            Segment::Name(name) if name.is_empty() || name == b"." => {}
            Segment::Name(name) if name == b".." => return Err("holds `..`".to_owned()),
            segment => segments.push(segment),
        }
    }
    if segments.len() > SEGMENTS {
        return Err(format!("more than {SEGMENTS} names in one path"));
    }
    Ok(Pattern { segments })
}

fn segment(tokens: &[Token]) -> Result<Segment, String> {
    if let Some(levels) = deep(tokens) {
        return match levels {
            0..=DEEPEST => Ok(Segment::Deep(levels)),
            _ => Err(format!("`**` of more than {DEEPEST} levels")),
        };
    }
    let mut parts = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at += 1;
        match token {
            Token::Byte(b'*') => {
                if parts.last() != Some(&Part::Many) {
                    parts.push(Part::Many);
                }
            }
            // Names not filled in yet: only the shape is being looked at.
            Token::Byte(b'?') | Token::Value(_) | Token::Slash | Token::Open | Token::Close => {
                parts.push(Part::One);
            }
            Token::Byte(b'[') => match set(&tokens[at..]) {
                Some((part, used)) => {
                    parts.push(part);
                    at += used;
                }
                None => parts.push(Part::Byte(b'[')),
            },
            Token::Byte(byte) | Token::Known(byte) => parts.push(Part::Byte(*byte)),
            Token::Comma => parts.push(Part::Byte(b',')),
        }
    }
    let name: Option<Vec<u8>> =
        parts.iter().map(|part| if let Part::Byte(byte) = part { Some(*byte) } else { None }).collect();
    Ok(name.map_or(Segment::Like(parts), Segment::Name))
}

/// `**` or `**N`.
fn deep(tokens: &[Token]) -> Option<u32> {
    let [Token::Byte(b'*'), Token::Byte(b'*'), digits @ ..] = tokens else { return None };
    if digits.is_empty() {
        return Some(DEEP);
    }
    digits.iter().take(4).try_fold(0, |number: u32, token| match token {
        Token::Byte(digit @ b'0'..=b'9') => Some(number * 10 + u32::from(digit - b'0')),
        _ => None,
    })
}

/// What stands behind `[`, up to its `]`; `None` where that is no set.
fn set(tokens: &[Token]) -> Option<(Part, usize)> {
    let bytes: Vec<u8> = tokens
        .iter()
        .map_while(|token| if let Token::Byte(byte) = token { Some(*byte) } else { None })
        .collect();
    let not = matches!(bytes.first(), Some(b'!' | b'^'));
    let from = usize::from(not);
    // A `]` right at the beginning is one of the set.
    let end = from + 1 + bytes.get(from + 1..)?.iter().position(|byte| *byte == b']')?;
    let inner = &bytes[from..end];
    let mut ranges = Vec::new();
    let mut at = 0;
    while at < inner.len() {
        match inner[at..] {
            [first, b'-', last, ..] if first <= last => {
                ranges.push((first, last));
                at += 3;
            }
            _ => {
                ranges.push((inner[at], inner[at]));
                at += 1;
            }
        }
    }
    Some((Part::Set { ranges, not }, end + 1))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn one(text: &str) -> Pattern {
        let mut made = expand(text, b'/', &Knowledge::default()).unwrap();
        assert_eq!(made.len(), 1, "{text}");
        made.remove(0)
    }

    fn last_matches(text: &str, name: &str) -> bool {
        one(text).segments.last().unwrap().matches(name.as_bytes())
    }

    #[test]
    fn names_match_their_shape() {
        for (shape, name, is) in [
            ("/*", "anything", true),
            ("/*.log", "a.log", true),
            ("/*.log", "a.logs", false),
            ("/a*b*c", "aXbYbZc", true),
            ("/a*b*c", "aXbYbZ", false),
            ("/?.x", "1.x", true),
            ("/?.x", ".x", false),
            ("/[a-c]1", "b1", true),
            ("/[!a-c]1", "b1", false),
            ("/[]x]", "]", true),
            ("/[abc", "[abc", true),
            ("/**a", "xxa", true),
        ] {
            assert_eq!(last_matches(shape, name), is, "{shape} {name}");
        }
        let many = format!("/{}b", "*a".repeat(100));
        assert!(!last_matches(&many, &"a".repeat(5000)), "and not in exponential time");
    }

    #[test]
    fn levels_and_alternatives() {
        assert_eq!(one("/etc/**").segments[1], Segment::Deep(3));
        assert_eq!(one("/etc/**7/x").segments[1], Segment::Deep(7));
        assert!(expand("/etc/**11", b'/', &Knowledge::default()).is_err());
        let made = expand("/etc/{a,b/c}/{1,2}", b'/', &Knowledge::default()).unwrap();
        assert_eq!(made.len(), 4);
        assert_eq!(made[2].segments.len(), 4);
        for bad in ["etc", "/a/{b", "/a/{b,{c}}", "/a/%%b", "/a/../b", "/%%%%", ""] {
            assert!(check(bad, b'/').is_err(), "{bad}");
        }
        let bomb = format!("/{}", "{a,b}".repeat(12));
        assert!(check(&bomb, b'/').is_err());
    }

    #[test]
    fn what_is_known_is_no_wildcard() {
        let user = |name: &str, home: &str| User { username: name.into(), homedir: home.into(), uid: 1 };
        let knowledge = Knowledge {
            users: vec![
                user("a", "/home/*"),
                user("b", "/home/b/"),
                user("c", "/home/b"),
                user("d", "/home/../etc"),
            ],
            values: BTreeMap::from([("hostname".to_owned(), "h".to_owned())]),
        };
        let made = expand("%%users.homedir%%/.x/%%hostname%%", b'/', &knowledge).unwrap();
        assert_eq!(made.len(), 2, "each home once, and none that leads elsewhere: {made:?}");
        assert_eq!(made[0].segments[1], Segment::Name(b"*".to_vec()));
        let unknown = expand("%%users.sid%%/x", b'/', &knowledge).unwrap_err();
        assert!(unknown.contains("users.sid"), "{unknown}");
        assert!(expand("/%%environ_x%%", b'/', &knowledge).is_err());
    }
}
