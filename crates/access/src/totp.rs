//! One-time codes of an authenticator app (RFC 6238: SHA-1, six digits, thirty seconds), and the codes for when it is
//! lost.

use ring::{digest, hmac};

/// Bytes of a secret (RFC 4226, section 4, wants 20).
pub const SECRET: usize = 20;
/// Recovery codes that are made at once.
pub const RECOVERY: usize = 10;
/// Random bytes of one of them: 80 bits.
const RECOVERY_BYTES: usize = 10;
const STEP_S: i64 = 30;
const DIGITS: usize = 6;
/// Steps before and after the present one whose codes are taken: clocks differ, and people type slowly.
const SKEW: i64 = 1;
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The time step of a code, if it is that of one about now. Each step is looked at, whatever the first that fits; a step
/// that was used is for the caller to refuse.
pub fn step(secret: &[u8], code: &str, now_s: i64) -> Option<i64> {
    let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    let present = now_s.div_euclid(STEP_S);
    let mut found = None;
    for step in present - SKEW..=present + SKEW {
        if same(at(secret, step).as_bytes(), code.as_bytes()) {
            found = Some(step);
        }
    }
    found
}

fn same(one: &[u8], two: &[u8]) -> bool {
    one.len() == two.len() && one.iter().zip(two).fold(0, |seen, (a, b)| seen | (a ^ b)) == 0
}

/// The code of a time step.
pub fn at(secret: &[u8], step: i64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let from = usize::from(tag[tag.len() - 1] & 15);
    let word = tag[from..from + 4].iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte));
    format!("{:0DIGITS$}", (word & 0x7fff_ffff) % 10_u32.pow(DIGITS as u32))
}

/// The time step of a time, seconds since 1970.
pub fn step_at(now_s: i64) -> i64 {
    now_s.div_euclid(STEP_S)
}

/// The secret as a person types it.
pub fn written(secret: &[u8]) -> String {
    base32(secret)
}

/// The address that an authenticator app reads from a picture (Google's "Key URI Format").
pub fn uri(secret: &[u8], issuer: &str, account: &str) -> String {
    let (issuer, account) = (escaped(issuer), escaped(account));
    format!("otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}", base32(secret))
}

fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~@".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn base32(bytes: &[u8]) -> String {
    let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| byte >> (7 - at % 8) & 1);
    (0..(bytes.len() * 8).div_ceil(5))
        .map(|digit| (0..5).fold(0, |value, offset| value << 1 | usize::from(bit(digit * 5 + offset))))
        .map(|value| char::from(ALPHABET[value]))
        .collect()
}

/// Recovery codes from randomness, `XXXX-XXXX-XXXX-XXXX` each.
pub fn recovery_codes(random: &[u8; RECOVERY * RECOVERY_BYTES]) -> Vec<String> {
    random
        .chunks(RECOVERY_BYTES)
        .map(|bytes| {
            let text = base32(bytes);
            [0, 4, 8, 12].iter().filter_map(|at| text.get(*at..at + 4)).collect::<Vec<_>>().join("-")
        })
        .collect()
}

/// What is stored of a recovery code: with 80 random bits a slow hash would protect nothing more.
pub fn recovery_digest(code: &str) -> String {
    let plain: String =
        code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect();
    let digest = digest::digest(&digest::SHA256, plain.as_bytes());
    digest
        .as_ref()
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|nibble| char::from(b"0123456789abcdef"[usize::from(nibble)]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, the last six of the eight digits.
    #[test]
    fn codes_are_those_of_the_standard() {
        let secret = b"12345678901234567890";
        for (time, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(at(secret, step_at(time)), code);
            assert_eq!(step(secret, code, time), Some(step_at(time)));
        }
    }

    #[test]
    fn a_code_is_good_for_its_step_and_its_neighbours() {
        let secret = [7; SECRET];
        let code = at(&secret, 100);
        for (time, fits) in
            [(98 * 30, false), (99 * 30, true), (100 * 30 + 29, true), (101 * 30, true), (102 * 30, false)]
        {
            assert_eq!(step(&secret, &code, time).is_some(), fits, "{time}");
        }
        assert!(step(&secret, &format!(" {} {} ", &code[..3], &code[3..]), 3000).is_some());
        for wrong in ["", "1", "abcdef", "０１２３４５", &"1".repeat(1000)] {
            assert_eq!(step(&secret, wrong, 3000), None);
        }
    }

    #[test]
    fn secrets_are_written_for_apps_and_people() {
        assert_eq!(written(b"12345678901234567890"), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(
            uri(b"12345678901234567890", "Quell", "a b@quell.example"),
            "otpauth://totp/Quell:a%20b@quell.example?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Quell"
        );
        let mut random = [0; 100];
        random.iter_mut().zip(0..).for_each(|(byte, number)| *byte = number);
        let codes = recovery_codes(&random);
        assert_eq!((codes.len(), codes[0].len()), (10, 19));
        assert_eq!(recovery_digest(&codes[0]), recovery_digest(&codes[0].replace('-', " ").to_lowercase()));
        assert_ne!(recovery_digest(&codes[0]), recovery_digest(&codes[1]));
    }
}
