//! Another user, no capabilities, no names of files, and an end with the parent.

use rustix::process::{DumpableBehavior, Gid, Signal, Uid};
use rustix::thread::{CapabilitySet, CapabilitySets};

use super::{Error, Profile};

/// `nobody`: the number that the kernel itself uses for users that it does not know (user_namespaces(7)).
const NOBODY: u32 = 65534;
/// Capabilities have numbers below this (the width of capset(2)).
const CAPABILITIES: u32 = 64;

/// Makes a directory of this very process the root, in which nothing can be found. `false` where that is not allowed.
pub(super) fn leave_file_system() -> bool {
    rustix::process::chroot("/proc/self/fdinfo").is_ok() && rustix::process::chdir("/").is_ok()
}

pub(super) fn give_up(profile: Profile) -> Result<(), Error> {
    let failed = |what| move |errno: rustix::io::Errno| Error::Privileges { what, source: errno.into() };
    let wanted = match profile {
        Profile::Sealed | Profile::Apart => CapabilitySet::empty(),
        Profile::Reader => CapabilitySet::DAC_READ_SEARCH,
        Profile::Inspector => CapabilitySet::DAC_READ_SEARCH | CapabilitySet::SYS_PTRACE,
    };
    let held = rustix::thread::capabilities(None).map_err(failed("ask for capabilities"))?;
    let kept = wanted & held.permitted;
    if held.permitted.contains(CapabilitySet::SETPCAP) {
        drop_bounding();
    }
    if held.permitted.contains(CapabilitySet::SETUID | CapabilitySet::SETGID) {
        // Permitted capabilities survive the change of user by this, and are cut down to `kept` below.
        rustix::thread::set_keep_capabilities(true).map_err(failed("keep capabilities"))?;
        rustix::thread::set_thread_groups(&[]).map_err(failed("leave groups"))?;
        let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
        rustix::thread::set_thread_res_gid(group, group, group).map_err(failed("change group"))?;
        rustix::thread::set_thread_res_uid(user, user, user).map_err(failed("change user"))?;
        rustix::thread::set_keep_capabilities(false).map_err(failed("keep capabilities"))?;
    }
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    rustix::thread::set_capabilities(None, sets).map_err(failed("drop capabilities"))?;
    rustix::thread::set_no_new_privs(true).map_err(failed("refuse new privileges"))?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(failed("refuse to be looked into"))?;
    // The change of user took it back (PR_SET_PDEATHSIG(2const)).
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(failed("end with the parent"))
}

/// Numbers that the kernel does not know are refused, which is as good.
fn drop_bounding() {
    for number in 0..CAPABILITIES {
        let _ =
            rustix::thread::remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << number));
    }
    let _ = rustix::thread::clear_ambient_capability_set();
}
