//! How names are found: `etc_hosts`, `dns_resolvers`, `etc_services`, `etc_protocols`.

use crate::env::{Scan, under};
use crate::read;
use crate::table::{Row, Rows, Table, WITHIN, big, int, text};

pub(crate) static HOSTS: Table = Table {
    name: "etc_hosts",
    about: "Names that /etc/hosts gives to addresses.",
    columns: &[text("address"), text("hostnames"), WITHIN],
    rows: hosts,
};

pub(crate) static RESOLVERS: Table = Table {
    name: "dns_resolvers",
    about: "Who is asked for names, from /etc/resolv.conf.",
    columns: &[int("id"), text("type"), text("address"), text("netmask"), big("options"), WITHIN],
    rows: resolvers,
};

pub(crate) static SERVICES: Table = Table {
    name: "etc_services",
    about: "Names of ports.",
    columns: &[text("name"), int("port"), text("protocol"), text("aliases"), text("comment")],
    rows: services,
};

pub(crate) static PROTOCOLS: Table = Table {
    name: "etc_protocols",
    about: "Names of protocols above IP.",
    columns: &[text("name"), int("number"), text("alias"), text("comment")],
    rows: protocols,
};

fn hosts(scan: &Scan) -> Rows {
    let bytes = read::config(&scan.env, &under(&scan.root(), "/etc/hosts".as_ref()));
    let rows: Vec<Row> = read::settings(&bytes)
        .filter_map(|line| {
            let line = line.split('#').next()?;
            let mut words = line.split_ascii_whitespace();
            let address = words.next()?.to_owned();
            let names = words.collect::<Vec<_>>().join(" ");
            let within = scan.within();
            Some(scan.row().set("address", address).set("hostnames", names).set("pid_with_namespace", within))
        })
        .collect();
    Box::new(rows.into_iter())
}

fn resolvers(scan: &Scan) -> Rows {
    let bytes = read::config(&scan.env, &under(&scan.root(), "/etc/resolv.conf".as_ref()));
    let mut rows: Vec<Row> = Vec::new();
    let mut add = |kind: &str, address: &str, netmask: &str, number: usize| {
        rows.push(
            scan.row()
                .set("id", number)
                .set("type", kind)
                .set("address", address)
                .set("netmask", netmask)
                .set("options", 0)
                .set("pid_with_namespace", scan.within()),
        );
    };
    let (mut servers, mut searched, mut sorted) = (0, 0, 0);
    for line in read::settings(&bytes).filter(|line| !line.starts_with(';')) {
        let mut words = line.split_ascii_whitespace();
        match words.next() {
            Some("nameserver") => {
                if let Some(address) = words.next() {
                    add("nameserver", address, "32", servers);
                    servers += 1;
                }
            }
            Some("search" | "domain") => {
                for domain in words {
                    add("search", domain, "", searched);
                    searched += 1;
                }
            }
            Some("sortlist") => {
                for pair in words {
                    let (address, netmask) = pair.split_once('/').unwrap_or((pair, ""));
                    add("sortlist", address, netmask, sorted);
                    sorted += 1;
                }
            }
            _ => {}
        }
    }
    Box::new(rows.into_iter())
}

/// Words before a comment, and the comment.
fn commented(line: &str) -> (Vec<&str>, &str) {
    let (words, comment) = line.split_once('#').unwrap_or((line, ""));
    (words.split_ascii_whitespace().collect(), comment.trim())
}

fn services(scan: &Scan) -> Rows {
    let bytes = read::config(&scan.env, &scan.host("/etc/services"));
    let rows: Vec<Row> = read::settings(&bytes)
        .filter_map(|line| {
            let (words, comment) = commented(&line);
            let [name, port, aliases @ ..] = &words[..] else { return None };
            let (port, protocol) = port.split_once('/')?;
            Some(
                scan.row()
                    .set("name", *name)
                    .set("port", port.parse::<i64>().ok()?)
                    .set("protocol", protocol)
                    .set("aliases", aliases.join(" "))
                    .set("comment", comment),
            )
        })
        .collect();
    Box::new(rows.into_iter())
}

fn protocols(scan: &Scan) -> Rows {
    let bytes = read::config(&scan.env, &scan.host("/etc/protocols"));
    let rows: Vec<Row> = read::settings(&bytes)
        .filter_map(|line| {
            let (words, comment) = commented(&line);
            let [name, number, alias @ ..] = &words[..] else { return None };
            Some(
                scan.row()
                    .set("name", *name)
                    .set("number", number.parse::<i64>().ok()?)
                    .set("alias", alias.first().copied().unwrap_or_default())
                    .set("comment", comment),
            )
        })
        .collect();
    Box::new(rows.into_iter())
}
