//! The words of the API and the database for what endpoints tell in numbers.

use quell_wire::activity::{Deed, Fate, Format, Severity, Source, Verdict};

/// Severities from the least, as the database counts them: from 1.
pub(crate) const SEVERITIES: [&str; 5] = ["informational", "low", "medium", "high", "critical"];
/// States of an incident.
pub(crate) const STATES: [&str; 3] = ["open", "in_progress", "closed"];
/// What a closed incident turned out to be.
pub(crate) const RESOLUTIONS: [&str; 4] = ["true_positive", "false_positive", "benign", "duplicate"];
/// What was done about a detection at once.
pub(crate) const VERDICTS: [&str; 3] = ["detected", "prevented", "not_prevented"];
/// Kinds of activity events.
pub(crate) const KINDS: [&str; 8] =
    ["start", "file_create", "file_write", "file_rename", "connect", "listen", "dns", "login"];

/// The word of a severity of the database.
pub(crate) fn severity(number: i64) -> &'static str {
    let place = usize::try_from(number.clamp(1, 5) - 1).unwrap_or(0);
    SEVERITIES.get(place).copied().unwrap_or("informational")
}

/// The severity of the database with this word.
pub(crate) fn severity_of(word: &str) -> Option<i64> {
    SEVERITIES.iter().position(|known| *known == word).map(|place| place as i64 + 1)
}

/// A severity as the database counts it.
pub(crate) fn graded(severity: Severity) -> i64 {
    match severity {
        Severity::Unspecified | Severity::Informational => 1,
        Severity::Low => 2,
        Severity::Medium => 3,
        Severity::High => 4,
        Severity::Critical => 5,
    }
}

/// The word of a source.
pub(crate) fn source(source: Source) -> &'static str {
    match source {
        Source::Unspecified => "unknown",
        Source::BlockList => "block_list",
        Source::Yara => "yara",
        Source::Behaviour => "behaviour",
        Source::Asked => "asked",
    }
}

/// The source with this word.
pub(crate) fn source_of(word: &str) -> Source {
    match word {
        "block_list" => Source::BlockList,
        "yara" => Source::Yara,
        "behaviour" => Source::Behaviour,
        "asked" => Source::Asked,
        _ => Source::Unspecified,
    }
}

/// The word of a verdict.
pub(crate) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Unspecified | Verdict::Detected => "detected",
        Verdict::Prevented => "prevented",
        Verdict::NotPrevented => "not_prevented",
    }
}

/// The verdict with this word.
pub(crate) fn verdict_of(word: Option<&str>) -> Verdict {
    match word {
        Some("prevented") => Verdict::Prevented,
        Some("not_prevented") => Verdict::NotPrevented,
        _ => Verdict::Detected,
    }
}

/// The severity of an endpoint for one of the database.
pub(crate) fn told(severity: i64) -> Severity {
    match severity {
        5 => Severity::Critical,
        4 => Severity::High,
        3 => Severity::Medium,
        2 => Severity::Low,
        _ => Severity::Informational,
    }
}

/// The word of what an activity event is about.
pub(crate) fn kind(deed: &Deed) -> &'static str {
    match deed {
        Deed::Start(_) => "start",
        Deed::FileCreate(_) => "file_create",
        Deed::FileWrite(_) => "file_write",
        Deed::FileRename(_) => "file_rename",
        Deed::Connect(_) => "connect",
        Deed::Listen(_) => "listen",
        Deed::Dns(_) => "dns",
        Deed::Login(_) => "login",
    }
}

/// The word of what a file is; nothing where that is not known.
pub(crate) fn format(format: Format) -> Option<&'static str> {
    match format {
        Format::Unspecified => None,
        Format::Elf => Some("elf"),
        Format::Script => Some("script"),
    }
}

/// The word of what became of a connection; nothing where that is not known.
pub(crate) fn fate(fate: Fate) -> Option<&'static str> {
    match fate {
        Fate::Unspecified => None,
        Fate::Attempted => Some("attempted"),
        Fate::Established => Some("established"),
        Fate::Failed => Some("failed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_lead_back() {
        for (place, word) in SEVERITIES.iter().enumerate() {
            let number = severity_of(word);
            assert_eq!(number, Some(place as i64 + 1));
            assert_eq!(severity(number.unwrap_or_default()), *word);
            assert_eq!(graded(told(place as i64 + 1)), place as i64 + 1);
        }
        for one in [Source::BlockList, Source::Yara, Source::Behaviour, Source::Asked] {
            assert_eq!(source_of(source(one)), one);
        }
        for one in [Verdict::Detected, Verdict::Prevented, Verdict::NotPrevented] {
            assert_eq!(verdict_of(Some(verdict(one))), one);
        }
        assert_eq!(severity_of("bad"), None);
    }
}
