//! The rules of a set, by name: what people choose from, and what a program knows of a rule before it hits.

use crate::{MetaValue, Rules};

/// A rule, as it presents itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// What its author says of it.
    pub meta: Vec<(String, MetaValue)>,
    /// Every rule of its text hits only where this one holds.
    pub is_global: bool,
    /// It is there for others, and never hits by itself.
    pub is_private: bool,
}

impl Rules {
    /// The rules, global ones first.
    pub fn named(&self) -> impl Iterator<Item = Named> {
        let text = |symbol| self.scanner.get_string_symbol(symbol).to_owned();
        self.scanner.rules().map(move |rule| Named {
            name: rule.name.to_owned(),
            tags: rule.tags.iter().map(|tag| text(*tag)).collect(),
            meta: rule.metadatas.iter().map(|meta| (text(meta.name), self.meta(meta.value))).collect(),
            is_global: rule.is_global,
            is_private: rule.is_private,
        })
    }
}

impl Named {
    /// The text of a remark of its author's.
    pub fn said(&self, name: &str) -> Option<&str> {
        self.meta.iter().find_map(|(known, value)| match value {
            MetaValue::Text(text) if known.eq_ignore_ascii_case(name) => Some(text.as_str()),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::Limits;

    #[test]
    fn rules_present_themselves() {
        let text = r#"
            private rule part { condition: filesize > 1 }
            rule whole : web shell { meta: Severity = "high" score = 7 condition: part }
        "#;
        let rules = Rules::compile(text, &Limits::default()).unwrap();
        let named: Vec<Named> = rules.named().collect();
        let whole = named.iter().find(|rule| rule.name == "whole").unwrap();
        assert_eq!((whole.said("severity"), whole.said("score")), (Some("high"), None));
        assert_eq!(whole.tags, ["web", "shell"]);
        assert!(named.iter().any(|rule| rule.name == "part" && rule.is_private && !rule.is_global));
    }
}
