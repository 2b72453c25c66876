//! `quell artifacts entries`, `entry` and `custody`: into an archive without unpacking it, and where it came from.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use futures_util::StreamExt as _;
use serde_json::Value;

use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::output::table::{Column, field};
use crate::output::{self, Format, moment, text};

const COLUMNS: &[Column] = &[
    Column { heading: "INDEX", cell: |row| field(row, "/index") },
    Column { heading: "BYTES", cell: |row| field(row, "/size") },
    Column { heading: "CHANGED", cell: |row| moment::of(row, "/modified_at") },
    Column { heading: "PATH", cell: |row| path(row) },
    Column { heading: "DEFINITION", cell: |row| field(row, "/asked_by") },
    Column { heading: "LEFT OUT", cell: |row| field(row, "/reason") },
];

fn path(row: &Value) -> String {
    let path = field(row, "/path");
    if path.is_empty() { field(row, "/name") } else { path }
}

/// What to list.
#[derive(Debug, Args)]
pub struct Entries {
    /// Id of the artifact
    artifact: String,
    /// With this text in name, path, definition or reason
    #[arg(long)]
    text: Option<String>,
    /// Only those that were found and left out
    #[arg(long)]
    left_out: bool,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 1000)]
    limit: usize,
}

/// What to take out.
#[derive(Debug, Args)]
pub struct Entry {
    /// Id of the artifact
    artifact: String,
    /// Its number, as `entries` lists it
    index: u32,
    /// The file to write; it must not exist yet
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Whose custody.
#[derive(Debug, Args)]
pub struct Custody {
    /// Id of the artifact
    artifact: String,
}

impl Entries {
    /// Lists.
    pub async fn run(&self, client: &Client, format: Format) -> Result<(), Failure> {
        let mut query: Vec<(&str, String)> = Vec::new();
        query.extend(self.text.clone().map(|text| ("text", text)));
        query.extend(self.left_out.then(|| ("present", "false".to_owned())));
        let path = format!("/api/v1/artifacts/{}/entries", segment(&self.artifact));
        output::list(format, &client.list(&path, &query, self.limit).await?, COLUMNS)
    }
}

impl Entry {
    /// Writes one file.
    pub async fn run(&self, client: &Client, format: Format) -> Result<(), Failure> {
        let path = format!("/api/v1/artifacts/{}/entries/{}", segment(&self.artifact), self.index);
        let download = client.open(&path, &[]).await?;
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let failed = |error: std::io::Error| Failure::new(format!("writing {}: {error}", self.out.display()));
        let mut file = options.open(&self.out).map_err(failed)?;
        let (mut pieces, mut size) = (download.pieces(), 0u64);
        while let Some(piece) = pieces.next().await {
            let piece = piece.inspect_err(|_| drop(std::fs::remove_file(&self.out)))?;
            size += piece.len() as u64;
            file.write_all(&piece).map_err(failed)?;
        }
        let value = serde_json::json!({ "path": self.out.to_string_lossy(), "bytes": size });
        output::one(format, &value, |value| {
            format!("{}: {size} bytes", text::visible(&field(value, "/path")))
        })
    }
}

impl Custody {
    /// Shows it; as JSON it is what `verify` takes.
    pub async fn run(&self, client: &Client, format: Format) -> Result<(), Failure> {
        let path = format!("/api/v1/artifacts/{}/custody", segment(&self.artifact));
        let custody = client.get(&path, &[]).await?;
        output::one(format, &custody, lines)
    }
}

fn lines(custody: &Value) -> String {
    let shown = |path: &str| text::visible(&field(custody, path)).into_owned();
    let mut lines = vec![format!("SHA-256 {} ({} bytes)", shown("/sha256"), shown("/size"))];
    lines.push(match custody.get("seal") {
        Some(seal) if seal.is_object() => format!(
            "sealed at the source {} by key {}",
            moment::of(custody, "/seal/sealed_at"),
            shown("/seal/key_id")
        ),
        _ => "not sealed yet".to_owned(),
    });
    lines.push(match custody.get("receipt") {
        Some(receipt) if receipt.is_object() => format!(
            "received {}, checkpoint {} by key {}",
            moment::of(custody, "/receipt/received_at"),
            shown("/receipt/batch"),
            shown("/receipt/key_id")
        ),
        _ => "no receipt yet".to_owned(),
    });
    for access in custody.get("accesses").and_then(Value::as_array).into_iter().flatten() {
        let of = |path: &str| text::visible(&field(access, path)).into_owned();
        lines.push(format!("{} {} {}", moment::of(access, "/at"), of("/verb"), of("/actor_name")));
    }
    lines.join("\n")
}
