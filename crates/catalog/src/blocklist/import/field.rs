//! Fields of somebody's JSON: whatever stands there is read, and nothing is kept that nobody asked for.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Texts of a list that are kept; a longer one is odd, since what is not kept might be what counts.
const MOST: usize = 32;

/// What stands in a field.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Field {
    /// Nothing, or `null`.
    #[default]
    Absent,
    Text(String),
    Whole(i64),
    Flag(bool),
    /// The texts of a list.
    Texts(Vec<String>),
    /// Something else.
    Odd,
}

impl Field {
    /// The text; nothing where there is none, a sentence where something else stands.
    pub fn text(&self, name: &str) -> Result<Option<&str>, String> {
        match self {
            Self::Absent => Ok(None),
            Self::Text(text) => Ok(Some(text)),
            _ => Err(odd(name)),
        }
    }
}

/// What is said of a field in which something else stands than belongs there.
pub(super) fn odd(name: &str) -> String {
    format!("`{name}` is of another type than it has to be, too long or there twice")
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Field;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("anything")
            }

            fn visit_str<E>(self, text: &str) -> Result<Field, E> {
                Ok(Field::Text(text.to_owned()))
            }

            fn visit_bool<E>(self, flag: bool) -> Result<Field, E> {
                Ok(Field::Flag(flag))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Field, E> {
                Ok(Field::Whole(number))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Field, E> {
                Ok(i64::try_from(number).map_or(Field::Odd, Field::Whole))
            }

            fn visit_f64<E>(self, _: f64) -> Result<Field, E> {
                Ok(Field::Odd)
            }

            fn visit_unit<E>(self) -> Result<Field, E> {
                Ok(Field::Absent)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Field, A::Error> {
                let mut texts = Vec::new();
                while let Some(field) = list.next_element()? {
                    match field {
                        Field::Text(_) if texts.len() == MOST => {
                            while list.next_element::<IgnoredAny>()?.is_some() {}
                            return Ok(Field::Odd);
                        }
                        Field::Text(text) => texts.push(text),
                        _ => {}
                    }
                }
                Ok(Field::Texts(texts))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Field, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Field::Odd)
            }
        }
        from.deserialize_any(Any)
    }
}
