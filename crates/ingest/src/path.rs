//! Where in a record a value stands: a JSON pointer (RFC 6901), with two additions. `*` stands for every element of an array;
//! `[key]` and `[key=value]` for the elements that are objects with such a key, or with that value at it.
//!
//! Every node of a record is visited at most once by one path, so looking something up takes time proportional to the record.

use serde_json::Value;

/// A path. Bytes, steps.
const LONGEST: usize = 512;
const MOST_STEPS: usize = 16;
/// Values that one path finds; what is beyond is not looked at.
const MOST_FOUND: usize = 256;

/// A path, as it is written in a pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    steps: Vec<Step>,
    text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Each,
    Where { key: String, is: Option<String> },
}

/// A value, and which elements were gone through to it.
#[derive(Clone, Debug)]
pub struct Found<'a> {
    pub value: &'a Value,
    picks: Vec<usize>,
}

impl Path {
    /// Reads it; says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!("a path has at most {LONGEST} bytes"));
        }
        let Some(steps) = text.strip_prefix('/') else {
            return Err("a path begins with `/`".to_owned());
        };
        let steps = steps.split('/').map(step).collect::<Result<Vec<_>, _>>()?;
        if steps.len() > MOST_STEPS {
            return Err(format!("a path has at most {MOST_STEPS} steps"));
        }
        Ok(Self { steps, text: text.to_owned() })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its keys, where it has nothing else.
    pub fn keys(&self) -> Option<Vec<String>> {
        let key = |step: &Step| match step {
            Step::Key(key) => Some(key.clone()),
            Step::Each | Step::Where { .. } => None,
        };
        self.steps.iter().map(key).collect()
    }

    /// What stands there. `null` counts as nothing.
    pub fn find<'a>(&self, record: &'a Value) -> Vec<Found<'a>> {
        let mut found = Vec::new();
        walk(record, &self.steps, &mut Vec::new(), &mut found);
        found
    }

    /// The place of something that was found, as a plain JSON pointer.
    pub fn pointer(&self, found: &Found<'_>) -> String {
        let mut picks = found.picks.iter();
        let mut pointer = String::new();
        for step in &self.steps {
            pointer.push('/');
            match step {
                Step::Key(key) => pointer.push_str(&key.replace('~', "~0").replace('/', "~1")),
                Step::Each | Step::Where { .. } => {
                    pointer.push_str(&picks.next().copied().unwrap_or_default().to_string());
                }
            }
        }
        pointer
    }
}

fn step(text: &str) -> Result<Step, String> {
    if text == "*" {
        return Ok(Step::Each);
    }
    if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let (key, is) = match inner.split_once('=') {
            Some((key, is)) => (key, Some(unescaped(is)?)),
            None => (inner, None),
        };
        if key.is_empty() {
            return Err("`[key]` and `[key=value]` name a key".to_owned());
        }
        return Ok(Step::Where { key: unescaped(key)?, is });
    }
    unescaped(text).map(Step::Key)
}

/// `~0` is `~`, `~1` is `/`; here also `~2` for `*` and `~3` for `[`, which mean something else where a step begins.
fn unescaped(text: &str) -> Result<String, String> {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '~' {
            plain.push(letter);
            continue;
        }
        plain.push(match letters.next() {
            Some('0') => '~',
            Some('1') => '/',
            Some('2') => '*',
            Some('3') => '[',
            _ => return Err("`~` stands before 0 (`~`), 1 (`/`), 2 (`*`) or 3 (`[`)".to_owned()),
        });
    }
    Ok(plain)
}

fn walk<'a>(value: &'a Value, steps: &[Step], picks: &mut Vec<usize>, found: &mut Vec<Found<'a>>) {
    let Some((step, rest)) = steps.split_first() else {
        if !value.is_null() && found.len() < MOST_FOUND {
            found.push(Found { value, picks: picks.clone() });
        }
        return;
    };
    match (step, value) {
        (Step::Key(key), Value::Object(map)) => {
            if let Some(value) = map.get(key) {
                walk(value, rest, picks, found);
            }
        }
        (Step::Key(key), Value::Array(items)) => {
            if let Some(value) = key.parse().ok().and_then(|at: usize| items.get(at)) {
                walk(value, rest, picks, found);
            }
        }
        (Step::Each | Step::Where { .. }, Value::Array(items)) => {
            for (at, item) in items.iter().enumerate().filter(|(_, item)| fits(step, item)) {
                picks.push(at);
                walk(item, rest, picks, found);
                picks.pop();
            }
        }
        _ => {}
    }
}

fn fits(step: &Step, item: &Value) -> bool {
    match step {
        Step::Key(_) | Step::Each => true,
        Step::Where { key, is } => item.get(key).is_some_and(|value| match is {
            None => !value.is_null(),
            Some(is) => crate::value::scalar(value).is_some_and(|text| text == is.as_str()),
        }),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use serde_json::json;

    fn found(path: &str, record: &Value) -> Vec<(String, String)> {
        let path = Path::parse(path).unwrap();
        path.find(record).iter().map(|one| (path.pointer(one), one.value.to_string())).collect()
    }

    #[test]
    fn keys_elements_and_conditions_are_followed() {
        let record = json!({
            "a": {"b.c": [{"k": 3, "v": "x"}, {"k": "3", "v": "y"}, {"v": "z"}, 7]},
            "*": 1, "[x]": 2, "a/b": {"~": null}, "n": null,
        });
        for (path, expected) in [
            ("/a/b.c/0/v", vec![("/a/b.c/0/v", "\"x\"")]),
            ("/a/b.c/*/v", vec![("/a/b.c/0/v", "\"x\""), ("/a/b.c/1/v", "\"y\""), ("/a/b.c/2/v", "\"z\"")]),
            ("/a/b.c/[k=3]/v", vec![("/a/b.c/0/v", "\"x\""), ("/a/b.c/1/v", "\"y\"")]),
            ("/a/b.c/[k]/k", vec![("/a/b.c/0/k", "3"), ("/a/b.c/1/k", "\"3\"")]),
            ("/~2", vec![("/*", "1")]),
            ("/~3x]", vec![("/[x]", "2")]),
            ("/a~1b/~0", vec![]),
            ("/n", vec![]),
            ("/a/*", vec![]),
            ("/a/b.c/99999999999999999999", vec![]),
        ] {
            let expected: Vec<_> =
                expected.into_iter().map(|(pointer, value)| (pointer.to_owned(), value.to_owned())).collect();
            assert_eq!(found(path, &record), expected, "{path}");
        }
    }

    #[test]
    fn a_path_that_cannot_be_is_told() {
        for path in ["", "a", "/~", "/~9", "/[]", "/[=x]", &"/a".repeat(17), &format!("/{}", "a".repeat(600))]
        {
            assert!(Path::parse(path).is_err(), "{path}");
        }
    }
}
