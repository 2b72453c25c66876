//! Spans of time as people write them: `90s`, `30m`, `2h`, `1d`, `1h30m`.

use std::time::Duration;

/// Longer spans are a slip of the finger.
const MOST_SECONDS: u64 = 366 * 86_400;

/// Reads a span. A bare number is refused, since nobody can know its unit.
pub fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a span of time; write for example 90s, 30m, 2h, 1d or 1h30m");
    let mut seconds: u64 = 0;
    let mut digits = String::new();
    for character in text.chars() {
        if character.is_ascii_digit() {
            digits.push(character);
            continue;
        }
        let unit = match character {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            _ => return Err(wrong()),
        };
        let count: u64 = digits.parse().map_err(|_| wrong())?;
        digits.clear();
        seconds = count.checked_mul(unit).and_then(|part| seconds.checked_add(part)).ok_or_else(wrong)?;
    }
    if !digits.is_empty() || seconds == 0 {
        return Err(wrong());
    }
    if seconds > MOST_SECONDS {
        return Err(format!("`{text}` is longer than a year"));
    }
    Ok(Duration::from_secs(seconds))
}

/// A span for a person: its two largest units.
pub fn words(span: Duration) -> String {
    let total = span.as_secs();
    if total == 0 {
        return format!("{}ms", span.as_millis());
    }
    let parts = [(total / 86_400, "d"), (total / 3600 % 24, "h"), (total / 60 % 60, "m"), (total % 60, "s")];
    let first = parts.iter().position(|(count, _)| *count > 0).unwrap_or(parts.len() - 1);
    let shown = parts[first..].iter().take(2).filter(|(count, _)| *count > 0);
    shown.map(|(count, unit)| count.to_string() + unit).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn spans_are_read_and_written() {
        for (text, seconds) in [("90s", 90), ("30m", 1800), ("2h", 7200), ("1d", 86_400), ("1h30m", 5400)] {
            assert_eq!(parse(text).unwrap().as_secs(), seconds, "{text}");
        }
        for text in ["", "90", "h", "1x", "-1s", "0s", "1h30", "99999999999999999999d", "400d", "1.5h"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(words(Duration::from_mins(90)), "1h30m");
        assert_eq!(words(Duration::from_secs(86_461)), "1d");
        assert_eq!(words(Duration::from_secs(45)), "45s");
        assert_eq!(words(Duration::from_millis(12)), "12ms");
    }
}
