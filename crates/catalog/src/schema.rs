//! JSON Schema of a parameter or outcome struct, in the form that OpenAPI 3.1 embeds.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::value::Error;
use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor};
use serde_json::Value;

/// The schema (JSON Schema 2020-12) of `T`, self-contained: sub-schemas are inlined, so that it can stand
/// anywhere inside another document.
pub fn object_schema<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

/// The schema of parameters: [`object_schema`], with the order in which the fields are declared as `x-quell-order`. It is
/// the order in which people are asked; JSON objects keep none.
pub fn params_schema<T: JsonSchema + DeserializeOwned>() -> Value {
    let mut schema = object_schema::<T>();
    let mut names = Names(&[]);
    // It stops at the names of the fields: an error, always.
    let _ = T::deserialize(&mut names);
    if let (Some(object), true) = (schema.as_object_mut(), names.0.len() > 1) {
        object.insert("x-quell-order".to_owned(), names.0.into());
    }
    schema
}

/// Reads nothing, and learns what fields a struct has: serde names them in the order of their declaration.
struct Names(&'static [&'static str]);

impl<'de> Deserializer<'de> for &mut Names {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("not a struct"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        self.0 = fields;
        Err(Error::custom("nothing to read"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
