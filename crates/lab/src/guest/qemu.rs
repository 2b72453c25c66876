//! The QEMU process: its command line, its life tied to ours.

use std::fs::{self, File};
use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use tempfile::TempDir;

use super::Network;
use super::channel::{Channel, Deadline};
use super::error::{Error, io_error};
use super::image::Image;
use super::packages::{find_program, said, tail};
use super::qmp::Qmp;

/// The kernel's command line. Neither processor nor boot loader may seed the random generator: guests of one
/// snapshot would share its state, see `init.sh`.
const KERNEL_LINE: &str = "console=ttyS0 quiet panic=-1 reboot=t random.trust_cpu=off random.trust_bootloader=off \
     lsm=landlock,lockdown,yama,bpf";
const CONNECT: Duration = Duration::from_secs(20);

/// A machine that runs. Dropping it ends QEMU and removes its files.
#[derive(Debug)]
pub(super) struct Qemu {
    child: Child,
    /// Ends with the sender: the thread that started QEMU, see [`spawn`].
    keeper: Option<(mpsc::Sender<()>, JoinHandle<()>)>,
    dir: TempDir,
    pub qmp: Qmp,
    pub channel: Channel,
}

/// What decides the machine's shape, and with it whether a snapshot fits.
pub(super) fn shape(memory_mb: u32, network: &Network) -> String {
    let backend = match network {
        Network::None => "none",
        Network::Closed => "user",
        Network::Bridge { .. } => "tap",
    };
    format!("1;{KERNEL_LINE};{memory_mb};{backend}")
}

impl Qemu {
    /// Starts a machine, from a saved state when one is given. Returns once both sockets are connected.
    pub(super) fn start(
        image: &Image,
        memory_mb: u32,
        network: &Network,
        state: Option<&Path>,
    ) -> Result<Self, Error> {
        let dir = tempfile::Builder::new()
            .prefix("quell-guest-")
            .tempdir()
            .map_err(io_error("making a guest's directory"))?;
        let listen = |name: &str| {
            let listener = UnixListener::bind(dir.path().join(name))?;
            listener.set_nonblocking(true).map(|()| listener)
        };
        let control = listen("qmp.sock").map_err(io_error("listening for QEMU"))?;
        let port = listen("port.sock").map_err(io_error("listening for the guest"))?;
        let mut command = command_line(image, memory_mb, network, dir.path());
        if let Some(state) = state {
            // By a link, so that no path needs quoting in QEMU's shell.
            std::os::unix::fs::symlink(state, dir.path().join("state"))
                .map_err(io_error("linking a guest's state"))?;
            command.args(["-incoming", "exec:cat state"]);
        }
        let errors = File::create(dir.path().join("qemu.log")).map_err(io_error("making QEMU's log"))?;
        command.current_dir(dir.path()).env("TMPDIR", dir.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors);
        let (mut child, keeper) = spawn(command, network)?;
        let streams = accept(&control, &mut child).and_then(|qmp| Ok((qmp, accept(&port, &mut child)?)));
        let ready = streams.and_then(|(qmp, port)| Ok((Qmp::new(qmp)?, Channel::new(port))));
        match ready {
            Ok((qmp, channel)) => Ok(Self { child, keeper: Some(keeper), dir, qmp, channel }),
            Err(error) => {
                let _ = child.kill().and_then(|()| child.wait());
                Err(with_logs(error, dir.path()))
            }
        }
    }

    /// QEMU's process id on this machine.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Writes the machine's state to `path` and lets it go on.
    pub(super) fn save(&mut self, path: &Path) -> Result<(), Error> {
        std::os::unix::fs::symlink(path, self.dir.path().join("saved"))
            .map_err(io_error("linking a guest's state"))?;
        self.qmp.save("saved")
    }

    /// Adds what QEMU and the guest's console said to an error.
    pub(super) fn explain(&self, error: Error) -> Error {
        with_logs(error, self.dir.path())
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some((stop, thread)) = self.keeper.take() {
            drop(stop);
            let _ = thread.join();
        }
    }
}

fn command_line(image: &Image, memory_mb: u32, network: &Network, dir: &Path) -> Command {
    // The kernel ends QEMU when the thread that started it ends: also a killed lab leaves no machine behind.
    let mut command = Command::new(find_program("setpriv").unwrap_or_else(|| "setpriv".into()));
    command.args(["--pdeathsig", "KILL", "--"]);
    command.arg(find_program("qemu-system-x86_64").unwrap_or_else(|| "qemu-system-x86_64".into()));
    command.args(["-nodefaults", "-no-user-config", "-display", "none", "-accel", "tcg", "-smp", "1"]);
    command.args(["-machine", "q35,smm=off,sata=off,usb=off,smbus=off", "-m", &memory_mb.to_string()]);
    command
        .arg("-kernel")
        .arg(&image.kernel)
        .arg("-initrd")
        .arg(&image.initial)
        .args(["-append", KERNEL_LINE]);
    command.args(["-serial", "file:console.log"]);
    command.args(["-chardev", "socket,id=qmp,path=qmp.sock", "-mon", "chardev=qmp,mode=control"]);
    command.args(["-chardev", "socket,id=port,path=port.sock", "-device", "virtio-serial-pci"]);
    command.args(["-device", "virtserialport,chardev=port,name=quell"]);
    command.args(["-object", "rng-builtin,id=rng", "-device", "virtio-rng-pci,rng=rng"]);
    // A link again: commas have a meaning in this option. What the guest writes goes to a file of QEMU's own
    // that has no name, lasts as long as QEMU and so over every reboot of the guest.
    let _ = std::os::unix::fs::symlink(&image.disk, dir.join("disk"));
    command.args(["-drive", "file=disk,format=raw,if=none,id=disk,snapshot=on"]);
    command.args(["-device", "virtio-blk-pci,drive=disk"]);
    let backend = match network {
        Network::None => return command,
        Network::Closed => "user,id=net,restrict=on".to_owned(),
        Network::Bridge { .. } => {
            format!("tap,id=net,ifname={},script=no,downscript=no,vhost=off", tap_name(dir))
        }
    };
    command.args(["-netdev", &backend, "-device", "virtio-net-pci,netdev=net,romfile="]);
    command
}

/// A name of at most 15 bytes, of the directory's random part.
fn tap_name(dir: &Path) -> String {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    format!("vm{}", name.trim_start_matches("quell-guest-"))
}

type Keeper = (mpsc::Sender<()>, JoinHandle<()>);

/// Starts QEMU on a thread that stays until QEMU is done with, in the network namespace of its bridge.
fn spawn(mut command: Command, network: &Network) -> Result<(Child, Keeper), Error> {
    let (started, start) = mpsc::channel();
    let (stop, stopped) = mpsc::channel::<()>();
    let network = network.clone();
    let thread = std::thread::Builder::new()
        .name("guest".into())
        .spawn(move || {
            let mut live = move || {
                let _ = started.send(command.spawn());
                // Ends when the sender is dropped.
                let _ = stopped.recv();
            };
            let entered = match &network {
                Network::None | Network::Closed => {
                    live();
                    Ok(())
                }
                Network::Bridge { namespace, .. } => quell_host::namespace::within(namespace, live),
            };
            if let Err(error) = entered {
                tracing::warn!(%error, "a guest's network namespace cannot be entered");
            }
        })
        .map_err(io_error("starting a thread"))?;
    let child = start
        .recv()
        .map_err(|_| Error::Invalid("the namespace of the bridge cannot be entered".into()))?
        .map_err(io_error("starting QEMU"))?;
    Ok((child, (stop, thread)))
}

/// Puts the guest's tap device on its bridge.
pub(super) fn attach(network: &Network, qemu: &Qemu) -> Result<(), Error> {
    let Network::Bridge { namespace, bridge } = network else { return Ok(()) };
    let ip = find_program("ip").unwrap_or_else(|| "ip".into());
    let tap = tap_name(qemu.dir.path());
    let link = || said(Command::new(ip).args(["link", "set", &tap, "master", bridge, "up"]));
    quell_host::namespace::within(namespace, link)
        .map_err(io_error("entering the bridge's namespace"))?
        .map(drop)
}

fn accept(listener: &UnixListener, child: &mut Child) -> Result<UnixStream, Error> {
    let until = Deadline::new("QEMU's start", CONNECT);
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).map_err(io_error("taking QEMU's connection"))?;
                return Ok(stream);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(io_error("taking QEMU's connection")(error)),
        }
        if let Ok(Some(status)) = child.try_wait() {
            return Err(Error::Failed { program: "qemu-system-x86_64".into(), said: status.to_string() });
        }
        std::thread::sleep(Duration::from_millis(2).min(until.left()?));
    }
}

fn with_logs(error: Error, dir: &Path) -> Error {
    let log = |name: &str| tail(&fs::read(dir.join(name)).unwrap_or_default(), 800);
    let said = format!("{error}\n{}\n{}", log("qemu.log"), log("console.log"));
    Error::Failed { program: "qemu-system-x86_64".into(), said: said.trim_end().to_owned() }
}
