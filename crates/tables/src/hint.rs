//! What to write instead: the nearest name, and the names that there are.

use std::collections::BTreeSet;

use crate::list;
use crate::session::Error;
use crate::table::Table;

/// Names in a hint at most.
const MOST_NAMES: usize = 60;

/// For SQLite's message about a name that it does not know.
pub(crate) fn of(sql: &str, message: &str) -> Option<String> {
    if let Some(name) = after(message, "no such table: ") {
        let names: Vec<&str> = list::ALL.iter().map(|table| table.name).collect();
        return Some(format!("{}the tables are {}", meant(&name, &names), listed(&names)));
    }
    if let Some(name) = after(message, "no such column: ") {
        let bare = name.rsplit('.').next().unwrap_or(&name);
        let tables = named(sql);
        let columns: Vec<&str> = tables.iter().flat_map(|t| t.columns.iter().map(|c| c.name)).collect();
        if columns.is_empty() {
            return None;
        }
        let each: Vec<String> = tables
            .iter()
            .take(3)
            .map(|table| {
                let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
                format!("`{}` has {}", table.name, listed(&names))
            })
            .collect();
        return Some(format!("{}{}", meant(bare, &columns), each.join("; ")));
    }
    let name = after(message, "no such function: ")?;
    let names = crate::function::NAMES;
    Some(format!("{}beside SQLite's own functions there are {}", meant(&name, names), listed(names)))
}

/// Which table wants a term, of those that the statement reads.
pub(crate) fn unbounded(read: &BTreeSet<String>, message: String) -> Error {
    let bound = |name: &String| {
        let table = list::find(name)?;
        let columns: Vec<String> = table
            .columns
            .iter()
            .filter(|column| column.required)
            .map(|column| format!("`{}`", column.name))
            .collect();
        (!columns.is_empty()).then_some((table, columns))
    };
    match read.iter().find_map(bound) {
        Some((table, columns)) => {
            Error::Unbounded { table: table.name.to_owned(), columns: columns.join(" or ") }
        }
        None => Error::Sql { message, hint: None },
    }
}

fn after(message: &str, words: &str) -> Option<String> {
    let (_, rest) = message.split_once(words)?;
    let name = rest.split(|c: char| c.is_whitespace() || c == ',').next()?;
    (!name.is_empty()).then(|| name.to_owned())
}

/// Tables that are named anywhere in the text.
fn named(sql: &str) -> Vec<&'static Table> {
    let words: BTreeSet<String> =
        sql.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').map(str::to_ascii_lowercase).collect();
    list::ALL.iter().copied().filter(|table| words.contains(table.name)).collect()
}

fn listed(names: &[&str]) -> String {
    let mut text = names[..names.len().min(MOST_NAMES)].join(", ");
    if names.len() > MOST_NAMES {
        text.push_str(", …");
    }
    text
}

fn meant(name: &str, names: &[&str]) -> String {
    nearest(name, names).map_or_else(String::new, |near| format!("did you mean `{near}`? "))
}

/// The name that differs least, if it does not differ by more than a third.
pub(crate) fn nearest<'a>(name: &str, names: &[&'a str]) -> Option<&'a str> {
    // Nobody types a longer one, and the comparison is of each with each.
    let name: String = name.to_ascii_lowercase().chars().take(64).collect();
    let by_distance = names.iter().map(|other| (distance(&name, other), *other)).min();
    let near = by_distance.filter(|(away, other)| *away <= 1 + other.len() / 4).map(|(_, other)| other);
    near.or_else(|| {
        names.iter().copied().find(|other| name.len() > 3 && (other.contains(&name) || name.contains(other)))
    })
}

/// Letters to change, put in or take out.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
