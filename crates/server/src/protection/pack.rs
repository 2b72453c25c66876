//! The behaviour rules that come with the program.

use std::sync::LazyLock;

use quell_sigma::PACK;
use quell_wire::digest::{hex, sha256};

use super::rules::Set;

/// Where a rule of them says that it comes from.
pub(crate) const BUILT_IN: &str = "built-in";

/// Which these are: another program has others.
pub(crate) static MARK: LazyLock<String> = LazyLock::new(|| {
    let all: Vec<&[u8]> = PACK.iter().flat_map(|(name, text)| [name.as_bytes(), text.as_bytes()]).collect();
    hex(&sha256(&all))
});

/// The sets of rules, one for each file.
pub(crate) fn sets() -> Vec<Set> {
    let set = |(name, text): &(&str, &str)| Set {
        from: BUILT_IN.to_owned(),
        field: format!("behaviour.built_in.{name}"),
        text: (*text).to_owned(),
    };
    PACK.iter().map(set).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::collections::BTreeSet;

    use super::*;
    use crate::protection::rules::behaviour;

    #[test]
    fn the_rules_that_come_with_the_program_are_whole_and_shorter_on_their_way() {
        let made = behaviour(&sets(), &BTreeSet::new()).unwrap();
        assert!(
            made.rules.len() >= 60 && made.rules.iter().all(|rule| rule.from == BUILT_IN && rule.enabled)
        );
        let written: usize = PACK.iter().map(|(_, text)| text.len()).sum();
        let body = made.body.unwrap().bytes;
        assert!(body.len() < written * 3 / 4, "{} of {written} bytes", body.len());
    }
}
