//! STIX 2.1 bundles (OASIS, STIX Version 2.1): indicators whose patterns are comparisons for equality, alternatives joined by
//! `OR`. What asks for two things at once, for an order or for a time cannot be said by a list, and is told as not understood.

mod indicator;
mod object;
mod pattern;
mod validity;

use std::fmt;
use std::mem;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Format, Imported, Unfit};
use object::Item;

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
                Some(object) => indicator::take(&mut bundle.imported, object),
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::cell::Cell;

    use crate::blocklist::import;

    #[test]
    fn a_bundle_of_very_many_tiny_objects_is_read_one_by_one() {
        // What stands behind the last one that is read is no JSON: it is never come to.
        let nonsense = format!("{{\"type\":\"bundle\",\"objects\":[{}?", "1,".repeat(100_001));
        let unfit = import::read(nonsense.as_bytes()).unwrap_err();
        assert!(unfit.0.contains("no file of indicators"), "{unfit:?}");
        let tiny = format!("{{\"type\":\"bundle\",\"objects\":[{}?", "{},".repeat(1000));
        let asked = Cell::new(0);
        let in_time = || {
            asked.set(asked.get() + 1);
            asked.get() < 1000
        };
        let unfit = import::read_while(tiny.as_bytes(), &in_time).unwrap_err();
        assert!(unfit.0.contains("too long"), "{unfit:?}");
        // A million of them say nothing, and are nothing.
        let tiny = format!("{{\"type\":\"bundle\",\"objects\":[{}{{}}]}}", "{},".repeat(999_999));
        let imported = import::read(tiny.as_bytes()).unwrap();
        assert_eq!((imported.entries.len(), imported.problem_count), (0, 0));
    }

    #[test]
    fn a_hostile_bundle_is_an_error() {
        for text in ["{", "{}", "{\"type\":\"report\"}", "{\"type\":\"bundle\",\"objects\":1}"] {
            assert!(import::read(text.as_bytes()).is_err(), "{text}");
        }
        let deep = format!("{{\"type\":\"bundle\",\"x\":{}", "[".repeat(100_000));
        assert!(import::read(deep.as_bytes()).is_err());
    }
}
