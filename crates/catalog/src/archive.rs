//! The archive that a command sends: what the agent says of it, held against what the server received.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::action::{Observed, StoredArtifact, Verdict};

/// The uploaded archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Archive {
    /// The artifact under which the server keeps it.
    pub artifact_id: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the archive, taken on the endpoint, lower-case hex.
    pub sha256: String,
}

impl Archive {
    /// The archive as the server received it.
    ///
    /// # Errors
    /// The verdict where it did not come, or came as another.
    pub fn received<'a>(&self, observed: &'a Observed) -> Result<&'a StoredArtifact, Verdict> {
        let Some(stored) = observed.artifacts.iter().find(|stored| stored.id == self.artifact_id) else {
            return Err(Verdict::unverified(
                "not_received",
                "the server holds no complete archive of this command",
            ));
        };
        if stored.sha256 != self.sha256 || stored.size != self.size {
            return Err(Verdict::unverified(
                "archive_differs",
                format!("the server received {} bytes with SHA-256 {}", stored.size, stored.sha256),
            ));
        }
        Ok(stored)
    }

    /// What it proves, for a person.
    pub fn sentence(&self) -> String {
        format!("archive of {} bytes: SHA-256 {} on the endpoint and on the server", self.size, self.sha256)
    }
}
