//! Requests that the person confirms at the moment of asking: by their password or a one-time code, for this one body.

use std::io::IsTerminal;

use clap::Args;
use quell_wire::digest::{hex, sha256};
use serde_json::{Value, json};

use super::Client;
use crate::failure::Failure;
use crate::output::{prompt, terminal};

const NEEDED: &str = "step_up_needed";

// Where the confirmation comes from. No documentation: clap would show it as that of each command that takes it.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Source {
    /// Where the act needs your own confirmation: read the password, or a one-time code, from standard input
    #[arg(long, help_heading = "Request")]
    pub password_stdin: bool,
}

impl Client {
    /// Sends a change; where the person must confirm it, asks them and sends the same once more.
    pub async fn post_confirmed(
        &self,
        path: &str,
        body: &Value,
        key: Option<&str>,
        source: Source,
    ) -> Result<Value, Failure> {
        let refused = match self.post(path, body, key).await {
            Err(failure) if failure.advice.code.as_deref() == Some(NEEDED) => failure,
            answer => return answer,
        };
        let Some(secret) = read(source)? else {
            return Err(refused.hint("on a terminal you are asked for it; elsewhere give --password-stdin"));
        };
        let bytes = serde_json::to_vec(body).map_err(|error| Failure::of(&error))?;
        let request = hex(&sha256(&[format!("POST {path}\n").as_bytes(), &bytes]));
        let confirmation = if is_code(&secret) {
            json!({ "request": request, "totp": secret })
        } else {
            json!({ "request": request, "password": secret })
        };
        let proof = self.post("/api/v1/step-up", &confirmation, None).await;
        let proof = proof.map_err(|failure| failure.during("confirming"))?;
        let proof = proof.get("proof").and_then(Value::as_str).unwrap_or_default();
        self.post_proven(path, bytes, key, proof).await
    }
}

/// A password has more characters than a one-time code.
fn is_code(secret: &str) -> bool {
    secret.len() == 6 && secret.bytes().all(|byte| byte.is_ascii_digit())
}

/// What the person types, unseen; `None` where nobody can be asked.
fn read(source: Source) -> Result<Option<String>, Failure> {
    if !std::io::stdin().is_terminal() && !source.password_stdin {
        return Ok(None);
    }
    terminal::remark("this needs your own confirmation");
    prompt::secret("Your password, or a one-time code").map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_told_from_a_password() {
        assert!(is_code("123456"));
        for password in ["1234567", "12345", "correct horse battery", "١٢٣", ""] {
            assert!(!is_code(password), "{password}");
        }
    }
}
