//! Moments as people read them.

use jiff::Timestamp;
use serde_json::Value;

/// The moment at this pointer, in UTC to the second; nothing where there is none. The API writes RFC 3339.
pub fn of(item: &Value, pointer: &str) -> String {
    match item.pointer(pointer) {
        Some(Value::String(text)) => match text.parse::<Timestamp>() {
            Ok(moment) => shown(moment),
            Err(_) => text.clone(),
        },
        Some(Value::Number(micros)) => micros
            .as_i64()
            .and_then(|micros| Timestamp::from_microsecond(micros).ok())
            .map_or_else(String::new, shown),
        _ => String::new(),
    }
}

fn shown(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn moments_are_shown_to_the_second() {
        let item = json!({"text": "2026-11-22T08:01:02.123456Z", "micros": 1_795_334_462_123_456_i64, "odd": "soon", "none": null});
        assert_eq!(of(&item, "/text"), "2026-11-22 08:01:02Z");
        assert_eq!(of(&item, "/micros"), "2026-11-22 08:01:02Z");
        assert_eq!(of(&item, "/odd"), "soon");
        assert_eq!(of(&item, "/none"), "");
        assert_eq!(of(&item, "/absent"), "");
    }
}
