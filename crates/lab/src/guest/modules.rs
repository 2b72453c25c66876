//! The kernel's modules: which ones a guest carries, in which order they load, and the index by which the
//! guest's kernel finds more of them. Read from the modules themselves, since `depmod` may not be installed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::error::{Error, io_error};

/// Loaded before a snapshot is taken: the devices, then what firewalls and socket lists need, so that
/// a restored guest has it at once.
pub(super) const EARLY: [&str; 17] = [
    "virtio_pci",
    "virtio_blk",
    "virtio_console",
    "virtio_net",
    "nf_tables",
    "nf_conntrack",
    "nft_ct",
    "nft_reject",
    "nft_reject_inet",
    "nft_reject_ipv4",
    "nft_reject_ipv6",
    "nft_fib_inet",
    "nft_limit",
    "nft_log",
    "inet_diag",
    "tcp_diag",
    "udp_diag",
];
/// Loaded when a guest goes on from its snapshot: see `init.sh`.
pub(super) const LATE: &str = "virtio_rng";
/// Also carried; everything below `net/` is.
const CARRIED: [&str; 12] = [
    "overlay",
    "squashfs",
    "loop",
    "fuse",
    "dummy",
    "macvlan",
    "macvtap",
    "ipvlan",
    "veth",
    "tun",
    "bonding",
    "wireguard",
];

/// A module as its own information section describes it.
#[derive(Debug)]
pub(super) struct Module {
    pub path: PathBuf,
    depends: Vec<String>,
    aliases: Vec<String>,
}

/// The modules of a kernel by name (with `_`, never `-`).
#[derive(Debug, Default)]
pub(super) struct Modules(BTreeMap<String, Module>);

impl Modules {
    /// Reads what a guest carries from below `lib/modules/VERSION`.
    pub(super) fn read(root: &Path) -> Result<Self, Error> {
        let mut files = BTreeMap::new();
        let mut wanted: Vec<String> =
            EARLY.iter().chain(CARRIED.iter()).chain([&LATE]).map(|name| (*name).to_owned()).collect();
        let mut todo = vec![root.join("kernel")];
        while let Some(dir) = todo.pop() {
            for entry in fs::read_dir(&dir).map_err(io_error("listing kernel modules"))? {
                let path = entry.map_err(io_error("listing kernel modules"))?.path();
                if path.is_dir() {
                    todo.push(path);
                } else if let Some(name) = module_name(&path) {
                    if path.starts_with(root.join("kernel/net")) {
                        wanted.push(name.clone());
                    }
                    files.insert(name, path);
                }
            }
        }
        let mut modules = Self::default();
        while let Some(name) = wanted.pop() {
            // What the kernel has built in has no file.
            let Some(path) = files.remove(&name) else { continue };
            let module = Module::read(path)?;
            wanted.extend(module.depends.iter().cloned());
            modules.0.insert(name, module);
        }
        Ok(modules)
    }

    /// Paths of `names` and all that they depend on, in loading order.
    pub(super) fn in_order(&self, names: &[&str]) -> Vec<&Module> {
        let mut seen = BTreeSet::new();
        let mut order = Vec::new();
        for name in names {
            self.visit(name, &mut seen, &mut order);
        }
        order
    }

    fn visit<'a>(&'a self, name: &str, seen: &mut BTreeSet<String>, order: &mut Vec<&'a Module>) {
        let Some(module) = self.0.get(name) else { return };
        if seen.insert(name.to_owned()) {
            for dependency in &module.depends {
                self.visit(dependency, seen, order);
            }
            order.push(module);
        }
    }

    /// Every module carried.
    pub(super) fn all(&self) -> impl Iterator<Item = &Module> {
        self.0.values()
    }

    /// `modules.dep` for modules that lie flat in one directory.
    pub(super) fn dependencies(&self) -> String {
        let mut text = String::new();
        for (name, module) in &self.0 {
            let mut order = self.in_order(&[name.as_str()]);
            order.pop();
            let needed: Vec<String> = order.iter().rev().map(|m| m.file_name()).collect();
            let _ = writeln!(text, "{}: {}", module.file_name(), needed.join(" "));
        }
        text
    }

    /// `modules.alias`: by which names the kernel asks for modules.
    pub(super) fn aliases(&self) -> String {
        let mut text = String::new();
        for (name, module) in &self.0 {
            for alias in &module.aliases {
                let _ = writeln!(text, "alias {alias} {name}");
            }
        }
        text
    }
}

impl Module {
    fn read(path: PathBuf) -> Result<Self, Error> {
        let bytes = fs::read(&path).map_err(io_error("reading a kernel module"))?;
        let depends = values(&bytes, b"depends=")
            .flat_map(|list| list.split(','))
            .filter(|name| !name.is_empty())
            .map(|name| name.replace('-', "_"))
            .collect();
        let aliases = values(&bytes, b"alias=").map(str::to_owned).collect();
        Ok(Self { path, depends, aliases })
    }

    /// The file's own name.
    pub(super) fn file_name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// Values of `key=value` among the NUL-terminated texts of a module's `.modinfo`.
fn values<'a>(bytes: &'a [u8], key: &'static [u8]) -> impl Iterator<Item = &'a str> {
    bytes
        .split(|byte| *byte == 0)
        .filter_map(move |text| text.strip_prefix(key))
        .filter_map(|value| std::str::from_utf8(value).ok())
        .filter(|value| value.len() < 4096 && !value.contains(char::is_whitespace))
}

fn module_name(path: &Path) -> Option<String> {
    path.extension()
        .is_some_and(|e| e == "ko")
        .then(|| path.file_stem()?.to_str().map(|n| n.replace('-', "_")))?
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn dependencies_load_first_and_aliases_are_indexed() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("kernel/net/netfilter");
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("nft_ct.ko"), b"\x7fELF\0depends=nf_tables,nf-conntrack\0alias=nft-expr-ct\0")
            .unwrap();
        fs::write(dir.join("nf_tables.ko"), b"\0depends=\0").unwrap();
        fs::write(dir.join("nf-conntrack.ko"), b"\0depends=nf_tables\0alias=two words\0").unwrap();
        let modules = Modules::read(root.path()).unwrap();
        let order: Vec<String> = modules.in_order(&["nft_ct"]).iter().map(|m| m.file_name()).collect();
        assert_eq!(order, ["nf_tables.ko", "nf-conntrack.ko", "nft_ct.ko"]);
        assert!(modules.dependencies().contains("nft_ct.ko: nf-conntrack.ko nf_tables.ko\n"));
        assert_eq!(modules.aliases(), "alias nft-expr-ct nft_ct\n");
    }
}
