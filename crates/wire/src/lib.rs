//! The agent protocol: frames, signed orders, versions and limits.
