//! Mappings of `kit.yaml`: what may stand in one, and what each value has to be.

use std::collections::HashSet;

use quell_evidence::yaml::{Error as YamlError, Node, Place, Value};

use crate::archive::Name;

/// Arguments, paths or names of one step, and bytes of each.
const VALUES: usize = 64;
const VALUE: usize = 4096;
/// Bytes of a statement. It alone may have several lines.
pub(crate) const SQL: usize = 64 << 10;

/// A mapping, each key of which is known and stands once.
pub(crate) struct Fields<'n> {
    pub place: Place,
    pairs: &'n [(Node, Node)],
}

impl<'n> Fields<'n> {
    pub fn of(node: &'n Node, known: &[&str]) -> Result<Self, YamlError> {
        let Value::Map(pairs) = &node.value else {
            return Err(YamlError::at(node.place, format!("a mapping is needed here, not {}", node.kind())));
        };
        let mut seen = HashSet::new();
        for (key, _) in pairs {
            let Value::Text(name) = &key.value else {
                return Err(YamlError::at(key.place, "a name is needed here"));
            };
            if !known.contains(&name.as_str()) {
                return Err(YamlError::at(key.place, format!("{name:?} means nothing here"))
                    .hint(format!("Known are {}.", known.join(", "))));
            }
            if !seen.insert(name.as_str()) {
                return Err(YamlError::at(key.place, format!("{name} stands here twice")));
            }
        }
        Ok(Self { place: node.place, pairs })
    }

    pub fn keys(&self) -> impl Iterator<Item = (Place, &'n str)> + use<'n> {
        self.pairs.iter().filter_map(|(key, _)| match &key.value {
            Value::Text(name) => Some((key.place, name.as_str())),
            Value::List(_) | Value::Map(_) => None,
        })
    }

    pub fn get(&self, name: &str) -> Option<&'n Node> {
        self.pairs
            .iter()
            .find(|(key, _)| matches!(&key.value, Value::Text(text) if text == name))
            .map(|(_, value)| value)
    }

    pub fn missing(&self, name: &str) -> YamlError {
        YamlError::at(self.place, format!("`{name}` is missing here"))
    }

    pub fn text(&self, name: &str, most: usize) -> Result<Option<(Place, String)>, YamlError> {
        let Some(node) = self.get(name) else { return Ok(None) };
        text(node, name, most).map(|text| Some((node.place, text)))
    }

    pub fn list(&self, name: &str) -> Result<Vec<String>, YamlError> {
        let Some(node) = self.get(name) else { return Ok(Vec::new()) };
        match &node.value {
            Value::List(items) if items.len() <= VALUES => {
                items.iter().map(|item| text(item, name, VALUE)).collect()
            }
            Value::List(_) => Err(YamlError::at(node.place, format!("{name}: more than {VALUES} of them"))),
            Value::Text(_) | Value::Map(_) => {
                Err(YamlError::at(node.place, format!("{name} has to be a list, not {}", node.kind())))
            }
        }
    }

    pub fn number(&self, name: &str, least: u64, most: u64) -> Result<Option<u64>, YamlError> {
        let Some((at, text)) = self.text(name, 20)? else { return Ok(None) };
        let number = text.parse().ok().filter(|number| (least..=most).contains(number));
        number
            .map(Some)
            .ok_or_else(|| YamlError::at(at, format!("{name} has to be a number from {least} to {most}")))
    }

    pub fn codes(&self) -> Result<Vec<i32>, YamlError> {
        let codes: Option<Vec<i32>> =
            self.list("success_exit_codes")?.iter().map(|text| text.parse().ok()).collect();
        match codes {
            Some(codes) if codes.is_empty() => Ok(vec![0]),
            Some(codes) => Ok(codes),
            None => Err(YamlError::at(self.place, "success_exit_codes have to be numbers")),
        }
    }

    pub fn file(&self) -> Result<Option<Name>, YamlError> {
        let Some((at, text)) = self.text("file", VALUE)? else { return Ok(None) };
        Name::new(&text).map(Some).map_err(|error| YamlError::at(at, error.to_string()))
    }
}

fn text(node: &Node, name: &str, most: usize) -> Result<String, YamlError> {
    let Value::Text(text) = &node.value else {
        return Err(YamlError::at(node.place, format!("{name} has to be a text, not {}", node.kind())));
    };
    if text.len() > most {
        return Err(YamlError::at(node.place, format!("{name} has more than {most} bytes")));
    }
    if text.contains('\0') || (most < SQL && text.chars().any(char::is_control)) {
        return Err(YamlError::at(node.place, format!("{name} holds control characters")));
    }
    Ok(text.clone())
}
