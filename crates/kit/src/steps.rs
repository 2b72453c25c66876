//! `kit.yaml`: what a kit is called, and its steps in their order.
//!
//! ```yaml
//! name: first-look
//! version: "1.2"
//! description: What is looked at first on a Linux server
//! steps:
//!   - name: accounts
//!     kind: script
//!     file: scripts/accounts.sh
//!     seconds: 60
//!     on_failure: go_on
//!   - kind: query
//!     sql: SELECT * FROM listening_ports
//! ```

use std::collections::HashSet;

use quell_evidence::yaml::{Error as YamlError, Node, Place, Value, documents};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::archive::Name;
use crate::fields::{Fields, SQL};

/// Steps of one kit at most.
pub const MOST_STEPS: usize = 64;
/// Seconds of one step at most: 6 hours.
pub const MOST_SECONDS: u32 = 6 * 3600;
/// Where a step says nothing.
const SECONDS: u32 = 300;
/// Bytes of output where a step says nothing (16 MiB), and at most (1 GiB).
const OUTPUT: u64 = 16 << 20;
const MOST_OUTPUT: u64 = 1 << 30;

/// What a kit says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// What it is called.
    pub name: String,
    /// Which of that name.
    pub version: String,
    /// What it is for.
    pub description: String,
    /// What it does, in this order; at least one.
    pub steps: Vec<Step>,
}

/// One thing that a kit does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it is called; once in a kit.
    pub name: String,
    /// What is done.
    pub work: Work,
    /// Seconds until it is ended.
    pub seconds: u32,
    /// Bytes of output that are kept; of each stream where it has two.
    pub output_bytes: u64,
    /// What comes after it has failed.
    pub on_failure: OnFailure,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Runs a script of the kit.
    Script {
        /// The script.
        file: Name,
        /// What runs it.
        interpreter: Interpreter,
        /// Passed as they are.
        arguments: Vec<String>,
        /// Exit codes that count as success.
        success: Vec<i32>,
    },
    /// Runs a program of the kit.
    Tool {
        /// The program.
        file: Name,
        /// Passed as they are.
        arguments: Vec<String>,
        /// Exit codes that count as success.
        success: Vec<i32>,
    },
    /// Asks the agent's tables.
    Query {
        /// A stored query (title, SQL), or the statement itself.
        asked: Asked,
    },
    /// Applies rules to files.
    Yara {
        /// The rules.
        file: Name,
        /// Paths with wildcards.
        paths: Vec<String>,
    },
    /// Collects evidence.
    Evidence {
        /// Definitions of the kit; those of the agent where absent.
        file: Option<Name>,
        /// Names of definitions or groups of them.
        artifacts: Vec<String>,
    },
}

/// What is asked of the tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A stored query of the kit.
    File(Name),
    /// One statement.
    Sql(String),
}

/// What runs a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpreter {
    /// GNU Bash.
    Bash,
    /// POSIX shell.
    Sh,
    /// Python 3.
    Python,
    /// PowerShell 7.
    Powershell,
}

/// What comes after a step that failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// Nothing: the steps behind it are not run, and what there is until then is brought in.
    #[default]
    Stop,
    /// The next step.
    GoOn,
}

impl Work {
    /// What it is, in `kit.yaml` and in answers.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Script { .. } => "script",
            Self::Tool { .. } => "tool",
            Self::Query { .. } => "query",
            Self::Yara { .. } => "yara",
            Self::Evidence { .. } => "evidence",
        }
    }
}

impl Step {
    /// The file of the kit that it needs.
    pub const fn file(&self) -> Option<&Name> {
        match &self.work {
            Work::Script { file, .. }
            | Work::Tool { file, .. }
            | Work::Yara { file, .. }
            | Work::Query { asked: Asked::File(file) } => Some(file),
            Work::Query { asked: Asked::Sql(_) } => None,
            Work::Evidence { file, .. } => file.as_ref(),
        }
    }
}

/// Reads `kit.yaml`.
pub(crate) fn parse(bytes: &[u8]) -> Result<Manifest, Error> {
    let start = Place { line: 1, column: 1 };
    let read = || -> Result<Manifest, YamlError> {
        let text = str::from_utf8(bytes).map_err(|_| YamlError::at(start, "it is not UTF-8"))?;
        let documents = documents(text)?;
        let [document] = documents.as_slice() else {
            return Err(YamlError::at(start, "it has to hold one document"));
        };
        manifest(document)
    };
    read().map_err(Error::Manifest)
}

fn manifest(node: &Node) -> Result<Manifest, YamlError> {
    let fields = Fields::of(node, &["name", "version", "description", "steps"])?;
    let (at, name) = fields.text("name", 100)?.ok_or_else(|| fields.missing("name"))?;
    is_word(&name, at)?;
    let (at, version) = fields.text("version", 50)?.ok_or_else(|| fields.missing("version"))?;
    is_word(&version, at)?;
    let description = fields.text("description", 1000)?.map(|(_, text)| text).unwrap_or_default();
    let steps = fields.get("steps").ok_or_else(|| fields.missing("steps"))?;
    let Value::List(nodes) = &steps.value else {
        return Err(YamlError::at(steps.place, format!("steps have to be a list, not {}", steps.kind())));
    };
    if nodes.is_empty() || nodes.len() > MOST_STEPS {
        return Err(YamlError::at(steps.place, format!("it has to have 1 to {MOST_STEPS} steps")));
    }
    let mut names = HashSet::new();
    let mut read = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        let step = step(node, index + 1)?;
        if !names.insert(step.name.to_lowercase()) {
            return Err(YamlError::at(node.place, format!("two steps are called {:?}", step.name)));
        }
        read.push(step);
    }
    Ok(Manifest { name, version, description, steps: read })
}

const COMMON: [&str; 5] = ["name", "kind", "seconds", "output_bytes", "on_failure"];
const KINDS: &str = "script, tool, query, yara or evidence";

fn step(node: &Node, number: usize) -> Result<Step, YamlError> {
    let all = [
        COMMON.as_slice(),
        &["file", "interpreter", "arguments", "success_exit_codes", "sql", "paths", "artifacts"],
    ]
    .concat();
    let fields = Fields::of(node, &all)?;
    let (at, kind) = fields.text("kind", 20)?.ok_or_else(|| fields.missing("kind"))?;
    let of_kind: &[&str] = match kind.as_str() {
        "script" => &["file", "interpreter", "arguments", "success_exit_codes"],
        "tool" => &["file", "arguments", "success_exit_codes"],
        "query" => &["file", "sql"],
        "yara" => &["file", "paths"],
        "evidence" => &["file", "artifacts"],
        _ => {
            return Err(YamlError::at(at, format!("there is no kind of step {kind:?}"))
                .hint(format!("A step is a {KINDS}.")));
        }
    };
    if let Some((key, name)) =
        fields.keys().find(|(_, name)| !COMMON.contains(name) && !of_kind.contains(name))
    {
        return Err(YamlError::at(key, format!("a step that is a {kind} has no {name:?}")));
    }
    let work = work(&fields, &kind)?;
    let name = match fields.text("name", 64)? {
        Some((at, name)) => {
            is_word(&name, at)?;
            name
        }
        None => format!("{kind}-{number}"),
    };
    let on_failure = match fields.text("on_failure", 20)? {
        None => OnFailure::default(),
        Some((_, text)) if text == "stop" => OnFailure::Stop,
        Some((_, text)) if text == "go_on" => OnFailure::GoOn,
        Some((at, _)) => return Err(YamlError::at(at, "on_failure is `stop` or `go_on`")),
    };
    let seconds = fields.number("seconds", 1, MOST_SECONDS.into())?.unwrap_or(SECONDS.into());
    let output_bytes = fields.number("output_bytes", 0, MOST_OUTPUT)?.unwrap_or(OUTPUT);
    Ok(Step { name, work, seconds: u32::try_from(seconds).unwrap_or(SECONDS), output_bytes, on_failure })
}

fn work(fields: &Fields<'_>, kind: &str) -> Result<Work, YamlError> {
    let file = || fields.file()?.ok_or_else(|| fields.missing("file"));
    Ok(match kind {
        "script" => {
            let file = file()?;
            let interpreter = match fields.text("interpreter", 20)? {
                Some((at, name)) => interpreter(&name)
                    .ok_or_else(|| YamlError::at(at, "the interpreter is bash, sh, python or powershell"))?,
                None => of_suffix(file.as_str()).ok_or_else(|| {
                    YamlError::at(fields.place, "what runs the script is not said")
                        .hint("Write `interpreter: bash` (sh, python, powershell), or end its name in .sh, .py or .ps1.")
                })?,
            };
            Work::Script { file, interpreter, arguments: fields.list("arguments")?, success: fields.codes()? }
        }
        "tool" => {
            Work::Tool { file: file()?, arguments: fields.list("arguments")?, success: fields.codes()? }
        }
        "query" => match (fields.file()?, fields.text("sql", SQL)?) {
            (Some(file), None) => Work::Query { asked: Asked::File(file) },
            (None, Some((_, sql))) => Work::Query { asked: Asked::Sql(sql) },
            _ => return Err(YamlError::at(fields.place, "a query has either `file` or `sql`")),
        },
        "yara" => {
            let paths = fields.list("paths")?;
            if paths.is_empty() || paths.iter().any(|path| !path.starts_with('/')) {
                return Err(YamlError::at(fields.place, "a step that is a yara has absolute `paths`"));
            }
            Work::Yara { file: file()?, paths }
        }
        _ => {
            let artifacts = fields.list("artifacts")?;
            if artifacts.is_empty() {
                return Err(fields.missing("artifacts"));
            }
            Work::Evidence { file: fields.file()?, artifacts }
        }
    })
}

fn interpreter(name: &str) -> Option<Interpreter> {
    Some(match name {
        "bash" => Interpreter::Bash,
        "sh" => Interpreter::Sh,
        "python" => Interpreter::Python,
        "powershell" => Interpreter::Powershell,
        _ => return None,
    })
}

fn of_suffix(file: &str) -> Option<Interpreter> {
    Some(match file.rsplit_once('.')?.1 {
        "sh" => Interpreter::Bash,
        "py" => Interpreter::Python,
        "ps1" => Interpreter::Powershell,
        _ => return None,
    })
}

/// Letters, digits, `.`, `_` and `-`: it becomes part of names in archives.
fn is_word(text: &str, at: Place) -> Result<(), YamlError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) && !text.starts_with('.') {
        return Ok(());
    }
    Err(YamlError::at(at, format!("{text:?} may hold letters, digits, `.`, `_` and `-` alone")))
}
