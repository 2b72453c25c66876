//! What a parameter's JSON Schema makes of a flag, and how a flag's text becomes the parameter's JSON.

use serde_json::{Map, Number, Value};

/// The forms of a parameter that the command line can spell. Whatever else a schema says is given as JSON.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A string.
    Text,
    /// A whole number within these bounds.
    Integer { least: i128, most: i128 },
    /// A truth value.
    Boolean,
    /// One of these strings.
    Choice(Vec<Choice>),
    /// Any number of these.
    List(Box<Kind>),
    /// An object, as `key=value,…` or as JSON.
    Object { fields: Vec<(String, Kind)>, required: Vec<String> },
    /// JSON as it stands.
    Json,
}

/// One value of an enumeration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The value.
    pub value: String,
    /// What it means.
    pub doc: String,
}

impl Kind {
    /// The form that a schema asks for. An absent value is the same as null, so null is no form of its own.
    pub fn of(schema: &Value) -> Self {
        if let Some(inner) = nullable(schema) {
            return Self::of(inner);
        }
        if let Some(choices) = choices(schema) {
            return Self::Choice(choices);
        }
        match type_name(schema) {
            Some("string") => Self::Text,
            Some("integer") => Self::integer(schema),
            Some("boolean") => Self::Boolean,
            Some("array") => {
                schema.get("items").map_or(Self::Json, |items| Self::List(Box::new(Self::of(items))))
            }
            Some("object") => Self::object(schema),
            Some(_) | None => Self::Json,
        }
    }

    fn integer(schema: &Value) -> Self {
        let bound = |name: &str| {
            let number = schema.get(name)?;
            number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
        };
        Self::Integer {
            least: bound("minimum").unwrap_or(i64::MIN.into()),
            most: bound("maximum").unwrap_or(u64::MAX.into()),
        }
    }

    fn object(schema: &Value) -> Self {
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return Self::Json };
        let fields = properties.iter().map(|(name, field)| (name.clone(), Self::of(field))).collect();
        Self::Object { fields, required: strings(schema.get("required")) }
    }

    /// The parameter's JSON from a flag's text.
    pub fn read(&self, text: &str) -> Result<Value, String> {
        match self {
            Self::Text => Ok(Value::from(text)),
            Self::Integer { least, most } => read_integer(text, *least, *most),
            Self::Boolean => text.parse().map(Value::Bool).map_err(|_| "write true or false".to_owned()),
            Self::Choice(choices) => choices
                .iter()
                .find(|choice| choice.value == text)
                .map(|choice| Value::from(choice.value.as_str()))
                .ok_or_else(|| format!("must be one of {}", names(choices))),
            Self::List(kind) => kind.read(text),
            Self::Object { fields, required } => read_object(text, fields, required),
            Self::Json => serde_json::from_str(text).map_err(|error| format!("not JSON: {error}")),
        }
    }

    /// What the help shows in the flag's place.
    pub fn placeholder(&self) -> String {
        match self {
            Self::Text => "TEXT".to_owned(),
            Self::Integer { .. } => "NUMBER".to_owned(),
            Self::Boolean => "true|false".to_owned(),
            Self::Choice(choices) => names(choices).replace(", ", "|"),
            Self::List(kind) => kind.placeholder(),
            Self::Object { fields, .. } => {
                fields.iter().map(|(name, _)| format!("{name}=…")).collect::<Vec<_>>().join(",")
            }
            Self::Json => "JSON".to_owned(),
        }
    }
}

fn names(choices: &[Choice]) -> String {
    choices.iter().map(|choice| choice.value.as_str()).collect::<Vec<_>>().join(", ")
}

fn strings(value: Option<&Value>) -> Vec<String> {
    value
        .and_then(Value::as_array)
        .map(|list| list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        .unwrap_or_default()
}

/// The schema beside null in `anyOf: [schema, {type: null}]`.
fn nullable(schema: &Value) -> Option<&Value> {
    let parts = schema.get("anyOf")?.as_array()?;
    let mut others = parts.iter().filter(|part| part.get("type").and_then(Value::as_str) != Some("null"));
    others.next().filter(|_| others.next().is_none())
}

fn choices(schema: &Value) -> Option<Vec<Choice>> {
    if let Some(list) = schema.get("enum").and_then(Value::as_array) {
        return list
            .iter()
            .map(|value| Some(Choice { value: value.as_str()?.to_owned(), doc: String::new() }))
            .collect();
    }
    schema.get("oneOf")?.as_array()?.iter().map(choice).collect()
}

fn choice(schema: &Value) -> Option<Choice> {
    let doc = schema.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
    Some(Choice { value: schema.get("const")?.as_str()?.to_owned(), doc })
}

/// The one type beside null.
fn type_name(schema: &Value) -> Option<&str> {
    match schema.get("type")? {
        Value::String(name) => Some(name),
        Value::Array(names) => {
            let mut others = names.iter().filter_map(Value::as_str).filter(|name| *name != "null");
            others.next().filter(|_| others.next().is_none())
        }
        _ => None,
    }
}

fn read_integer(text: &str, least: i128, most: i128) -> Result<Value, String> {
    let number: i128 = text.parse().map_err(|_| "must be a whole number".to_owned())?;
    if number < least || number > most {
        let open = most >= i128::from(u64::MAX);
        return Err(if open {
            format!("must be at least {least}")
        } else {
            format!("must be {least} to {most}")
        });
    }
    let small = i64::try_from(number).map(Number::from);
    small
        .or_else(|_| u64::try_from(number).map(Number::from))
        .map(Value::Number)
        .map_err(|_| "too large".to_owned())
}

/// `{"json": …}`, `key=value,key=value`, or a bare value for the one field that must be there.
fn read_object(text: &str, fields: &[(String, Kind)], required: &[String]) -> Result<Value, String> {
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"));
    }
    let mut object = Map::new();
    for (at, part) in text.split(',').enumerate() {
        let (key, value) = match (part.split_once('='), required) {
            (Some((key, value)), _) => (key.trim(), value),
            (None, [only]) if at == 0 => (only.as_str(), part),
            (None, _) => return Err(format!("`{part}` is not of the form key=value")),
        };
        let Some((_, kind)) = fields.iter().find(|(name, _)| name == key) else {
            let known = fields.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
            return Err(format!("no field `{key}`; there are {known}"));
        };
        let value = kind.read(value).map_err(|problem| format!("{key}: {problem}"))?;
        if object.insert(key.to_owned(), value).is_some() {
            return Err(format!("`{key}` stands twice"));
        }
    }
    match required.iter().find(|name| !object.contains_key(*name)) {
        Some(missing) => Err(format!("`{missing}` is missing")),
        None => Ok(Value::Object(object)),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use serde_json::json;

    fn allow() -> Kind {
        Kind::of(&json!({
            "type": "object",
            "properties": {
                "network": {"type": "string"},
                "port": {"type": ["integer", "null"], "minimum": 0, "maximum": 65535},
                "protocol": {"anyOf": [{"oneOf": [{"const": "tcp", "description": "TCP."}, {"const": "udp"}]}, {"type": "null"}]},
            },
            "required": ["network"],
        }))
    }

    #[test]
    fn an_object_is_read_from_pairs_from_json_or_from_its_one_required_value() {
        let full = json!({"network": "192.0.2.0/24", "port": 443, "protocol": "tcp"});
        assert_eq!(allow().read("network=192.0.2.0/24,port=443,protocol=tcp").unwrap(), full);
        assert_eq!(allow().read("192.0.2.0/24,port=443,protocol=tcp").unwrap(), full);
        assert_eq!(allow().read(&full.to_string()).unwrap(), full);
        assert_eq!(allow().read("2001:db8::/32").unwrap(), json!({"network": "2001:db8::/32"}));
        let refused = [
            "port=1",
            "a,b",
            "x=1",
            "network=a,network=b",
            "network=a,port=70000",
            "network=a,protocol=icmp",
            "{",
        ];
        let said: Vec<String> =
            refused.iter().map(|text| format!("{text} -> {}", allow().read(text).unwrap_err())).collect();
        insta::assert_snapshot!(said.join("\n"));
    }

    #[test]
    fn numbers_keep_within_their_bounds() {
        let kind = Kind::of(&json!({"type": "integer", "minimum": 1, "maximum": 30}));
        assert_eq!(kind.read("30").unwrap(), json!(30));
        assert_eq!(kind.read("31").unwrap_err(), "must be 1 to 30");
        assert_eq!(kind.read("1.5").unwrap_err(), "must be a whole number");
        let open = Kind::of(&json!({"type": "integer", "minimum": 0}));
        assert_eq!(open.read("18446744073709551615").unwrap(), json!(u64::MAX));
        assert!(open.read("18446744073709551616").is_err());
    }

    #[test]
    fn what_has_no_form_of_its_own_is_given_as_json() {
        assert_eq!(Kind::of(&json!({"type": ["string", "integer"]})), Kind::Json);
        assert_eq!(Kind::of(&json!({"type": "object"})), Kind::Json);
        assert_eq!(Kind::Json.read("[1]").unwrap(), json!([1]));
        assert_eq!(Kind::of(&json!({"enum": ["a", "b"]})).placeholder(), "a|b");
    }
}
