//! Passwords: which are taken, and how they are kept.
//!
//! Argon2id (RFC 9106), written as a PHC string that names its own cost, so that the cost can rise later: a password
//! that was right is then hashed anew. What is hashed is prepared as RFC 8265 wants it (OpaqueString): in form C, with
//! every kind of space as the plain one; a person who types the same letters on another keyboard gets in.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use unicode_normalization::UnicodeNormalization as _;

/// Fewest characters.
pub const LEAST: usize = 12;
/// Most characters.
pub const MOST: usize = 128;
/// Bytes of salt.
pub const SALT: usize = 16;
const HASH: usize = 32;
/// Longest PHC string that is read.
const LONGEST: usize = 256;
/// Most memory of a stored hash that is believed, KiB: a row that was tampered with takes no more.
const MOST_MEMORY: u32 = 256 << 10;
const MOST_PASSES: u32 = 16;

/// What a hash costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory, KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Default for Cost {
    /// The first of the settings that OWASP's "Password Storage Cheat Sheet" holds equal, 19 MiB and two passes.
    fn default() -> Self {
        Self { memory_kib: 19 << 10, passes: 2, lanes: 1 }
    }
}

impl Cost {
    fn is_within(self, other: Self) -> bool {
        self.memory_kib <= other.memory_kib && self.passes <= other.passes && self.lanes <= other.lanes
    }
}

/// A password that is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Weak {
    /// Too short.
    #[error("shorter than {LEAST} characters")]
    Short,
    /// Too long.
    #[error("longer than {MOST} characters")]
    Long,
    /// With characters that keyboards do not type.
    #[error("contains control characters")]
    Control,
    /// The account's own name or address.
    #[error("is made of the account's name or address")]
    Own,
    /// One that everybody guesses first.
    #[error("is one of those that are guessed first")]
    Common,
    /// Few different characters.
    #[error("repeats the same few characters")]
    Monotonous,
}

/// A hash that cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the password cannot be hashed at this cost")]
pub struct CostError;

/// Beginnings and ends that lists of leaked passwords are full of, without digits and marks.
const COMMON: &[&str] = &[
    "password",
    "passwort",
    "motdepasse",
    "contrasena",
    "qwerty",
    "qwertz",
    "azerty",
    "qwertyuiop",
    "asdfghjkl",
    "letmein",
    "welcome",
    "changeme",
    "administrator",
    "admin",
    "iloveyou",
    "dragon",
    "monkey",
    "sunshine",
    "princess",
    "football",
    "baseball",
    "superman",
    "batman",
    "trustno",
    "default",
    "secret",
    "quell",
    "login",
    "master",
    "access",
    "abcdefghijkl",
    "abcdefghijklm",
    "test",
    "testtest",
    "hello",
    "winter",
    "summer",
    "spring",
    "autumn",
];

/// Whether a password is taken for the account with this address and name.
pub fn check(password: &str, email: &str, name: &str) -> Result<(), Weak> {
    let prepared = prepare(password);
    let count = prepared.chars().count();
    if count < LEAST {
        return Err(Weak::Short);
    }
    if count > MOST {
        return Err(Weak::Long);
    }
    if prepared.chars().any(char::is_control) {
        return Err(Weak::Control);
    }
    let folded = prepared.to_lowercase();
    if folded.chars().collect::<std::collections::BTreeSet<_>>().len() < 5 {
        return Err(Weak::Monotonous);
    }
    let letters: String = folded.chars().filter(|c| c.is_alphabetic()).collect();
    let email = email.to_lowercase();
    let local = email.split('@').next().unwrap_or_default();
    let plain = |text: &str| text.to_lowercase().chars().filter(|c| c.is_alphabetic()).collect::<String>();
    let own = [plain(&email), plain(local), plain(name)];
    if folded == email || own.iter().any(|own| own.len() >= 3 && repeats(&letters, own)) {
        return Err(Weak::Own);
    }
    let unmasked = plain(&unmask(folded.trim_matches(|c: char| !c.is_alphabetic())));
    let is_count = folded.chars().all(|c| c.is_ascii_digit());
    if is_count && is_run(&folded)
        || COMMON.iter().any(|word| repeats(&letters, word) || repeats(&unmasked, word))
    {
        return Err(Weak::Common);
    }
    Ok(())
}

/// Whether the text is the word, once or several times.
fn repeats(text: &str, word: &str) -> bool {
    !text.is_empty() && text.len().is_multiple_of(word.len()) && text.replace(word, "").is_empty()
}

/// Whether each digit follows from the one before as in `123456789012`.
fn is_run(digits: &str) -> bool {
    let steps: Vec<i32> = digits
        .as_bytes()
        .windows(2)
        .map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).rem_euclid(10))
        .collect();
    steps.first().is_some_and(|first| steps.iter().all(|step| step == first))
}

/// With letters in place of the marks that are put for them.
fn unmask(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '0' => 'o',
            '1' | '!' => 'i',
            '3' => 'e',
            '4' | '@' => 'a',
            '5' | '$' => 's',
            '7' => 't',
            other => other,
        })
        .collect()
}

fn prepare(password: &str) -> String {
    password.chars().map(|c| if c.is_whitespace() && !c.is_control() { ' ' } else { c }).nfc().collect()
}

/// Hashes a password to a PHC string.
pub fn hash(password: &str, salt: &[u8; SALT], cost: Cost) -> Result<String, CostError> {
    let hash = derive(password, salt, cost)?;
    let Cost { memory_kib, passes, lanes } = cost;
    let (salt, hash) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash));
    Ok(format!("$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${hash}"))
}

fn derive(password: &str, salt: &[u8], cost: Cost) -> Result<[u8; HASH], CostError> {
    let Cost { memory_kib, passes, lanes } = cost;
    let params = Params::new(memory_kib, passes, lanes, Some(HASH)).map_err(|_| CostError)?;
    let mut out = [0; HASH];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(prepare(password).as_bytes(), salt, &mut out)
        .map_err(|_| CostError)?;
    Ok(out)
}

/// A PHC string's parts.
struct Stored {
    cost: Cost,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

fn read(phc: &str) -> Option<Stored> {
    let mut parts = Some(phc).filter(|phc| phc.len() <= LONGEST)?.strip_prefix("$argon2id$v=19$")?.split('$');
    let (cost, salt, hash) = (parts.next()?, parts.next()?, parts.next()?);
    let mut numbers = cost.split(',');
    let mut number = |mark: &str| numbers.next()?.strip_prefix(mark)?.parse::<u32>().ok();
    let cost = Cost { memory_kib: number("m=")?, passes: number("t=")?, lanes: number("p=")? };
    let is_sane = cost.memory_kib <= MOST_MEMORY && cost.passes <= MOST_PASSES && cost.lanes <= 16;
    let (salt, hash) = (STANDARD_NO_PAD.decode(salt).ok()?, STANDARD_NO_PAD.decode(hash).ok()?);
    (is_sane && hash.len() == HASH && parts.next().is_none()).then_some(Stored { cost, salt, hash })
}

/// Whether it is the password of this hash. One that cannot be read is nobody's.
pub fn verify(password: &str, phc: &str) -> bool {
    let Some(stored) = read(phc) else { return false };
    let Ok(derived) = derive(password, &stored.salt, stored.cost) else { return false };
    derived.iter().zip(&stored.hash).fold(0, |seen, (a, b)| seen | (a ^ b)) == 0
}

/// Whether the hash cost less than one costs now, and should be made anew.
pub fn is_outdated(phc: &str, cost: Cost) -> bool {
    read(phc).is_none_or(|stored| !cost.is_within(stored.cost))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const CHEAP: Cost = Cost { memory_kib: 16, passes: 1, lanes: 1 };

    #[test]
    fn only_the_password_fits_its_hash() {
        let phc = hash("correct horse battery", &[7; SALT], CHEAP).unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=16,t=1,p=1$"));
        assert!(verify("correct horse battery", &phc));
        assert!(verify("correct\u{a0}horse battery", &phc), "another kind of space");
        assert!(!verify("correct horse batterx", &phc) && !verify("", &phc));
        assert_ne!(phc, hash("correct horse battery", &[8; SALT], CHEAP).unwrap());
        let composed = hash("caf\u{e9} caf\u{e9} caf\u{e9}", &[7; SALT], CHEAP).unwrap();
        assert!(verify("cafe\u{301} cafe\u{301} cafe\u{301}", &composed));
    }

    #[test]
    fn what_is_no_hash_fits_nothing() {
        let phc = hash("correct horse battery", &[7; SALT], CHEAP).unwrap();
        for broken in [
            "",
            "$argon2id$v=19$",
            &phc.replace("argon2id", "argon2i"),
            &phc.replace("m=16", "m=4294967295"),
            &phc.replace("t=1", "t=999999"),
            &format!("{phc}$x"),
            &phc[..phc.len() - 4],
            &"$".repeat(10_000),
        ] {
            assert!(!verify("correct horse battery", broken), "{broken}");
        }
    }

    #[test]
    fn a_cheaper_hash_is_outdated() {
        let phc = hash("correct horse battery", &[7; SALT], CHEAP).unwrap();
        assert!(!is_outdated(&phc, CHEAP));
        assert!(is_outdated(&phc, Cost { passes: 2, ..CHEAP }) && is_outdated(&phc, Cost::default()));
        assert!(!is_outdated(&phc, Cost { memory_kib: 8, ..CHEAP }), "lowering the cost rehashes nothing");
    }

    #[test]
    fn what_is_guessed_first_is_not_taken() {
        let weak = |password: &str| check(password, "maria@quell.example", "Maria Silva").err();
        assert_eq!(weak("short"), Some(Weak::Short));
        assert_eq!(weak(&"long ".repeat(30)), Some(Weak::Long));
        assert_eq!(weak("correct\u{7}horse"), Some(Weak::Control));
        assert_eq!(weak("aaaaaaaaaaaaaaaa"), Some(Weak::Monotonous));
        for common in [
            "Password1234!",
            "P@ssw0rd2026",
            "passwordpassword",
            "welcome20262026",
            "123456789012",
            "qwertyuiop123",
        ] {
            assert_eq!(weak(common), Some(Weak::Common), "{common}");
        }
        for own in ["maria@quell.example", "MariaSilva1234", "maria20262026", "silva-maria"] {
            assert!(weak(own).is_some(), "{own}");
        }
        for good in ["correct horse battery", "gq8-Vt2!mmPs0", "пароль от сервера"] {
            assert_eq!(weak(good), None, "{good}");
        }
    }
}
