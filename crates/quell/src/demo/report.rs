//! What the demonstration says: a line for people, or one JSON object a step for programs.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output::{say_json, terminal, text};

/// What was seen of one effect.
#[derive(Debug, Default)]
pub struct Seen {
    evidence: Vec<String>,
    missing: Vec<String>,
}

impl Seen {
    /// Something that must be so: the sentence stands as evidence where it is, as a failure where it is not.
    pub fn must(&mut self, holds: bool, sentence: impl Into<String>) {
        if holds { self.evidence.push(sentence.into()) } else { self.missing.push(sentence.into()) }
    }

    /// Evidence that the server judged.
    pub fn judged(&mut self, sentences: impl IntoIterator<Item = String>) {
        self.evidence.extend(sentences.into_iter().map(|sentence| format!("server: {sentence}")));
    }

    fn is_complete(&self) -> bool {
        self.missing.is_empty() && !self.evidence.is_empty()
    }
}

/// All that was said so far.
pub struct Report {
    json: bool,
    /// Whether steps are kept to ourselves.
    silent: bool,
    began: Instant,
    steps: u32,
    failed: u32,
}

impl Report {
    /// Nothing yet.
    pub fn new(json: bool) -> Self {
        Self { json, silent: false, began: Instant::now(), steps: 0, failed: 0 }
    }

    /// For who wants what the steps do and not what they say.
    pub fn silent() -> Self {
        Self { silent: true, ..Self::new(false) }
    }

    /// A remark beside the steps.
    pub fn say(&self, sentence: &str) {
        let line = format!("[{:5.1} s] {sentence}", self.began.elapsed().as_secs_f64());
        // Remarks are for who watches; nobody has to.
        let _ = terminal::complain(&line);
    }

    /// A step that was shown.
    pub fn step(
        &mut self,
        action: &str,
        target: &str,
        status: &str,
        seen: &Seen,
        took: Duration,
    ) -> Result<(), Failure> {
        self.steps += 1;
        let verified = status == "succeeded" && seen.is_complete();
        if !verified {
            self.failed += 1;
        }
        if self.silent {
            return Ok(());
        }
        let missing = seen.missing.iter().map(|sentence| format!("NOT seen: {sentence}"));
        let evidence: Vec<String> = seen.evidence.iter().cloned().chain(missing).collect();
        if self.json {
            let status = if verified { "verified" } else { "failed" };
            return say_json(
                &json!({
                    "step": self.steps, "action": action, "target": target, "status": status, "evidence": evidence,
                    "ms": took.as_millis() as u64,
                }),
                false,
            );
        }
        let word = if verified { "verified from both ends" } else { "NOT verified" };
        let mut lines =
            vec![format!("{}. {action} on {target}: {word} ({} ms)", self.steps, took.as_millis())];
        lines.extend(evidence.iter().map(|sentence| format!("     {}", text::visible(sentence))));
        terminal::say(&lines.join("\n"))
    }

    /// Whether every effect was seen from both ends.
    pub fn all_verified(&self) -> bool {
        self.steps > 0 && self.failed == 0
    }
}

/// The sentences with which the server judged a task's only command.
pub fn judged(task: &Value) -> Vec<String> {
    let command = task.pointer("/commands/items/0").cloned().unwrap_or(Value::Null);
    let list = command.pointer("/evidence/evidence").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut sentences: Vec<String> = list.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    for pointer in ["/message", "/evidence/reason"] {
        sentences.extend(command.pointer(pointer).and_then(Value::as_str).map(str::to_owned));
    }
    sentences
}
