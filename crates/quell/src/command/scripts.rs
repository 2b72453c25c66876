//! `quell scripts`: the library that `endpoint.run_script` runs from.

use std::io::Read;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::cli::Context;
use crate::client::segment;
use crate::failure::Failure;
use crate::output::table::{Column, field};
use crate::output::{self, Format, moment, terminal, text};

/// 1 MiB, the most that a script may have.
const MOST: u64 = 1 << 20;

const COLUMNS: &[Column] = &[
    Column { heading: "NAME", cell: |row| field(row, "/name") },
    Column { heading: "VERSION", cell: |row| field(row, "/versions/0/version") },
    Column { heading: "INTERPRETER", cell: |row| field(row, "/versions/0/interpreter") },
    Column { heading: "BYTES", cell: |row| field(row, "/versions/0/size") },
    Column { heading: "ADDED", cell: |row| moment::of(row, "/versions/0/created_at") },
    Column { heading: "BY", cell: |row| field(row, "/versions/0/created_by") },
    Column { heading: "SHA-256", cell: |row| field(row, "/versions/0/sha256") },
];

const VERSION_COLUMNS: &[Column] = &[
    Column { heading: "VERSION", cell: |row| field(row, "/version") },
    Column { heading: "INTERPRETER", cell: |row| field(row, "/interpreter") },
    Column { heading: "BYTES", cell: |row| field(row, "/size") },
    Column { heading: "ADDED", cell: |row| moment::of(row, "/created_at") },
    Column { heading: "BY", cell: |row| field(row, "/created_by") },
    Column { heading: "SHA-256", cell: |row| field(row, "/sha256") },
];

/// What to do with scripts.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List scripts with their latest version
    List,
    /// Add a script, or a new version of one
    Add(Add),
    /// Show a script's versions, or with NAME@VERSION its body
    Show(Show),
}

/// A script to add.
#[derive(Debug, Args)]
pub struct Add {
    /// Its name in the library
    name: String,
    /// The file that holds it; `-` is standard input
    file: PathBuf,
    /// What runs it; taken from the file's `#!` or its extension where absent
    #[arg(long, value_enum)]
    interpreter: Option<Interpreter>,
    /// What it is for
    #[arg(long, default_value = "")]
    description: String,
}

/// A script to show.
#[derive(Debug, Args)]
pub struct Show {
    /// NAME, or NAME@VERSION
    script: String,
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
    const fn as_str(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Sh => "sh",
            Self::Python => "python",
            Self::Powershell => "powershell",
        }
    }

    /// What a script says about itself.
    fn of(path: &std::path::Path, body: &str) -> Option<Self> {
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

/// Does it.
pub async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::List => {
            let items = context.client()?.list("/api/v1/scripts", &[], 10_000).await?;
            output::list(context.format, &items, COLUMNS)
        }
        Command::Add(add) => add.run(context).await,
        Command::Show(show) => show.run(context).await,
    }
}

impl Add {
    async fn run(&self, context: &Context) -> Result<(), Failure> {
        let body = self.read()?;
        let interpreter =
            self.interpreter.or_else(|| Interpreter::of(&self.file, &body)).ok_or_else(|| {
                Failure::new(format!("{}: what runs it cannot be told", self.file.display()))
                    .hint("begin it with #!, or give --interpreter bash|sh|python|powershell")
            })?;
        let request = json!({
            "name": self.name, "interpreter": interpreter.as_str(), "body": body, "description": self.description,
        });
        let answer = context.client()?.post("/api/v1/scripts", &request, None).await;
        let version = answer.map_err(|failure| failure.during(&format!("adding {}", self.name)))?;
        output::one(context.format, &version, |version| {
            let fact = |pointer: &str| text::visible(&field(version, pointer)).into_owned();
            format!("{}@{} sha256:{}", fact("/name"), fact("/version"), fact("/sha256"))
        })
    }

    fn read(&self) -> Result<String, Failure> {
        let failed = |problem: String| Failure::new(format!("reading {}: {problem}", self.file.display()));
        let mut body = String::new();
        let count = if self.file.as_os_str() == "-" {
            std::io::stdin().lock().take(MOST + 1).read_to_string(&mut body)
        } else {
            std::fs::File::open(&self.file).and_then(|file| file.take(MOST + 1).read_to_string(&mut body))
        };
        match count.map_err(|error| failed(error.to_string()))? as u64 {
            0 => Err(failed("it is empty".to_owned())),
            1..=MOST => Ok(body),
            _ => Err(failed("more than 1 MiB".to_owned())),
        }
    }
}

impl Show {
    async fn run(&self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let Some((name, version)) = self.script.split_once('@') else {
            let script = client.get(&format!("/api/v1/scripts/{}", segment(&self.script)), &[]).await?;
            if context.format != Format::Table {
                return output::one(context.format, &script, |_| String::new());
            }
            let description = field(&script, "/description");
            if !description.is_empty() {
                terminal::say(&text::visible(&description))?;
            }
            let versions = script.get("versions").and_then(Value::as_array).cloned().unwrap_or_default();
            return output::list(context.format, &versions, VERSION_COLUMNS);
        };
        let path = format!("/api/v1/scripts/{}/versions/{}", segment(name), segment(version));
        let version = client.get(&path, &[]).await?;
        output::one(context.format, &version, |version| text::visible_lines(&field(version, "/body")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

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
