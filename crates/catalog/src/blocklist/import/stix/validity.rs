//! When an indicator counts.

use crate::blocklist::import::field::Field;

/// The time in a field, microseconds since 1970.
pub(super) fn time(field: &Field, name: &str) -> Result<Option<i64>, String> {
    let text = field.text(name)?;
    text.map(|text| rfc3339(text).ok_or_else(|| format!("`{name}` is no time"))).transpose()
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
    use crate::blocklist::import;

    #[test]
    fn times_are_those_of_stix() {
        assert_eq!(rfc3339("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(rfc3339("2024-02-29T12:00:00Z"), Some(1_709_208_000_000_000));
        for text in ["", "Z", "2024-13-01T00:00:00Z", "2024-01-01 00:00:00Z", "\u{e9}024-01-01T00:00:0Z"] {
            assert_eq!(rfc3339(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_valid_later_or_no_more_says_so() {
        let one = |more: serde_json::Value| {
            let mut object =
                json!({ "type": "indicator", "pattern": "[domain-name:value = 'evil.example']" });
            object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let bundle = json!({ "type": "bundle", "objects": [object] });
            import::read(bundle.to_string().as_bytes()).unwrap()
        };
        assert!(one(json!({ "valid_from": "soon" })).problems[0].problem.contains("valid_from"));
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
            import::read(bundle.to_string().as_bytes()).unwrap()
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
}
