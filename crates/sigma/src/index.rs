//! Which tests of a field can pass at all: each test names a text that has to stand in the value, and one pass over the value
//! finds all of those texts at once. What a test asks beyond that is asked only then.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use crate::pattern::Shape;
use crate::test::Test;

/// The number of a test in its shelf.
pub(crate) type TestNumber = u32;

/// The texts to look for in one field, and what each of them says.
#[derive(Debug)]
pub(crate) struct Index {
    automaton: AhoCorasick,
    said: Vec<Said>,
}

/// What a text that was found says about tests.
#[derive(Debug, Default)]
struct Said {
    /// Pass wherever it stands.
    anywhere: Vec<TestNumber>,
    /// Pass where it begins the value.
    start: Vec<TestNumber>,
    /// Pass where it ends the value.
    end: Vec<TestNumber>,
    /// Pass where it is the value.
    whole: Vec<TestNumber>,
    /// May pass: ask them.
    perhaps: Vec<TestNumber>,
}

/// What to do about a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Passes,
    Perhaps,
}

/// Texts that were seen in one value; each says what it has to say once.
#[derive(Debug, Default)]
pub(crate) struct Seen(Vec<u64>);

impl Seen {
    fn clear(&mut self, length: usize) {
        self.0.clear();
        self.0.resize(length.div_ceil(64), 0);
    }

    fn insert(&mut self, number: usize) -> bool {
        let (word, bit) = (&mut self.0[number / 64], 1 << (number % 64));
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }
}

impl Index {
    /// An index over tests of one field. Those that name no text are handed back: they are asked of every value.
    ///
    /// # Errors
    /// The automaton became too large.
    pub fn new<'a>(
        tests: impl Iterator<Item = (TestNumber, &'a Test)>,
    ) -> Result<(Option<Self>, Vec<TestNumber>), String> {
        let mut numbers = std::collections::HashMap::new();
        let (mut texts, mut said, mut rest) = (Vec::new(), Vec::<Said>::new(), Vec::new());
        for (test_number, test) in tests {
            let Some(literals) = test.literals() else {
                rest.push(test_number);
                continue;
            };
            for literal in literals {
                let text = literal.to_ascii_lowercase();
                let number = *numbers.entry(text.clone()).or_insert_with(|| {
                    texts.push(text);
                    said.push(Said::default());
                    said.len() - 1
                });
                said[number].about(test_number, test);
            }
        }
        if texts.is_empty() {
            return Ok((None, rest));
        }
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(&texts)
            .map_err(|error| error.to_string())?;
        Ok((Some(Self { automaton, said }), rest))
    }

    /// What a value says about tests. A test may be told of several times.
    pub fn look(&self, value: &[u8], seen: &mut Seen, mut tell: impl FnMut(TestNumber, Found)) {
        seen.clear(self.said.len());
        for found in self.automaton.find_overlapping_iter(value) {
            let number = found.pattern().as_usize();
            let said = &self.said[number];
            let (starts, ends) = (found.start() == 0, found.end() == value.len());
            if seen.insert(number) {
                said.anywhere.iter().for_each(|test| tell(*test, Found::Passes));
                said.perhaps.iter().for_each(|test| tell(*test, Found::Perhaps));
            }
            if starts {
                said.start.iter().for_each(|test| tell(*test, Found::Passes));
            }
            if ends {
                said.end.iter().for_each(|test| tell(*test, Found::Passes));
            }
            if starts && ends {
                said.whole.iter().for_each(|test| tell(*test, Found::Passes));
            }
        }
    }

    /// Bytes that it takes.
    pub fn memory(&self) -> usize {
        self.automaton.memory_usage()
    }
}

impl Said {
    fn about(&mut self, number: TestNumber, test: &Test) {
        let list = match test {
            Test::Text { shape: Shape::Exact(_), cased: false } => &mut self.whole,
            Test::Text { shape: Shape::Prefix(_), cased: false } => &mut self.start,
            Test::Text { shape: Shape::Suffix(_), cased: false } => &mut self.end,
            Test::Text { shape: Shape::Contains(_), cased: false } => &mut self.anywhere,
            _ => &mut self.perhaps,
        };
        list.push(number);
    }
}
