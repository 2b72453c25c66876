//! Secrets in bodies: never shown, whatever prints them.

use serde::Deserialize;

/// Longest secret that is looked at, bytes.
const MOST: usize = 1024;

/// A password, code, or link's text.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub(crate) struct Secret(String);

impl Secret {
    /// The text, where it could be one at all.
    pub fn reveal(&self) -> Option<&str> {
        Some(self.0.as_str()).filter(|text| text.len() <= MOST)
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("***")
    }
}
