//! The rows within an outcome, read within bounds: half a MiB of JSON may take tens of MiB once it is read, so what an
//! agent may not send is left out as it comes, and never held.

use std::fmt;

use quell_catalog::rows::{MOST_COLUMNS, Rows, SHOWN_BYTES};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::Row;

/// The rows within an outcome, under whatever name its action gives them; and how many of those that it shows are none, or
/// stand beyond [`SHOWN_BYTES`].
pub(super) fn rows_of(outcome: &str) -> Option<(Rows, usize)> {
    let mut json = serde_json::Deserializer::from_str(outcome);
    let read = Level::Outcome.deserialize(&mut json).ok()?;
    json.end().ok()?;
    match read {
        Node::Rows(rows, left_out) => Some((*rows, left_out)),
        _ => None,
    }
}

/// What is looked for; something else is passed over.
#[derive(Clone, Copy)]
enum Level {
    /// An object one of whose fields may be rows.
    Outcome,
    Rows,
    List,
    Row,
    Plain,
}

/// What was found.
enum Node {
    Rows(Box<Rows>, usize),
    List(List),
    Row(Row),
    Plain(Value),
    Else,
}

/// The first rows of a list.
#[derive(Default)]
struct List {
    rows: Vec<Row>,
    /// Of their JSON.
    bytes: usize,
    left_out: usize,
}

impl List {
    fn add(&mut self, node: Node) {
        let Node::Row(row) = node else {
            self.left_out += 1;
            return;
        };
        // Those that come after the first that has no room have none either: what is shown are the first.
        self.bytes =
            self.bytes.saturating_add(serde_json::to_vec(&row).map_or(usize::MAX, |json| json.len()));
        if self.bytes <= SHOWN_BYTES {
            self.rows.push(row);
        } else {
            self.left_out += 1;
        }
    }
}

impl<'de> DeserializeSeed<'de> for Level {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Node, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level {
    type Value = Node;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("anything")
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Node, E> {
        Ok(Node::Plain(flag.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Node, E> {
        Ok(Node::Plain(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Node, E> {
        Ok(Node::Plain(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Node, E> {
        Ok(Node::Plain(number.into()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Plain(text.into()))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Plain(Value::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        if !matches!(self, Self::List) {
            while items.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(Node::Else);
        }
        let mut list = List::default();
        while list.bytes <= SHOWN_BYTES {
            let Some(node) = items.next_element_seed(Self::Row)? else { return Ok(Node::List(list)) };
            list.add(node);
        }
        while items.next_element::<IgnoredAny>()?.is_some() {
            list.left_out += 1;
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Node, A::Error> {
        match self {
            Self::Outcome => outcome(map),
            Self::Rows => rows(map),
            Self::Row => row(map),
            Self::List | Self::Plain => pass(map),
        }
    }
}

fn pass<'de, A: MapAccess<'de>>(mut map: A) -> Result<Node, A::Error> {
    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(Node::Else)
}

/// The first rows of all, by name.
fn outcome<'de, A: MapAccess<'de>>(mut map: A) -> Result<Node, A::Error> {
    let mut first = None;
    while let Some(name) = map.next_key::<String>()? {
        if first.as_ref().is_some_and(|(known, _)| *known < name) {
            map.next_value::<IgnoredAny>()?;
        } else if let rows @ Node::Rows(..) = map.next_value_seed(Level::Rows)? {
            first = Some((name, rows));
        }
    }
    Ok(first.map_or(Node::Else, |(_, rows)| rows))
}

fn rows<'de, A: MapAccess<'de>>(mut map: A) -> Result<Node, A::Error> {
    let (mut fields, mut shown) = (Map::new(), None);
    while let Some(name) = map.next_key::<String>()? {
        let level = match name.as_str() {
            "columns" | "shown" | "parts" => Level::List,
            "count" | "truncated" => Level::Plain,
            _ => return pass_on(map),
        };
        match map.next_value_seed(level)? {
            Node::List(list) if name == "shown" => shown = Some(list),
            Node::List(list) if list.left_out == 0 => {
                fields.insert(name, list.rows.into_iter().map(Value::Object).collect());
            }
            Node::Plain(value) if matches!(level, Level::Plain) => {
                fields.insert(name, value);
            }
            _ => return pass(map),
        }
    }
    let Some(list) = shown else { return Ok(Node::Else) };
    fields.insert("shown".to_owned(), Value::Array(Vec::new()));
    let Ok(mut rows) = serde_json::from_value::<Rows>(Value::Object(fields)) else { return Ok(Node::Else) };
    rows.shown = list.rows;
    Ok(Node::Rows(Box::new(rows), list.left_out))
}

/// Passes over the rest from a name on whose value was not read.
fn pass_on<'de, A: MapAccess<'de>>(mut map: A) -> Result<Node, A::Error> {
    map.next_value::<IgnoredAny>()?;
    pass(map)
}

/// A row: no more values than columns, and each a plain one.
fn row<'de, A: MapAccess<'de>>(mut map: A) -> Result<Node, A::Error> {
    let mut row = Row::new();
    while let Some(name) = map.next_key::<String>()? {
        let Node::Plain(value) = map.next_value_seed(Level::Plain)? else { return pass(map) };
        row.insert(name, value);
        if row.len() > MOST_COLUMNS {
            return pass(map);
        }
    }
    Ok(Node::Row(row))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    fn outcome(shown: &str) -> String {
        format!(
            r#"{{"boot_id":"b","z":[[{{"shown":1}}]],"processes":{{"columns":[{{"name":"a","type":"integer"}}],
            "count":18446744073709551615,"shown":{shown},"parts":[{{"artifact_id":"i","rows":1,"size":2,"sha256":"s"}}],
            "truncated":true}},"other":{{"shown":[],"columns":1,"count":"x"}}}}"#
        )
    }

    #[test]
    fn rows_are_what_they_were_said_to_be() {
        let shown = r#"[{"a":-1,"b":1.5,"c":null,"d":true,"e":"\u00e9"},1,{"a":[0]},{"a":{}},[{"a":1}],{}]"#;
        let (rows, left_out) = rows_of(&outcome(shown)).unwrap();
        assert_eq!(left_out, 4);
        let row = json!({ "a": -1, "b": 1.5, "c": null, "d": true, "e": "\u{e9}" });
        let told: Value = serde_json::from_str(&outcome("[]")).unwrap();
        let mut expected: Rows = serde_json::from_value(told["processes"].clone()).unwrap();
        expected.shown = vec![row.as_object().unwrap().clone(), Row::new()];
        assert_eq!(rows, expected);
        // Of several the first by name.
        let one = json!({ "columns": [], "count": 1, "shown": [], "parts": [], "truncated": false });
        let text = |names: [&str; 2], counts: [u64; 2]| {
            let fields = names.iter().zip(counts).map(|(name, count)| {
                let mut one = one.clone();
                one["count"] = json!(count);
                format!("\"{name}\":{one}")
            });
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        };
        assert_eq!(rows_of(&text(["a", "b"], [1, 2])).unwrap().0.count, 1);
        assert_eq!(rows_of(&text(["b", "a"], [1, 2])).unwrap().0.count, 2);
        let mut more = one.clone();
        more["more"] = json!({ "shown": [] });
        let mut less = one.clone();
        less.as_object_mut().unwrap().remove("parts");
        let mut odd = one.clone();
        odd["columns"] = json!([1]);
        for none in [more, less, odd, json!([one]), json!("x"), json!(null)] {
            assert!(rows_of(&json!({ "rows": none }).to_string()).is_none(), "{none}");
        }
        for text in ["", "{", "[]", "1", "{\"a\":{}} x"] {
            assert!(rows_of(text).is_none(), "{text}");
        }
    }

    #[test]
    fn what_is_shown_is_bounded() {
        // Half a MiB, as small as a row can be.
        let many = vec!["{\"a\":0}"; 65_000].join(",");
        let (rows, left_out) = rows_of(&outcome(&format!("[{many}]"))).unwrap();
        assert_eq!(rows.shown.len(), SHOWN_BYTES / 7);
        assert_eq!(left_out, 65_000 - rows.shown.len());
        // One that is too long, and whatever follows.
        let long = "x".repeat(SHOWN_BYTES);
        let (rows, left_out) = rows_of(&outcome(&format!("[{{}},{{\"a\":\"{long}\"}},{{}},{{}}]"))).unwrap();
        assert_eq!((rows.shown.len(), left_out), (1, 3));
        let wide: Vec<String> = (0..=MOST_COLUMNS).map(|at| format!("\"c{at}\":1")).collect();
        let (rows, left_out) = rows_of(&outcome(&format!("[{{{}}}]", wide.join(",")))).unwrap();
        assert_eq!((rows.shown.len(), left_out), (0, 1));
        let lists = format!("[{{\"a\":[{many}]}}]");
        assert_eq!(rows_of(&outcome(&lists)).unwrap().1, 1);
    }
}
