//! The lab on a real kernel: what an endpoint reaches, keeps, loses and leaves behind.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod guest;
mod swarm;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use quell_host::isolate::{self, Means, Plan, Probe, Reach};
use quell_lab::{
    DNS_PORT, ECHO_PORT, Error, Lab, LabEndpoint, LabOptions, SINK_PORT, Share, Traffic, become_root,
};

const SECOND: Duration = Duration::from_secs(1);

fn lab() -> Option<Lab> {
    match Lab::start(LabOptions::default()) {
        Ok(lab) => Some(lab),
        Err(error @ (Error::Privilege(_) | Error::Missing(..))) => {
            println!("skipped: {error}");
            None
        }
        Err(error) => panic!("{error:?}"),
    }
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + 20 * SECOND;
    while !condition() {
        assert!(Instant::now() < end, "no sign of {what} within twenty seconds");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn talks(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(SECOND)).unwrap();
    let mut back = [0; 4];
    stream.write_all(b"ping").is_ok() && stream.read_exact(&mut back).is_ok() && &back == b"ping"
}

/// What the endpoint reaches of the outside: TCP on IPv4, on IPv6, and DNS.
fn reached(lab: &Lab, endpoint: &LabEndpoint) -> Vec<bool> {
    let probe = |target, means| Probe { target, means, mark: None };
    let mut probes: Vec<Probe> = lab.outside().sockets(ECHO_PORT).map(|t| probe(t, Means::Tcp)).into();
    probes.push(probe(lab.outside().sockets(DNS_PORT)[0], Means::Dns));
    let seen = endpoint.within_network(|| isolate::probe_all(&probes, SECOND)).unwrap();
    seen.into_iter().map(Reach::reached).collect()
}

#[test]
fn an_endpoint_reaches_and_is_reached() {
    let Some(lab) = lab() else { return };
    let one = lab.endpoint("web-1").unwrap();
    let two = lab.endpoint("db-1").unwrap();
    assert_eq!(reached(&lab, &one), [true; 3]);
    // By programs of its own, names included.
    let named = one.run(&["getent", "ahostsv4", "anything.example"]).unwrap();
    assert!(named.stdout.contains("10.86.0.2"), "{named:?}");
    let gateways = one.within_network(isolate::gateways).unwrap().unwrap();
    let outside = lab.outside().addresses();
    assert_eq!(
        gateways.iter().map(|g| g.ip).collect::<Vec<_>>(),
        [IpAddr::from(outside.ip4()), outside.ip6().into()]
    );
    // From outside, the server and another endpoint.
    let listener = one.within_network(|| std::net::TcpListener::bind("[::]:4000").unwrap()).unwrap();
    for ip in [one.ip4().into(), one.ip6().into()] {
        let to = SocketAddr::new(ip, 4000);
        lab.outside().connect(to, SECOND).unwrap();
        lab.server().connect(to, SECOND).unwrap();
        two.within_network(|| TcpStream::connect_timeout(&to, SECOND)).unwrap().unwrap();
    }
    drop(listener);
    // A server of the machine's own namespace is found at the lab's address.
    let served = lab.listen_in_server_ns(8443).unwrap();
    for target in lab.server().sockets(8443) {
        one.within_network(|| TcpStream::connect_timeout(&target, SECOND)).unwrap().unwrap();
        served.accept().unwrap();
    }
    // The sink counts.
    let sink = lab.outside().sockets(SINK_PORT)[1];
    let mut stream = one.within_network(|| TcpStream::connect_timeout(&sink, SECOND)).unwrap().unwrap();
    stream.write_all(b"one\ntwo\n").unwrap();
    until("two lines", || lab.outside().lines() == 2);
}

#[test]
fn an_endpoint_is_a_machine_of_its_own() {
    let shared = tempfile::tempdir().unwrap();
    fs::write(shared.path().join("tool"), "#!/bin/sh\necho shared\n").unwrap();
    Command::new("chmod").arg("755").arg(shared.path().join("tool")).status().unwrap();
    let share = Share { host: shared.path().join("tool"), inside: "/opt/quell/tool".into() };
    if lab().is_none() {
        return;
    }
    let lab = Lab::start(LabOptions { shares: vec![share], ..LabOptions::default() }).unwrap();
    let one = lab.endpoint("web-1").unwrap();
    let two = lab.endpoint("hr-laptop").unwrap();
    let said = |endpoint: &LabEndpoint, script: &str| {
        let finished = endpoint.run(&["/bin/sh", "-c", script]).unwrap();
        assert!(finished.ok(), "{script}: {finished:?}");
        finished.stdout.trim().to_owned()
    };
    assert_eq!(said(&one, "cat /proc/sys/kernel/hostname"), "web-1");
    assert_eq!(said(&two, "uname -n"), "hr-laptop");
    for fact in ["cat /etc/machine-id", "cat /proc/sys/kernel/random/boot_id"] {
        assert_ne!(said(&one, fact), said(&two, fact), "{fact}");
    }
    assert_eq!(said(&one, "/opt/quell/tool"), "shared");
    assert!(!one.run(&["/bin/sh", "-c", "echo x > /opt/quell/tool"]).unwrap().ok(), "shares are read-only");
    assert!(!one.run(&["/bin/sh", "-c", "echo x > /usr/x"]).unwrap().ok(), "/usr is read-only");
    assert!(
        said(&one, "ls /dev/pts/ptmx; echo ok > /dev/shm/x; echo ok > /dev/null; cat /dev/shm/x")
            .contains("ok")
    );
    assert!(
        !one.run(&["ls", shared.path().to_str().unwrap()]).unwrap().ok(),
        "the machine's files are not there"
    );
    // Files are seen from both sides, on a superblock of the endpoint's own.
    said(&one, "mkdir -p /var/lib/q && echo hello > /var/lib/q/f");
    assert_eq!(fs::read_to_string(one.path("/var/lib/q/f")).unwrap(), "hello\n");
    let device = |path: &Path| fs::metadata(path).unwrap().dev();
    let devices = [device(&one.path("/etc")), device(&two.path("/etc")), device(Path::new("/etc"))];
    assert!(devices[0] != devices[1] && devices[1] != devices[2] && devices[0] != devices[2]);
    // Processes: its own numbers inside, the machine's outside; orphans are collected.
    let child = one.spawn(&["sleep", "1000"], &[]).unwrap();
    assert_eq!(fs::read_to_string(format!("/proc/{}/comm", child.pid())).unwrap(), "sleep\n");
    assert!(said(&one, "cat /proc/[0-9]*/comm").contains("sleep"));
    assert!(!said(&two, "cat /proc/[0-9]*/comm").contains("sleep"));
    said(&one, "(sleep 0.01 &) ; :");
    until("collected orphans", || !said(&one, "cat /proc/[0-9]*/stat").contains(") Z "));
    one.kill_all().unwrap();
    child.wait(5 * SECOND).unwrap();
    assert_eq!(said(&one, "echo alive"), "alive");
    assert!(matches!(lab.endpoint("../x"), Err(Error::Name(_))));
}

#[test]
fn a_reboot_keeps_the_disk_and_loses_the_rules() {
    let Some(lab) = lab() else { return };
    let mut one = lab.endpoint("web-1").unwrap();
    let plan = Plan { mark: 0x51ee_0001, servers: lab.server().sockets(8443).into(), allow: Vec::new() };
    let echo = lab.outside().sockets(ECHO_PORT);
    let mut open = one.within_network(|| TcpStream::connect(echo[0])).unwrap().unwrap();
    assert!(talks(&mut open));
    let before = lab.outside().mark();
    assert_eq!(reached(&lab, &one), [true; 3]);
    assert!(lab.outside().received_since(&before, one.addresses()).frames > 0);

    let applied = one.within_network(|| isolate::apply(&plan)).unwrap().unwrap();
    assert!(applied.coverage.raw_senders, "{:?}", applied.coverage);
    let after = lab.outside().mark();
    assert_eq!(reached(&lab, &one), [false; 3]);
    assert!(!talks(&mut open));
    let traffic = lab.outside().received_since(&after, one.addresses());
    assert_eq!((traffic.frames, traffic.bytes), (0, 0), "{traffic:?}");

    let boot = |one: &LabEndpoint| one.run(&["cat", "/proc/sys/kernel/random/boot_id"]).unwrap().stdout;
    let id = boot(&one);
    one.run(&["/bin/sh", "-c", "echo kept > /root/f; echo lost > /run/f; echo lost > /tmp/f"]).unwrap();
    let sleeper = one.spawn(&["sleep", "1000"], &[]).unwrap();
    for _ in 0..2 {
        one.reboot().unwrap();
    }
    assert!(!sleeper.running());
    assert_ne!(boot(&one), id);
    assert_eq!(fs::read_to_string(one.path("/root/f")).unwrap(), "kept\n");
    assert!(!one.run(&["ls", "/run/f"]).unwrap().ok() && !one.run(&["ls", "/tmp/f"]).unwrap().ok());
    assert!(!one.within_network(isolate::present).unwrap().unwrap());
    assert_eq!(reached(&lab, &one), [true; 3]);

    one.power_off();
    assert!(matches!(one.run(&["true"]), Err(Error::Down)));
    assert_eq!(fs::read_to_string(one.path("/root/f")).unwrap(), "kept\n");
    assert_eq!(lab.outside().received_since(&lab.outside().mark(), one.addresses()), Traffic::default());
}

/// What the lab could leave on the machine.
fn traces() -> (String, Vec<String>, usize) {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let links =
        fs::read_dir("/sys/class/net").unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut links: Vec<String> = links.collect();
    links.sort();
    (mounts, links, fs::read_dir("/proc/self/task").unwrap().count())
}

#[test]
fn nothing_is_left_whichever_way_a_lab_ends() {
    if lab().is_none() {
        return;
    }
    // In a process of its own, so that other tests' labs do not count.
    let program = std::env::current_exe().unwrap();
    let victim = |how: &str| {
        let mut command = Command::new(&program);
        command.args(["--exact", "victim", "--ignored", "--nocapture"]).env("LAB_END", how);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
    };
    for how in ["drop", "kill"] {
        let mut child = victim(how);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line =
            lines.find_map(|l| l.unwrap().split_once("pids ").map(|(_, pids)| pids.to_owned())).unwrap();
        let pids: Vec<&str> = line.split(' ').collect();
        assert!(
            pids.len() == 3 && pids.iter().all(|p| Path::new(&format!("/proc/{p}")).exists()),
            "{pids:?}"
        );
        if how == "kill" {
            child.kill().unwrap();
            child.wait().unwrap();
        } else {
            child.stdin.take().unwrap().write_all(b"end\n").unwrap();
            assert!(child.wait().unwrap().success());
        }
        until("the end of every process", || pids.iter().all(|p| gone(p)));
    }
}

#[test]
fn a_lab_without_root() {
    if lab().is_none() || !Path::new("/usr/bin/setpriv").exists() {
        println!("skipped: needs root to become somebody else, and setpriv");
        return;
    }
    // Where everybody may read it.
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = directory.path().join("it");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&program)
        .args(["--exact", "unprivileged", "--ignored", "--nocapture"])
        .current_dir("/")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("isolated: ") || said.contains("skipped: "), "{output:?}");
    println!("{}", said.lines().find(|l| l.contains("isolated: ") || l.contains("skipped: ")).unwrap());
}

#[test]
#[ignore = "run by another test, as another user"]
fn unprivileged() {
    if let Err(error) = become_root() {
        println!("skipped: {error}");
        return;
    }
    let lab = lab().unwrap();
    let one = lab.endpoint("web-1").unwrap();
    assert_eq!(reached(&lab, &one), [true; 3]);
    let plan = Plan { mark: 1, servers: Vec::new(), allow: Vec::new() };
    one.within_network(|| isolate::apply(&plan)).unwrap().unwrap();
    println!("isolated: {}", reached(&lab, &one) == [false; 3]);
}

fn gone(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "))
}

#[test]
#[ignore = "run by another test, in a process of its own"]
fn victim() {
    let Ok(how) = std::env::var("LAB_END") else { return };
    let before = traces();
    let lab = lab().unwrap();
    let endpoints = [lab.endpoint("one").unwrap(), lab.endpoint("two").unwrap()];
    let sleeper = endpoints[0].spawn(&["setsid", "sleep", "1000"], &[]).unwrap();
    println!("pids {} {} {}", endpoints[0].pid().unwrap(), endpoints[1].pid().unwrap(), sleeper.pid());
    std::io::stdin().read_line(&mut String::new()).unwrap();
    assert_eq!(how, "drop");
    drop(endpoints);
    drop(lab);
    drop(sleeper);
    until("the machine as it was", || traces() == before);
}
