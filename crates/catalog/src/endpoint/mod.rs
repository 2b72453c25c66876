//! Actions on an endpoint as a whole.

pub mod collect_chain;
pub mod collect_evidence;
pub mod isolate;
pub mod remote_shell;
pub mod restore;
pub mod run_investigation_kit;
pub mod run_osquery;
pub mod run_script;
pub mod run_yara;
pub mod scan_malware;
