//! Of what a grant is good: which actions, on which endpoints.

use std::collections::BTreeSet;

use quell_catalog::ActionKind;

/// Everything, where a list says so.
pub(crate) const ALL: &str = "*";

/// Actions of the catalogue: all, or those named. A name is an id (`endpoint.isolate`) or a group (`endpoint.*`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actions {
    /// Those that there are, and those to come.
    All,
    /// These.
    Only(BTreeSet<String>),
}

impl Actions {
    /// Whether this action is one of them.
    pub fn has(&self, action: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => {
                names.contains(action)
                    || action.split_once('.').is_some_and(|(group, _)| names.contains(&format!("{group}.*")))
            }
        }
    }

    /// Reads a list; the first name that fits nothing in the catalogue is the error.
    pub fn read(names: &[String]) -> Result<Self, String> {
        if names.iter().any(|name| name == ALL) {
            return Ok(Self::All);
        }
        match names.iter().find(|name| !is_known(name)) {
            Some(unknown) => Err(unknown.clone()),
            None => Ok(Self::Only(names.iter().cloned().collect())),
        }
    }

    /// The list.
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::All => vec![ALL.to_owned()],
            Self::Only(names) => names.iter().cloned().collect(),
        }
    }
}

/// Whether a name fits an action: its id, or its group with a star.
pub(crate) fn is_known(name: &str) -> bool {
    match name.strip_suffix(".*") {
        Some(group) => ActionKind::ALL.iter().any(|kind| kind.spec().group() == group),
        None => ActionKind::from_id(name).is_some(),
    }
}

/// Endpoints: all of the tenant, or those that carry any of these tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Every endpoint.
    All,
    /// Those with any of these tags. None at all where there is no tag.
    Tags(BTreeSet<String>),
}

impl Reach {
    /// No endpoint.
    pub const NOTHING: Self = Self::Tags(BTreeSet::new());

    /// Whether an endpoint with these tags is within it.
    pub fn has<'a>(&self, tags: impl IntoIterator<Item = &'a str>) -> bool {
        match self {
            Self::All => true,
            Self::Tags(wanted) => tags.into_iter().any(|tag| wanted.contains(tag)),
        }
    }

    /// What is within either.
    #[must_use]
    pub fn or(self, other: &Self) -> Self {
        match (self, other) {
            (Self::Tags(mut one), Self::Tags(two)) => {
                one.extend(two.iter().cloned());
                Self::Tags(one)
            }
            (Self::All, _) | (_, Self::All) => Self::All,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn strings(list: &[&str]) -> Vec<String> {
        list.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn a_group_covers_its_actions_and_no_others() {
        let actions = Actions::read(&strings(&["endpoint.*", "file.collect"])).unwrap();
        assert!(
            actions.has("endpoint.isolate") && actions.has("endpoint.restore") && actions.has("file.collect")
        );
        assert!(!actions.has("process.terminate") && !actions.has("endpoint") && !actions.has(""));
        assert!(Actions::read(&strings(&["*"])).unwrap().has("anything.at_all"));
    }

    #[test]
    fn what_is_not_in_the_catalogue_is_named() {
        assert_eq!(
            Actions::read(&strings(&["endpoint.isolate", "endpoint.explode"])),
            Err("endpoint.explode".to_owned())
        );
        assert_eq!(Actions::read(&strings(&["nothing.*"])), Err("nothing.*".to_owned()));
        assert!(!Actions::read(&[]).unwrap().has("endpoint.isolate"));
    }

    #[test]
    fn reach_is_by_any_tag() {
        let reach = Reach::Tags(["web".to_owned()].into());
        assert!(reach.has(["db", "web"]) && !reach.has(["db"]) && !reach.has([]));
        assert!(!Reach::NOTHING.has(["web"]) && Reach::All.has([]));
        assert!(Reach::NOTHING.or(&reach).has(["web"]) && reach.or(&Reach::All).has([]));
    }
}
