//! A download that can go on where it stopped, and whose bytes are checked before they get their name.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use futures_util::StreamExt;
use reqwest::header::{HeaderName, IF_RANGE, RANGE};
use ring::digest;
use serde_json::Value;

use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::output::table::field;
use crate::output::{progress, text};

/// How often a broken download goes on by itself.
const TRIES: u32 = 5;

/// A name that cannot lead out of the folder, hide, or pass for an option.
pub fn file_name(artifact: &Value) -> String {
    let plain = |text: &str| -> String {
        let kept = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
        text.chars().map(kept).take(100).collect::<String>().trim_start_matches(['.', '-']).to_owned()
    };
    let (id, name) = (plain(&field(artifact, "/id")), plain(&field(artifact, "/name")));
    // Archives of many endpoints share a name; the id keeps them apart.
    if name.is_empty() { id } else { format!("{id}-{name}").trim_start_matches('-').to_owned() }
}

/// Downloads to `path`; what is there of an earlier try is used.
pub async fn fetch(client: &Client, artifact: &Value, path: &Path, force: bool) -> Result<PathBuf, Failure> {
    let failed = |error: std::io::Error| Failure::new(format!("writing {}: {error}", path.display()));
    if path.exists() && !force {
        return Err(
            Failure::new(format!("{} is there already", path.display())).hint("--force writes over it")
        );
    }
    let part = path.with_extension("part");
    let mut attempt = 1;
    loop {
        let mut file = open(&part).map_err(failed)?;
        let mut hash = digest::Context::new(&digest::SHA256);
        let there = absorb(&mut file, &mut hash).map_err(failed)?;
        match receive(client, artifact, &mut file, hash, there).await {
            Ok(sha256) if sha256 == field(artifact, "/sha256") => break file.sync_all().map_err(failed)?,
            Ok(sha256) => {
                // Nothing can be made of it.
                let _ = std::fs::remove_file(&part);
                return Err(Failure::new(format!(
                    "{}: received bytes with SHA-256 {sha256}, not those that the server announced",
                    path.display()
                )));
            }
            // A break-off that left more than before may go on; anything else is told.
            Err(Broken::Off(_)) if attempt < TRIES => attempt += 1,
            Err(Broken::Off(failure) | Broken::Refused(failure)) => return Err(failure),
        }
    }
    std::fs::rename(&part, path).map_err(failed)?;
    Ok(path.to_path_buf())
}

/// How a download ended before its time.
enum Broken {
    /// The connection did; what came is kept.
    Off(Failure),
    /// There is no use in going on.
    Refused(Failure),
}

async fn receive(
    client: &Client,
    artifact: &Value,
    file: &mut File,
    mut hash: digest::Context,
    there: u64,
) -> Result<String, Broken> {
    let sha256 = field(artifact, "/sha256");
    let size = artifact.get("size").and_then(Value::as_u64).unwrap_or(0);
    let refused = |error: std::io::Error| Broken::Refused(error.into());
    if there < size || there == 0 {
        let headers: Vec<(HeaderName, String)> = if there > 0 {
            vec![(RANGE, format!("bytes={there}-")), (IF_RANGE, format!("\"{sha256}\""))]
        } else {
            Vec::new()
        };
        let path = format!("/api/v1/artifacts/{}/content", segment(&field(artifact, "/id")));
        let download = client.open(&path, &headers).await.map_err(Broken::Refused)?;
        let mut received = if download.is_partial() { there } else { 0 };
        if there > 0 && received == 0 {
            file.set_len(0).map_err(refused)?;
            hash = digest::Context::new(&digest::SHA256);
        }
        let bar = progress::bytes(download.length().map(|length| received + length));
        bar.set_position(received);
        let mut pieces = download.pieces();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(Broken::Off)?;
            received += piece.len() as u64;
            if received > size {
                return Err(Broken::Refused(Failure::new("the server sent more than it had announced")));
            }
            file.write_all(&piece).map_err(refused)?;
            hash.update(&piece);
            bar.set_position(received);
        }
        bar.finish_and_clear();
        if received < size {
            return Err(Broken::Off(Failure::new(format!(
                "the connection ended after {received} of {size} bytes"
            ))));
        }
    }
    Ok(text::hex(hash.finish().as_ref()))
}

/// The unfinished file; collected files are nobody else's to read.
fn open(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // Never through a link that somebody put there.
        options.mode(0o600).custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
    }
    let file = options.open(path)?;
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::new(
            ErrorKind::InvalidInput,
            "the unfinished download is no regular file",
        ));
    }
    Ok(file)
}

/// Hashes what is there; answers how much that is.
fn absorb(file: &mut File, hash: &mut digest::Context) -> std::io::Result<u64> {
    let mut buffer = vec![0; 1 << 16];
    let mut there = 0;
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(there),
            count => {
                hash.update(&buffer[..count]);
                there += count as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_name_cannot_lead_out_of_its_folder() {
        for (id, name, expected) in [
            ("0190", "hosts.zip", "0190-hosts.zip"),
            ("0190", "../../etc/passwd", "0190-_.._etc_passwd"),
            ("0190", "a\nb\u{202e}c", "0190-a_b_c"),
            ("-rf", "", "rf"),
            ("..", "/x", "_x"),
        ] {
            assert_eq!(file_name(&json!({"id": id, "name": name})), expected);
        }
    }
}
