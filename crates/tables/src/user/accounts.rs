//! `users`, `groups`, `user_groups`, `shadow`.

use crate::env::{Scan, under};
use crate::read;
use crate::table::{Row, Rows, Table, WITHIN, big, int, text};

use super::accounts;

pub(crate) static USERS: Table = Table {
    name: "users",
    about: "Local accounts.",
    columns: &[
        big("uid").index(),
        big("gid"),
        big("uid_signed"),
        big("gid_signed"),
        text("username"),
        text("description"),
        text("directory"),
        text("shell"),
        text("uuid"),
        WITHIN,
        int("include_remote").hidden(),
    ],
    rows: users,
};

pub(crate) static GROUPS: Table = Table {
    name: "groups",
    about: "Local groups.",
    columns: &[big("gid"), big("gid_signed"), text("groupname"), WITHIN],
    rows: groups,
};

pub(crate) static USER_GROUPS: Table = Table {
    name: "user_groups",
    about: "Which account is in which group.",
    columns: &[big("uid").index(), big("gid")],
    rows: user_groups,
};

pub(crate) static SHADOW: Table = Table {
    name: "shadow",
    about: "How passwords of local accounts stand. No hash is shown.",
    columns: &[
        text("password_status"),
        text("hash_alg"),
        big("last_change"),
        big("min"),
        big("max"),
        big("warning"),
        big("inactive"),
        big("expire"),
        big("flag"),
        text("username"),
    ],
    rows: shadow,
};

fn signed(id: i64) -> i64 {
    i64::from(id as i32)
}

fn users(scan: &Scan) -> Rows {
    let named = scan.number("uid");
    let within = scan.within();
    let scan = scan.clone();
    let found =
        accounts(&scan).into_iter().filter(move |account| named.is_none_or(|uid| uid == Some(account.uid)));
    Box::new(found.map(move |account| {
        scan.row()
            .set("uid", account.uid)
            .set("gid", account.gid)
            .set("uid_signed", signed(account.uid))
            .set("gid_signed", signed(account.gid))
            .set("username", account.name)
            .set("description", account.about)
            .set("directory", account.home)
            .set("shell", account.shell)
            .set("uuid", "")
            .set("pid_with_namespace", within)
            .set("include_remote", 0)
    }))
}

/// Name, id, members.
fn all_groups(scan: &Scan, path: &std::path::Path) -> Vec<(String, i64, Vec<String>)> {
    let bytes = read::config(&scan.env, path);
    read::settings(&bytes)
        .filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?.to_owned();
            let gid: u32 = fields.nth(1)?.parse().ok()?;
            let members = fields.next().unwrap_or_default().split(',').filter(|name| !name.is_empty());
            Some((name, gid.into(), members.map(ToOwned::to_owned).collect()))
        })
        .collect()
}

fn groups(scan: &Scan) -> Rows {
    let found = all_groups(scan, &under(&scan.root(), "/etc/group".as_ref()));
    let within = scan.within();
    let scan = scan.clone();
    Box::new(found.into_iter().map(move |(name, gid, _)| {
        scan.row()
            .set("gid", gid)
            .set("gid_signed", signed(gid))
            .set("groupname", name)
            .set("pid_with_namespace", within)
    }))
}

fn user_groups(scan: &Scan) -> Rows {
    let named = scan.number("uid");
    let groups = all_groups(scan, &scan.host("/etc/group"));
    let mut rows = Vec::new();
    for account in accounts(scan) {
        if named.is_some_and(|uid| uid != Some(account.uid)) {
            continue;
        }
        let mut gids = vec![account.gid];
        gids.extend(
            groups.iter().filter(|(_, _, members)| members.contains(&account.name)).map(|(_, gid, _)| *gid),
        );
        gids.sort_unstable();
        gids.dedup();
        rows.extend(gids.into_iter().map(|gid| scan.row().set("uid", account.uid).set("gid", gid)));
    }
    Box::new(rows.into_iter())
}

fn shadow(scan: &Scan) -> Rows {
    let bytes = read::config(&scan.env, &scan.host("/etc/shadow"));
    let rows: Vec<Row> = read::settings(&bytes)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let number = |at: usize| fields.get(at).and_then(|text| text.parse::<i64>().ok());
            let (status, algorithm) = password(fields.get(1)?);
            Some(
                scan.row()
                    .set("username", *fields.first()?)
                    .set("password_status", status)
                    .set("hash_alg", algorithm)
                    .set("last_change", number(2))
                    .set("min", number(3))
                    .set("max", number(4))
                    .set("warning", number(5))
                    .set("inactive", number(6))
                    .set("expire", number(7))
                    .set("flag", number(8)),
            )
        })
        .collect();
    Box::new(rows.into_iter())
}

/// How a password field stands, and what kind of hash it holds; never the hash.
fn password(field: &str) -> (&'static str, String) {
    let algorithm = field.trim_start_matches('!').split('$').nth(1).unwrap_or_default();
    let status = match field {
        "" => "empty",
        "!" | "!!" | "*" | "x" => "not_set",
        _ if field.starts_with(['!', '*']) => "locked",
        _ => "active",
    };
    (status, algorithm.chars().take(16).collect())
}
