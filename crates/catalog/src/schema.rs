//! JSON Schema of a parameter or outcome struct, in the form that OpenAPI 3.1 embeds.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
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
