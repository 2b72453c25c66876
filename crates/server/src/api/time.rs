//! Times of the API: RFC 3339 in UTC with microseconds.

use jiff::Timestamp;
use quell_store::Micros;

use crate::problem::{Code, Problem};

/// Writes a time.
pub(crate) fn text(at: Micros) -> String {
    Timestamp::from_microsecond(at).map_or_else(|_| String::new(), |time| format!("{time:.6}"))
}

/// Writes a time to the second, for lists that have to be short.
pub(crate) fn seconds(at: Micros) -> String {
    Timestamp::from_second(at.div_euclid(1_000_000)).map_or_else(|_| String::new(), |time| time.to_string())
}

/// Writes a time that may be absent.
pub(crate) fn maybe(at: Option<Micros>) -> Option<String> {
    at.map(text)
}

/// Reads a time of a query.
pub(crate) fn parse(field: &str, value: Option<&str>) -> Result<Option<Micros>, Problem> {
    let Some(value) = value else { return Ok(None) };
    match value.parse::<Timestamp>() {
        Ok(time) => Ok(Some(time.as_microsecond())),
        Err(_) => {
            Err(Problem::new(Code::InvalidQuery, format!("{field}: not a time such as 2026-01-31T08:00:00Z"))
                .field(field, "not an RFC 3339 time"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_and_read_alike() {
        let at = 1_795_334_400_000_001;
        assert_eq!(text(at), "2026-11-22T08:00:00.000001Z");
        assert!(matches!(parse("since", Some(&text(at))), Ok(Some(read)) if read == at));
        assert!(parse("since", Some("yesterday")).is_err());
    }
}
