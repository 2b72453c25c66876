//! An endpoint that is a whole machine: a QEMU guest with Debian's kernel, for what namespaces cannot show (a real
//! reboot, process events of a whole kernel, BPF LSM, another kernel version).
//!
//! It runs by emulation (TCG) everywhere, needs no root unless it joins a bridge, and starts in less than a second from
//! a snapshot that the first start leaves in `~/.cache/quell/guest`. The snapshot holds the devices and modules only;
//! disk, clock, name, addresses and randomness are of each guest alone, and the disk lasts over reboots.
//!
//! A guest is slow: about ten times slower than its host at computing.

mod channel;
mod error;
mod image;
mod modules;
mod packages;
mod qemu;
mod qmp;
mod systemd;
mod tree;

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, UNIX_EPOCH};

use serde_json::json;

pub use channel::Output;
use channel::quoted;
pub use error::Error;
use error::io_error;
use image::Image;
pub use packages::{missing_packages, prepare};
use qemu::Qemu;
pub use systemd::prepare as prepare_systemd;
use tree::hex;

/// A cold boot takes 3 to 6 s on an idle machine.
const BOOT: Duration = Duration::from_secs(90);
const SHORT: Duration = Duration::from_secs(30);
/// It passes through the guest's memory.
const MAX_PUT: usize = 32 << 20;

/// A program of this machine to be carried by a guest, with its shared libraries.
#[derive(Debug, Clone)]
pub struct Program {
    /// Where it is on this machine.
    pub from: PathBuf,
    /// Its absolute path in the guest, below `/usr` or `/opt`.
    pub at: String,
}

/// How a guest is connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Network {
    /// No interface but loopback.
    None,
    /// `eth0` whose other end answers nobody outside of QEMU. `10.0.2.2` answers ARP.
    Closed,
    /// `eth0` on a bridge. Needs the right to make interfaces there.
    Bridge {
        /// The bridge's network namespace, such as `/proc/PID/ns/net`.
        namespace: PathBuf,
        /// The bridge's name.
        bridge: String,
    },
}

/// What a guest's first process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Init {
    /// Busybox's, which mounts, sets the network up, and runs `/etc/rc.local` before that.
    Busybox,
    /// Debian's systemd with its own units, as far as a machine without D-Bus and logins has use for them. The network is
    /// a unit after `network-pre.target`. Needs [`prepare_systemd`], and 512 MiB or so.
    Systemd,
}

/// What a guest is to be.
#[derive(Debug, Clone)]
pub struct Options {
    /// Host name: letters, digits, hyphens.
    pub name: String,
    /// Main memory in MiB.
    pub memory_mb: u32,
    /// Its first process.
    pub init: Init,
    /// Its connection.
    pub network: Network,
    /// Addresses of `eth0` with prefix length, such as `10.86.0.9/24` or `fd86::9/64`.
    pub addresses: Vec<String>,
    /// Default gateways.
    pub gateways: Vec<String>,
    /// What it carries besides bash (also as `sh`), nft, ip and busybox.
    pub programs: Vec<Program>,
    /// Whether to start from a snapshot, and to leave one after a first boot.
    pub snapshot: bool,
}

impl Options {
    /// A guest with 256 MiB and no network.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            memory_mb: 256,
            init: Init::Busybox,
            network: Network::None,
            addresses: Vec::new(),
            gateways: Vec::new(),
            programs: Vec::new(),
            snapshot: true,
        }
    }

    fn check(&self) -> Result<(), Error> {
        let name = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let address = |c: char| c.is_ascii_hexdigit() || ".:/".contains(c);
        let words = self.addresses.iter().chain(&self.gateways);
        if self.name.is_empty() || self.name.len() > 63 || !self.name.chars().all(name) {
            return Err(Error::Invalid(format!("host name {:?}", self.name)));
        }
        if let Some(word) =
            words.into_iter().find(|w| w.is_empty() || w.len() > 64 || !w.chars().all(address))
        {
            return Err(Error::Invalid(format!("address {word:?}")));
        }
        if let Some(program) =
            self.programs.iter().find(|p| !p.at.starts_with("/usr/") && !p.at.starts_with("/opt/"))
        {
            return Err(Error::Invalid(format!("a program at {:?}", program.at)));
        }
        Ok(())
    }
}

/// How a guest came up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// From a snapshot, not by booting.
    pub restored: bool,
    /// From the start of QEMU until the guest answered, without the making of a snapshot.
    pub took: Duration,
}

/// A running machine. Ends with its value, and with this process however that ends.
#[derive(Debug)]
pub struct Guest {
    qemu: Qemu,
    options: Options,
    mac: String,
    boot_id: String,
    start: Start,
}

impl Guest {
    /// Starts a guest and waits until it answers. [`Error::Unavailable`] says what this machine lacks.
    pub fn start(options: Options) -> Result<Self, Error> {
        options.check()?;
        let image = Image::make(options.init, &options.programs)?;
        let shape = tree::digest(&qemu::shape(options.memory_mb, &options.network));
        let key = format!("{}-{}", image.key, &shape[..16]);
        if !options.snapshot {
            return Self::boot(options, &image, None);
        }
        let saved = packages::cache()?.join("state").join(format!("{key}.state"));
        if saved.is_file() {
            match Self::restore(options.clone(), &image, &saved) {
                Ok(guest) => {
                    // Marks it as used.
                    image::kept("state", &key, "state", |_| Ok(()))?;
                    return Ok(guest);
                }
                Err(error) => {
                    tracing::warn!(%error, "a guest's snapshot is of no use, booting anew");
                    let _ = std::fs::remove_file(&saved);
                }
            }
        }
        Self::boot(options, &image, Some(&key))
    }

    fn restore(options: Options, image: &Image, saved: &Path) -> Result<Self, Error> {
        let begun = Instant::now();
        let mut qemu = Qemu::start(image, options.memory_mb, &options.network, Some(saved))?;
        qemu.qmp.go_on().map_err(|error| qemu.explain(error))?;
        let mut guest = Self::new(qemu, options, true)?;
        guest.go()?;
        guest.start.took = begun.elapsed();
        Ok(guest)
    }

    fn boot(options: Options, image: &Image, keep_as: Option<&str>) -> Result<Self, Error> {
        let mut begun = Instant::now();
        let mut qemu = Qemu::start(image, options.memory_mb, &options.network, None)?;
        let ready = qemu.channel.expect("ready", "the boot of a guest", BOOT);
        ready.map_err(|error| qemu.explain(error))?;
        if let Some(key) = keep_as {
            let saving = Instant::now();
            image::kept("state", key, "state", |path| qemu.save(path))?;
            begun += saving.elapsed();
        }
        let mut guest = Self::new(qemu, options, false)?;
        guest.go()?;
        guest.start.took = begun.elapsed();
        Ok(guest)
    }

    fn new(qemu: Qemu, options: Options, restored: bool) -> Result<Self, Error> {
        let [a, b, c, ..] = random()?;
        let start = Start { restored, took: Duration::ZERO };
        let guest = Self {
            qemu,
            options,
            mac: format!("52:54:00:{a:02x}:{b:02x}:{c:02x}"),
            boot_id: String::new(),
            start,
        };
        qemu::attach(&guest.options.network, &guest.qemu)?;
        Ok(guest)
    }

    /// Gives a waiting guest what is its own, and waits for its answer.
    fn go(&mut self) -> Result<(), Error> {
        let list = |words: &[String]| if words.is_empty() { "-".to_owned() } else { words.join(",") };
        let now = packages::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let Options { name, addresses, gateways, .. } = &self.options;
        let (addresses, gateways) = (list(addresses), list(gateways));
        let (seed, mac) = (hex(&random()?), &self.mac);
        let line = format!("go {now} {seed} {name} {mac} {addresses} {gateways}");
        let answer = self
            .qemu
            .channel
            .tell(&line)
            .and_then(|()| self.qemu.channel.expect("up", "the start of a guest", BOOT));
        self.boot_id = answer.map_err(|error| self.qemu.explain(error))?;
        Ok(())
    }

    /// How it came up.
    pub fn started(&self) -> Start {
        self.start
    }

    /// The kernel's `boot_id`: another one after each boot.
    pub fn boot_id(&self) -> &str {
        &self.boot_id
    }

    /// Process id of QEMU on this machine.
    pub fn pid(&self) -> u32 {
        self.qemu.pid()
    }

    /// The hardware address of `eth0`.
    pub fn mac(&self) -> &str {
        &self.mac
    }

    /// Runs a program in the guest to its end, at most 30 s; then it is killed (status 137).
    pub fn run<S: AsRef<str>>(&mut self, argv: &[S]) -> Result<Output, Error> {
        self.run_within(argv, SHORT)
    }

    /// Runs a program in the guest to its end, at most `limit` (whole seconds).
    pub fn run_within<S: AsRef<str>>(&mut self, argv: &[S], limit: Duration) -> Result<Output, Error> {
        self.script(&format!("exec {}", quoted(argv)?), limit)
    }

    /// Runs a script of `sh` (bash) in the guest, at most `limit` (whole seconds).
    pub fn script(&mut self, text: &str, limit: Duration) -> Result<Output, Error> {
        self.qemu.channel.request("run", text.as_bytes(), limit)
    }

    /// Starts a program that goes on in a session of its own, its output in `log`. Returns its process id.
    pub fn spawn<S: AsRef<str>>(&mut self, argv: &[S], log: &str) -> Result<u32, Error> {
        let text = format!("setsid {} >>{} 2>&1 </dev/null &\necho $!", quoted(argv)?, quoted(&[log])?);
        let output = self.script(&text, SHORT)?;
        output.text().parse().map_err(|_| Error::Protocol(format!("no process id: {output:?}")))
    }

    /// Writes a file, at most 32 MiB, with its directories. Without systemd an executable `/etc/rc.local` runs at each boot,
    /// before the network is up.
    pub fn put(&mut self, path: &str, content: &[u8], mode: u32) -> Result<(), Error> {
        if content.len() > MAX_PUT {
            return Err(Error::Invalid(format!(
                "{path}: larger than {MAX_PUT} bytes, carry it as a program"
            )));
        }
        let (file, dir) = (quoted(&[path])?, quoted(&[path.rsplit_once('/').map_or(".", |(dir, _)| dir)])?);
        self.qemu.channel.request("hold", content, SHORT)?;
        let size = content.len();
        let text = format!(
            "set -e; cd /; h=/run/answer/held; [ \"$(stat -c %s $h)\" = {size} ]\n\
             mkdir -p {dir}/; cat $h >{file}; chmod {mode:o} {file}; rm $h"
        );
        let output = self.script(&text, SHORT)?;
        if output.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(Error::Failed { program: format!("writing {path} in the guest"), said })
    }

    /// Restarts the machine and waits until it answers again: under systemd with all that stops units, else
    /// as `reboot -f` does (written data is safe, no process is asked).
    pub fn reboot(&mut self) -> Result<(), Error> {
        self.qemu.channel.send("reboot", b"", SHORT)?;
        self.come_back()
    }

    /// Restarts the machine as loss of power does: what was not synced to the disk is gone.
    pub fn cut_power(&mut self) -> Result<(), Error> {
        self.qemu.qmp.execute("system_reset", json!({}))?;
        self.come_back()
    }

    fn come_back(&mut self) -> Result<(), Error> {
        let ready = self.qemu.channel.expect("ready", "the reboot of a guest", BOOT);
        ready.map_err(|error| self.qemu.explain(error))?;
        let before = std::mem::take(&mut self.boot_id);
        self.go()?;
        if self.boot_id == before {
            return Err(Error::Protocol("the guest came back without a reboot".into()));
        }
        Ok(())
    }
}

/// Randomness of this machine.
fn random() -> Result<[u8; 32], Error> {
    let mut bytes = [0; 32];
    let read = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    read.map_err(io_error("reading randomness"))?;
    Ok(bytes)
}
