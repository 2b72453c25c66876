//! What a guest boots from: kernel, initial file system, root disk, each made once and kept by the digest
//! of what it was made from.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use super::error::{Error, io_error};
use super::modules::{EARLY, LATE, Module, Modules};
use super::packages::{Kernel, cache, find_program, kernel, now, said};
use super::tree::{Tree, digest, stamp};
use super::{Init, Program, systemd};

/// Of each kind, so many are kept: disks of former builds of a program would else pile up.
const KEPT: usize = 4;
/// Size of the root disk as the guest sees it. Fixed, because a snapshot remembers it; the file is sparse.
const DISK_BYTES: u64 = 8 << 30;
/// Programs of this machine that every guest has, besides busybox.
const TOOLS: [&str; 3] = ["bash", "nft", "ip"];

/// Files that QEMU is started with.
#[derive(Debug)]
pub(super) struct Image {
    pub kernel: PathBuf,
    pub initial: PathBuf,
    pub disk: PathBuf,
    /// Digest of kernel and initial file system: what a snapshot depends on.
    pub key: String,
}

impl Image {
    /// Finds or makes the files for a guest that carries `programs`.
    pub(super) fn make(init: Init, programs: &[Program]) -> Result<Self, Error> {
        let kernel = kernel()?;
        let busybox = find_program("busybox").unwrap_or_else(|| "busybox".into());
        // Modules are read only when something is to be made: the kernel's stamp stands for them.
        let stamp = stamp(&kernel.image)?;
        let mut initial = initial_tree(&busybox);
        let key = format!(
            "{}-{}",
            kernel.version,
            &digest(&format!("{EARLY:?}{stamp}{}", initial.digest()?))[..32]
        );
        let initial = kept("initial", &key, "cpio", |path| {
            add_early_modules(&mut initial, &Modules::read(&kernel.modules)?);
            fs::write(path, initial.cpio()?).map_err(io_error("writing the initial file system"))
        })?;
        let mut disk = disk_tree(&busybox, init, programs)?;
        let disk_key = digest(&format!("{stamp}{}", disk.digest()?));
        let disk = kept("disk", &disk_key[..32], "ext4", |path| {
            add_modules(&mut disk, &kernel, &Modules::read(&kernel.modules)?);
            disk.disk(path, DISK_BYTES)
        })?;
        Ok(Self { kernel: kernel.image, initial, disk, key })
    }
}

/// The file `kind/key.extension` of the cache, made by `make` where it is absent; the oldest others go.
pub(super) fn kept(
    kind: &str,
    key: &str,
    extension: &str,
    make: impl FnOnce(&Path) -> Result<(), Error>,
) -> Result<PathBuf, Error> {
    let dir = cache()?.join(kind);
    fs::create_dir_all(&dir).map_err(io_error("making the guests' cache"))?;
    let path = dir.join(format!("{key}.{extension}"));
    if !path.is_file() {
        let work = tempfile::Builder::new()
            .prefix(".making-")
            .tempfile_in(&dir)
            .map_err(io_error("making a file in the guests' cache"))?;
        make(work.path())?;
        work.persist(&path).map_err(|error| io_error("keeping a file in the guests' cache")(error.error))?;
    }
    // The time of last use decides what goes.
    let _ = fs::File::open(&path).and_then(|file| file.set_modified(now()));
    forget_old(&dir, extension);
    Ok(path)
}

fn forget_old(dir: &Path, extension: &str) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    let mut files: Vec<(SystemTime, PathBuf)> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == extension))
        .filter_map(|path| Some((fs::metadata(&path).ok()?.modified().ok()?, path)))
        .collect();
    files.sort();
    for (_, path) in files.iter().rev().skip(KEPT) {
        // A guest that uses it has it open.
        let _ = fs::remove_file(path);
    }
}

fn initial_tree(busybox: &Path) -> Tree {
    let mut tree = Tree::default();
    for dir in ["dev", "proc", "sys", "disk", "tmp"] {
        tree.dir(dir);
    }
    tree.device("dev/console", 5, 1);
    tree.copy("bin/busybox", busybox, 0o755);
    let applets = "cat date insmod mount sh switch_root usleep";
    for applet in applets.split(' ') {
        tree.link(&format!("bin/{applet}"), "busybox");
    }
    tree.text("init", include_str!("init.sh"), 0o755);
    tree
}

fn add_early_modules(tree: &mut Tree, modules: &Modules) {
    let early = modules.in_order(&EARLY);
    let late: Vec<&Module> =
        modules.in_order(&[LATE]).into_iter().filter(|m| early.iter().all(|e| e.path != m.path)).collect();
    for (list, of) in [("modules/order", &early), ("modules/late", &late)] {
        let names: Vec<String> = of.iter().map(|module| module.file_name()).collect();
        tree.text(list, names.join("\n") + "\n", 0o644);
    }
    for module in early.iter().chain(&late) {
        tree.copy(&format!("modules/{}", module.file_name()), &module.path, 0o644);
    }
}

fn disk_tree(busybox: &Path, init: Init, programs: &[Program]) -> Result<Tree, Error> {
    let mut tree = Tree::default();
    for dir in
        ["dev", "proc", "sys", "run", "tmp", "root", "home", "mnt", "opt", "usr/local/bin", "usr/lib64"]
    {
        tree.dir(dir);
    }
    for dir in ["var/lib", "var/log", "var/tmp", "var/cache", "etc"] {
        tree.dir(dir);
    }
    for dir in ["bin", "sbin", "lib", "lib64"] {
        tree.link(dir, &format!("usr/{dir}"));
    }
    tree.link("var/run", "/run");
    for (path, text) in ETC {
        tree.text(path, text, 0o644);
    }
    tree.text("etc/init.d/rcS", include_str!("start.sh"), 0o755);
    tree.text("usr/sbin/quell-guest-answer", include_str!("answer.sh"), 0o755);
    tree.text("usr/sbin/quell-guest-network", include_str!("network.sh"), 0o755);
    if init == Init::Systemd {
        systemd::add(&mut tree)?;
    }
    for program in TOOLS {
        let from = find_program(program).unwrap_or_else(|| program.into());
        tree.program(&from.to_string_lossy(), &from)?;
    }
    for program in programs {
        tree.program(&program.at, &program.from)?;
    }
    add_busybox(&mut tree, busybox)?;
    Ok(tree)
}

/// All that busybox has and nothing else brought.
fn add_busybox(tree: &mut Tree, busybox: &Path) -> Result<(), Error> {
    // Busybox's shell takes its own `ip` and the like before the real ones, so nobody gets it by name.
    tree.link("usr/bin/sh", "bash");
    tree.copy("usr/bin/busybox", busybox, 0o755);
    for applet in said(Command::new(busybox).arg("--list"))?.split_ascii_whitespace() {
        let places = [format!("usr/bin/{applet}"), format!("usr/sbin/{applet}")];
        if applet != "busybox" && !places.iter().any(|place| tree.contains(place)) {
            // `init`, `modprobe` and the like are looked for in `sbin`.
            let place = if SBIN.contains(&applet) { &places[1] } else { &places[0] };
            tree.link(place, "/usr/bin/busybox");
        }
    }
    Ok(())
}

fn add_modules(tree: &mut Tree, kernel: &Kernel, modules: &Modules) {
    let dir = format!("usr/lib/modules/{}", kernel.version);
    for module in modules.all() {
        tree.copy(&format!("{dir}/{}", module.file_name()), &module.path, 0o644);
    }
    tree.text(&format!("{dir}/modules.dep"), modules.dependencies(), 0o644);
    tree.text(&format!("{dir}/modules.alias"), modules.aliases(), 0o644);
}

const SBIN: [&str; 8] = ["init", "modprobe", "insmod", "rmmod", "lsmod", "reboot", "poweroff", "halt"];

/// `rcS` runs before anything else of the table; the answering shell is started again should it end.
const ETC: [(&str, &str); 8] = [
    (
        "etc/fstab",
        "devpts /dev/pts devpts gid=5,mode=620 0 0\n\
         shm /dev/shm tmpfs mode=1777 0 0\n\
         cgroup /sys/fs/cgroup cgroup2 defaults 0 0\n\
         security /sys/kernel/security securityfs defaults 0 0\n\
         tracing /sys/kernel/tracing tracefs defaults 0 0\n\
         bpf /sys/fs/bpf bpf defaults 0 0\n",
    ),
    ("etc/inittab", "::sysinit:/etc/init.d/rcS\n::respawn:/usr/sbin/quell-guest-answer\n"),
    (
        "etc/passwd",
        "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    ),
    ("etc/group", "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n"),
    ("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
    ("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
    ("etc/os-release", "ID=quell-guest\nNAME=\"Quell guest\"\nPRETTY_NAME=\"Quell guest\"\n"),
    ("etc/resolv.conf", ""),
];
