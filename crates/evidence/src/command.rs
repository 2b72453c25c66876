//! Programs that a definition may run. Definitions are imported from anywhere and an agent runs as root, so a definition
//! does not choose a program: it chooses among these, with words that only look.

/// A program, and the arguments that it may be given.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// Its name; the agent finds it in the system's own directories.
    pub name: &'static str,
    /// Arguments that only look; each argument of a definition must be one of them.
    pub arguments: &'static [&'static str],
}

const fn program(name: &'static str, arguments: &'static [&'static str]) -> Program {
    Program { name, arguments }
}

const ALL: &[Program] = &[
    program("arp", &["-a", "-n", "-e", "-v", "-an"]),
    program("blkid", &[]),
    program("crictl", &["ps", "pods", "images", "-a", "-o", "json", "info", "version"]),
    program(
        "ctr",
        &["-n", "k8s.io", "moby", "default", "namespaces", "containers", "images", "tasks", "ls", "list"],
    ),
    program("date", &["-u", "-R", "+%s"]),
    program("df", &["-a", "-h", "-i", "-k", "-T", "-P", "-l"]),
    program("dmesg", &["-T", "-x", "--time-format", "iso", "--nopager", "--decode"]),
    program(
        "docker",
        &[
            "ps",
            "images",
            "info",
            "version",
            "network",
            "volume",
            "ls",
            "-a",
            "--all",
            "--no-trunc",
            "--digests",
        ],
    ),
    program("dpkg", &["-l", "--list", "--get-selections"]),
    program("findmnt", &["-A", "-l", "--json", "-J", "--all", "--real"]),
    program("firewall-cmd", &["--list-all", "--list-all-zones", "--state"]),
    program("free", &["-b", "-h", "-m", "-w"]),
    program("getenforce", &[]),
    program("hostname", &["-f", "-I", "--fqdn"]),
    program("hostnamectl", &["status"]),
    program("id", &[]),
    program("ifconfig", &["-a"]),
    program(
        "ip",
        &[
            "-d",
            "-s",
            "-j",
            "-4",
            "-6",
            "-details",
            "-statistics",
            "-json",
            "-o",
            "a",
            "addr",
            "address",
            "l",
            "link",
            "r",
            "route",
            "n",
            "neigh",
            "neighbor",
            "rule",
            "maddr",
            "netns",
            "tunnel",
            "xfrm",
            "state",
            "policy",
            "show",
            "list",
            "table",
            "all",
        ],
    ),
    program("ip6tables-save", &["-c"]),
    program(
        "ip6tables",
        &["-L", "-S", "-n", "-v", "-x", "-t", "filter", "nat", "mangle", "raw", "security", "--line-numbers"],
    ),
    program("iptables-save", &["-c"]),
    program(
        "iptables",
        &["-L", "-S", "-n", "-v", "-x", "-t", "filter", "nat", "mangle", "raw", "security", "--line-numbers"],
    ),
    program("last", &["-a", "-F", "-i", "-w", "-x", "-n", "1000"]),
    program("lastb", &["-a", "-F", "-i", "-w", "-n", "1000"]),
    program("lastlog", &[]),
    program("loginctl", &["list-sessions", "list-users", "--no-pager", "--no-legend"]),
    program("losetup", &["-a", "-l", "--list", "--json", "-J"]),
    program("lsattr", &["-d"]),
    program("lsblk", &["-a", "-f", "-l", "-J", "--json", "-O", "--output-all"]),
    program("lscpu", &["-J", "--json"]),
    program("lsmod", &[]),
    program("lsof", &["-n", "-P", "-l", "-w", "-b", "-nP", "-nPl", "-i", "-U", "+L1", "-F"]),
    program("lspci", &["-v", "-nn", "-k"]),
    program("lsusb", &["-v", "-t"]),
    program("mount", &["-l"]),
    program(
        "netstat",
        &[
            "-a", "-n", "-p", "-e", "-r", "-s", "-t", "-u", "-l", "-x", "-i", "-an", "-anp", "-antup", "-rn",
            "-tulpn", "-naovp",
        ],
    ),
    program("nft", &["-a", "-j", "-n", "-s", "list", "ruleset", "tables", "chains"]),
    program("nmcli", &["connection", "device", "general", "show", "status", "-t"]),
    program("pgrep", &["-a", "-l", "."]),
    program(
        "podman",
        &[
            "ps",
            "images",
            "info",
            "version",
            "network",
            "volume",
            "ls",
            "-a",
            "--all",
            "--no-trunc",
            "--digests",
        ],
    ),
    program(
        "ps",
        &[
            "-e",
            "-f",
            "-F",
            "-L",
            "-l",
            "-a",
            "-x",
            "-u",
            "-w",
            "-ww",
            "-ef",
            "-eF",
            "-eLf",
            "-efw",
            "-efww",
            "-elf",
            "-auxww",
            "aux",
            "auxww",
            "auxwwf",
            "auxwwwf",
            "axjf",
            "-A",
            "--forest",
            "-eo",
            "pid,ppid,pgid,sid,uid,user,tty,stat,lstart,etimes,rss,comm,args",
        ],
    ),
    program("pstree", &["-a", "-l", "-p", "-u", "-s", "-alpu"]),
    program("resolvectl", &["status", "statistics", "--no-pager"]),
    program("route", &["-n", "-e", "-ee"]),
    program("rpm", &["-q", "-a", "-qa", "--last", "-V", "-Va"]),
    program("sestatus", &["-v", "-b"]),
    program("snap", &["list", "--all", "changes"]),
    program(
        "ss",
        &[
            "-a", "-n", "-p", "-e", "-m", "-o", "-i", "-t", "-u", "-l", "-x", "-w", "-O", "-an", "-anp",
            "-anpe", "-antup", "-tulpn", "-tanpe", "-uanpe", "-xanp", "-H",
        ],
    ),
    program("swapon", &["--show", "-s", "--summary"]),
    program("sysctl", &["-a", "--all", "-e"]),
    program(
        "systemctl",
        &[
            "list-units",
            "list-unit-files",
            "list-timers",
            "list-sockets",
            "list-jobs",
            "status",
            "--all",
            "--no-pager",
            "--no-legend",
            "--full",
            "--failed",
            "-a",
            "-l",
        ],
    ),
    program("timedatectl", &["status", "show", "timesync-status", "--no-pager"]),
    program("uname", &["-a"]),
    program("uptime", &["-p", "-s"]),
    program("vmstat", &["-s", "-d", "-m"]),
    program("w", &["-h", "-f", "-i"]),
    program("who", &["-a", "-b", "-r", "-u", "-H"]),
];

/// All of them.
pub const fn programs() -> &'static [Program] {
    ALL
}

/// The program that a definition's command means, if it may run with these arguments. `/bin/ps` and `ps` mean the same.
pub fn allowed(command: &str, arguments: &[String]) -> Result<&'static Program, String> {
    let name = command.rsplit_once('/').map_or(command, |(_, name)| name);
    let found = ALL.iter().find(|program| program.name == name);
    let found =
        found.ok_or_else(|| format!("{name:?} is not among the programs that definitions may run"))?;
    match arguments.iter().find(|argument| !found.arguments.contains(&argument.as_str())) {
        Some(other) => Err(format!("{name} may not be given {other:?}: only words that look are taken")),
        None => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_that_look_are_taken() {
        let may = |command: &str, words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            allowed(command, &words).is_ok()
        };
        assert!(may("/bin/ps", &["-ef"]));
        assert!(may("ip", &["-d", "addr", "show"]));
        for (command, words) in [
            ("ip", &["link", "set", "eth0", "down"][..]),
            ("nft", &["flush", "ruleset"]),
            ("systemctl", &["stop", "sshd"]),
            ("iptables", &["-F"]),
            ("rpm", &["-e", "bash"]),
            ("dmesg", &["-C"]),
            ("/tmp/evil", &[]),
            ("/tmp/../bin/sh", &["-c", "id"]),
            ("hostname", &["evil"]),
            ("date", &["-s", "0"]),
            ("", &[]),
        ] {
            assert!(!may(command, words), "{command} {words:?}");
        }
    }
}
