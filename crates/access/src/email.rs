//! E-mail addresses as names of accounts.

use unicode_normalization::UnicodeNormalization as _;

/// Most characters (RFC 5321, section 4.5.3.1.3, less the brackets).
pub const MOST: usize = 254;

/// Whether it is an address that mail can be sent to, as far as its form tells.
pub fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let is_plain = |c: char| !c.is_whitespace() && !c.is_control() && !"<>()[],;:\\\"@".contains(c);
    text.chars().count() <= MOST
        && !local.is_empty()
        && local.chars().count() <= 64
        && local.chars().all(is_plain)
        && domain.split('.').all(|label| {
            let is_edge = label.starts_with('-') || label.ends_with('-');
            !label.is_empty() && !is_edge && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        })
}

/// The address as it is compared: two that differ in case, or in how a letter is composed, are one account.
pub fn fold(text: &str) -> String {
    text.trim().nfkc().collect::<String>().to_lowercase().nfc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_two_parts() {
        for good in ["a@b", "maria.silva+x@quell.example", "ana@münchen.example", "o'neil@a-b.example"] {
            assert!(is_address(good), "{good}");
        }
        for bad in
            ["", "a", "@b", "a@", "a@b@c", "a b@c", "a@b c", "a@-b", "a@b..c", "<a@b>", "a@b\n", "a\"@b"]
        {
            assert!(!is_address(bad), "{bad}");
        }
        assert!(!is_address(&format!("{}@b", "a".repeat(300))));
    }

    #[test]
    fn case_and_composition_make_no_second_account() {
        assert_eq!(fold(" Maria@Quell.Example "), "maria@quell.example");
        assert_eq!(fold("jos\u{e9}@x"), fold("JOSE\u{301}@X"));
        assert_eq!(fold("ｍaria@x"), "maria@x");
    }
}
