//! What rules are matched over: anything that has fields. Names and values are what a machine saw, so bytes, not text: a
//! name that is no UTF-8 is matched as it is, and no byte gets lost on the way.

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Text, or bytes that were meant to be.
    Bytes(&'a [u8]),
    /// A number. Compared with texts of rules as it is written in decimal.
    Int(i64),
    /// A truth value. Compared with texts of rules as `true` and `false`.
    Bool(bool),
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Bytes(text.as_bytes())
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(bytes)
    }
}

/// What rules are matched over. Both methods are called while an event waits: they look up, and work nothing out.
pub trait Record {
    /// The field of that name, spelled as in the rule; `None` where the record has none.
    fn field(&self, name: &str) -> Option<Value<'_>>;

    /// Every field, for rules that look for words anywhere.
    fn each(&self, visit: &mut dyn FnMut(&str, Value<'_>));
}

impl Record for Vec<(String, String)> {
    fn field(&self, name: &str) -> Option<Value<'_>> {
        self.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str().into())
    }

    fn each(&self, visit: &mut dyn FnMut(&str, Value<'_>)) {
        for (key, value) in self {
            visit(key, value.as_str().into());
        }
    }
}

/// A value as bytes; a number is written into the room that is handed in.
pub(crate) fn bytes<'a>(value: Value<'a>, room: &'a mut Decimal) -> &'a [u8] {
    match value {
        Value::Bytes(bytes) => &bytes[..bytes.len().min(crate::limits::RECORD_VALUE)],
        Value::Int(number) => room.write(number),
        Value::Bool(true) => b"true",
        Value::Bool(false) => b"false",
    }
}

/// A value as a number, where it is one.
pub(crate) fn number(value: Value<'_>) -> Option<f64> {
    match value {
        Value::Int(number) => Some(number as f64),
        Value::Bytes(bytes) => std::str::from_utf8(bytes).ok()?.trim().parse().ok(),
        Value::Bool(_) => None,
    }
}

/// Room for a number in decimal.
#[derive(Default)]
pub(crate) struct Decimal([u8; 20]);

impl Decimal {
    fn write(&mut self, number: i64) -> &[u8] {
        let (mut rest, mut at) = (number.unsigned_abs(), self.0.len());
        loop {
            at -= 1;
            self.0[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        if number < 0 {
            at -= 1;
            self.0[at] = b'-';
        }
        &self.0[at..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_decimal() {
        for number in [0, 7, -1, 4444, i64::MAX, i64::MIN] {
            assert_eq!(Decimal::default().write(number), number.to_string().as_bytes());
        }
    }
}
