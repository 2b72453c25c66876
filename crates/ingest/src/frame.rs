//! Where the records are in a body: one object, an array of them, or one a line. Found by looking at brackets and quotes alone,
//! before anything is parsed, so that a record that is broken costs those beside it nothing.

/// The records of a body, in their order.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    bytes: &'a [u8],
    at: usize,
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Elements of an array, behind its bracket.
    Array,
    /// One a line.
    Lines,
    /// One after the other.
    Values,
}

/// How deep values lie in a record, and how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measure {
    pub depth: usize,
    pub values: usize,
}

impl<'a> Records<'a> {
    pub fn of(body: &'a [u8]) -> Self {
        let bytes = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body).trim_ascii();
        let form = match bytes.first() {
            Some(b'[') => return Self { bytes, at: 1, form: Form::Array },
            Some(b'{') if is_whole(bytes) => Form::Values,
            _ if bytes.split(|byte| *byte == b'\n').skip(1).any(opens) => Form::Lines,
            Some(b'{') => Form::Values,
            _ => Form::Lines,
        };
        Self { bytes, at: 0, form }
    }

    /// The elements of an array, if that is what it is.
    pub fn elements(value: &'a [u8]) -> Option<Self> {
        (value.first() == Some(&b'[')).then_some(Self { bytes: value, at: 1, form: Form::Array })
    }

    fn line(&mut self) -> Option<&'a [u8]> {
        while let Some(rest) = self.bytes.get(self.at..).filter(|rest| !rest.is_empty()) {
            let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            self.at += end + 1;
            let line = rest.get(..end)?.trim_ascii();
            if !line.is_empty() {
                return Some(line);
            }
        }
        None
    }

    fn value(&mut self) -> Option<&'a [u8]> {
        let between = |byte: &u8| byte.is_ascii_whitespace() || (self.form == Form::Array && *byte == b',');
        let rest = self.bytes.get(self.at..)?;
        self.at += rest.iter().take_while(|byte| between(byte)).count();
        match self.bytes.get(self.at)? {
            b']' if self.form == Form::Array => {
                self.at += 1;
                // Whatever stands behind an array is a record too: one that is going to be refused, and not one that vanished.
                self.form = Form::Values;
                self.value()
            }
            _ => {
                let end = value_end(self.bytes, self.at).end;
                let value = self.bytes.get(self.at..end);
                self.at = end;
                value
            }
        }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        match self.form {
            Form::Lines => self.line(),
            Form::Array | Form::Values => self.value(),
        }
    }
}

fn opens(line: &[u8]) -> bool {
    line.trim_ascii_start().first() == Some(&b'{')
}

fn is_whole(bytes: &[u8]) -> bool {
    let end = value_end(bytes, 0);
    end.is_closed && end.end == bytes.len()
}

struct End {
    end: usize,
    is_closed: bool,
}

/// Where the value that begins there ends. Always behind where it begins.
fn value_end(bytes: &[u8], from: usize) -> End {
    let mut walk = Walk::default();
    for (at, byte) in bytes.iter().enumerate().skip(from) {
        let is_first = at == from;
        if walk.depth == 0 && !walk.in_string && !is_first && ends_word(*byte) {
            return End { end: at, is_closed: true };
        }
        walk.step(*byte);
        if walk.depth == 0 && !walk.in_string && matches!(byte, b'}' | b']' | b'"') {
            return End { end: at + 1, is_closed: !walk.is_broken };
        }
    }
    End { end: bytes.len(), is_closed: walk.depth == 0 && !walk.in_string && !walk.is_broken }
}

fn ends_word(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, b',' | b']' | b'}' | b'{' | b'[' | b'"')
}

/// The value of a member of an object, by its keys; `None` where there is none, or where this is no object.
pub fn member<'a>(object: &'a [u8], keys: &[String]) -> Option<&'a [u8]> {
    let Some((key, rest)) = keys.split_first() else { return Some(object) };
    let mut at = 1 + space(object, 1);
    if object.first() != Some(&b'{') {
        return None;
    }
    while object.get(at) == Some(&b'"') {
        let name_end = value_end(object, at).end;
        let name = serde_json::from_slice::<String>(object.get(at..name_end)?).ok()?;
        at = name_end + space(object, name_end);
        if object.get(at) != Some(&b':') {
            return None;
        }
        at += 1 + space(object, at + 1);
        let end = value_end(object, at).end;
        let value = object.get(at..end)?;
        if name == *key {
            return member(value, rest);
        }
        at = end + space(object, end);
        if object.get(at) == Some(&b',') {
            at += 1 + space(object, at + 1);
        }
    }
    None
}

fn space(bytes: &[u8], from: usize) -> usize {
    bytes.iter().skip(from).take_while(|byte| byte.is_ascii_whitespace()).count()
}

/// Without parsing: brackets that are open at once, and commas and brackets in all.
pub fn measure(record: &[u8]) -> Measure {
    let mut walk = Walk::default();
    let mut measure = Measure { depth: 0, values: 1 };
    for byte in record {
        if !walk.in_string && matches!(byte, b'{' | b'[' | b',') {
            measure.values += 1;
        }
        walk.step(*byte);
        measure.depth = measure.depth.max(walk.depth);
    }
    measure
}

#[derive(Default)]
struct Walk {
    depth: usize,
    in_string: bool,
    is_escaped: bool,
    /// A string with a line's end in it, which JSON does not have: a quote is missing somewhere.
    is_broken: bool,
}

impl Walk {
    fn step(&mut self, byte: u8) {
        if self.in_string {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = true,
                b'"' => self.in_string = false,
                b'\n' => self.is_broken = true,
                _ => {}
            }
            return;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn records(body: &str) -> Vec<&str> {
        Records::of(body.as_bytes()).map(|record| std::str::from_utf8(record).unwrap()).collect()
    }

    #[test]
    fn an_object_an_array_and_lines_are_told_apart() {
        for (body, expected) in [
            ("", vec![]),
            (" \n ", vec![]),
            ("{\"a\": 1}\n", vec!["{\"a\": 1}"]),
            ("{\n  \"a\": {\n \"b\": 2}\n}\n", vec!["{\n  \"a\": {\n \"b\": 2}\n}"]),
            ("\u{feff}{\"a\":1}\r\n{\"b\":2}\r\n\r\n{}", vec!["{\"a\":1}", "{\"b\":2}", "{}"]),
            ("{\"a\":1}{\"b\":2}", vec!["{\"a\":1}", "{\"b\":2}"]),
            (
                "[{\"a\":\"]},{\"}, {\"b\":\"\\\"\"} , 7,\"x\"]",
                vec!["{\"a\":\"]},{\"}", "{\"b\":\"\\\"\"}", "7", "\"x\""],
            ),
            ("[]", vec![]),
            ("[[{}]]", vec!["[{}]"]),
            ("7", vec!["7"]),
        ] {
            assert_eq!(records(body), expected, "{body}");
        }
    }

    #[test]
    fn what_is_broken_costs_its_neighbours_nothing() {
        for (body, expected) in [
            ("{\"a\":\"x\n{\"b\":2}\n", vec!["{\"a\":\"x", "{\"b\":2}"]),
            ("rubbish\n{\"b\":2}", vec!["rubbish", "{\"b\":2}"]),
            ("{\"a\":1}\nrubbish\n{\"b\":2}", vec!["{\"a\":1}", "rubbish", "{\"b\":2}"]),
            ("[{\"a\":1}, rubbish, {\"b\":2}]", vec!["{\"a\":1}", "rubbish", "{\"b\":2}"]),
            ("[{\"a\":1}, {\"b\":", vec!["{\"a\":1}", "{\"b\":"]),
            ("[{\"a\":1}] x", vec!["{\"a\":1}", "x"]),
            ("{\n\"a\": 1", vec!["{\n\"a\": 1"]),
            ("[}{]", vec!["}", "{]"]),
        ] {
            assert_eq!(records(body), expected, "{body}");
        }
    }

    #[test]
    fn a_member_is_found_without_parsing() {
        let text = br#"{ "x" : [1, {"alerts": 0}], "a\u006certs" : {"list":[{"n":1},{"n":2}]} , "y": "}" }"#;
        let keys = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
        assert_eq!(member(text, &keys(&["alerts", "list"])).unwrap(), br#"[{"n":1},{"n":2}]"#);
        assert_eq!(member(text, &keys(&["y"])).unwrap(), br#""}""#);
        assert_eq!(member(text, &keys(&["alerts", "none"])), None);
        for text in ["{", "{\"a\"", "{\"a\":", "[]", "", "{,}", "{\"a\" 1}"] {
            assert!(member(text.as_bytes(), &keys(&["b"])).is_none(), "{text}");
        }
    }

    #[test]
    fn depth_and_number_are_measured() {
        assert_eq!(measure(br#"{"a":[1,2,{"b":"[[,"}]}"#), Measure { depth: 3, values: 6 });
    }
}
