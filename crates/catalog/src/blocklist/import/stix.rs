//! STIX 2.1 bundles (OASIS, STIX Version 2.1): indicators whose patterns are comparisons for equality, alternatives joined by
//! `OR`. What asks for two things at once, for an order or for a time cannot be said by a list, and is told as not understood.

use std::fmt;
use std::mem;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::csv::{bounded, plain};
use super::field::{Field, odd};
use super::{Entry, Format, Imported, Kind, RiskLevel, Unfit, Value};

/// Bytes of a pattern, and comparisons of one.
const PATTERN: usize = 8 << 10;
const COMPARISONS: usize = 64;

/// A bundle that is being read. Its objects are taken one by one as they come: a byte of text may be hundreds of bytes of
/// memory, so that no list of them is ever held.
struct Bundle<'a> {
    imported: Imported,
    in_time: &'a dyn Fn() -> bool,
    kind: Option<String>,
    has_objects: bool,
    /// Why the rest is not worth reading.
    stopped: Option<Unfit>,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum InBundle {
    Type,
    Objects,
    #[serde(other)]
    Else,
}

impl<'de> DeserializeSeed<'de> for &mut Bundle<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut Bundle<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a bundle")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(field) = map.next_key()? {
            match field {
                InBundle::Type if self.kind.is_some() => return Err(A::Error::duplicate_field("type")),
                InBundle::Type => self.kind = Some(map.next_value()?),
                InBundle::Objects if mem::replace(&mut self.has_objects, true) => {
                    return Err(A::Error::duplicate_field("objects"));
                }
                InBundle::Objects => map.next_value_seed(Objects(self))?,
                InBundle::Else => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// The objects of a bundle.
struct Objects<'a, 'b>(&'a mut Bundle<'b>);

impl<'de> DeserializeSeed<'de> for Objects<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Objects<'_, '_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let bundle = self.0;
        let mut number = 0;
        while let Some(Item(object)) = list.next_element()? {
            number += 1;
            let taken = match &object {
                Some(object) => take(&mut bundle.imported, object),
                None => Err("it is no object".to_owned()),
            };
            if let Err(problem) = taken {
                let pattern = object.as_ref().and_then(|object| object.pattern.text("pattern").ok()?);
                bundle.imported.miss(number, pattern.unwrap_or_default(), problem);
            }
            if let Err(unfit) = bundle.imported.goes_on(bundle.in_time) {
                bundle.stopped = Some(unfit);
                return Err(A::Error::custom("the rest is not read"));
            }
        }
        Ok(())
    }
}

/// One of a bundle's objects; `None` where it is no object at all.
struct Item(Option<Object>);

#[derive(Default)]
struct Object {
    kind: Field,
    name: Field,
    indicator_types: Field,
    pattern: Field,
    pattern_type: Field,
    valid_from: Field,
    valid_until: Field,
    confidence: Field,
    revoked: Field,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum InObject {
    Type,
    Name,
    IndicatorTypes,
    Pattern,
    PatternType,
    ValidFrom,
    ValidUntil,
    Confidence,
    Revoked,
    #[serde(other)]
    Else,
}

impl Object {
    fn field(&mut self, name: &InObject) -> Option<&mut Field> {
        Some(match name {
            InObject::Type => &mut self.kind,
            InObject::Name => &mut self.name,
            InObject::IndicatorTypes => &mut self.indicator_types,
            InObject::Pattern => &mut self.pattern,
            InObject::PatternType => &mut self.pattern_type,
            InObject::ValidFrom => &mut self.valid_from,
            InObject::ValidUntil => &mut self.valid_until,
            InObject::Confidence => &mut self.confidence,
            InObject::Revoked => &mut self.revoked,
            InObject::Else => return None,
        })
    }
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Item;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("anything")
            }

            fn visit_str<E>(self, _: &str) -> Result<Item, E> {
                Ok(Item(None))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Item, E> {
                Ok(Item(None))
            }

            fn visit_i64<E>(self, _: i64) -> Result<Item, E> {
                Ok(Item(None))
            }

            fn visit_u64<E>(self, _: u64) -> Result<Item, E> {
                Ok(Item(None))
            }

            fn visit_f64<E>(self, _: f64) -> Result<Item, E> {
                Ok(Item(None))
            }

            fn visit_unit<E>(self) -> Result<Item, E> {
                Ok(Item(None))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Item, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Item(None))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Item, A::Error> {
                let mut object = Object::default();
                while let Some(name) = map.next_key()? {
                    let Some(field) = object.field(&name) else {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    };
                    let known = mem::replace(field, map.next_value()?);
                    if known != Field::Absent {
                        // Which of the two is meant, nobody can say.
                        *field = Field::Odd;
                    }
                }
                Ok(Item(Some(object)))
            }
        }
        from.deserialize_any(Any)
    }
}

pub(super) fn read(text: &str, in_time: &dyn Fn() -> bool) -> Result<Imported, Unfit> {
    let imported = Imported::new(Format::Stix);
    let mut bundle = Bundle { imported, in_time, kind: None, has_objects: false, stopped: None };
    let mut json = serde_json::Deserializer::from_str(text);
    let read = bundle.deserialize(&mut json).and_then(|()| json.end());
    if let Some(unfit) = bundle.stopped {
        return Err(unfit);
    }
    read.map_err(|error| {
        Unfit(format!("not a STIX bundle: line {}, column {}: {error}", error.line(), error.column()))
    })?;
    if bundle.kind.as_deref() != Some("bundle") {
        return Err(Unfit("not a STIX bundle: its type is another".to_owned()));
    }
    Ok(bundle.imported)
}

fn take(imported: &mut Imported, object: &Object) -> Result<(), String> {
    // Whatever else is in a bundle says something about indicators, and lists nothing.
    if object.kind.text("type")? != Some("indicator") {
        return Ok(());
    }
    match object.revoked {
        Field::Absent | Field::Flag(false) => {}
        Field::Flag(true) => return Ok(()),
        _ => return Err(odd("revoked")),
    }
    match &object.indicator_types {
        // Of the vocabulary of STIX 2.1: known to be harmless.
        Field::Texts(types) if types.iter().any(|kind| kind == "benign") => {
            return Err("it is said to be benign".to_owned());
        }
        Field::Absent | Field::Texts(_) => {}
        _ => return Err(odd("indicator_types")),
    }
    if object.pattern_type.text("pattern_type")?.is_some_and(|kind| kind != "stix") {
        return Err("the pattern is in another language than STIX".to_owned());
    }
    let time = |field: &Field, name: &str| -> Result<Option<i64>, String> {
        let text = field.text(name)?;
        text.map(|text| rfc3339(text).ok_or_else(|| format!("`{name}` is no time"))).transpose()
    };
    let valid_from_us = time(&object.valid_from, "valid_from")?;
    let valid_until_us = time(&object.valid_until, "valid_until")?;
    let risk = match object.confidence {
        Field::Absent => None,
        Field::Whole(..=29) => Some(RiskLevel::Low),
        Field::Whole(30..=69) => Some(RiskLevel::Medium),
        Field::Whole(70..) => Some(RiskLevel::High),
        _ => return Err(odd("confidence")),
    };
    let note = object.name.text("name")?.map(bounded);
    for (kind, text) in comparisons(object.pattern.text("pattern")?.unwrap_or_default())? {
        let value = Value::parse(Some(kind), &text).map_err(|unfit| unfit.0)?;
        let note = note.clone();
        let entry = Entry { risk, valid_from_us, valid_until_us, note, ..plain(value) };
        imported.add(entry).map_err(|unfit| unfit.0)?;
    }
    Ok(())
}

/// `[path = 'value' OR path = 'value'] OR [path = 'value']`.
fn comparisons(pattern: &str) -> Result<Vec<(Kind, String)>, String> {
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

/// Microseconds since 1970 of `2026-11-22T20:00:00Z`, with or without a fraction. STIX has no other zone.
fn rfc3339(text: &str) -> Option<i64> {
    let text = text.strip_suffix('Z')?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let bytes = whole.as_bytes();
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if bytes.len() != 19
        || marks.iter().any(|(at, mark)| bytes.get(*at) != Some(mark))
        || !is_digits(fraction)
    {
        return None;
    }
    let number = |from: usize, to: usize| -> Option<i64> {
        whole.get(from..to).filter(|digits| is_digits(digits))?.parse().ok()
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Days since 1970 of a date of the civil calendar, with years that begin in March.
    let (y, m) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    let micros: String = fraction.chars().chain("000000".chars()).take(6).collect();
    Some((days * 86_400 + hour * 3600 + minute * 60 + second) * 1_000_000 + micros.parse::<i64>().ok()?)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use serde_json::json;

    use super::*;

    fn bundle(patterns: &[&str]) -> Imported {
        let objects: Vec<_> = patterns
            .iter()
            .map(|pattern| {
                json!({ "type": "indicator", "pattern": pattern, "pattern_type": "stix", "confidence": 80,
                "name": "n", "valid_until": "2027-01-01T00:00:00.5Z" })
            })
            .chain([json!({ "type": "malware", "name": "x" })])
            .collect();
        super::super::read(json!({ "type": "bundle", "objects": objects }).to_string().as_bytes()).unwrap()
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

    #[test]
    fn what_is_benign_is_not_listed_and_what_is_valid_later_says_so() {
        let pattern = "[domain-name:value = 'evil.example']";
        let one = |more: serde_json::Value| {
            let mut object = json!({ "type": "indicator", "pattern": pattern, "pattern_type": "stix" });
            object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let bundle = json!({ "type": "bundle", "objects": [object] });
            super::super::read(bundle.to_string().as_bytes()).unwrap()
        };
        let why = |more| one(more).problems.pop().map(|problem| problem.problem);
        assert_eq!(
            why(json!({ "indicator_types": ["unknown", "benign"] })).as_deref(),
            Some("it is said to be benign")
        );
        assert_eq!(why(json!({ "indicator_types": ["malicious-activity"] })), None);
        assert!(why(json!({ "valid_from": "soon" })).unwrap().contains("valid_from"));
        let from = rfc3339("2090-01-01T00:00:00Z").unwrap();
        let later = one(json!({ "valid_from": "2090-01-01T00:00:00Z" }));
        assert_eq!(later.entries[0].valid_from_us, Some(from));
        assert_eq!(later.entries[0].why_not_now(from - 1).unwrap().0, "not_yet");
        assert_eq!(later.entries[0].why_not_now(from), None);
        let over = one(json!({ "valid_until": "2021-01-01T00:00:00Z" }));
        assert_eq!(over.entries[0].why_not_now(from).unwrap().0, "expired");
    }

    #[test]
    fn what_is_seen_again_counts_from_its_first_begin_to_its_last_end() {
        let time = |text| rfc3339(text).unwrap();
        let read = |times: &[(&str, Option<&str>)]| {
            let object = |(from, until): &(&str, Option<&str>)| {
                json!({ "type": "indicator", "pattern": "[ipv4-addr:value = '192.0.2.1']",
                    "valid_from": from, "valid_until": until })
            };
            let objects: Vec<_> = times.iter().map(object).collect();
            let bundle = json!({ "type": "bundle", "objects": objects });
            super::super::read(bundle.to_string().as_bytes()).unwrap()
        };
        let (old, new) = ("2020-01-01T00:00:00Z", "2026-01-01T00:00:00Z");
        let (over, end) = ("2021-01-01T00:00:00Z", "2027-01-01T00:00:00Z");
        let now = time("2026-11-01T00:00:00Z");
        for times in [[(old, Some(over)), (new, Some(end))], [(new, Some(end)), (old, Some(over))]] {
            let imported = read(&times);
            assert_eq!((imported.entries.len(), imported.duplicates), (1, 1));
            let entry = &imported.entries[0];
            assert_eq!((entry.valid_from_us, entry.valid_until_us), (Some(time(old)), Some(time(end))));
            assert_eq!(entry.why_not_now(now), None);
        }
        let entry = &read(&[("2090-01-01T00:00:00Z", None), (old, Some(end))]).entries[0];
        assert_eq!((entry.valid_until_us, entry.why_not_now(now)), (None, None));
    }

    #[test]
    fn an_odd_object_does_not_refuse_its_bundle() {
        let good = json!({ "type": "indicator", "pattern": "[ipv4-addr:value = '192.0.2.1']" });
        let with = |field: &str, value: serde_json::Value| {
            let mut object = good.clone();
            object[field] = value;
            object
        };
        let odd = [
            json!(1),
            json!(["x", [1]]),
            json!("x"),
            json!(null),
            with("pattern", json!(5)),
            with("pattern", json!(["x"])),
            with("revoked", json!("no")),
            with("type", json!({ "a": 1 })),
            with("name", json!(1.5)),
            with("confidence", json!("high")),
            with("valid_until", json!(2027)),
            with("indicator_types", json!("benign")),
            with("pattern", json!("([ipv4-addr:value = '192.0.2.1'])")),
            with("pattern", json!("[(ipv4-addr:value = '192.0.2.1')]")),
        ];
        let mut objects = odd.to_vec();
        objects.push(with("revoked", json!(null)));
        let bundle = json!({ "type": "bundle", "objects": objects });
        let imported = super::super::read(bundle.to_string().as_bytes()).unwrap();
        assert_eq!((imported.entries.len(), imported.problem_count), (1, odd.len() as u64));
        let last = imported.problems.last().unwrap();
        assert!(last.problem.contains("only comparisons"), "{last:?}");
    }

    #[test]
    fn a_field_that_stands_there_twice_costs_its_object_alone() {
        let good = r#"{"type":"indicator","pattern":"[ipv4-addr:value = '192.0.2.1']"}"#;
        let twice = r#"{"type":"indicator","type":"malware","pattern":"[ipv4-addr:value = '192.0.2.2']"}"#;
        let revoked = r#"{"type":"indicator","revoked":true,"revoked":false,"pattern":"[url:value = 'x']"}"#;
        let types = format!("{}\"benign\"", "\"unknown\",".repeat(32));
        let many = good.replacen('{', &format!("{{\"indicator_types\":[{types}],"), 1);
        // What it is may stand behind its objects.
        let bundle = format!(r#"{{"objects":[{twice},{revoked},{many},{good}],"x":[[1]],"type":"bundle"}}"#);
        let imported = super::super::read(bundle.as_bytes()).unwrap();
        assert_eq!((imported.entries.len(), imported.problem_count), (1, 3), "{:?}", imported.problems);
        for fields in [r#""objects":[],"objects":[]"#, r#""type":"bundle","objects":[]"#] {
            let bundle = format!(r#"{{"type":"bundle",{fields}}}"#);
            assert!(super::super::read(bundle.as_bytes()).is_err(), "{fields}");
        }
    }

    #[test]
    fn a_bundle_of_very_many_tiny_objects_is_read_one_by_one() {
        use std::cell::Cell;

        // What stands behind the last one that is read is no JSON: it is never come to.
        let nonsense = format!("{{\"type\":\"bundle\",\"objects\":[{}?", "1,".repeat(100_001));
        let unfit = super::super::read(nonsense.as_bytes()).unwrap_err();
        assert!(unfit.0.contains("no file of indicators"), "{unfit:?}");
        let tiny = format!("{{\"type\":\"bundle\",\"objects\":[{}?", "{},".repeat(1000));
        let asked = Cell::new(0);
        let in_time = || {
            asked.set(asked.get() + 1);
            asked.get() < 1000
        };
        let unfit = super::super::read_while(tiny.as_bytes(), &in_time).unwrap_err();
        assert!(unfit.0.contains("too long"), "{unfit:?}");
        // A million of them say nothing, and are nothing.
        let tiny = format!("{{\"type\":\"bundle\",\"objects\":[{}{{}}]}}", "{},".repeat(999_999));
        let imported = super::super::read(tiny.as_bytes()).unwrap();
        assert_eq!((imported.entries.len(), imported.problem_count), (0, 0));
    }

    #[test]
    fn a_hostile_bundle_is_an_error() {
        for text in ["{", "{}", "{\"type\":\"report\"}", "{\"type\":\"bundle\",\"objects\":1}"] {
            assert!(super::super::read(text.as_bytes()).is_err(), "{text}");
        }
        let deep = format!("{{\"type\":\"bundle\",\"x\":{}", "[".repeat(100_000));
        assert!(super::super::read(deep.as_bytes()).is_err());
        assert_eq!(rfc3339("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(rfc3339("2024-02-29T12:00:00Z"), Some(1_709_208_000_000_000));
        for text in ["", "Z", "2024-13-01T00:00:00Z", "2024-01-01 00:00:00Z", "\u{e9}024-01-01T00:00:0Z"] {
            assert_eq!(rfc3339(text), None, "{text}");
        }
    }
}
