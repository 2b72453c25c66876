//! The one list of all tables.

use crate::table::Table;
use crate::{file, network, package, process, startup, system, user};

/// Every table, by name.
pub(crate) static ALL: &[&Table] = &[
    &system::security::APPARMOR,
    &package::apt::APT_SOURCES,
    &network::routes::ARP,
    &user::ssh::AUTHORIZED_KEYS,
    &system::storage::BLOCK_DEVICES,
    &system::load::CPU_TIME,
    &startup::crontab::CRONTAB,
    &package::deb::DEB_FILES,
    &package::deb::DEB_PACKAGES,
    &network::names::RESOLVERS,
    &network::names::HOSTS,
    &network::names::PROTOCOLS,
    &network::names::SERVICES,
    &file::attributes::EXTENDED,
    &file::stat::FILE,
    &user::accounts::GROUPS,
    &file::hash::HASH,
    &network::interfaces::ADDRESSES,
    &network::interfaces::DETAILS,
    &network::interfaces::IPV6,
    &system::kernel::KERNEL_INFO,
    &system::kernel::KERNEL_MODULES,
    &user::ssh::KNOWN_HOSTS,
    &user::sessions::LAST,
    &process::sockets::LISTENING,
    &system::load::LOAD_AVERAGE,
    &user::sessions::LOGGED_IN,
    &system::load::MEMORY_INFO,
    &system::storage::MOUNTS,
    &system::identity::OS_VERSION,
    &system::devices::PCI,
    &system::identity::PLATFORM_INFO,
    &process::detail::ENVS,
    &process::open::MEMORY_MAP,
    &process::detail::NAMESPACES,
    &process::open::OPEN_FILES,
    &process::sockets::OPEN_SOCKETS,
    &process::list::PROCESSES,
    &package::python::PYTHON_PACKAGES,
    &network::routes::ROUTES,
    &package::rpm::RPM_PACKAGES,
    &system::security::SECUREBOOT,
    &system::security::SELINUX,
    &user::accounts::SHADOW,
    &user::history::SHELL_HISTORY,
    &user::ssh::SSH_CONFIGS,
    &startup::items::STARTUP_ITEMS,
    &user::sudoers::SUDOERS,
    &file::suid::SUID_BIN,
    &system::kernel::SYSTEM_CONTROLS,
    &system::identity::SYSTEM_INFO,
    &startup::systemd::UNITS,
    &system::load::TIME,
    &system::load::UPTIME,
    &system::devices::USB,
    &user::accounts::USER_GROUPS,
    &user::ssh::USER_KEYS,
    &user::accounts::USERS,
    &file::yara::YARA,
];

/// Every table with its columns: for hints, documents and completion.
pub fn schema() -> &'static [&'static Table] {
    ALL
}

pub(crate) fn find(name: &str) -> Option<&'static Table> {
    ALL.iter().copied().find(|table| table.name.eq_ignore_ascii_case(name))
}
