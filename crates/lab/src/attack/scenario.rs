//! The scenarios: one script each, what it shows in its head.
//!
//! ```sh
//! # technique: T1053.003
//! # title: a job of cron that calls home
//! ```
//!
//! A script runs as root by `sh`, with `OUTSIDE` (address of the outside host), `WEB` (its web server, which hands out
//! `/payload`, a shell script, and takes uploads) and `CATCH` (a port there that takes connections) in its environment.

macro_rules! scenarios {
    ($($name:literal),* $(,)?) => {
        /// All of them.
        pub const SCENARIOS: &[Scenario] =
            &[$(Scenario { name: $name, script: include_str!(concat!("../../scenarios/", $name, ".sh")) }),*];
    };
}

/// One of them.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its file's name, without `.sh`.
    pub name: &'static str,
    /// Its text.
    pub script: &'static str,
}

impl Scenario {
    /// Technique of ATT&CK.
    pub fn technique(&self) -> &'static str {
        self.head("# technique: ")
    }

    /// What it shows.
    pub fn title(&self) -> &'static str {
        self.head("# title: ")
    }

    fn head(&self, name: &str) -> &'static str {
        self.script.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default()
    }
}

scenarios![
    "account_created",
    "account_discovery",
    "archive_collected",
    "authorized_keys",
    "base64_to_shell",
    "bash_profile",
    "browser_agent_beacon",
    "clear_history",
    "clear_logs",
    "credentials_in_files",
    "cron_job",
    "data_destroyed",
    "data_encrypted",
    "download_and_run",
    "exfiltration",
    "firewall_off",
    "hidden_program",
    "interpreter_python",
    "kernel_module",
    "ld_preload",
    "masquerade",
    "memory_program",
    "miner",
    "network_discovery",
    "pam_changed",
    "permissions_loosened",
    "port_scan",
    "private_keys",
    "process_injected",
    "rc_local",
    "reverse_shell",
    "security_tool_stopped",
    "setuid_shell",
    "shadow_read",
    "sudoers",
    "system_discovery",
    "systemd_service",
    "timestomp",
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_scenario_is_listed_and_says_what_it_shows() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let listed: BTreeSet<String> = SCENARIOS.iter().map(|one| format!("{}.sh", one.name)).collect();
        let there: BTreeSet<String> = std::fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        assert_eq!(listed, there);
        for scenario in SCENARIOS {
            assert!(quell_wire::activity::is_technique(scenario.technique()), "{}", scenario.name);
            assert!(!scenario.title().is_empty(), "{}", scenario.name);
        }
        let techniques: BTreeSet<&str> = SCENARIOS.iter().map(Scenario::technique).collect();
        assert!(techniques.len() >= 30, "{}", techniques.len());
    }
}
