//! What people set, and the document that follows from it.

use std::collections::BTreeSet;

use prost::Message as _;
use quell_wire::activity::{Severity as WireSeverity, Source};
use quell_wire::limits;
use quell_wire::protection::{Exclusion, Mode as WireMode, Protection, Rules, SourceMode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::rules::{Body, Rule};
use crate::problem::Problem;

/// Sets of rules of one kind.
const SETS: usize = 100;
/// Rules that may be disabled.
const DISABLED: usize = 2000;
/// Characters of a note.
const NOTE: usize = 500;

/// What is recorded, detected and prevented on a tenant's endpoints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ProtectionSettings)]
pub(crate) struct Settings {
    /// Whether activity is recorded at all. Without it nothing is detected by behaviour, and no chain is built.
    pub record: bool,
    /// Bytes that the recorder may take on an endpoint's disk: 4 MiB to 4 GiB.
    pub ring_bytes: u64,
    /// Seconds after which an endpoint forgets activity: an hour to 90 days.
    pub ring_age_seconds: u64,
    /// What is done about hits, by what found them.
    pub modes: Modes,
    /// Hits of rules below this severity are only detected: `informational`, `low`, `medium`, `high`, `critical`.
    #[schema(value_type = String)]
    pub prevent_from: Severity,
    /// Behaviour rules.
    pub behaviour: Behaviour,
    /// YARA rules.
    pub yara: Yara,
    /// What is not looked at; at most 500.
    #[serde(default)]
    #[schema(max_items = 500)]
    pub exclusions: Vec<Excluded>,
}

/// What is done about hits, by what found them: `off`, `detect` or `prevent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ProtectionModes)]
pub(crate) struct Modes {
    /// The block list. Each object of it says itself whether it blocks; this says whether hits become detections.
    #[schema(value_type = String)]
    pub block_list: Mode,
    /// Behaviour rules.
    #[schema(value_type = String)]
    pub behaviour: Mode,
    /// YARA rules, on what is started and on what is written.
    #[schema(value_type = String)]
    pub yara: Mode,
}

/// Behaviour rules (Sigma).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ProtectionBehaviour)]
pub(crate) struct Behaviour {
    /// Whether the rules that come with Quell are in force.
    pub built_in: bool,
    /// Items of the library, kind `sigma`: a name is taken for its newest version, `name@version` and `sha256:…` for what they
    /// say. Stored with the version: a later one changes nothing until it is set.
    #[serde(default)]
    #[schema(max_items = 100)]
    pub rules: Vec<String>,
    /// Ids of rules that are not in force.
    #[serde(default)]
    #[schema(max_items = 2000)]
    pub disabled: Vec<String>,
}

/// YARA rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ProtectionYara)]
pub(crate) struct Yara {
    /// Items of the library, kind `yara`; as with behaviour rules.
    #[serde(default)]
    #[schema(max_items = 100)]
    pub rules: Vec<String>,
}

/// What is not looked at. What is named must all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ProtectionExclusion)]
pub(crate) struct Excluded {
    /// Id of the rule that it is for; every rule where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 256)]
    pub rule: Option<String>,
    /// The program, or the file, has this path, or is below it where it ends in `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 4096)]
    pub path: Option<String>,
    /// The program, or the file, has this SHA-256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The process runs as this user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Why; people read it.
    #[serde(default)]
    #[schema(max_length = 500)]
    pub note: String,
}

/// What is done about a hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    Off,
    Detect,
    Prevent,
}

/// How bad a hit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Severity {
    Informational,
    Low,
    Medium,
    High,
    Critical,
}

impl Severity {
    /// The severity of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        serde_json::from_value(name.to_ascii_lowercase().into()).ok()
    }

    fn wire(self) -> WireSeverity {
        match self {
            Self::Informational => WireSeverity::Informational,
            Self::Low => WireSeverity::Low,
            Self::Medium => WireSeverity::Medium,
            Self::High => WireSeverity::High,
            Self::Critical => WireSeverity::Critical,
        }
    }
}

impl Mode {
    fn wire(self) -> WireMode {
        match self {
            Self::Off => WireMode::Off,
            Self::Detect => WireMode::Detect,
            Self::Prevent => WireMode::Prevent,
        }
    }
}

impl Modes {
    /// Name and mode of each source.
    pub fn each(self) -> [(&'static str, Source, Mode); 3] {
        [
            ("block_list", Source::BlockList, self.block_list),
            ("behaviour", Source::Behaviour, self.behaviour),
            ("yara", Source::Yara, self.yara),
        ]
    }

    /// The mode of the source of this name.
    pub fn of(self, source: &str) -> Mode {
        self.each().into_iter().find(|(name, ..)| *name == source).map_or(Mode::Off, |(.., mode)| mode)
    }
}

impl Default for Settings {
    /// What holds before anybody set anything.
    fn default() -> Self {
        let modes = Modes { block_list: Mode::Detect, behaviour: Mode::Detect, yara: Mode::Detect };
        Self {
            record: true,
            ring_bytes: 64 << 20,
            ring_age_seconds: 7 * 24 * 3600,
            modes,
            prevent_from: Severity::High,
            behaviour: Behaviour { built_in: true, rules: Vec::new(), disabled: Vec::new() },
            yara: Yara::default(),
            exclusions: Vec::new(),
        }
    }
}

impl Settings {
    /// Whether every field is within its limit and means something; in one form.
    pub fn checked(mut self) -> Result<Self, Problem> {
        let bad = |field: &str, problem: &str| Err(Problem::bad_field(field, problem));
        if !limits::RING_BYTES.contains(&self.ring_bytes) {
            return bad("ring_bytes", "must be 4 MiB (4194304) to 4 GiB (4294967296)");
        }
        if !limits::RING_AGE_S.contains(&self.ring_age_seconds) {
            return bad("ring_age_seconds", "must be an hour (3600) to 90 days (7776000)");
        }
        for (field, rules) in [("behaviour.rules", &self.behaviour.rules), ("yara.rules", &self.yara.rules)] {
            if rules.len() > SETS {
                return Err(Problem::bad_field(field, format!("more than {SETS}")));
            }
        }
        if self.behaviour.disabled.len() > DISABLED {
            return Err(Problem::bad_field("behaviour.disabled", format!("more than {DISABLED}")));
        }
        for (index, id) in self.behaviour.disabled.iter_mut().enumerate() {
            let parsed: Uuid = id.parse().map_err(|_| {
                Problem::bad_field(format!("behaviour.disabled[{index}]"), "must be the id of a rule, a UUID")
            })?;
            *id = parsed.to_string();
        }
        self.behaviour.disabled.sort();
        self.behaviour.disabled.dedup();
        if self.exclusions.len() > limits::EXCLUSIONS {
            return Err(Problem::bad_field("exclusions", format!("more than {}", limits::EXCLUSIONS)));
        }
        for (index, one) in self.exclusions.iter_mut().enumerate() {
            one.check(index)?;
        }
        Ok(self)
    }

    /// Ids of rules that are not in force.
    pub fn disabled(&self) -> BTreeSet<String> {
        self.behaviour.disabled.iter().cloned().collect()
    }

    /// What is done about hits of a rule.
    pub fn mode_of(&self, rule: &Rule) -> Mode {
        let mode = if self.record && rule.enabled { self.modes.of(&rule.source) } else { Mode::Off };
        if rule.severity < self.prevent_from { mode.min(Mode::Detect) } else { mode }
    }

    /// Whether hits of a rule are prevented.
    pub fn prevents(&self, rule: &Rule) -> bool {
        self.mode_of(rule) == Mode::Prevent
    }

    /// The document that agents are given.
    pub fn document(
        &self,
        tenant: Uuid,
        (version, made_at_us): (i64, i64),
        [behaviour, yara]: [Option<&Body>; 2],
    ) -> Result<Protection, Problem> {
        let rules = |body: Option<&Body>| {
            body.map(|body| Rules { sha256: body.sha256.to_vec(), size: body.bytes.len() as u64 })
        };
        let modes = self.modes.each().into_iter();
        let document = Protection {
            tenant_id: tenant.to_string(),
            version: version.unsigned_abs(),
            made_at_us,
            record: self.record,
            ring_bytes: self.ring_bytes,
            ring_age_s: self.ring_age_seconds,
            modes: modes
                .map(|(_, source, mode)| SourceMode { source: source.into(), mode: mode.wire().into() })
                .collect(),
            prevent_from: self.prevent_from.wire().into(),
            behaviour: rules(behaviour),
            yara: rules(yara),
            exclusions: self.exclusions.iter().map(Excluded::wire).collect(),
        };
        if document.encoded_len() > limits::PROTECTION {
            let most = limits::PROTECTION >> 10;
            return Err(Problem::bad_field("exclusions", format!("are longer than {most} KiB together")));
        }
        document.check().map_err(|error| Problem::internal(&error))?;
        Ok(document)
    }
}

impl Excluded {
    fn check(&mut self, index: usize) -> Result<(), Problem> {
        let bad = |field: &str, problem: &str| {
            Err(Problem::bad_field(format!("exclusions[{index}]{field}"), problem))
        };
        if let Some(sha256) = &mut self.sha256 {
            sha256.make_ascii_lowercase();
            if !is_digest(sha256) {
                return bad(".sha256", "must be a SHA-256, 64 hexadecimal digits");
            }
        }
        if self.path.as_ref().is_some_and(|path| !path.starts_with('/') || path.contains('\0')) {
            return bad(".path", "must be an absolute path; below a directory, one that ends in /");
        }
        if self.path.as_deref() == Some("/") {
            return bad(".path", "would exclude everything");
        }
        if self.path.as_ref().is_some_and(|path| path.len() > limits::PATH) {
            return bad(".path", "is longer than 4096 bytes");
        }
        if self.rule.as_ref().is_some_and(|rule| rule.is_empty() || rule.len() > limits::NAME) {
            return bad(".rule", "must be the id of a rule");
        }
        if self.note.chars().count() > NOTE || self.note.chars().any(char::is_control) {
            return bad(".note", "must be at most 500 characters on one line");
        }
        if !self.wire().is_sound() {
            return bad("", "names neither a rule nor a path nor a SHA-256: it would exclude everything");
        }
        Ok(())
    }

    fn wire(&self) -> Exclusion {
        let sha256 = self.sha256.as_deref().and_then(quell_wire::digest::unhex::<32>);
        Exclusion {
            rule: self.rule.clone().unwrap_or_default(),
            path: self.path.clone().unwrap_or_default().into_bytes(),
            sha256: sha256.map(|digest| digest.to_vec()).unwrap_or_default(),
            uid: self.uid,
        }
    }
}

fn is_digest(text: &str) -> bool {
    crate::gateway::parse_hex(text).is_some()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn excluding(one: Excluded) -> Result<Settings, Problem> {
        Settings { exclusions: vec![one], ..Settings::default() }.checked()
    }

    #[test]
    fn what_holds_before_anybody_set_anything_is_a_document() {
        let settings = Settings::default().checked().unwrap();
        let document = settings.document(Uuid::nil(), (1, 5), [None, None]).unwrap();
        assert_eq!(Protection::read(&document.encode_to_vec()).unwrap(), document);
        assert_eq!(document.mode(Source::Yara), WireMode::Detect);
        assert!(document.record && document.prevent_from == i32::from(WireSeverity::High));
    }

    #[test]
    fn an_exclusion_names_something() {
        let path = |path: &str| Excluded { path: Some(path.to_owned()), ..Excluded::default() };
        assert!(excluding(path("/opt/backup/")).is_ok());
        for bad in ["", "opt", "/", "/a\0"] {
            assert!(excluding(path(bad)).is_err(), "{bad:?}");
        }
        let only_user = Excluded { uid: Some(0), ..Excluded::default() };
        assert!(excluding(only_user).is_err());
        let hash = Excluded { sha256: Some("AB".repeat(32)), ..Excluded::default() };
        let settings = excluding(hash).unwrap();
        assert_eq!(settings.exclusions[0].sha256, Some("ab".repeat(32)));
        assert_eq!(
            settings.document(Uuid::nil(), (1, 5), [None, None]).unwrap().exclusions[0].sha256,
            [0xab; 32]
        );
        let many = Settings {
            exclusions: vec![path(&format!("/{}", "x".repeat(4000))); 100],
            ..Settings::default()
        };
        assert!(many.checked().unwrap().document(Uuid::nil(), (1, 5), [None, None]).is_err());
    }

    #[test]
    fn what_is_beyond_its_limits_is_refused() {
        assert!(Settings { ring_bytes: 1, ..Settings::default() }.checked().is_err());
        assert!(Settings { ring_age_seconds: 0, ..Settings::default() }.checked().is_err());
        let disabled = |id: &str| {
            let behaviour = Behaviour { disabled: vec![id.to_owned()], ..Settings::default().behaviour };
            Settings { behaviour, ..Settings::default() }.checked()
        };
        assert!(disabled("x").is_err());
        let id = Uuid::from_u128(9).to_string();
        assert_eq!(disabled(&id.to_uppercase()).unwrap().behaviour.disabled, [id]);
    }
}
