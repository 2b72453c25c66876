//! Times as products write them.

use jiff::civil::DateTime;
use jiff::fmt::strtime::{self, BrokenDownTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// What follows year 9999 is no time that anything was seen at; what is before 1970 is none that a computer saw.
const LATEST_US: i128 = 253_402_300_799_999_999;

/// How a time is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// A text as in RFC 3339 or ISO 8601, or a number that tells its unit by its size.
    #[default]
    Guess,
    /// A text as in RFC 3339 or ISO 8601.
    Rfc3339,
    /// A number, whole or not, of parts of a second since 1970; so many of them are a second.
    Epoch { per_second: u32 },
    /// Any other text, by `strptime`'s letters.
    Letters(String),
}

impl Format {
    /// By its name in a pack; says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        Ok(match text {
            "rfc3339" => Self::Rfc3339,
            "seconds" => Self::Epoch { per_second: 1 },
            "milliseconds" => Self::Epoch { per_second: 1_000 },
            "microseconds" => Self::Epoch { per_second: 1_000_000 },
            "nanoseconds" => Self::Epoch { per_second: 1_000_000_000 },
            _ if text.contains('%') && text.len() <= 128 => {
                let any = Zoned::new(Timestamp::UNIX_EPOCH, TimeZone::UTC);
                strtime::format(text, &any).map_err(|error| format!("not a format of times: {error}"))?;
                Self::Letters(text.to_owned())
            }
            _ => {
                return Err("a time is `rfc3339`, `seconds`, `milliseconds`, `microseconds`, `nanoseconds` (since 1970), or \
                            strptime's letters, such as \"%d/%b/%Y:%H:%M:%S %z\""
                    .to_owned());
            }
        })
    }

    /// Microseconds since 1970. A text without a zone is taken as UTC.
    pub fn read(&self, text: &str) -> Option<i64> {
        let text = text.trim();
        match self {
            Self::Guess => number(text, None).or_else(|| written(text)),
            Self::Rfc3339 => written(text),
            Self::Epoch { per_second } => number(text, Some(*per_second)),
            Self::Letters(format) => lettered(format, text),
        }
    }
}

fn written(text: &str) -> Option<i64> {
    let stamp = text.parse::<Timestamp>().ok();
    sensible(match stamp {
        Some(stamp) => stamp,
        // A day alone is no time.
        None if !text.contains(':') => return None,
        None => text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp(),
    })
}

fn lettered(format: &str, text: &str) -> Option<i64> {
    let parts = BrokenDownTime::parse(format, text).ok()?;
    sensible(match parts.to_timestamp() {
        Ok(stamp) => stamp,
        Err(_) => parts.to_datetime().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp(),
    })
}

fn sensible(stamp: Timestamp) -> Option<i64> {
    let at = stamp.as_microsecond();
    (at >= 0).then_some(at)
}

/// Digits, perhaps a point and more digits. Read by hand: a float has no room for nanoseconds of our days.
fn number(text: &str, per_second: Option<u32>) -> Option<i64> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.len() <= 20 && part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(rest) {
        return None;
    }
    let whole: i128 = whole.parse().ok()?;
    // Of which unit a time between 1973 and 5138 has as many digits as this one.
    let by_size = || match whole {
        0..100_000_000_000 => 1,
        100_000_000_000..100_000_000_000_000 => 1_000,
        100_000_000_000_000..100_000_000_000_000_000 => 1_000_000,
        _ => 1_000_000_000,
    };
    let per_second = i128::from(per_second.unwrap_or_else(by_size));
    let millionths: i128 = format!("{rest:0<6}").get(..6)?.parse().ok()?;
    let at = (whole * 1_000_000 + millionths) / per_second;
    (at <= LATEST_US).then(|| i64::try_from(at).ok()).flatten()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn times_of_every_spelling_are_read() {
        let at = Some(1_795_415_696_123_456);
        for (format, text, expected) in [
            ("rfc3339", "2026-11-23T06:34:56.123456Z", at),
            ("rfc3339", "2026-11-23T06:34:56.123456789Z", at),
            ("rfc3339", "2026-11-23T07:34:56.123456+01:00", at),
            ("rfc3339", "2026-11-23T07:34:56.123456+0100", at),
            ("rfc3339", "2026-11-23 06:34:56.123456+0000", at),
            ("rfc3339", "2026-11-23T06:34:56.123456", at),
            ("rfc3339", "1969-12-31T23:59:59Z", None),
            ("rfc3339", "yesterday", None),
            ("rfc3339", "2026-11-23", None),
            ("rfc3339", "", None),
            ("seconds", "1795415696.123456", at),
            ("milliseconds", "1795415696123", Some(1_795_415_696_123_000)),
            ("milliseconds", "1795415696123.456", at),
            ("microseconds", "1795415696123456", at),
            ("nanoseconds", "1795415696123456789", at),
            ("seconds", "-1", None),
            ("seconds", "99999999999999999999", None),
            ("seconds", "999999999999999999999999", None),
            ("seconds", "1e9", None),
            ("%d/%b/%Y:%H:%M:%S %z", "23/Nov/2026:07:34:56 +0100", Some(1_795_415_696_000_000)),
            ("%Y-%m-%d %H:%M:%S", "2026-11-23 06:34:56", Some(1_795_415_696_000_000)),
        ] {
            assert_eq!(Format::parse(format).unwrap().read(text), expected, "{format} of {text}");
        }
        for text in ["1795415696.123456", "1795415696123.456", "1795415696123456", "1795415696123456789"] {
            assert_eq!(Format::Guess.read(text), at, "{text}");
        }
        assert!(Format::parse("%!").is_err() && Format::parse("minutes").is_err());
    }
}
