//! Tables of people: accounts, sessions, and what they keep in their homes.

pub(crate) mod accounts;
pub(crate) mod history;
pub(crate) mod sessions;
pub(crate) mod ssh;
pub(crate) mod sudoers;

use std::path::PathBuf;

use crate::env::{Scan, under};
use crate::read;

/// A line of `/etc/passwd`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Account {
    pub name: String,
    pub uid: i64,
    pub gid: i64,
    pub about: String,
    pub home: String,
    pub shell: String,
}

/// Accounts of `/etc/passwd`. Those of a directory service are not there.
pub(crate) fn accounts(scan: &Scan) -> Vec<Account> {
    let bytes = read::config(&scan.env, &under(&scan.root(), "/etc/passwd".as_ref()));
    read::settings(&bytes)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let [name, _, uid, gid, about, home, shell, ..] = fields[..] else { return None };
            let own = ToOwned::to_owned;
            Some(Account {
                name: own(name),
                uid: uid.parse::<u32>().ok()?.into(),
                gid: gid.parse::<u32>().ok()?.into(),
                about: own(about),
                home: own(home),
                shell: own(shell),
            })
        })
        .collect()
}

/// The account whose id the statement names, or all, each home once.
pub(crate) fn owners(scan: &Scan) -> Vec<Account> {
    let named = scan.number("uid");
    let mut accounts = accounts(scan);
    accounts.retain(|account| named.is_none_or(|uid| uid == Some(account.uid)));
    accounts.retain(|account| account.home.starts_with('/') && account.home != "/");
    accounts
}

/// A path within somebody's home.
pub(crate) fn home(scan: &Scan, account: &Account, path: &str) -> PathBuf {
    under(&scan.root(), account.home.as_ref()).join(path)
}

/// The same as it is shown: without the root of a namespace.
pub(crate) fn shown(account: &Account, path: &str) -> String {
    format!("{}/{path}", account.home.trim_end_matches('/'))
}
