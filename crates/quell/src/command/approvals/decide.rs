//! Decisions. Each begins with the deed: it is shown first, and the digest that was shown is what is decided about.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::{Map, Value, json};

use super::{fetch, page, path};
use crate::cli::Context;
use crate::client::Client;
use crate::duration;
use crate::failure::{Failure, PROBLEM};
use crate::input;
use crate::output::table::{Column, field, render};
use crate::output::{self, terminal, text};

/// No signature is larger, bytes.
const SIGNATURE: u64 = 64 << 10;
/// Requests that one call decides about.
const MOST: usize = 200;

const COLUMNS: &[Column] = &[
    Column { heading: "TASK", cell: |row| field(row, "/task") },
    Column { heading: "STATE", cell: |row| field(row, "/state") },
    Column { heading: "NOT DECIDED, BECAUSE", cell: because },
];

/// Tasks to agree to.
#[derive(Debug, Args)]
pub struct Approve {
    /// Ids of the tasks
    #[arg(required = true)]
    task: Vec<String>,
    /// Why; those who asked read it
    #[arg(long, default_value = "")]
    note: String,
    /// How long it is good once enough people agreed, for example 2h; until the task's own end where absent
    #[arg(long, value_name = "SPAN", value_parser = duration::parse)]
    valid_for: Option<Duration>,
    /// Your own signature over the deed, as `quell trust sign` prints it; for a single task
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
    /// Agree without being asked once more
    #[arg(long)]
    yes: bool,
}

/// Tasks to decline.
#[derive(Debug, Args)]
pub struct Reject {
    /// Ids of the tasks
    #[arg(required = true)]
    task: Vec<String>,
    /// Why; those who asked read it
    #[arg(long, default_value = "")]
    note: String,
    /// Decline without being asked once more
    #[arg(long)]
    yes: bool,
}

/// A decision about requests that were read.
struct Ballot<'a> {
    /// `approve` or `reject`.
    word: &'static str,
    note: &'a str,
    /// What else goes along with each.
    more: Map<String, Value>,
}

impl Approve {
    pub(super) async fn run(&self, context: &Context) -> Result<(), Failure> {
        let mut more = Map::new();
        if let Some(span) = self.valid_for {
            more.insert("valid_for_seconds".to_owned(), json!(span.as_secs()));
        }
        if let Some(path) = &self.signature {
            if self.task.len() > 1 {
                return Err(Failure::new("a signature is over one deed: give one task with --signature"));
            }
            more.insert("signature".to_owned(), signature(path)?);
        }
        let ballot = Ballot { word: "approve", note: &self.note, more };
        ballot.cast(context, &self.task, self.yes).await
    }
}

impl Reject {
    pub(super) async fn run(&self, context: &Context) -> Result<(), Failure> {
        let ballot = Ballot { word: "reject", note: &self.note, more: Map::new() };
        ballot.cast(context, &self.task, self.yes).await
    }
}

/// What `quell trust sign` printed.
fn signature(path: &std::path::Path) -> Result<Value, Failure> {
    let signature: Value = serde_json::from_str(&input::text(path, SIGNATURE)?).unwrap_or_default();
    if signature.get("signature").is_some_and(Value::is_string) {
        return Ok(signature);
    }
    Err(Failure::new(format!("{} holds no signature", path.display()))
        .hint("quell trust sign TASK --key FILE > signature.json makes one"))
}

impl Ballot<'_> {
    /// Shows the deeds, asks, decides.
    async fn cast(&self, context: &Context, tasks: &[String], is_agreed: bool) -> Result<(), Failure> {
        let client = context.client()?;
        let mut requests: Vec<Value> = Vec::new();
        for task in tasks {
            let request = fetch(&client, task).await;
            let request = request.map_err(|failure| failure.during(&format!("reading request {task}")))?;
            if requests.iter().all(|known| known["task"] != request["task"]) {
                terminal::complain(&page(&request, false))?;
                requests.push(request);
            }
        }
        if !is_agreed {
            let question = match requests.len() {
                1 => format!("{} this deed?", self.heading()),
                count => format!("{} these {count} deeds?", self.heading()),
            };
            terminal::confirm(&question, "read the deed above, then give --yes")?;
        }
        match requests.as_slice() {
            [request] => {
                let answer = self.one(&client, request).await;
                let doing = if self.word == "approve" { "approving" } else { "rejecting" };
                let answer = answer.map_err(|failure| failure.during(doing))?;
                output::one(context.format, &answer, |answer| decided(self.word, answer))
            }
            several => self.many(context, &client, several).await,
        }
    }

    fn heading(&self) -> &'static str {
        if self.word == "approve" { "Approve" } else { "Reject" }
    }

    async fn one(&self, client: &Client, request: &Value) -> Result<Value, Failure> {
        let mut body = self.more.clone();
        body.insert("digest".to_owned(), request["digest"].clone());
        body.insert("note".to_owned(), json!(self.note));
        let path = path(&field(request, "/task"), &format!("/{}", self.word));
        client.post(&path, &Value::Object(body), None).await
    }

    /// One that cannot be decided keeps none of the others.
    async fn many(&self, context: &Context, client: &Client, requests: &[Value]) -> Result<(), Failure> {
        let mut results = Vec::new();
        if self.more.is_empty() {
            for part in requests.chunks(MOST) {
                results.extend(self.at_once(client, part).await?);
            }
        } else {
            for request in requests {
                results.push(match self.one(client, request).await {
                    Ok(answer) => {
                        json!({"task": request["task"], "state": answer["request"]["state"], "error": null})
                    }
                    Err(failure) => json!({"task": request["task"], "state": null,
                        "error": {"code": failure.advice.code, "detail": failure.message}}),
                });
            }
        }
        let failed = results.iter().filter(|result| !result["error"].is_null()).count();
        let answer = json!({ "results": results, "decided": results.len() - failed });
        output::one(context.format, &answer, |_| render(&results, COLUMNS, terminal::coloured()))?;
        if failed == 0 { Ok(()) } else { Err(Failure::silent(PROBLEM)) }
    }

    async fn at_once(&self, client: &Client, requests: &[Value]) -> Result<Vec<Value>, Failure> {
        let chosen =
            requests.iter().map(|request| json!({"task": request["task"], "digest": request["digest"]}));
        let body = json!({"decision": self.word, "requests": chosen.collect::<Vec<_>>(), "note": self.note});
        let mut answer = client.post(&format!("{}/decide", super::PATH), &body, None).await?;
        match answer.get_mut("results").map(Value::take) {
            Some(Value::Array(results)) => Ok(results),
            _ => Err(Failure::new("the server answered something that says nothing of the decisions")
                .hint("quell approvals list shows how they stand")),
        }
    }
}

fn because(result: &Value) -> String {
    match field(result, "/error/code") {
        code if code.is_empty() => String::new(),
        code => format!("{} ({code})", field(result, "/error/detail")),
    }
}

/// How a request stands after a decision, in a sentence.
fn decided(word: &str, answer: &Value) -> String {
    let deed = page::deed(&answer["request"]);
    let count = |name: &str| answer.get(name).and_then(Value::as_u64).unwrap_or(0);
    let (have, need) = (count("approvals"), count("needed"));
    let before = if answer.get("is_new") == Some(&Value::Bool(false)) {
        "you had decided so before, and nothing changed; "
    } else {
        ""
    };
    match (word, field(answer, "/request/state").as_str()) {
        ("reject", _) => format!("{before}{deed} is rejected: it will not happen"),
        (_, "pending") => {
            format!("{before}{deed} waits for more people: {have} of {need} agreed")
        }
        (_, "approved") => {
            let task = field(answer, "/request/task");
            let until = answer["request"]["valid_until"]
                .as_str()
                .map(|_| format!(", good until {}", output::moment::of(answer, "/request/valid_until")));
            let (until, task) = (until.unwrap_or_default(), text::visible(&task));
            format!("{before}{deed} is approved{}\nquell tasks watch {task}", text::visible(&until))
        }
        (_, state) => format!("{before}{deed} is {}", text::visible(state)),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_decision_says_how_the_request_stands() {
        let mut answer =
            json!({"approvals": 1, "needed": 2, "is_new": true, "request": super::super::example()});
        let mut said = vec![decided("approve", &answer)];
        answer["is_new"] = json!(false);
        said.push(decided("approve", &answer));
        answer["request"]["state"] = json!("approved");
        answer["request"]["valid_until"] = json!("2026-11-22T10:03:00Z");
        answer["is_new"] = json!(true);
        said.push(decided("approve", &answer));
        answer["request"]["state"] = json!("rejected");
        said.push(decided("reject", &answer));
        let results = [
            json!({"task": "t1", "state": "approved", "error": null}),
            json!({"task": "t2", "state": null, "error": {"code": "not_eligible", "detail": "you asked for it\u{1b}[2J"}}),
        ];
        said.push(render(&results, COLUMNS, false));
        let said = said.join("\n---\n");
        insta::assert_snapshot!(said);
        assert!(said.chars().all(|c| c == '\n' || !c.is_control()), "{said:?}");
    }

    #[test]
    fn a_file_without_a_signature_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("s.json");
        for text in ["", "[]", "{\"signature\": 7}"] {
            std::fs::write(&file, text).unwrap();
            assert!(signature(&file).is_err(), "{text}");
        }
        std::fs::write(&file, json!({"signature": "AA==", "key_id": "k"}).to_string()).unwrap();
        assert_eq!(signature(&file).unwrap()["key_id"], "k");
    }
}
