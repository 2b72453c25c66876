//! `quell library add` and `check`: one file.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use quell_catalog::library::Kind;
use serde_json::Value;

use super::KindName;
use crate::cli::Context;
use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::output::table::field;
use crate::output::{self, text};

/// Something to add.
#[derive(Debug, Args)]
pub struct Add {
    /// What it is
    #[arg(value_enum)]
    kind: KindName,
    /// Its name in the library
    name: String,
    /// The file that holds it; `-` is standard input
    file: PathBuf,
    /// What runs a script; taken from the file's `#!` or its extension where absent
    #[arg(long, value_enum)]
    interpreter: Option<Interpreter>,
    /// What it is for
    #[arg(long, default_value = "")]
    description: String,
    /// Why this version is added
    #[arg(long, default_value = "")]
    note: String,
}

/// A file to check.
#[derive(Debug, Args)]
pub struct Check {
    /// What it is
    #[arg(value_enum)]
    kind: KindName,
    /// The file that holds it; `-` is standard input
    file: PathBuf,
}

/// A language that scripts are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Interpreter {
    /// GNU Bash
    Bash,
    /// POSIX shell
    Sh,
    /// Python 3
    Python,
    /// PowerShell 7
    Powershell,
}

impl Interpreter {
    /// Its name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Sh => "sh",
            Self::Python => "python",
            Self::Powershell => "powershell",
        }
    }

    /// What a script says about itself.
    pub fn of(path: &Path, body: &str) -> Option<Self> {
        let first = body.lines().next().filter(|line| line.starts_with("#!")).unwrap_or_default();
        let program = first.rsplit(['/', ' ']).next().unwrap_or_default();
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        match (program, extension) {
            ("bash", _) | ("", "bash") => Some(Self::Bash),
            ("sh" | "dash", _) | ("", "sh") => Some(Self::Sh),
            ("python3" | "python", _) | ("", "py") => Some(Self::Python),
            ("pwsh", _) | ("", "ps1") => Some(Self::Powershell),
            _ => None,
        }
    }
}

impl Add {
    /// Adds it.
    pub async fn run(&self, context: &Context) -> Result<(), Failure> {
        let body = read(&self.file, self.kind)?;
        let client = context.client()?;
        let with = With { interpreter: self.interpreter, description: &self.description, note: &self.note };
        let version = send(&client, self.kind, &self.name, (&self.file, body), with).await?;
        output::one(context.format, &version, named)
    }
}

impl Check {
    /// Checks it.
    pub async fn run(&self, context: &Context) -> Result<(), Failure> {
        let body = read(&self.file, self.kind)?;
        let path = format!("{}/check", self.kind.path());
        let found = context.client()?.post_bytes(&path, &[], body).await;
        let found = found.map_err(|failure| failure.during(&self.file.display().to_string()))?;
        output::one(context.format, &found, |found| {
            let known = super::facts(found);
            let known = if known.is_empty() { known } else { format!(" ({known})") };
            format!("the library would take it{}", text::visible(&known))
        })
    }
}

/// What goes with a body.
pub struct With<'a> {
    pub interpreter: Option<Interpreter>,
    pub description: &'a str,
    pub note: &'a str,
}

/// Uploads a body; the version that it is.
pub async fn send(
    client: &Client,
    kind: KindName,
    name: &str,
    (file, body): (&Path, Vec<u8>),
    with: With<'_>,
) -> Result<Value, Failure> {
    let mut query = vec![("description", with.description.to_owned()), ("note", with.note.to_owned())];
    if kind.0 == Kind::Script {
        let said = with.interpreter.or_else(|| Interpreter::of(file, &String::from_utf8_lossy(&body)));
        let interpreter = said.ok_or_else(|| {
            Failure::new(format!("{}: what runs it cannot be told", file.display()))
                .hint("begin it with #!, or give --interpreter bash|sh|python|powershell")
        })?;
        query.push(("interpreter", interpreter.as_str().to_owned()));
    }
    let path = format!("{}/{}/versions", kind.path(), segment(name));
    let added = client.post_bytes(&path, &query, body).await;
    added.map_err(|failure| failure.during(&format!("adding {name}")))
}

/// `name@version sha256:…`.
pub fn named(version: &Value) -> String {
    let fact = |pointer: &str| text::visible(&field(version, pointer)).into_owned();
    format!("{}@{} sha256:{}", fact("/name"), fact("/version"), fact("/sha256"))
}

/// The whole of a file, within what its kind may have.
pub fn read(file: &Path, kind: KindName) -> Result<Vec<u8>, Failure> {
    let failed = |problem: String| Failure::new(format!("reading {}: {problem}", file.display()));
    let most = kind.0.most_bytes();
    let mut body = Vec::new();
    let count = if file.as_os_str() == "-" {
        std::io::stdin().lock().take(most + 1).read_to_end(&mut body)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(most + 1).read_to_end(&mut body))
    };
    match count.map_err(|error| failed(error.to_string()))? as u64 {
        0 => Err(failed("it is empty".to_owned())),
        count if count <= most => Ok(body),
        _ => Err(failed(format!("more than {} MiB", most >> 20))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_says_what_runs_it() {
        for (path, body, expected) in [
            ("x", "#!/bin/bash\n", Some(Interpreter::Bash)),
            ("x", "#!/usr/bin/env python3\nimport os", Some(Interpreter::Python)),
            ("x.py", "#!/bin/sh\n", Some(Interpreter::Sh)),
            ("x.ps1", "Get-Process", Some(Interpreter::Powershell)),
            ("x.sh", "echo", Some(Interpreter::Sh)),
            ("x.txt", "echo", None),
            ("x.sh", "#!/usr/bin/perl\n", None),
        ] {
            assert_eq!(Interpreter::of(Path::new(path), body), expected, "{path} {body:?}");
        }
    }
}
