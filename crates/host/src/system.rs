//! Facts about the machine and its system: names, versions, identity, addresses.

use std::io;

use ring::digest::{Context, SHA256};

/// `/proc/sys/kernel/random/boot_id`: another value after every boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BootId(pub [u8; 16]);

impl std::fmt::Display for BootId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl std::str::FromStr for BootId {
    type Err = io::Error;

    fn from_str(text: &str) -> Result<Self, io::Error> {
        let digits: Vec<u8> = text.trim().bytes().filter(|byte| *byte != b'-').collect();
        crate::unhex(&digits).map(Self).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

/// The boot that the system is in now.
pub fn boot_id() -> io::Result<BootId> {
    read("/proc/sys/kernel/random/boot_id")?.parse()
}

/// What the system is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct System {
    /// Node name.
    pub hostname: String,
    /// `PRETTY_NAME` of os-release(5), else the kernel's name.
    pub os: String,
    /// `ID` of os-release(5): `debian`, `ubuntu`, …
    pub os_id: String,
    /// `VERSION_ID` of os-release(5).
    pub os_version: String,
    /// Kernel release.
    pub kernel: String,
    /// Machine as the kernel names it: `x86_64`, `aarch64`.
    pub arch: String,
    /// The boot it is in.
    pub boot_id: BootId,
    /// Seconds since boot.
    pub uptime_s: u64,
    /// Bytes of memory.
    pub memory: u64,
}

/// Reads what the system is. What is missing is left empty; only the boot id is required.
pub fn system() -> io::Result<System> {
    let name = rustix::system::uname();
    let info = rustix::system::sysinfo();
    let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
    let release = read("/etc/os-release").or_else(|_| read("/usr/lib/os-release")).unwrap_or_default();
    let field = |key: &str| release_field(&release, key).unwrap_or_default();
    let os = field("PRETTY_NAME");
    Ok(System {
        hostname: text(name.nodename()),
        os: if os.is_empty() { text(name.sysname()) } else { os },
        os_id: field("ID"),
        os_version: field("VERSION_ID"),
        kernel: text(name.release()),
        arch: text(name.machine()),
        boot_id: boot_id()?,
        uptime_s: u64::try_from(info.uptime).unwrap_or(0),
        #[expect(clippy::useless_conversion, reason = "the width differs between architectures")]
        memory: u64::from(info.totalram).saturating_mul(u64::from(info.mem_unit)),
    })
}

/// What tells this machine from others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// SHA-256 over a label, the salt and the sources; says nothing about them without the salt.
    pub sha256: [u8; 32],
    /// Which sources there were: `machine-id`, `product-uuid`, `product-serial`, `board-serial`.
    pub sources: Vec<&'static str>,
}

/// Sets this product's fingerprints apart from any other's.
pub const FINGERPRINT: &[u8] = b"quell/machine/v1";

/// A salted hash of `/etc/machine-id` and, where they can be read (root, real or virtual hardware), the
/// DMI product uuid, product serial and board serial.
///
/// It stays the same over reboots and upgrades. A copied disk in another machine changes it through the DMI
/// values; where the hypervisor gives none, or a clone keeps them, it does not, and only two sessions with
/// one identity show the clone. Network addresses are left out on purpose: they change in normal life.
pub fn machine_fingerprint(salt: &[u8]) -> Fingerprint {
    const SOURCES: [(&str, &str); 4] = [
        ("machine-id", "/etc/machine-id"),
        ("product-uuid", "/sys/class/dmi/id/product_uuid"),
        ("product-serial", "/sys/class/dmi/id/product_serial"),
        ("board-serial", "/sys/class/dmi/id/board_serial"),
    ];
    let mut context = Context::new(&SHA256);
    let mut part = |bytes: &[u8]| {
        context.update(&(bytes.len() as u64).to_be_bytes());
        context.update(bytes);
    };
    part(b"quell machine fingerprint 1");
    part(salt);
    let mut sources = Vec::new();
    for (name, path) in SOURCES {
        if let Ok(value) = read(path)
            && !value.trim().is_empty()
        {
            part(name.as_bytes());
            part(value.trim().as_bytes());
            sources.push(name);
        }
    }
    let mut sha256 = [0u8; 32];
    sha256.copy_from_slice(context.finish().as_ref());
    Fingerprint { sha256, sources }
}

fn release_field(text: &str, key: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
    Some(value.trim().trim_matches(['"', '\'']).to_owned())
}

/// A small system file as text, at most 64 KiB.
fn read(path: &str) -> io::Result<String> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(64 * 1024).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_boot_id_reads_as_the_kernel_writes_it() {
        let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        assert_eq!(boot_id().unwrap().to_string(), text.trim());
        assert!("zz".parse::<BootId>().is_err());
    }

    #[test]
    fn the_fingerprint_is_stable_and_depends_on_the_salt() {
        assert_eq!(machine_fingerprint(b"a"), machine_fingerprint(b"a"));
        assert_ne!(machine_fingerprint(b"a").sha256, machine_fingerprint(b"b").sha256);
    }

    #[test]
    fn the_system_has_a_name_and_memory() {
        let system = system().unwrap();
        assert!(!system.hostname.is_empty() && !system.kernel.is_empty() && !system.os.is_empty());
        assert!(system.memory > 1 << 20);
    }
}
