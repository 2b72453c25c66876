//! What the library holds: bodies that orders name by their digest, so that no order carries one.
//!
//! A parameter that names something of the library says so in its schema (`x-quell-reference`, with the kind). It takes
//! a name, `name@version` or `sha256:<hex>`, and becomes the last when the task is made.

/// What a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A script and what runs it.
    Script,
    /// YARA rules.
    Yara,
    /// A query over an endpoint's tables, with what it is for.
    Query,
    /// Definitions of evidence (ForensicArtifacts YAML).
    Evidence,
    /// A signed investigation kit.
    Kit,
    /// Indicators: hashes, addresses, domains.
    Indicators,
    /// Behaviour rules (Sigma), for the tenant's protection.
    Sigma,
}

impl Kind {
    /// Every kind.
    pub const ALL: &'static [Self] =
        &[Self::Script, Self::Yara, Self::Query, Self::Evidence, Self::Kit, Self::Indicators, Self::Sigma];

    /// Its name in addresses, schemas and rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Script => "script",
            Self::Yara => "yara",
            Self::Query => "query",
            Self::Evidence => "evidence",
            Self::Kit => "kit",
            Self::Indicators => "indicators",
            Self::Sigma => "sigma",
        }
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
    }

    /// Bytes that a body may have.
    pub const fn most_bytes(self) -> u64 {
        match self {
            Self::Script | Self::Query => 1 << 20,
            Self::Sigma => 4 << 20,
            Self::Yara | Self::Evidence => 8 << 20,
            Self::Kit | Self::Indicators => 64 << 20,
        }
    }

    /// Whether a body is text, UTF-8 without NUL.
    pub const fn is_text(self) -> bool {
        !matches!(self, Self::Kit)
    }
}

/// The digest within a parameter that was resolved, lower-case hex.
pub fn digest(reference: &str) -> Option<&str> {
    reference.strip_prefix("sha256:").filter(|digest| crate::text::is_hex(digest, 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_one_name_each() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_name(kind.as_str()), Some(*kind));
        }
        assert_eq!(Kind::from_name("scripts"), None);
        assert_eq!(digest(&format!("sha256:{}", "0f".repeat(32))), Some("0f".repeat(32).as_str()));
        assert_eq!(digest("triage"), None);
    }
}
