//! One endpoint of the lab, as tests and the demonstration use it.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use crate::Error;
use crate::disk::{Disk, Share};
use crate::failed;
use crate::machine::{Child, Machine, PATH, scratch};
use crate::switch::{Addresses, Switch};

/// Longest that `run` waits.
const RUN_LIMIT: Duration = Duration::from_mins(1);
/// Output beyond this is not read.
const MAX_OUTPUT: u64 = 64 << 20;

/// A machine made of namespaces. It ends, with everything on it, when this value is dropped.
pub struct LabEndpoint {
    name: String,
    addresses: Addresses,
    switch: Arc<Switch>,
    /// Absent after `power_off`. Declared before the disk, so that programs end first.
    machine: Option<Machine>,
    disk: Disk,
}

/// How a program on an endpoint ended, and what it said.
#[derive(Debug, Clone)]
pub struct Finished {
    /// Its exit code or signal.
    pub status: ExitStatus,
    /// Its output, lossily as text.
    pub stdout: String,
    /// Its complaints, lossily as text.
    pub stderr: String,
}

impl LabEndpoint {
    pub(crate) fn make(
        switch: Arc<Switch>,
        name: &str,
        addresses: Addresses,
        shares: &[Share],
        megabytes: u64,
    ) -> Result<Self, Error> {
        let disk = Disk::make(name, shares, megabytes)?;
        let mut endpoint = Self { name: name.to_owned(), addresses, switch, machine: None, disk };
        endpoint.power_on()?;
        Ok(endpoint)
    }

    /// Its host name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its addresses, the hardware address included.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Its IPv4 address.
    pub fn ip4(&self) -> Ipv4Addr {
        self.addresses.ip4()
    }

    /// Its IPv6 address.
    pub fn ip6(&self) -> Ipv6Addr {
        self.addresses.ip6()
    }

    /// Its first process, as the machine sees it.
    pub fn pid(&self) -> Result<u32, Error> {
        Ok(self.machine()?.pid())
    }

    /// The path of one of its files, seen from the machine. It stays right over reboots. Absolute symbolic links on
    /// the way resolve against the machine's root, so follow none that a hostile program may have made.
    pub fn path(&self, inside: impl AsRef<Path>) -> PathBuf {
        self.disk.path(inside.as_ref())
    }

    /// A path of its network namespace, for programs such as `nsenter`; another one after a reboot.
    pub fn network_path(&self) -> Result<PathBuf, Error> {
        Ok(self.machine()?.network.path())
    }

    /// Runs `work` on a thread inside its network (files and processes stay the caller's).
    pub fn within_network<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, Error> {
        self.machine()?.network.within(work).map_err(failed("enter an endpoint's network"))
    }

    /// A command with nothing inherited but a search path, for [`LabEndpoint::spawn_command`].
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", PATH).env("HOME", "/root").stdin(Stdio::null());
        command
    }

    /// Starts a program with piped output and no input.
    pub fn spawn(&self, argv: &[&str], env: &[(&str, &str)]) -> Result<Child, Error> {
        let mut command = self.command(argv.first().copied().unwrap_or_default());
        command.args(argv.iter().skip(1)).envs(env.iter().copied());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        self.spawn_command(command)
    }

    /// Starts a program whose environment, input and output the caller has set. Its path is the endpoint's.
    pub fn spawn_command(&self, command: Command) -> Result<Child, Error> {
        self.machine()?.spawn(command)
    }

    /// Runs a program to its end, at most a minute.
    pub fn run(&self, argv: &[&str]) -> Result<Finished, Error> {
        let (mut stdout, mut stderr) = (scratch()?, scratch()?);
        let mut command = self.command(argv.first().copied().unwrap_or_default());
        let copy = |file: &File| file.try_clone().map_err(failed("copy a descriptor"));
        command.args(argv.iter().skip(1)).stdout(copy(&stdout)?).stderr(copy(&stderr)?);
        let child = self.spawn_command(command)?;
        let status = match child.wait(RUN_LIMIT) {
            Ok(status) => status,
            Err(error) => {
                child.kill()?;
                return Err(error);
            }
        };
        Ok(Finished { status, stdout: text(&mut stdout)?, stderr: text(&mut stderr)? })
    }

    /// Ends every program on it but its first process.
    pub fn kill_all(&self) -> Result<(), Error> {
        self.run(&["/bin/sh", "-c", "kill -KILL -1; :"]).map(drop)
    }

    /// Ends every process at once and drops its network, rules included. The disk stays.
    pub fn power_off(&mut self) {
        self.switch.unplug(self.addresses);
        self.machine = None;
    }

    /// Starts it, with an empty rule set and empty `/run` and `/tmp`. Nothing happens when it runs.
    pub fn power_on(&mut self) -> Result<(), Error> {
        if self.machine.is_none() {
            let machine = Machine::boot(&self.disk)?;
            self.switch.plug(&machine.network, self.addresses)?;
            self.machine = Some(machine);
        }
        Ok(())
    }

    /// Power off, power on.
    pub fn reboot(&mut self) -> Result<(), Error> {
        self.power_off();
        self.power_on()
    }

    fn machine(&self) -> Result<&Machine, Error> {
        self.machine.as_ref().ok_or(Error::Down)
    }
}

impl Drop for LabEndpoint {
    fn drop(&mut self) {
        self.power_off();
    }
}

impl Finished {
    /// Whether it ended with code zero.
    pub fn ok(&self) -> bool {
        self.status.success()
    }
}

fn text(file: &mut File) -> Result<String, Error> {
    let mut bytes = Vec::new();
    let read = file.rewind().and_then(|()| file.take(MAX_OUTPUT).read_to_end(&mut bytes));
    read.map_err(failed("read a program's output"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
