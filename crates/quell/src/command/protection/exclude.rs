//! What is not looked at.

use clap::Args;
use serde_json::{Value, json};

use super::{PATH, change};
use crate::cli::Context;
use crate::failure::Failure;
use crate::output;
use crate::output::table::{Column, field};

const COLUMNS: &[Column] = &[
    Column { heading: "NUMBER", cell: |row| field(row, "/number") },
    Column { heading: "RULE", cell: |row| field(row, "/rule") },
    Column { heading: "PATH", cell: |row| field(row, "/path") },
    Column { heading: "SHA-256", cell: |row| field(row, "/sha256") },
    Column { heading: "UID", cell: |row| field(row, "/uid") },
    Column { heading: "NOTE", cell: |row| field(row, "/note") },
];

/// An exclusion. What is named must all hold; with nothing named, the exclusions are listed.
#[derive(Debug, Args)]
pub struct Exclude {
    /// The rule that it is for; every rule where absent
    #[arg(long, value_name = "ID")]
    rule: Option<String>,
    /// The program or file; everything below a directory that ends in `/`
    #[arg(long)]
    path: Option<String>,
    /// The program or file, by its SHA-256
    #[arg(long, value_name = "HEX")]
    sha256: Option<String>,
    /// The user that the process runs as
    #[arg(long)]
    uid: Option<u32>,
    /// Why
    #[arg(long, default_value = "")]
    note: String,
    /// Take the exclusion of this number away
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["rule", "path", "sha256", "uid", "note"])]
    remove: Option<usize>,
}

impl Exclude {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        if let Some(number) = self.remove {
            return change(context, false, |settings| without(settings, number)).await;
        }
        let Self { rule, path, sha256, uid, note, .. } = self;
        if rule.is_none() && path.is_none() && sha256.is_none() && uid.is_none() {
            let settings = context.client()?.get(PATH, &[]).await?["settings"].clone();
            return output::list(context.format, &numbered(&settings), COLUMNS);
        }
        let mut one = serde_json::Map::new();
        let said = [
            ("rule", rule.map(Value::from)),
            ("path", path.map(Value::from)),
            ("sha256", sha256.map(Value::from)),
        ];
        let said = said.into_iter().chain([("uid", uid.map(Value::from)), ("note", Some(note.into()))]);
        one.extend(said.filter_map(|(name, value)| Some((name.to_owned(), value?))));
        change(context, false, |mut settings| {
            let mut all = settings["exclusions"].as_array().cloned().unwrap_or_default();
            all.push(Value::Object(one));
            settings["exclusions"] = json!(all);
            Ok(settings)
        })
        .await
    }
}

fn numbered(settings: &Value) -> Vec<Value> {
    let all = settings["exclusions"].as_array().cloned().unwrap_or_default();
    let number = |(index, mut one): (usize, Value)| {
        one["number"] = json!(index + 1);
        one
    };
    all.into_iter().enumerate().map(number).collect()
}

fn without(mut settings: Value, number: usize) -> Result<Value, Failure> {
    let mut all = settings["exclusions"].as_array().cloned().unwrap_or_default();
    if number == 0 || number > all.len() {
        return Err(Failure::new(format!("there is no exclusion {number}"))
            .hint("quell protection exclude lists them with their numbers"));
    }
    all.remove(number - 1);
    settings["exclusions"] = json!(all);
    Ok(settings)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn exclusions_are_taken_away_by_number() {
        let settings = json!({"exclusions": [{"path": "/a"}, {"path": "/b"}]});
        assert_eq!(without(settings.clone(), 1).unwrap()["exclusions"], json!([{"path": "/b"}]));
        assert!(without(settings.clone(), 0).is_err() && without(settings.clone(), 3).is_err());
        assert_eq!(numbered(&settings)[1]["number"], 2);
    }
}
