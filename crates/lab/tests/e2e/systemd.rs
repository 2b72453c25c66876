//! The packaged unit under Debian's real systemd as the first process of a machine with a kernel of its own: installed by
//! the installer, asked for everything whose lever the unit's bounds could take away, restarted, killed, stopped, rebooted.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use quell_lab::guest::{self, Guest, Init, Options, Program};
use quell_lab::site::{GATEWAY, Programs, Site, wait_for};
use serde_json::{Value, json};

use crate::guest::{begun, mac, sh};
use crate::{shell, site, succeeded};

const NAME: &str = "vm-1";
const UNIT: &str = include_str!("../../../../packaging/quell-agent.service");
const CARRIED: &str = "/opt/from/install/agent/linux/x86_64";
/// A guest computes ten times slower than its host, which may be busy.
const LONG: Duration = Duration::from_mins(3);

/// Sends from before the network is there until the end, to the host outside; it says in which boot and when.
const CHATTER: &str = "[Unit]\nDefaultDependencies=no\n[Service]\nExecStart=/usr/bin/bash /root/chatter.sh\n\
    [Install]\nWantedBy=sysinit.target\n";
const CHATTER_SCRIPT: &str = "read -r boot </proc/sys/kernel/random/boot_id\n\
    while :; do for to in 10.86.0.2 fd86::2; do\n\
        read -r up rest </proc/uptime; (echo \"out $boot $up\" >/dev/udp/$to/7) 2>/dev/null\n\
    done; sleep 0.1; done\n";

/// A machine with systemd and what the installer fetches, or the reason why there is none here.
fn machine(site: &Site) -> Option<Guest> {
    let mut options = Options { init: Init::Systemd, memory_mb: 768, ..site.lab.guest(NAME).unwrap() };
    options.programs = vec![Program { from: Programs::of_this_build().unwrap().agent, at: CARRIED.into() }];
    begun(options, guest::prepare().and_then(|()| guest::prepare_systemd()))
}

/// What the server hands out to whoever asks.
fn fetched(site: &Site, path: &str) -> Vec<u8> {
    let address = site.server.url().replacen("http://", "", 1);
    let mut stream = TcpStream::connect(&address).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    assert!(answer.starts_with(b"HTTP/1.0 200") || answer.starts_with(b"HTTP/1.1 200"));
    answer.split_off(end + 4)
}

/// Waits for something of a guest, or of the server about it.
fn until(what: &str, mut condition: impl FnMut() -> bool) -> Duration {
    let began = Instant::now();
    wait_for(what, LONG, || Ok((condition(), Value::Null))).unwrap();
    began.elapsed()
}

/// One property of the agent's unit.
fn property(guest: &mut Guest, name: &str) -> String {
    sh(guest, &format!("systemctl show quell-agent.service --value -p {name}"))
}

fn main_pid(guest: &mut Guest) -> u32 {
    property(guest, "MainPID").parse().unwrap()
}

/// Command lines of the agent's processes, wherever in the unit's group they are.
fn processes(guest: &mut Guest) -> Vec<String> {
    let look = "for p in $(cat /sys/fs/cgroup/system.slice/quell-agent.service/cgroup.procs 2>/dev/null); do \
                { tr '\\0' ' ' </proc/$p/cmdline; echo; } 2>/dev/null; done; :";
    sh(guest, look).lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
}

fn guards(guest: &mut Guest) -> usize {
    processes(guest).iter().filter(|line| line.ends_with("quell-agent guard")).count()
}

/// What a command says and whether it was the kernel that refused it.
fn is_denied(guest: &mut Guest, command: &str) -> bool {
    let output = guest.script(&format!("{command} 2>&1"), LONG).unwrap();
    output.status == 126 && output.text().contains("Operation not permitted")
}

fn act(site: &Site, action: &str, params: &Value) -> Value {
    let task = site.submit(NAME, action, params).unwrap();
    let ended = wait_for(&format!("the end of {action}"), LONG, || {
        let task = site.task(&task)?;
        Ok((!task["ended_at"].is_null(), task))
    });
    let task = ended.unwrap();
    succeeded(&task);
    task
}

fn outcome(task: &Value) -> &Value {
    &task["commands"]["items"][0]["outcome"]
}

/// As somebody who copies the command does it; only the way to the program is the machine's own.
fn install(site: &Site, guest: &mut Guest) {
    guest.put("/root/install.sh", &fetched(site, "/install/linux"), 0o700).unwrap();
    let (token, [gateway, _]) = (site.token(1).unwrap(), site.lab.server().sockets(GATEWAY));
    let said = sh(
        guest,
        &format!(
            "systemctl is-system-running --wait >&2; busybox httpd -p 127.0.0.1:8099 -h /opt/from; \
             echo {token} | sh /root/install.sh --token - --server {gateway} --from http://127.0.0.1:8099"
        ),
    );
    println!("{said}");
    assert!(said.contains("the agent runs, and starts with the machine"), "{said}");
    assert_eq!(sh(guest, "cat /etc/systemd/system/quell-agent.service"), UNIT.trim_end());
    site.connected(NAME, true).unwrap();
}

#[test]
#[ignore = "two minutes; part of `cargo xtask test --nightly`"]
fn the_packaged_unit_works_under_a_real_systemd() {
    let Some(site) = site() else { return };
    let Some(mut guest) = machine(&site) else { return };
    let guest = &mut guest;
    install(&site, guest);
    bounds(guest);
    let bad = guard(&site, guest);
    workers(&site, guest);
    terminal(&site, guest);
    files_and_processes(&site, guest);
    rules(&site, guest);
    restarts(&site, guest, &bad);
    stops(&site, guest, &bad);
    boots_cut_off(&site, guest);
    uninstall(guest);
    println!("{}", sh(guest, "journalctl -b -u quell-agent --no-pager | tail -n 40"));
}

/// What the unit says is what the kernel holds the agent to, and systemd has nothing to complain of.
fn bounds(guest: &mut Guest) {
    let path = "/etc/systemd/system/quell-agent.service";
    assert_eq!(sh(guest, &format!("systemd-analyze verify {path} 2>&1")), "");
    assert_eq!(property(guest, "NRestarts"), "0");
    let pid = main_pid(guest);
    let status = sh(guest, &format!("cat /proc/{pid}/status"));
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.trim_start_matches(':').trim().to_owned()
    };
    assert_eq!((field("NoNewPrivs"), field("Seccomp")), ("1".into(), "2".into()));
    let named = UNIT.lines().find_map(|line| line.strip_prefix("CapabilityBoundingSet=")).unwrap();
    let held = u64::from_str_radix(&field("CapBnd"), 16).unwrap();
    assert_eq!(held.count_ones() as usize, named.split_whitespace().count(), "{held:x}");
    assert_eq!(field("CapEff"), field("CapBnd"));
    let said = sh(guest, "systemd-analyze security --no-pager quell-agent.service | tail -n 1");
    println!("{said}");
    let exposure: f32 = said.rsplit(": ").next().unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(exposure < 6.0, "{said}");
}

/// A program that does not run, and says why. Answers the command that was denied.
fn guard(site: &Site, guest: &mut Guest) -> String {
    let hash = sh(guest, "cp /usr/sbin/nft /opt/bad; echo x >>/opt/bad; sha256sum /opt/bad | cut -d' ' -f1");
    let bad = "/opt/bad --version".to_owned();
    assert!(sh(guest, &bad).contains("nftables"));
    let task = act(site, "file.prevent_run", &json!({ "sha256": hash, "path": "/opt/bad" }));
    assert!(is_denied(guest, &bad), "{task:#}");
    assert_eq!(guards(guest), 1);
    bad
}

/// Workers confine themselves further within the unit's bounds.
fn workers(site: &Site, guest: &mut Guest) {
    let rules =
        json!({ "name": "needles", "body": "rule needle { strings: $a = \"a-needle-4711\" condition: $a }" });
    site.api.post("/library/yara", &rules).unwrap().good().unwrap();
    sh(guest, "mkdir -p /root/t; echo a-needle-4711 >/root/t/one; echo nothing >/root/t/two");
    let task = act(site, "endpoint.run_yara", &json!({ "rules": "needles", "paths": ["/root/t"] }));
    assert_eq!(outcome(&task)["matches"]["count"], 1, "{task:#}");
    assert!(outcome(&task)["confined"].as_str().unwrap().contains("Landlock"), "{task:#}");
    let task = act(site, "endpoint.scan_malware", &json!({ "paths": ["/root/t"], "rules": ["needles"] }));
    assert_eq!(outcome(&task)["found"], 1, "{task:#}");
    let sql = "SELECT active_state FROM systemd_units WHERE id = 'quell-agent.service'";
    let task = act(site, "endpoint.run_osquery", &json!({ "sql": sql }));
    assert_eq!(outcome(&task)["rows"]["shown"][0]["active_state"], "active", "{task:#}");
    assert!(outcome(&task)["confined"].as_str().unwrap().contains("seccomp"), "{task:#}");
    let task = act(site, "endpoint.collect_evidence", &json!({ "artifacts": ["QuellTriageQuick"] }));
    assert!(
        outcome(&task)["commands"].as_u64().unwrap() > 2 && outcome(&task)["missed"] == json!([]),
        "{task:#}"
    );
}

/// A terminal of its own, in which what the unit leaves and what it takes away is seen.
fn terminal(site: &Site, guest: &mut Guest) {
    let (task, _, mut terminal) = shell::open(site, NAME, &json!({ "shell": "bash", "directory": "/root" }));
    assert!(terminal.run("tty; cat /proc/self/cgroup").contains("/dev/pts/"));
    for (command, wanted) in [
        ("dmesg | wc -l | grep -qv '^0$'", true),
        ("head -c 1 /dev/vda | wc -c | grep -q 1", true),
        ("nft list ruleset", true),
        ("busybox mount -t tmpfs none /mnt", false),
        ("unshare -m true", false),
        ("busybox insmod /lib/modules/*/dummy.ko", false),
        ("busybox hostname other", false),
        ("busybox date -s 2001-01-01; date +%Y | grep 2001", false),
    ] {
        let said = terminal.run(&format!("{command} >/dev/null 2>&1; echo is-$?"));
        assert_eq!(said.contains("is-0\r\n"), wanted, "{command}: {said}");
    }
    // The name that the machine has now, not the one it had when the agent started.
    sh(guest, "busybox hostname renamed");
    assert!(terminal.run("cat /proc/sys/kernel/hostname").contains("renamed"));
    sh(guest, &format!("busybox hostname {NAME}"));
    terminal.say("exit\n");
    let task = site.ended(&task).unwrap();
    assert_eq!(outcome(&task)["ended"], "exited", "{task:#}");
}

fn files_and_processes(site: &Site, guest: &mut Guest) {
    site.script("who", "bash", "id -u; echo out; echo mark >/root/mark").unwrap();
    let task = act(site, "endpoint.run_script", &json!({ "script": "who" }));
    assert_eq!(outcome(&task)["stdout"]["text"], "0\nout\n", "{task:#}");
    assert_eq!(sh(guest, "cat /root/mark"), "mark");
    // Another owner, a setuid bit, a file of a user that is not the agent's: away, and back as it was.
    sh(guest, "cp /usr/bin/busybox /root/odd; chown 7:7 /root/odd; chmod 4750 /root/odd");
    let seen = "stat -c '%a %u %g %s %Y' /root/odd; sha256sum /root/odd";
    let before = sh(guest, seen);
    let task = act(site, "file.quarantine", &json!({ "path": "/root/odd" }));
    assert!(!guest.script("test -e /root/odd", LONG).unwrap().success());
    act(site, "file.restore", &json!({ "vault_id": outcome(&task)["vault_id"] }));
    assert_eq!(sh(guest, seen), before);
    // Another user's process: read while it runs, then ended.
    sh(guest, "systemd-run --unit=victim --uid=nobody sleep 4711");
    let pid: u32 = sh(guest, "systemctl show victim.service --value -p MainPID").parse().unwrap();
    let start =
        sh(guest, &format!("sed 's/.*) //' /proc/{pid}/stat | cut -d' ' -f20")).parse::<u64>().unwrap();
    let named = json!({ "pid": pid, "start_time": start });
    let task = act(site, "process.dump_memory", &named);
    assert!(outcome(&task)["archive"]["size"].as_u64().unwrap() > 1000, "{task:#}");
    act(site, "process.terminate", &named);
    assert!(!guest.script(&format!("test -e /proc/{pid}"), LONG).unwrap().success());
}

/// Isolation, and the block list's addresses and names: sets, rules and a queue of the kernel.
fn rules(site: &Site, guest: &mut Guest) {
    let objects = json!([{ "value": "198.51.100.7" }, { "value": "*.evil.example" }]);
    let body = json!({ "action": "blocklist.add", "params": { "objects": objects }, "reason": "a test" });
    let task = site.api.post("/tasks", &body).unwrap().good().unwrap();
    let task = site.ended(&task).unwrap();
    assert_eq!(task["commands"]["items"][0]["outcome"]["coverage"]["confirmed"], 1, "{task:#}");
    let set = sh(guest, "nft list ruleset");
    assert!(set.contains("198.51.100.7") && set.contains("queue flags bypass to"), "{set}");
    let tracked = sh(guest, "cat /proc/sys/net/netfilter/nf_conntrack_count 2>/dev/null || echo 0");
    assert_eq!(tracked, "0", "a listed name has no connection tracked");
    isolate(site);
    let mark = site.lab.outside().mark();
    sh(guest, "for i in 1 2 3; do (echo x >/dev/udp/10.86.0.2/7) 2>/dev/null; done; :");
    let crossed = site.lab.outside().received_from(&mark, mac(guest));
    assert_eq!(crossed.bytes, 0, "{crossed:?}");
    act(site, "endpoint.restore", &json!({}));
    sh(guest, "echo x >/dev/udp/10.86.0.2/7");
    until("a frame", || site.lab.outside().received_from(&mark, mac(guest)).frames > 0);
}

fn isolate(site: &Site) {
    let canaries = site.lab.outside().sockets(quell_lab::ECHO_PORT).map(|socket| socket.to_string());
    act(site, "endpoint.isolate", &json!({ "canaries": canaries }));
}

/// The service manager starts the agent anew, by request and after its death. Each has one guard, and a script goes on.
fn restarts(site: &Site, guest: &mut Guest, bad: &str) {
    site.script("long", "bash", "until [ -e /root/go ]; do sleep 0.2; done; echo out").unwrap();
    let task = site.submit(NAME, "endpoint.run_script", &json!({ "script": "long" })).unwrap();
    site.command_in(&task, "running").unwrap();
    let first = main_pid(guest);
    let began = Instant::now();
    sh(guest, "systemctl restart quell-agent.service");
    println!("restarted after {:?}", began.elapsed());
    let second = main_pid(guest);
    assert_ne!(first, second);
    serves(site, guest, bad);
    assert_eq!(property(guest, "NRestarts"), "0");

    sh(guest, &format!("kill -KILL {second}"));
    let took = until("another agent", || {
        let pid = main_pid(guest);
        pid != 0 && pid != second
    });
    println!("another agent {took:?} after the death of one");
    serves(site, guest, bad);
    assert_eq!(property(guest, "NRestarts"), "1");
    assert!(site.task(&task).unwrap()["ended_at"].is_null());
    sh(guest, "touch /root/go");
    let task = site.ended(&task).unwrap();
    assert_eq!(outcome(&task)["stdout"]["text"], "out\n", "{task:#}");
}

/// The agent of now is connected and its guard, of which there is one, at work.
fn serves(site: &Site, guest: &mut Guest, bad: &str) {
    let task = act(site, "process.list", &json!({ "name": "quell-agent run" }));
    let pid = main_pid(guest);
    let shown = outcome(&task)["processes"]["shown"].as_array().unwrap().clone();
    assert!(shown.iter().any(|row| row["pid"] == pid), "{shown:#?}");
    until("the guard", || is_denied(guest, bad));
    assert_eq!(guards(guest), 1, "{:?}", processes(guest));
    assert_eq!(property(guest, "ActiveState"), "active");
}

/// `systemctl stop` leaves neither guard nor worker nor terminal, and everything comes back with a start.
fn stops(site: &Site, guest: &mut Guest, bad: &str) {
    let endless = "rule endless { condition: for all i in (0..999999) : ( for all j in (0..999999) : ( i + j >= 0 ) ) }";
    site.api.post("/library/yara", &json!({ "name": "endless", "body": endless })).unwrap().good().unwrap();
    let params = json!({ "rules": "endless", "paths": ["/root/t"], "seconds_per_target": 60 });
    site.submit(NAME, "endpoint.run_yara", &params).unwrap();
    let (_, _, mut terminal) = shell::open(site, NAME, &json!({ "shell": "bash" }));
    terminal.run("sleep 4712 & :");
    until("a worker", || sh(guest, "cat /proc/[0-9]*/comm").contains("quell-worker"));
    println!("{:?}", processes(guest));
    let began = Instant::now();
    sh(guest, "systemctl stop quell-agent.service");
    println!("stopped after {:?}", began.elapsed());
    assert_eq!(property(guest, "ActiveState"), "inactive", "{}", property(guest, "Result"));
    let mut left = Vec::new();
    let took = until("the end of all that the agent began", || {
        left = processes(guest);
        left.is_empty()
    });
    println!("all of it gone {took:?} later");
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert!(sh(guest, bad).contains("nftables"), "nobody is asked any more");
    site.connected(NAME, false).unwrap();
    sh(guest, "systemctl start quell-agent.service");
    site.connected(NAME, true).unwrap();
    serves(site, guest, bad);
}

/// A reboot as systemd makes it: units stopped and started in their order, and nothing of an isolated machine gets out.
fn boots_cut_off(site: &Site, guest: &mut Guest) {
    guest.put("/etc/systemd/system/chatter.service", CHATTER.as_bytes(), 0o644).unwrap();
    guest.put("/root/chatter.sh", CHATTER_SCRIPT.as_bytes(), 0o644).unwrap();
    let outside = site.lab.outside();
    let before = outside.mark();
    sh(guest, "systemctl daemon-reload; systemctl enable --now chatter.service");
    until("the chatterer", || outside.received_from(&before, mac(guest)).frames > 4);
    isolate(site);
    std::thread::sleep(Duration::from_secs(1));
    let mark = outside.mark();
    let began = Instant::now();
    guest.reboot().unwrap();
    until("the agent of this boot", || {
        let record = site.record(NAME).unwrap();
        record["connected"] == true && record["facts"]["boot_id"] == guest.boot_id()
    });
    println!("back after {:?}", began.elapsed());
    assert_eq!(
        sh(guest, "systemctl is-active chatter.service quell-guest-network.service"),
        "active\nactive"
    );
    let when = |guest: &mut Guest, unit: &str, what: &str| {
        let asked = format!("systemctl show {unit} --value -p {what}TimestampMonotonic");
        sh(guest, &asked).parse::<u64>().unwrap()
    };
    let agent = when(guest, "quell-agent.service", "ActiveEnter");
    let network = when(guest, "quell-guest-network.service", "InactiveExit");
    assert!(0 < agent && agent <= network, "the rules after {agent} us, the network after {network} us");
    let crossed = outside.received_from(&mark, mac(guest));
    assert_eq!(crossed.bytes, 0, "{crossed:?} {:#?}", outside.first_frames(&mark, mac(guest)));
    act(site, "endpoint.restore", &json!({}));
    until("the chatterer", || outside.received_from(&mark, mac(guest)).frames > 4);
}

fn uninstall(guest: &mut Guest) {
    println!("{}", sh(guest, "sh /root/install.sh --uninstall"));
    let gone = "/usr/sbin/quell-agent /etc/systemd/system/quell-agent.service /var/lib/quell-agent";
    sh(guest, &format!("for path in {gone}; do [ ! -e $path ] || exit 1; done"));
    assert_eq!(property(guest, "LoadState"), "not-found");
    until("the end of all that the agent began", || processes(guest).is_empty());
    assert_eq!(sh(guest, "nft list ruleset"), "", "no rule is left");
}
