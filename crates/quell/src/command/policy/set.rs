//! The approval settings from a file.

use std::path::PathBuf;

use clap::Args;
use serde_json::Value;

use super::store;
use crate::cli::Context;
use crate::failure::Failure;
use crate::input;

/// No policy is larger, bytes.
pub(super) const MOST: u64 = 1 << 20;

/// The file.
#[derive(Debug, Args)]
pub struct Set {
    /// The settings as JSON; `-` is standard input
    file: PathBuf,
}

impl Set {
    pub(super) async fn run(&self, context: &Context) -> Result<(), Failure> {
        let policy = read(&input::text(&self.file, MOST)?);
        let policy = policy.map_err(|failure| failure.during(&self.file.display().to_string()))?;
        store(context, &context.client()?, &policy).await
    }
}

/// The policy in a text: by itself, or within the settings as they are shown.
pub(super) fn read(text: &str) -> Result<Value, Failure> {
    let value: Value =
        serde_json::from_str(text).map_err(|error| Failure::new(format!("this is not JSON: {error}")))?;
    match value {
        Value::Object(mut settings)
            if settings.contains_key("policy") && settings.contains_key("offered") =>
        {
            Ok(settings.remove("policy").unwrap_or_default())
        }
        Value::Object(_) => Ok(value),
        _ => Err(Failure::new("this is no JSON object")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_policy_is_read_by_itself_or_as_it_was_shown() {
        let policy = json!({"rules": []});
        let shown = json!({"policy": policy, "offered": [], "lists": []});
        assert_eq!(read(&policy.to_string()).ok(), Some(policy.clone()));
        assert_eq!(read(&shown.to_string()).ok(), Some(policy));
        assert!(read("[]").is_err());
        let said = read("{\"rules\": [}").err().map(|failure| failure.message);
        assert!(said.is_some_and(|said| said.contains("line 1 column 12")));
    }
}
