//! The web console as it was built, in the binary: a table of files and nothing else.
//!
//! A crate of its own, so that a change of the console compiles this table again and no line of the server. Where
//! the console was not built, the table holds one page that says how to build it.

/// A file of the console.
#[derive(Clone, Copy, Debug)]
pub struct File {
    /// Its path below the root, without a leading slash: `assets/index-3f9a.js`. Letters, digits and `._-/` only.
    pub path: &'static str,
    /// Its media type, with the charset where it is text.
    pub media_type: &'static str,
    /// Names its content: another content has another tag. Lower-case hex.
    pub tag: &'static str,
    /// Its bytes.
    pub plain: &'static [u8],
    /// The same compressed with gzip, where that is smaller.
    pub gzip: Option<&'static [u8]>,
    /// The same compressed with Brotli, where that is smaller.
    pub brotli: Option<&'static [u8]>,
}

include!(concat!(env!("OUT_DIR"), "/files.rs"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_an_index_and_every_path_is_plain() {
        assert!(FILES.iter().any(|file| file.path == "index.html"));
        for file in FILES {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
            assert!(file.path.bytes().all(plain) && !file.path.contains(".."), "{}", file.path);
            assert!(!file.plain.is_empty() && file.tag.len() == 32, "{}", file.path);
        }
    }

    #[test]
    fn the_index_has_a_place_for_the_nonce_and_no_code_within() {
        for file in FILES.iter().filter(|file| file.path == "index.html") {
            let text = String::from_utf8_lossy(file.plain);
            assert!(text.contains("__NONCE__"), "the styles that the console adds would be refused");
            assert!(!text.contains("<script>") && !text.contains(" onload="), "code within the page");
        }
    }
}
