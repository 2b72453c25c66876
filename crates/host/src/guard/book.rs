//! The rules in force, and what they say of a content.

use std::collections::HashMap;
use std::io;

use super::content::Digests;
use super::list::{Entry, List};
use super::{MOST_RULES, Rules};
use crate::unhex;

/// The rules in force.
#[derive(Debug, Default)]
pub(super) struct Book {
    sha256: HashMap<[u8; 32], String>,
    sha1: HashMap<[u8; 20], String>,
    list: Option<List>,
}

/// What the rules say of a content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Clear,
    Report(String),
    Block(String),
}

impl Book {
    pub fn new(rules: &Rules) -> io::Result<Self> {
        if rules.rules.len() > MOST_RULES {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("more than {MOST_RULES} rules")));
        }
        let mut book = Self { list: rules.list.as_deref().map(List::open).transpose()?, ..Self::default() };
        for rule in &rules.rules {
            match (unhex::<32>(rule.hash.as_bytes()), unhex::<20>(rule.hash.as_bytes())) {
                (Some(hash), _) => drop(book.sha256.insert(hash, rule.id.clone())),
                (None, Some(hash)) => drop(book.sha1.insert(hash, rule.id.clone())),
                (None, None) => {
                    return Err(io::Error::new(io::ErrorKind::InvalidInput, "a rule's hash is none"));
                }
            }
        }
        Ok(book)
    }

    /// SHA-1 costs as much as SHA-256; it is taken where somebody asks for it.
    pub fn wants_sha1(&self) -> bool {
        !self.sha1.is_empty() || self.list.as_ref().is_some_and(List::has_sha1)
    }

    pub fn verdict(&self, digests: &Digests) -> Verdict {
        let named = self.sha256.get(&digests.sha256);
        if let Some(id) = named.or_else(|| self.sha1.get(&digests.sha1?)) {
            return Verdict::Block(id.clone());
        }
        let Some(list) = &self.list else { return Verdict::Clear };
        let by256 = list.sha256(&digests.sha256);
        let by1 = digests.sha1.and_then(|hash| list.sha1(&hash));
        match (by256, by1) {
            (Some(Entry::Block), _) => Verdict::Block("block_list:sha256".to_owned()),
            (_, Some(Entry::Block)) => Verdict::Block("block_list:sha1".to_owned()),
            (Some(Entry::Report), _) => Verdict::Report("block_list:sha256".to_owned()),
            (None, Some(Entry::Report)) => Verdict::Report("block_list:sha1".to_owned()),
            (None, None) => Verdict::Clear,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::super::{Lists, Rule, write_list};
    use super::*;

    #[test]
    fn a_named_rule_comes_before_the_list_and_blocking_before_reporting() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("list");
        let lists = Lists {
            block_sha256: vec![[1; 32]],
            report_sha256: vec![[2; 32]],
            block_sha1: vec![[3; 20]],
            report_sha1: vec![],
        };
        write_list(&path, lists).unwrap();
        let rule = |id: &str, hash: String| Rule { id: id.into(), hash, paths: vec![] };
        let rules = Rules {
            rules: vec![rule("a", "04".repeat(32)), rule("b", "05".repeat(20))],
            list: Some(path),
            list_version: 1,
        };
        let book = Book::new(&rules).unwrap();
        assert!(book.wants_sha1());
        let verdict =
            |sha256: u8, sha1: u8| book.verdict(&Digests { sha256: [sha256; 32], sha1: Some([sha1; 20]) });
        assert_eq!(verdict(9, 9), Verdict::Clear);
        assert_eq!(verdict(4, 9), Verdict::Block("a".into()));
        assert_eq!(verdict(1, 5), Verdict::Block("b".into()));
        assert_eq!(verdict(1, 9), Verdict::Block("block_list:sha256".into()));
        assert_eq!(verdict(2, 9), Verdict::Report("block_list:sha256".into()));
        assert_eq!(verdict(2, 3), Verdict::Block("block_list:sha1".into()));
        assert!(Book::new(&Rules { rules: vec![rule("c", "0".into())], ..Rules::default() }).is_err());
    }
}
