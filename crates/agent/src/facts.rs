//! What the agent says of its machine, when it enrols and at each connection. Shown to people, never trusted.

use quell_host::{isolate, system, users};
use quell_wire::digest::hex;
use quell_wire::limits;
use serde::Serialize;
use serde_json::Value;

/// The name given at enrolment, where it is not the host's own.
pub const NAME: &str = "name";
/// Addresses named.
const ADDRESSES: usize = 64;
/// Longest text taken from the system.
const TEXT: usize = 256;

/// The facts.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Facts {
    /// Host name, or the name given at enrolment.
    pub hostname: String,
    /// `linux`.
    pub os: String,
    /// What the system calls itself.
    pub os_name: String,
    /// Its version.
    pub os_version: String,
    /// Kernel release.
    pub kernel: String,
    /// `x86_64`, `aarch64`.
    pub arch: String,
    /// This boot.
    pub boot_id: String,
    /// Bytes of memory.
    pub memory: u64,
    /// Addresses that are not loopback.
    pub addresses: Vec<String>,
    /// Version of the agent.
    pub agent_version: String,
    /// What the fingerprint of the machine rests on.
    pub fingerprint_sources: Vec<String>,
    /// Who is logged on.
    pub logged_on: Vec<String>,
    /// The isolation, `null` where there is none.
    pub isolation: Option<Value>,
    /// The trust bundle in force, `null` where no root is pinned.
    pub trust: Option<Value>,
}

/// Looks at the machine.
pub fn gather(name: Option<&str>, isolation: Option<Value>, trust: Option<Value>) -> Facts {
    let mut facts = Facts {
        os: std::env::consts::OS.to_owned(),
        arch: std::env::consts::ARCH.to_owned(),
        agent_version: crate::VERSION.to_owned(),
        isolation,
        trust,
        ..Facts::default()
    };
    if let Ok(system) = system::system() {
        facts.hostname = clip(&system.hostname);
        facts.os_name = clip(&system.os);
        facts.os_version = clip(&system.os_version);
        facts.kernel = clip(&system.kernel);
        facts.boot_id = system.boot_id.to_string();
        facts.memory = system.memory;
    }
    if let Some(name) = name {
        facts.hostname = clip(name);
    }
    let addresses = isolate::addresses().unwrap_or_default();
    let outer = addresses.iter().filter(|address| !address.ip.is_loopback());
    facts.addresses = outer.take(ADDRESSES).map(|address| address.ip.to_string()).collect();
    facts.logged_on = users::logged_on();
    facts.fingerprint_sources =
        system::machine_fingerprint(system::FINGERPRINT).sources.iter().map(ToString::to_string).collect();
    facts
}

/// As JSON, within the protocol's limit.
pub fn encode(facts: &Facts) -> Vec<u8> {
    let bytes = serde_json::to_vec(facts).unwrap_or_default();
    if bytes.len() <= limits::FACTS {
        return bytes;
    }
    let short = Facts { isolation: None, addresses: Vec::new(), ..facts.clone() };
    serde_json::to_vec(&short).unwrap_or_default()
}

/// The machine's fingerprint, 32 bytes.
pub fn machine() -> Vec<u8> {
    system::machine_fingerprint(system::FINGERPRINT).sha256.to_vec()
}

/// The same for people.
pub fn machine_text() -> String {
    hex(&machine())
}

/// The boot that the system is in; empty where it cannot be read.
pub fn boot_id() -> String {
    system::boot_id().map(|id| id.to_string()).unwrap_or_default()
}

fn clip(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(TEXT).collect()
}
