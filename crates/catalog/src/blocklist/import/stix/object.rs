//! One object of a bundle: the fields that are asked for, and nothing else of it in memory.

use std::fmt;
use std::mem;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::blocklist::import::field::Field;

/// One of a bundle's objects; `None` where it is no object at all.
pub(super) struct Item(pub Option<Object>);

#[derive(Default)]
pub(super) struct Object {
    pub kind: Field,
    pub name: Field,
    pub indicator_types: Field,
    pub pattern: Field,
    pub pattern_type: Field,
    pub valid_from: Field,
    pub valid_until: Field,
    pub confidence: Field,
    pub revoked: Field,
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use serde_json::json;

    use crate::blocklist::import;

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
        let imported = import::read(bundle.to_string().as_bytes()).unwrap();
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
        let imported = import::read(bundle.as_bytes()).unwrap();
        assert_eq!((imported.entries.len(), imported.problem_count), (1, 3), "{:?}", imported.problems);
        for fields in [r#""objects":[],"objects":[]"#, r#""type":"bundle","objects":[]"#] {
            let bundle = format!(r#"{{"type":"bundle",{fields}}}"#);
            assert!(import::read(bundle.as_bytes()).is_err(), "{fields}");
        }
    }
}
