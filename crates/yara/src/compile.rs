//! From source to rules that can be applied.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use boreal::compiler::CompilerParams;

use crate::{EXTERNALS, MODULES, cost, source};

/// Stack of a compilation on a thread of its own. Bytes.
const STACK: usize = 64 << 20;
/// Compilations that did not end in time and still run. More are refused until one ends.
const MOST_ADRIFT: usize = 4;
/// The namespace of rules that name none, as in YARA.
const DEFAULT: &str = "default";
/// Bytes of a rule's name, as in YARA.
const NAME: usize = 128;
static ADRIFT: AtomicUsize = AtomicUsize::new(0);

/// What rules may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of source.
    pub source: usize,
    /// Rules, private ones included.
    pub rules: usize,
    /// Strings of one rule.
    pub strings: usize,
    /// Refuse what would be slow everywhere, instead of warning of it.
    pub refuse_costly: bool,
}

impl Default for Limits {
    /// 8 MiB, 50,000 rules of 10,000 strings; costly ones are warned of.
    fn default() -> Self {
        Self { source: 8 << 20, rules: 50_000, strings: 10_000, refuse_costly: false }
    }
}

impl Limits {
    /// For a library that many endpoints will draw on: costly rules are refused.
    pub fn strict() -> Self {
        Self { refuse_costly: true, ..Self::default() }
    }
}

/// Why source is no rules.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct CompileError {
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// What to try.
    pub hint: Option<String>,
}

impl CompileError {
    fn whole(message: impl Into<String>, hint: impl Into<Option<String>>) -> Self {
        Self { line: 1, column: 1, message: message.into(), hint: hint.into() }
    }
}

/// Something to look at in rules that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// What it is.
    pub message: String,
    /// It will be slow.
    pub costly: bool,
}

/// Compiled rules.
pub struct Rules {
    pub(crate) scanner: boreal::Scanner,
    warnings: Vec<Warning>,
    count: usize,
}

impl std::fmt::Debug for Rules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rules({})", self.count)
    }
}

impl Rules {
    /// Compiles source, all of it in the namespace `default`. Uses the stack in depth: see [`compile_within`] where the source
    /// is not trusted and the process is not confined.
    pub fn compile(source: &str, limits: &Limits) -> Result<Self, CompileError> {
        Self::compile_sets(&[(DEFAULT, source)], limits)
    }

    /// Compiles several sources, each in the namespace that stands before it, so that names may be the same in two of them.
    /// The number of rules is limited over all of them, the length of source for each.
    pub fn compile_sets(sets: &[(&str, &str)], limits: &Limits) -> Result<Self, CompileError> {
        let mut compiler = boreal::Compiler::new();
        compiler.set_params(
            CompilerParams::default()
                .disable_includes(true)
                .compute_statistics(true)
                .max_strings_per_rule(limits.strings),
        );
        for name in EXTERNALS {
            compiler.define_symbol(name, "");
        }
        let mut warnings = Vec::new();
        for (namespace, source) in sets {
            let named = |message: String| match *namespace {
                DEFAULT => message,
                other => format!("{message} (in {other})"),
            };
            let added = add(&mut compiler, namespace, source, limits)
                .map_err(|error| CompileError { message: named(error.message), ..error })?;
            warnings.extend(added.into_iter().map(|one| Warning { message: named(one.message), ..one }));
        }
        let scanner = compiler.finalize();
        let count = scanner.rules().count();
        if count > limits.rules {
            return Err(CompileError::whole(
                format!("{count} rules, and {} are allowed", limits.rules),
                None,
            ));
        }
        if count == 0 {
            return Err(CompileError::whole("there is no rule in it", None));
        }
        Ok(Self { scanner, warnings, count })
    }

    /// What was noticed.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// How many rules there are, private ones included.
    pub fn count(&self) -> usize {
        self.count
    }
}

/// One source into the compiler; what was noticed.
fn add(
    compiler: &mut boreal::Compiler,
    namespace: &str,
    source: &str,
    limits: &Limits,
) -> Result<Vec<Warning>, CompileError> {
    if source.len() > limits.source {
        return Err(CompileError::whole(format!("more than {} bytes of rules", limits.source), None));
    }
    if source.contains('\0') {
        return Err(CompileError::whole("the source contains a NUL byte", None));
    }
    let status = if namespace == DEFAULT {
        compiler.add_rules_str(source)
    } else {
        compiler.add_rules_str_in_namespace(source, namespace)
    };
    let status = status.map_err(|error| refused(source, &error))?;
    let mut warnings: Vec<Warning> = status
        .warnings()
        .map(|warning| {
            let CompileError { line, column, message, .. } = refused(source, warning);
            Warning { line, column, message, costly: false }
        })
        .collect();
    if let Some(long) = status.statistics().find(|rule| rule.name.len() > NAME) {
        let name: String = long.name.chars().take(20).collect();
        return Err(CompileError::whole(format!("the name {name}… is longer than {NAME} bytes"), None));
    }
    let costly = cost::look(source, status.statistics());
    if let (true, Some(first)) = (limits.refuse_costly, costly.first()) {
        let Warning { line, column, message, .. } = first.clone();
        let hint =
            Some("give it at least two fixed bytes in a row, and bound its loops and repetitions".to_owned());
        return Err(CompileError { line, column, message: format!("too costly: {message}"), hint });
    }
    warnings.extend(costly);
    Ok(warnings)
}

/// [`Rules::compile`] on a thread of its own with a deep stack, given up after `time`. A compilation that was given up runs
/// on until it ends; only so many are let run.
pub fn compile_within(source: &str, limits: Limits, time: Duration) -> Result<Rules, CompileError> {
    if ADRIFT.load(Ordering::SeqCst) >= MOST_ADRIFT {
        let hint = "earlier rules are still being compiled; try again in a minute".to_owned();
        return Err(CompileError::whole("too many rules are being compiled", hint));
    }
    let (sender, receiver) = sync_channel(1);
    let text = source.to_owned();
    let thread = std::thread::Builder::new().name("yara-compile".into()).stack_size(STACK);
    ADRIFT.fetch_add(1, Ordering::SeqCst);
    let started = thread.spawn(move || {
        let done = std::panic::catch_unwind(|| Rules::compile(&text, &limits));
        ADRIFT.fetch_sub(1, Ordering::SeqCst);
        if let Ok(done) = done {
            drop(sender.send(done));
        }
    });
    if let Err(error) = started {
        ADRIFT.fetch_sub(1, Ordering::SeqCst);
        return Err(CompileError::whole(format!("cannot start a thread: {error}"), None));
    }
    receiver.recv_timeout(time).unwrap_or_else(|error| {
        Err(match error {
            RecvTimeoutError::Timeout => CompileError::whole(
                format!("not compiled within {time:?}"),
                "make the rules fewer or simpler".to_owned(),
            ),
            RecvTimeoutError::Disconnected => {
                CompileError::whole("the compiler gave up on these rules", None)
            }
        })
    })
}

fn refused(source: &str, error: &boreal::compiler::AddRuleError) -> CompileError {
    let diagnostic = error.to_diagnostic();
    let byte = diagnostic.labels.first().map_or(0, |label| label.range.start);
    let at = source::position(source, byte);
    let detail = diagnostic.labels.iter().map(|label| label.message.as_str()).find(|text| !text.is_empty());
    let mut message = diagnostic.message.clone();
    if let Some(detail) = detail {
        message = format!("{message}: {detail}");
    }
    let hint = hint(&message).or_else(|| (!diagnostic.notes.is_empty()).then(|| diagnostic.notes.join("; ")));
    CompileError { line: at.line, column: at.column, message, hint }
}

fn hint(message: &str) -> Option<String> {
    let lower = message.to_lowercase();
    if lower.contains("include") {
        Some("put the included rules into the same text".to_owned())
    } else if lower.contains("unknown import") || lower.contains("unknown module") {
        Some(format!("modules at hand: {}", MODULES.join(", ")))
    } else if lower.contains("unknown identifier") {
        Some(format!("variables at hand: {}", EXTERNALS.join(", ")))
    } else {
        None
    }
}
