//! What other programs say of the same machine.

use std::collections::BTreeSet;
use std::process::Command;

use crate::{ask, lines};

/// What a program prints, or `None` with the reason told where it is not there.
fn output(program: &str, arguments: &[&str]) -> Option<String> {
    if let Ok(output) = Command::new(program).args(arguments).env("LC_ALL", "C").output() {
        Some(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        println!("skipped: {program} is not installed");
        None
    }
}

fn set<I: IntoIterator<Item = String>>(items: I) -> BTreeSet<String> {
    items.into_iter().collect()
}

#[test]
fn processes_are_those_of_ps() {
    // Asked before and after: what is in both was there in between.
    let ps = || output("ps", &["-eo", "pid,ppid,uid,pgid,comm", "--no-headers"]);
    let squeeze = |text: String| {
        set(text.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>().join("|")))
    };
    let Some(before) = ps().map(squeeze) else { return };
    let found = set(lines("SELECT pid, parent, euid, pgroup, replace(name, ' ', '|') FROM processes"));
    let after = squeeze(ps().unwrap());
    let stable: Vec<&String> = before.intersection(&after).collect();
    assert!(stable.len() > 1, "{stable:?}");
    for line in stable {
        assert!(found.contains(line), "{line}");
    }
}

#[test]
fn this_process_is_shown_as_it_is() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let pid = std::process::id();
    let own = ask(&format!(
        "SELECT path, cmdline, cwd, on_disk, threads, resident_size FROM processes WHERE pid = {pid}"
    ));
    let row: Vec<String> = own.rows[0].iter().map(crate::text).collect();
    assert_eq!(row[0], std::env::current_exe().unwrap().to_string_lossy());
    assert_eq!(row[1], std::env::args().collect::<Vec<_>>().join(" "));
    assert_eq!(row[2], std::env::current_dir().unwrap().to_string_lossy());
    assert_eq!(row[3], "1");
    assert!(row[5].parse::<i64>().unwrap() > 1 << 20, "{row:?}");
    let open = lines(&format!("SELECT path FROM process_open_files WHERE pid = {pid}"));
    assert!(open.contains(&file.path().to_string_lossy().into_owned()), "{open:?}");
    let listening =
        lines(&format!("SELECT pid, address, protocol, family FROM listening_ports WHERE port = {port}"));
    assert_eq!(listening, [format!("{pid}|127.0.0.1|6|2")]);
    let to = client.local_addr().unwrap().port();
    let sockets = lines(&format!(
        "SELECT local_port, remote_port, state FROM process_open_sockets WHERE pid = {pid} AND family = 2 AND remote_port = {port}"
    ));
    assert_eq!(sockets, [format!("{to}|{port}|ESTABLISHED")]);
    let mapped = lines(&format!(
        "SELECT count(*) > 5 FROM process_memory_map WHERE pid = {pid} AND path = '{}'",
        row[0]
    ));
    assert_eq!(mapped.len(), 1);
    let env = lines(&format!("SELECT value FROM process_envs WHERE pid = {pid} AND key = 'PATH'"));
    assert_eq!(env, [std::env::var("PATH").unwrap()]);
}

#[test]
fn accounts_and_groups_are_those_of_getent() {
    let Some(passwd) = output("getent", &["passwd"]) else { return };
    let found = set(lines("SELECT username, 'x', uid, gid, description, directory, shell FROM users"));
    assert_eq!(found, set(passwd.lines().map(|line| line.replace(':', "|"))));
    let groups = output("getent", &["group"]).unwrap();
    let names = groups.lines().map(|line| line.split(':').next().unwrap().to_owned());
    assert_eq!(set(lines("SELECT groupname FROM groups")), set(names));
    let root = output("id", &["-G", "root"]).unwrap();
    let ids = root.split_ascii_whitespace().map(ToOwned::to_owned);
    assert_eq!(set(lines("SELECT gid FROM user_groups WHERE uid = 0")), set(ids));
}

#[test]
fn packages_are_those_of_dpkg() {
    let format = "${Package}|${Version}|${Architecture}|${db:Status-Status}\n";
    let Some(dpkg) = output("dpkg-query", &["-W", "-f", format]) else { return };
    let installed = dpkg.lines().filter_map(|line| line.strip_suffix("|installed")).map(ToOwned::to_owned);
    assert_eq!(set(lines("SELECT name, version, arch FROM deb_packages")), set(installed));
    let files = output("dpkg-query", &["-L", "bash"]).unwrap();
    let listed = files.lines().filter(|line| *line != "/.").map(ToOwned::to_owned);
    assert_eq!(set(lines("SELECT path FROM deb_package_files WHERE package = 'bash'")), set(listed));
}

#[test]
fn the_network_is_that_of_ip() {
    let Some(addresses) = output("ip", &["-o", "addr"]) else { return };
    let shown = addresses.lines().map(|line| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        format!("{}|{}", words[1], words[3].split('/').next().unwrap())
    });
    assert_eq!(set(lines("SELECT interface, address FROM interface_addresses")), set(shown));
    let links = output("ip", &["-o", "link"]).unwrap();
    let names = links.lines().map(|line| {
        line.split_ascii_whitespace()
            .nth(1)
            .unwrap()
            .trim_end_matches(':')
            .split('@')
            .next()
            .unwrap()
            .to_owned()
    });
    assert_eq!(set(lines("SELECT interface FROM interface_details")), set(names));
    let routes = output("ip", &["-4", "route", "show", "table", "all"]).unwrap();
    let count = routes.lines().count().to_string();
    assert_eq!(lines("SELECT count(*) FROM routes WHERE destination NOT LIKE '%:%'"), [count]);
    let default = routes.lines().find(|line| line.starts_with("default via "));
    if let Some(gateway) = default.and_then(|line| line.split(' ').nth(2)) {
        let found = lines("SELECT gateway FROM routes WHERE destination = '0.0.0.0' AND netmask = 0");
        assert!(found.contains(&gateway.to_owned()), "{found:?}");
    }
}

#[test]
fn rules_match_files_as_they_do_elsewhere() {
    let space = tempfile::tempdir().unwrap();
    let place = space.path().display();
    std::fs::write(space.path().join("bad"), "xx needle").unwrap();
    std::fs::write(space.path().join("good"), "hay").unwrap();
    let rule = "rule found : tag1 tag2 { strings: $n = \"needle\" condition: $n }";
    let answer = ask(&format!(
        "SELECT path, matches, count, strings, tags FROM yara WHERE path LIKE '{place}/%' AND sigrule = '{rule}' ORDER BY path"
    ));
    let shown: Vec<String> = answer.rows.iter().map(|row| format!("{row:?}")).collect();
    assert_eq!(shown.len(), 2, "{shown:?}");
    assert!(
        shown[0].contains("found") && shown[0].contains("$n:3") && shown[0].contains("tag1,tag2"),
        "{shown:?}"
    );
    assert!(!shown[1].contains("found"), "{shown:?}");
    std::fs::write(space.path().join("rules"), rule).unwrap();
    let by_file =
        format!("SELECT matches FROM yara WHERE path = '{place}/bad' AND sigfile = '{place}/rules'");
    assert!(format!("{:?}", ask(&by_file).rows).contains("found"));
    for (rules, wanted) in [
        ("", "give the rules"),
        (" AND sigrule = 'rule {'", "line 1"),
        (" AND sigfile = '/nowhere'", "/nowhere"),
    ] {
        let answer = ask(&format!("SELECT * FROM yara WHERE path = '{place}/bad'{rules}"));
        assert!(
            answer.rows.is_empty() && answer.summary.warnings.join(" ").contains(wanted),
            "{:?}",
            answer.summary.warnings
        );
    }
}

#[test]
fn files_are_those_of_stat_and_sha256sum() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    std::fs::write(at("plain"), b"content").unwrap();
    std::fs::write(at("odd\n name"), b"").unwrap();
    std::os::unix::fs::symlink("plain", at("link")).unwrap();
    std::os::unix::fs::symlink("nowhere", at("dangling")).unwrap();
    std::fs::create_dir(at("directory")).unwrap();
    assert!(Command::new("mkfifo").arg(at("fifo")).status().unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
    let top = dir.path().display();
    let sql = format!(
        "SELECT filename, size, inode, mode, uid, mtime FROM file WHERE directory = '{top}' AND symlink = 0"
    );
    for line in lines(&sql) {
        let name = line.split('|').next().unwrap();
        let path = at(name);
        let Some(stat) = output("stat", &["-c", "%s|%i|%04a|%u|%Y", &path.to_string_lossy()]) else { return };
        assert_eq!(line, format!("{name}|{}", stat.trim()));
    }
    let kinds = lines(&format!(
        "SELECT filename, type, symlink_target_path FROM file WHERE path LIKE '{top}/%' ORDER BY 1"
    ));
    assert_eq!(
        kinds,
        [
            "dangling|symlink|nowhere",
            "directory|directory|",
            "fifo|fifo|",
            "link|regular|plain",
            "odd\n name|regular|",
            "plain|regular|",
            "socket|socket|"
        ]
    );
    // A pipe does not hold the statement up, and is no file to hash.
    let hashed = lines(&format!(
        "SELECT path, sha256 FROM hash WHERE directory = '{top}' AND path NOT LIKE '%odd%' ORDER BY 1"
    ));
    let Some(sum) = output("sha256sum", &[&at("link").to_string_lossy(), &at("plain").to_string_lossy()])
    else {
        return;
    };
    let expected: Vec<String> = sum
        .lines()
        .map(|line| {
            let (digest, path) = line.split_once("  ").unwrap();
            format!("{path}|{digest}")
        })
        .collect();
    assert_eq!(hashed, expected);
}

#[test]
fn mounts_modules_and_the_system_are_those_of_the_kernel() {
    let Some(mounted) = output("findmnt", &["-rno", "TARGET"]) else { return };
    assert_eq!(lines("SELECT count(*) FROM mounts"), [mounted.lines().count().to_string()]);
    let modules = std::fs::read_to_string("/proc/modules").unwrap_or_default();
    let names = modules.lines().map(|line| line.split(' ').next().unwrap().to_owned());
    assert_eq!(set(lines("SELECT name FROM kernel_modules")), set(names));
    let release = output("uname", &["-r"]).unwrap();
    assert_eq!(lines("SELECT version FROM kernel_info"), [release.trim()]);
    let host = output("uname", &["-n"]).unwrap();
    assert_eq!(lines("SELECT hostname FROM system_info"), [host.trim()]);
    let cpus = output("nproc", &["--all"]).unwrap();
    assert_eq!(lines("SELECT cpu_logical_cores FROM system_info"), [cpus.trim()]);
    let date: i64 = output("date", &["+%s"]).unwrap().trim().parse().unwrap();
    let own: i64 = lines("SELECT unix_time FROM time")[0].parse().unwrap();
    assert!((date - own).abs() < 5);
    let somaxconn = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
    let found = lines("SELECT current_value FROM system_controls WHERE name = 'net.core.somaxconn'");
    assert_eq!(found, [somaxconn.trim()]);
    let codename = lines("SELECT platform FROM os_version");
    assert!(std::fs::read_to_string("/etc/os-release").unwrap().contains(&format!("ID={}", codename[0])));
}

#[test]
fn programs_with_other_rights_are_those_of_find() {
    let places = ["/usr/bin", "/usr/sbin", "/usr/lib"];
    let mut arguments = places.to_vec();
    arguments.extend(["-xdev", "-type", "f", "-perm", "/6000"]);
    let Some(found) = output("find", &arguments) else { return };
    let shown = lines(
        "SELECT path FROM suid_bin WHERE path LIKE '/usr/bin/%' OR path LIKE '/usr/sbin/%' OR path LIKE '/usr/lib/%'",
    );
    let expected = set(found.lines().map(ToOwned::to_owned));
    let shown = set(shown);
    // `/bin` may be a directory of its own.
    assert!(expected.is_subset(&shown), "{expected:?} {shown:?}");
}
