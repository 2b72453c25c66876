//! Conditions: how the selections of a rule are joined. `not` binds closest, then `and`, then `or`.

use crate::expression::Expression;
use crate::limits;
use crate::problem::{Problem, nearest, shown};
use crate::yaml::Place;

/// The selections of a rule by name, in the order in which they are written.
pub(crate) type Selections = Vec<(String, Expression)>;

/// A condition with its selections put in; their names are taken out of `unused`.
pub(crate) fn read(
    text: &str,
    place: Place,
    selections: &Selections,
    unused: &mut Vec<String>,
) -> Result<Expression, Problem> {
    if text.len() > limits::CONDITION {
        return Err(Problem::at(place, format!("a condition of more than {} bytes", limits::CONDITION)));
    }
    if text.contains('|') {
        return Err(Problem::at(place, "counting behind `|` is not taken")
            .hint("Write a correlation: a document of its own with `correlation:`."));
    }
    let spaced = text.replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut reader = Reader { words: &words, at: 0, place, selections, unused, leaves: 0 };
    let expression = reader.any(0)?;
    match reader.peek() {
        None => Ok(expression),
        Some(word) => Err(reader.wrong(format!("`{}` is too much", shown(word)))),
    }
}

struct Reader<'a> {
    words: &'a [&'a str],
    at: usize,
    place: Place,
    selections: &'a Selections,
    unused: &'a mut Vec<String>,
    leaves: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.words.get(self.at).copied()
    }

    fn take(&mut self, word: &str) -> bool {
        let is_next = self.peek().is_some_and(|next| next.eq_ignore_ascii_case(word));
        self.at += usize::from(is_next);
        is_next
    }

    fn wrong(&self, message: impl std::fmt::Display) -> Problem {
        Problem::at(self.place, format!("condition: {message}"))
    }

    fn any(&mut self, depth: usize) -> Result<Expression, Problem> {
        let mut items = vec![self.all(depth)?];
        while self.take("or") {
            items.push(self.all(depth)?);
        }
        Ok(Expression::any(items))
    }

    fn all(&mut self, depth: usize) -> Result<Expression, Problem> {
        let mut items = vec![self.one(depth)?];
        while self.take("and") {
            items.push(self.one(depth)?);
        }
        Ok(Expression::all(items))
    }

    fn one(&mut self, depth: usize) -> Result<Expression, Problem> {
        if depth > limits::NESTING {
            return Err(self.wrong("too much within each other"));
        }
        if self.take("not") {
            return Ok(Expression::not(self.one(depth + 1)?));
        }
        if self.take("(") {
            let inner = self.any(depth + 1)?;
            return if self.take(")") { Ok(inner) } else { Err(self.wrong("`)` is missing")) };
        }
        let Some(word) = self.peek() else { return Err(self.wrong("it ends too soon")) };
        self.at += 1;
        if self.take("of") {
            return self.of(word);
        }
        match word.to_ascii_lowercase().as_str() {
            "and" | "or" | "of" | ")" => Err(self.wrong(format!("`{word}` is not expected here"))),
            _ => self.named(word),
        }
    }

    fn named(&mut self, name: &str) -> Result<Expression, Problem> {
        let Some((_, expression)) = self.selections.iter().find(|(known, _)| known == name) else {
            let meant = nearest(name, self.selections.iter().map(|(known, _)| known.as_str()));
            let hint = meant.map(|name| format!("Did you mean `{name}`?")).unwrap_or_default();
            return Err(self.wrong(format!("there is no selection `{}`", shown(name))).hint(hint));
        };
        self.unused.retain(|unused| unused != name);
        self.leaves += expression.leaves();
        if self.leaves > limits::VALUES {
            return Err(self.wrong(format!("more than {} values", limits::VALUES)));
        }
        Ok(expression.clone())
    }

    /// `1 of name*`, `all of them`.
    fn of(&mut self, how_many: &str) -> Result<Expression, Problem> {
        let Some(pattern) = self.peek() else { return Err(self.wrong("it ends behind `of`")) };
        self.at += 1;
        let is_all = match how_many.to_ascii_lowercase().as_str() {
            "1" | "any" => false,
            "all" => true,
            _ => {
                return Err(self
                    .wrong(format!("`{} of` is not taken", shown(how_many)))
                    .hint("There are `1 of`, `any of` and `all of`."));
            }
        };
        let pieces: Vec<&str> = pattern.split('*').collect();
        let is_meant = |name: &str| {
            let hidden = name.starts_with('_') && !pattern.starts_with('_');
            !hidden && (pattern.eq_ignore_ascii_case("them") || fits(name, &pieces))
        };
        let names: Vec<String> =
            self.selections.iter().map(|(name, _)| name).filter(|name| is_meant(name)).cloned().collect();
        if names.is_empty() {
            return Err(self.wrong(format!("no selection is called `{}`", shown(pattern))));
        }
        let items = names.iter().map(|name| self.named(name)).collect::<Result<Vec<_>, _>>()?;
        Ok(if is_all { Expression::all(items) } else { Expression::any(items) })
    }
}

/// Whether a name consists of the pieces with anything between them.
fn fits(name: &str, pieces: &[&str]) -> bool {
    let [first, middle @ .., last] = pieces else { return pieces.first() == Some(&name) };
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    for piece in middle {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}
