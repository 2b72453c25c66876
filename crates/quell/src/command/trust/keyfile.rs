//! Private keys in files that only their owner reads, and public keys as one word.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use clap::Args;
use quell_wire::SigningKey;
use quell_wire::keys::key_id;
use serde_json::json;

use crate::cli::Context;
use crate::failure::Failure;
use crate::output;

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";
/// Before the public key of an approver, as people carry it.
const PREFIX: &str = "ed25519:";
/// No file of a key is larger, bytes.
const MOST: u64 = 64 << 10;

/// A key to make.
#[derive(Debug, Args)]
pub struct New {
    /// Where to write the private key; the file must not be there yet
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl New {
    pub(in crate::command) fn run(&self, context: &Context) -> Result<(), Failure> {
        let public = make(&self.out)?.public();
        let made = json!({ "key_id": key_id(&public), "public": public_text(&public), "file": self.out });
        output::one(context.format, &made, |_| public_text(&public))
    }
}

/// A public key as one word.
pub(in crate::command) fn public_text(public: &[u8]) -> String {
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(public))
}

/// The public key that the word stands for.
pub(in crate::command) fn read_public(text: &str) -> Result<Vec<u8>, Failure> {
    let public = text.trim().strip_prefix(PREFIX).and_then(|key| URL_SAFE_NO_PAD.decode(key).ok());
    public.filter(|public| public.len() == 32).ok_or_else(|| {
        Failure::new(format!("`{text}` is no public key"))
            .hint("`quell trust approver-key` and `quell kit key` print one; it begins with ed25519:")
    })
}

/// Makes a new key and writes it (PKCS#8 in PEM, mode 0600) to a file that is not there yet.
pub(in crate::command) fn make(path: &Path) -> Result<SigningKey, Failure> {
    let der = SigningKey::generate().map_err(|error| Failure::of(&error))?;
    let body = STANDARD.encode(&der);
    let lines: Vec<&str> =
        body.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    let pem = format!("{BEGIN}\n{}\n{END}\n", lines.join("\n"));
    write_new(path, pem.as_bytes()).map_err(|error| failed("writing", path, &error))?;
    SigningKey::from_pkcs8(&der).map_err(|error| Failure::of(&error))
}

/// Reads a key that [`make`] wrote.
pub(in crate::command) fn read(path: &Path) -> Result<SigningKey, Failure> {
    let no_key = || Failure::new(format!("{} holds no Ed25519 key (PKCS#8 in PEM)", path.display()));
    let text = read_text(path)?;
    let (_, rest) = text.split_once(BEGIN).ok_or_else(no_key)?;
    let (body, _) = rest.split_once(END).ok_or_else(no_key)?;
    let body: String = body.split_whitespace().collect();
    let der = STANDARD.decode(body).map_err(|_| no_key())?;
    SigningKey::from_pkcs8(&der).map_err(|_| no_key())
}

/// A small file of text.
pub(in crate::command) fn read_text(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|error| failed("reading", path, &error))?;
    file.take(MOST).read_to_string(&mut text).map_err(|error| failed("reading", path, &error))?;
    Ok(text)
}

/// Writes a file (mode 0600) that is not there yet; it is on the disk when this returns.
pub(in crate::command) fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// What went wrong with a file.
pub(in crate::command) fn failed(doing: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("{doing} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_key_is_kept_private_and_read_again() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ann.key");
        let key = make(&path).unwrap();
        assert_eq!(read(&path).unwrap().public(), key.public());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(make(&path).is_err(), "never over another key");
        std::fs::write(&path, "no key").unwrap();
        assert!(read(&path).unwrap_err().message.contains("no Ed25519 key"));
        let text = public_text(&key.public());
        assert_eq!(read_public(&format!(" {text}\n")).unwrap(), key.public());
        assert!(read_public(&text[1..]).is_err() && read_public(&text[..20]).is_err());
    }
}
