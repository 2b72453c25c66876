//! `quell artifacts verify`: offline, from the file and its kept custody alone. The server is not asked: it could say anything.

mod content;
mod receipt;

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use quell_evidence::sealed;
use quell_wire::SignedOutcome;
use quell_wire::artifact::{Kind, MOST_PARTS};
use quell_wire::keys::key_id;
use quell_wire::path::artifact_id;
use ring::digest;
use serde_json::{Value, json};

use crate::failure::{Failure, PROBLEM};
use crate::output::table::field;
use crate::output::{self, Format, text};

/// Bytes of a kept custody at most.
const CUSTODY: u64 = 64 << 20;

/// What is verified, and by what.
#[derive(Debug, Args)]
pub struct Verify {
    /// The file: an archive, the recording of a shell, a part of rows
    file: PathBuf,
    /// Its custody: what `quell artifacts custody ID --output json` said
    #[arg(long, value_name = "FILE")]
    receipt: PathBuf,
    /// The public key of the server's audit trail, 64 hex digits, as you know it from elsewhere
    #[arg(long, value_name = "HEX")]
    key: Option<String>,
    /// The public key of the endpoint, 64 hex digits, as you know it from elsewhere
    #[arg(long, value_name = "HEX")]
    endpoint_key: Option<String>,
    /// A file with the archive's password: then its content is compared with its manifest, too
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

/// One thing that was looked at.
struct Check {
    what: &'static str,
    /// `None` where nothing can be said: it is not proven, and not refuted.
    holds: Option<bool>,
    detail: String,
}

impl Check {
    fn new(what: &'static str, holds: bool, detail: impl Into<String>) -> Self {
        Self { what, holds: Some(holds), detail: detail.into() }
    }
}

impl Verify {
    /// Verifies; fails when anything is wrong.
    pub fn run(&self, format: Format) -> Result<(), Failure> {
        let custody = self.custody()?;
        let mut file = File::open(&self.file)
            .map_err(|error| Failure::new(format!("opening {}: {error}", self.file.display())))?;
        let (size, sha256) = hashed(&mut file)?;
        let is_told = field(&custody, "/sha256") == sha256 && field(&custody, "/size") == size.to_string();
        let mut checks = vec![Check::new("file", is_told, format!("{size} bytes, SHA-256 {sha256}"))];
        let (received, record) = receipt::check(&custody, &sha256, self.key.as_deref());
        checks.push(received);
        let is_given = record.is_some_and(|record| receipt::detail(&record, "/kind") == "given");
        let (sealed, manifest) = self.seal(&custody, &sha256, is_given);
        checks.push(sealed);
        if let Some(path) = &self.password_file {
            let password = password(path)?;
            // What cannot be read takes nothing from what was found before.
            let found = content::check(file, &password, manifest.as_deref());
            checks.extend(found.unwrap_or_else(|why| vec![Check::new("content", false, why.message)]));
        }
        let count = custody.pointer("/accesses").and_then(Value::as_array).map_or(0, Vec::len);
        checks.push(Check {
            what: "accesses",
            holds: None,
            detail: format!(
                "{count} told by the server; they stand in its audit trail, not under this receipt"
            ),
        });
        let is_whole = checks.iter().all(|check| check.holds != Some(false));
        let told: Vec<Value> = checks
            .iter()
            .map(|check| json!({ "check": check.what, "holds": check.holds, "detail": check.detail }))
            .collect();
        output::one(format, &json!({ "intact": is_whole, "checks": told }), |_| {
            let line = |check: &Check| {
                let verdict = match check.holds {
                    Some(true) => "holds",
                    Some(false) => "DOES NOT HOLD",
                    None => "not proven",
                };
                format!("{} {verdict}: {}", check.what, text::visible(&check.detail))
            };
            checks.iter().map(line).collect::<Vec<_>>().join("\n")
        })?;
        if is_whole { Ok(()) } else { Err(Failure::silent(PROBLEM)) }
    }

    fn custody(&self) -> Result<Value, Failure> {
        let shown = self.receipt.display();
        let mut bytes = Vec::new();
        let file = File::open(&self.receipt);
        let read = file.and_then(|file| file.take(CUSTODY).read_to_end(&mut bytes));
        read.map_err(|error| Failure::new(format!("reading {shown}: {error}")))?;
        let custody: Option<Value> = serde_json::from_slice(&bytes).ok();
        custody.filter(|custody| field(custody, "/format") == "quell.custody/1").ok_or_else(|| {
            Failure::new(format!("{shown} is not a custody"))
                .hint("Keep one with `quell artifacts custody ID --output json > custody.json`.")
        })
    }

    /// The endpoint signed the file's hash; also answers the manifest's that it signed. A file that a person gave, as the
    /// receipt says, it does not know.
    fn seal(&self, custody: &Value, sha256: &str, is_given: bool) -> (Check, Option<String>) {
        let check = |holds, detail: &str| Check::new("seal", holds, detail);
        let bytes = |path: &str| unhex(&field(custody, &format!("/seal{path}")));
        let (Some(outcome), Some(signature), Some(key)) =
            (bytes("/outcome"), bytes("/signature"), bytes("/key"))
        else {
            return (check(false, "there is none in it"), None);
        };
        if self.endpoint_key.as_ref().is_some_and(|known| known.to_ascii_lowercase() != text::hex(&key)) {
            return (check(false, "it is signed with another key than the one you named"), None);
        }
        let opened = match (SignedOutcome { outcome, signature }).open(&key) {
            Ok(opened) => opened,
            Err(error) => return (check(false, &error.to_string()), None),
        };
        let result: Value = serde_json::from_slice(&opened.result).unwrap_or_default();
        let artifact = field(custody, "/artifact_id");
        match sealed(&result, &artifact) {
            Some(told) if told == sha256 => {}
            Some(_) => return (check(false, "the endpoint sealed another file under its name"), None),
            None if is_given => {
                let detail = "not the endpoint's: a person gave it to a shell";
                return (Check { what: "seal", holds: None, detail: detail.to_owned() }, None);
            }
            None if is_got(&opened.order_id, &artifact) => {
                let detail = "not sealed by the endpoint: it was got within a shell whose outcome does not name it, and what arrived is all that is known";
                return (Check { what: "seal", holds: None, detail: detail.to_owned() }, None);
            }
            None => return (check(false, "the endpoint sealed another file"), None),
        }
        let manifest = Some(field(&result, "/manifest_sha256")).filter(|hash| !hash.is_empty());
        let known = if self.endpoint_key.is_some() { "the key that you named" } else { "compare it" };
        let detail = format!(
            "order {} of endpoint {}, key {}, {known}",
            opened.order_id,
            opened.endpoint_id,
            key_id(&key)
        );
        (check(true, &detail), manifest)
    }
}

/// Whether it is one of the files that a shell brings in by its verbs: an outcome names as many as it has room for.
fn is_got(order: &str, artifact: &str) -> bool {
    (0..MOST_PARTS).any(|part| artifact_id(order, &Kind::File(part).to_string()) == artifact)
}

fn hashed(file: &mut File) -> Result<(u64, String), Failure> {
    let mut hash = digest::Context::new(&digest::SHA256);
    let mut buffer = vec![0; 1 << 16];
    let mut size = 0;
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((size, text::hex(hash.finish().as_ref()))),
            count => {
                hash.update(buffer.get(..count).unwrap_or_default());
                size += count as u64;
            }
        }
    }
}

fn password(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(1024).read_to_string(&mut text));
    read.map_err(|error| Failure::new(format!("reading {}: {error}", path.display())))?;
    Ok(text.trim().as_bytes().to_vec())
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let is_hex =
        !text.is_empty() && text.len().is_multiple_of(2) && text.bytes().all(|c| c.is_ascii_hexdigit());
    let pair = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    is_hex.then(|| (0..text.len()).step_by(2).map(pair).collect()).flatten()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use quell_wire::Outcome;
    use quell_wire::keys::SigningKey;

    use super::*;

    const ORDER: &str = "0198c0de-0000-7000-8000-000000000001";

    /// What the seal says of a file with this id, under an outcome that names a recording.
    fn seal(artifact: &str, is_given: bool) -> (Option<bool>, String) {
        let key = SigningKey::from_pkcs8(&SigningKey::generate().unwrap()).unwrap();
        let recording = artifact_id(ORDER, "recording");
        let result = json!({ "recording": { "artifact_id": recording, "sha256": "aa" } }).to_string();
        let outcome = Outcome {
            order_id: ORDER.to_owned(),
            intent_digest: vec![0; 32],
            status: 1,
            result: result.into_bytes(),
            ..Outcome::default()
        };
        let signed = SignedOutcome::sign(&key, &outcome);
        let custody = json!({ "artifact_id": artifact,
            "seal": { "outcome": text::hex(&signed.outcome), "signature": text::hex(&signed.signature),
                "key": text::hex(&key.public()) } });
        let verify = Verify {
            file: PathBuf::new(),
            receipt: PathBuf::new(),
            key: None,
            endpoint_key: None,
            password_file: None,
        };
        let (check, _) = verify.seal(&custody, "aa", is_given);
        (check.holds, check.detail)
    }

    #[test]
    fn files_of_a_shell_are_told_from_forged_ones() {
        assert_eq!(seal(&artifact_id(ORDER, "recording"), false).0, Some(true));
        let (holds, detail) = seal(&artifact_id(ORDER, "file.7"), false);
        assert!(holds.is_none() && detail.contains("not sealed by the endpoint"), "{detail}");
        assert_eq!(seal("given by somebody", true).0, None);
        assert_eq!(seal("given by somebody", false).0, Some(false));
        assert_eq!(seal(&artifact_id(ORDER, "archive"), false).0, Some(false));
    }
}
