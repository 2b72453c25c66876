//! What rules say of an activity event: behaviour rules (Sigma), and what a tenant does not want looked at.

mod fields;
mod fold;
mod prevents;

use std::sync::Arc;

use quell_sigma::{Correlator, Level, Rule, RuleSet, Scope, Scratch};
use quell_wire::activity::{Severity, Source};
use quell_wire::limits;
use quell_wire::protection::{Exclusion, Mode, Protection, documents};

pub use self::fields::{Fields, Subject};
pub use self::fold::{Folded, Folds, Place};
pub use self::prevents::Prevents;
use super::raw::is_whole;
use super::settings::Current;

/// Fields that are learned by reading a file.
const LATE: [&str; 5] = ["Hashes", "sha256", "Package", "md5", "sha1"];

/// A rule hit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    pub source: Source,
    /// Its id.
    pub rule: String,
    pub title: String,
    pub severity: Severity,
    pub techniques: Vec<String>,
    /// For a person.
    pub note: String,
    /// The file that is meant, where it is not the program of the event.
    pub path: Vec<u8>,
    /// Of that file.
    pub sha256: Option<[u8; 32]>,
    /// It was kept from happening already, or could not be.
    pub done: Option<bool>,
}

/// The rules in force.
#[derive(Debug, Default)]
pub struct Judge {
    current: Arc<Current>,
    set: RuleSet,
    correlator: Correlator,
    scratch: Scratch,
    /// Categories whose rules ask for what is learned by reading the file.
    late: Vec<String>,
    /// Rules that are not in force, and why.
    pub refused: Vec<(String, String)>,
}

impl Judge {
    /// Compiles what is wanted.
    pub fn new(current: Arc<Current>) -> Self {
        let mut refused = Vec::new();
        let body = current.behaviour.as_deref().unwrap_or_default();
        let is_on = current.document.mode(Source::Behaviour) != Mode::Off;
        let (set, problems) = match std::str::from_utf8(body) {
            Ok(text) if is_on => RuleSet::compile(&documents(text), &Scope::linux()),
            Ok(_) => (RuleSet::default(), Vec::new()),
            Err(error) => {
                refused.push((String::new(), format!("the rules are not UTF-8: {error}")));
                (RuleSet::default(), Vec::new())
            }
        };
        refused.extend(problems.iter().take(64).map(|problem| (String::new(), problem.to_string())));
        let late = set.fields().into_iter();
        let late =
            late.filter(|(_, fields)| fields.iter().any(|field| field.is_empty() || LATE.contains(field)));
        let late = late.map(|(category, _)| category.to_owned()).collect();
        let correlator = Correlator::new(&set);
        Self { current, set, correlator, scratch: Scratch::default(), late, refused }
    }

    pub fn document(&self) -> &Protection {
        &self.current.document
    }

    /// Rules in force.
    pub fn count(&self) -> usize {
        self.set.rules().len() + self.set.correlations().len()
    }

    /// Whether an event of this category is looked at at all.
    pub fn wants(&self, category: &str) -> bool {
        self.set.wants(category)
    }

    /// Whether it is looked at only when its file was read.
    pub fn waits(&self, category: &str) -> bool {
        self.late.iter().any(|late| late == category)
    }

    /// What hits. `now`: milliseconds since boot.
    pub fn behaviour(&mut self, category: &str, subject: &Subject<'_>, now: u64) -> Vec<Hit> {
        if !self.set.wants(category) {
            return Vec::new();
        }
        let fields = Fields::of(subject);
        let rules = self.set.matching_with(&mut self.scratch, category, &fields);
        if rules.is_empty() {
            return Vec::new();
        }
        let together = self.correlator.observe(&self.set, now, &rules, &fields);
        let mut hits: Vec<Hit> = rules
            .iter()
            .filter(|rule| rule.alerts)
            .map(|rule| hit(rule, self.set.reasons(rule, &fields).join("; ")))
            .collect();
        hits.extend(together.into_iter().map(|rule| hit(rule, String::new())));
        hits
    }

    /// What is to be done about a hit: nothing, registering it, or keeping it from going on.
    pub fn mode(&self, hit: &Hit) -> Mode {
        let document = self.document();
        match document.mode(hit.source) {
            // Each object of the list says for itself what is done about it, and that was done by whoever met it.
            Mode::Prevent if hit.source == Source::BlockList => Mode::Detect,
            Mode::Prevent if i32::from(hit.severity) < document.prevent_from => Mode::Detect,
            mode => mode,
        }
    }

    /// Groups of correlations that were forgotten for want of room while they still counted.
    pub fn forgotten(&self) -> u64 {
        self.correlator.forgotten()
    }

    /// By what content is kept from running.
    pub fn prevents(&self) -> Prevents {
        let rules =
            self.set.rules().iter().chain(self.set.correlations().iter().map(|together| &together.rule));
        Prevents { current: self.current.clone(), rules: rules.map(|rule| rule.id.to_string()).collect() }
    }

    /// Whether it is not to be looked at. `None`: that depends on a hash that is not known yet.
    pub fn is_excluded(
        &self,
        rule: &str,
        subject: &Subject<'_>,
        hit_path: &[u8],
        sha256: Option<[u8; 32]>,
    ) -> Option<bool> {
        let mut open = false;
        for exclusion in &self.document().exclusions {
            match excludes(exclusion, rule, subject, hit_path, sha256) {
                Some(true) => return Some(true),
                Some(false) => {}
                None => open = true,
            }
        }
        (!open).then_some(false)
    }
}

fn excludes(
    exclusion: &Exclusion,
    rule: &str,
    subject: &Subject<'_>,
    hit_path: &[u8],
    sha256: Option<[u8; 32]>,
) -> Option<bool> {
    if !exclusion.rule.is_empty() && exclusion.rule != rule {
        return Some(false);
    }
    if exclusion.uid.is_some_and(|uid| subject.uid != uid) {
        return Some(false);
    }
    if !exclusion.path.is_empty() {
        let script = subject.program.image.script.as_ref();
        let file = subject.file();
        let paths =
            [Some(subject.program.image.path.as_slice()), script.map(|script| script.path.as_slice()), file];
        if !paths.into_iter().flatten().chain([hit_path]).any(|path| is_at(&exclusion.path, path)) {
            return Some(false);
        }
    }
    if !exclusion.sha256.is_empty() {
        let known = subject.program.late.get();
        let digests = [known.and_then(|facts| facts.sha256), known.and_then(|facts| facts.script), sha256];
        if digests.into_iter().flatten().any(|digest| digest == exclusion.sha256[..]) {
            return Some(true);
        }
        return if known.is_none() { None } else { Some(false) };
    }
    Some(true)
}

/// Whether an exclusion's path means this one. What lies below a directory is only known of a path that does not leave it again,
/// and whose beginning is there.
fn is_at(excluded: &[u8], path: &[u8]) -> bool {
    if excluded.ends_with(b"/") { path.starts_with(excluded) && is_whole(path) } else { path == excluded }
}

fn hit(rule: &Rule, reasons: String) -> Hit {
    Hit {
        source: Source::Behaviour,
        rule: rule.id.to_string(),
        title: super::raw::short(&rule.title),
        severity: match rule.level {
            Level::Informational => Severity::Informational,
            Level::Low => Severity::Low,
            Level::Medium => Severity::Medium,
            Level::High => Severity::High,
            Level::Critical => Severity::Critical,
        },
        techniques: rule.techniques.iter().take(limits::TECHNIQUES).cloned().collect(),
        note: reasons.get(..reasons.floor_char_boundary(500)).unwrap_or_default().to_owned(),
        path: Vec::new(),
        sha256: None,
        done: None,
    }
}

#[cfg(test)]
mod tests;
