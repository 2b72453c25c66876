//! `quell kit`: investigation kits, made and signed on the machine of whoever makes them, and whose kits a tenant takes.
//!
//! `new`, `key`, `sign` and `check` work without a server; the private key never comes near one.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use quell_kit::{Entry, Kit, MANIFEST, MOST_FILES, MOST_UNPACKED, Name, each, open, pack};
use quell_wire::digest::{hex, sha256};
use quell_wire::keys::key_id;
use serde_json::{Value, json};

use super::trust::keyfile;
use crate::cli::Context;
use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::output::table::{Column, field};
use crate::output::{self, moment, terminal, text};

const PATH: &str = "/api/v1/kit-keys";
/// Directories within directories that are looked into; the kit itself says what may be in it.
const DEEPEST: usize = 16;
const EXAMPLE: &str = include_str!("kit.yaml");
const SCRIPT: &str =
    "#!/bin/bash\n# What it writes to its standard output is brought in.\ncat /etc/passwd\nid\n";

const COLUMNS: &[Column] = &[
    Column { heading: "ID", cell: |row| field(row, "/id") },
    Column { heading: "NAME", cell: |row| field(row, "/name") },
    Column { heading: "KEY", cell: |row| field(row, "/key_id") },
    Column { heading: "REGISTERED BY", cell: |row| field(row, "/created_by") },
    Column { heading: "REGISTERED", cell: |row| moment::of(row, "/created_at") },
];

/// What to do about kits.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a folder with an example to begin from
    New(New),
    /// Make a key to sign kits with; prints its public part
    Key(keyfile::New),
    /// Pack a folder, check it and sign it
    Sign(Sign),
    /// Say what a signed kit holds, and whether its signature holds
    Check(Check),
    /// Whose kits the library takes
    Keys,
    /// Take kits that a key signed
    Trust(Trust),
    /// Take kits of a key no more
    Distrust(Distrust),
}

/// A folder to make.
#[derive(Debug, Args)]
pub struct New {
    /// The folder; it must not be there yet
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

/// A kit to sign.
#[derive(Debug, Args)]
pub struct Sign {
    /// The folder with kit.yaml and its files
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// The private key that `quell kit key` made
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Where to write the signed kit; the file must not be there yet
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// A kit to check.
#[derive(Debug, Args)]
pub struct Check {
    /// The signed kit
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// A key to register.
#[derive(Debug, Args)]
pub struct Trust {
    /// Who signs with it
    name: String,
    /// The public key that `quell kit key` printed
    #[arg(value_name = "PUBLIC")]
    public: String,
}

/// A key to take away.
#[derive(Debug, Args)]
pub struct Distrust {
    /// Id of the key, or its name
    key: String,
}

/// Does it.
pub async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::New(new) => new.run(),
        Command::Key(new) => new.run(context),
        Command::Sign(sign) => sign.run(context),
        Command::Check(check) => check.run(context),
        Command::Keys => {
            output::list(context.format, &context.client()?.list(PATH, &[], 1000).await?, COLUMNS)
        }
        Command::Trust(Trust { name, public }) => {
            keyfile::read_public(&public)?;
            let body = json!({ "name": name, "public": public });
            let made = context.client()?.post(PATH, &body, None).await?;
            output::list(context.format, &[made], COLUMNS)
        }
        Command::Distrust(Distrust { key }) => {
            let client = context.client()?;
            let id =
                if key.parse::<uuid::Uuid>().is_ok() { key.clone() } else { named(&client, &key).await? };
            client.delete(&format!("{PATH}/{}", segment(&id))).await?;
            terminal::say(&format!("kits of the key {} are taken no more", text::visible(&key)))
        }
    }
}

/// The id of the key of this name.
async fn named(client: &Client, name: &str) -> Result<String, Failure> {
    let known = client.list(PATH, &[], 1000).await?;
    let named = known.iter().find(|row| field(row, "/name") == name);
    named.map(|row| field(row, "/id")).ok_or_else(|| {
        Failure::new(format!("no key of kits has the name {:?}", text::visible(name)))
            .hint("`quell kit keys` lists them")
    })
}

impl New {
    fn run(&self) -> Result<(), Failure> {
        let failed = |error: std::io::Error| keyfile::failed("making", &self.dir, &error);
        fs::create_dir(&self.dir)
            .and_then(|()| fs::create_dir(self.dir.join("scripts")))
            .and_then(|()| fs::write(self.dir.join(MANIFEST), EXAMPLE))
            .and_then(|()| fs::write(self.dir.join("scripts/accounts.sh"), SCRIPT))
            .map_err(failed)?;
        terminal::say(&format!(
            "{} holds an example; next: quell kit key --out kit.key && quell kit sign {} --key kit.key --out first-look.kit",
            self.dir.display(),
            self.dir.display()
        ))
    }
}

impl Sign {
    fn run(&self, context: &Context) -> Result<(), Failure> {
        let key = keyfile::read(&self.key)?;
        let mut files = Vec::new();
        let mut left = MOST_UNPACKED;
        gather(&self.dir, "", 0, &mut left, &mut files)?;
        files.sort_by(|one, other| one.0.cmp(&other.0));
        let payload = pack(&files).map_err(|error| Failure::of(&error))?;
        let kit = quell_kit::sign(&key, &payload);
        let described = described(&kit)?;
        keyfile::write_new(&self.out, &kit).map_err(|error| keyfile::failed("writing", &self.out, &error))?;
        output::one(context.format, &described, lines)
    }
}

/// Every file of a folder. A link is refused and not followed: what it leads to on this machine is nobody's to ship.
fn gather(
    dir: &Path,
    prefix: &str,
    depth: usize,
    left: &mut u64,
    files: &mut Vec<(Name, Vec<u8>)>,
) -> Result<(), Failure> {
    let failed = |path: &Path, error: std::io::Error| keyfile::failed("reading", path, &error);
    for entry in fs::read_dir(dir).map_err(|error| failed(dir, error))? {
        let entry = entry.map_err(|error| failed(dir, error))?;
        let path = entry.path();
        let no_file = |why: &str| Failure::new(format!("{} {why}", path.display()));
        let name = entry.file_name();
        let name = name.to_str().ok_or_else(|| no_file("has a name that is not text"))?;
        let name = format!("{prefix}{name}");
        let facts = entry.metadata().map_err(|error| failed(&path, error))?;
        if facts.is_dir() {
            if depth == DEEPEST {
                return Err(no_file("lies too deep"));
            }
            gather(&path, &format!("{name}/"), depth + 1, left, files)?;
            continue;
        }
        if !facts.is_file() {
            return Err(no_file("is no plain file and may not be in a kit"));
        }
        *left = left.checked_sub(facts.len()).filter(|_| files.len() < MOST_FILES).ok_or_else(|| {
            Failure::new(format!("a kit has at most {MOST_FILES} files and {} MiB", MOST_UNPACKED >> 20))
        })?;
        let name = Name::new(&name).map_err(|error| Failure::of(&error))?;
        files.push((name, fs::read(&path).map_err(|error| failed(&path, error))?));
    }
    Ok(())
}

impl Check {
    fn run(&self, context: &Context) -> Result<(), Failure> {
        let bytes = fs::read(&self.file).map_err(|error| keyfile::failed("reading", &self.file, &error))?;
        output::one(context.format, &described(&bytes)?, lines)
    }
}

/// What a kit holds; a failure where it is none, or its signature does not fit.
fn described(bytes: &[u8]) -> Result<Value, Failure> {
    let failed = |error: &quell_kit::Error| {
        let failure = Failure::of(error);
        if error.hint().is_empty() { failure } else { failure.hint(error.hint()) }
    };
    let signed = open(bytes).map_err(|error| failed(&error))?;
    if !signed.is_by(signed.key) {
        return Err(Failure::new("the signature does not fit: the kit was changed after it was signed"));
    }
    let kit = Kit::read(signed.payload).map_err(|error| failed(&error))?;
    let mut files = Vec::new();
    each(signed.payload, |entry: &Entry, _: &mut dyn std::io::Read| {
        files.push(json!({ "name": entry.name.as_str(), "size": entry.size }));
        Ok::<_, quell_kit::Error>(())
    })
    .map_err(|error| failed(&error))?;
    let steps: Vec<Value> = kit
        .manifest
        .steps
        .iter()
        .map(|step| {
            json!({
                "name": step.name, "kind": step.work.kind(), "file": step.file().map(Name::as_str),
                "seconds": step.seconds, "output_bytes": step.output_bytes, "on_failure": step.on_failure,
            })
        })
        .collect();
    Ok(json!({
        "name": kit.manifest.name, "version": kit.manifest.version, "description": kit.manifest.description,
        "sha256": hex(&sha256(&[bytes])), "signer": keyfile::public_text(signed.key), "key_id": key_id(signed.key),
        "steps": steps, "files": files,
    }))
}

fn lines(value: &Value) -> String {
    let fact = |pointer: &str| text::visible(&field(value, pointer)).into_owned();
    let mut lines = vec![
        format!("kit     {} {}", fact("/name"), fact("/version")),
        format!("sha256  {}", fact("/sha256")),
        format!("signer  {}  (key {}); the signature holds", fact("/signer"), fact("/key_id")),
    ];
    for (index, step) in value["steps"].as_array().into_iter().flatten().enumerate() {
        let fact = |pointer: &str| text::visible(&field(step, pointer)).into_owned();
        lines.push(format!(
            "step {:<2} {}: {} {}  ({} s, on failure: {})",
            index + 1,
            fact("/name"),
            fact("/kind"),
            fact("/file"),
            fact("/seconds"),
            fact("/on_failure")
        ));
    }
    lines.push(format!("{} files", value["files"].as_array().map_or(0, Vec::len)));
    lines.join("\n")
}
