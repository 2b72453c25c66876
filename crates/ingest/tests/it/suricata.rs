//! Suricata itself: it listens on one end of a link between two network namespaces of the test's own, sees a download and a shell
//! over a socket, and what it writes becomes events. Nothing outside of those namespaces is touched, and they end with the test.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid, gettid};
use quell_ingest::{Event, Limits, Pack, Severity, Verdict};

const CONFIG: &str = "/etc/suricata/suricata.yaml";
const CLIENT: &str = "10.77.0.1";
const SERVER: &str = "10.77.0.2";
const BOUND: Duration = Duration::from_mins(1);
const RULES: &str = "\
alert http any any -> any any (msg:\"A program is downloaded by curl\"; flow:established,to_server; http.uri; content:\"/updater\"; \
http.user_agent; content:\"curl/\"; target:src_ip; classtype:trojan-activity; \
metadata:signature_severity Critical, mitre_tactic_id TA0011, mitre_technique_id T1105; sid:9000001; rev:3;)
alert tcp any any -> any 4444 (msg:\"A shell talks in the clear\"; flow:established,to_server; content:\"uid=0(root)\"; \
classtype:successful-recon-limited; sid:9000002; rev:1;)
alert dns any any -> any any (msg:\"A name of a control server is asked for\"; dns.query; content:\"c2.example\"; \
metadata:mitre_technique_id T1071_004; classtype:domain-c2; sid:9000003; rev:1;)
alert http any any -> any any (msg:\"A Linux program arrives\"; flow:established,to_client; file.data; content:\"|7f|ELF\"; \
startswith; filesha256:!none.list; classtype:policy-violation; sid:9000004; rev:1;)
";
/// Digests that the last rule is not about; that there is such a list has Suricata hash files.
const NONE: &str = "0000000000000000000000000000000000000000000000000000000000000000\n";
/// One question for the address of `c2.example`.
const QUESTION: &[u8] =
    b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x02c2\x07example\x00\x00\x01\x00\x01";
const SIGNATURES: [&str; 4] = ["9000001", "9000002", "9000003", "9000004"];

#[test]
fn what_suricata_sees_becomes_events() {
    if let Some(missing) = missing() {
        println!("skipped: {missing}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let eve = record(folder.path());
    if let Some(keep) = std::env::var_os("QUELL_KEEP_EVE") {
        fs::write(keep, &eve).unwrap();
    }
    let mut read = Pack::named("suricata").unwrap().read(&eve, Limits::default());
    let events: Vec<Event> = read.by_ref().map(Result::unwrap).collect();
    assert!(read.skipped() > 0, "flows and protocols are passed over");
    let by = |rule: u32| events.iter().find(|event| event.rule.id == Some(format!("1:{rule}"))).unwrap();
    let download = by(9_000_001);
    assert_eq!((download.severity, download.verdict), (Severity::Critical, Some(Verdict::Detected)));
    assert_eq!(download.title, "A program is downloaded by curl");
    assert_eq!(download.techniques, ["T1105"]);
    assert_eq!(download.endpoint.addresses[0].to_string(), CLIENT);
    assert_eq!(download.network.destination.unwrap().to_string(), SERVER);
    assert_eq!(
        (download.network.destination_port, download.network.protocol.as_deref()),
        (Some(8080), Some("TCP"))
    );
    assert_eq!(download.network.url.as_deref(), Some("http://cdn-updates.example/updater"));
    let shell = by(9_000_002);
    assert_eq!((shell.severity, shell.network.destination_port), (Severity::Medium, Some(4444)));
    let name = by(9_000_003);
    assert_eq!(
        (name.network.name.as_deref(), name.techniques[0].as_str()),
        (Some("c2.example"), "T1071.004")
    );
    let file = &by(9_000_004).file;
    assert_eq!((file.path.as_deref(), file.size), (Some("/updater"), Some(4)));
    assert!(file.sha256.is_some());
    // It was seen on the way back, and the client began all the same.
    assert_eq!(by(9_000_004).network.source.unwrap().to_string(), CLIENT);
    assert_ne!(download.source_id, shell.source_id);
    assert!(events.iter().all(|event| event.remarks.is_empty()), "{events:?}");
}

fn missing() -> Option<&'static str> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let has = |name: &str| std::env::split_paths(&path).any(|folder| folder.join(name).exists());
    [
        (!geteuid().is_root(), "namespaces take root"),
        (!has("ip"), "ip is not installed"),
        (!has("suricata") || !Path::new(CONFIG).exists(), "suricata is not installed"),
    ]
    .into_iter()
    .find_map(|(is_missing, why)| is_missing.then_some(why))
}

/// What Suricata writes about a download and a shell.
fn record(folder: &Path) -> Vec<u8> {
    let (here, there) = (channel::<PathBuf>(), channel::<()>());
    let (served, stop) = (channel::<()>(), channel::<()>());
    let server = thread::spawn(move || serve(&here.0, &there.1, &served.0, &stop.1));
    let folder = folder.to_owned();
    let client = thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        let namespace = here.1.recv_timeout(BOUND).unwrap();
        ip(&["link", "add", "va", "type", "veth", "peer", "name", "vb"]);
        ip(&["link", "set", "dev", "vb", "netns", namespace.to_str().unwrap()]);
        up("va", CLIENT);
        there.0.send(()).unwrap();
        served.1.recv_timeout(BOUND).unwrap();
        let eve = watch(&folder);
        stop.0.send(()).unwrap();
        eve
    });
    let eve = client.join().unwrap();
    server.join().unwrap();
    eve
}

/// The far end: a namespace with a page and a listener.
fn serve(here: &Sender<PathBuf>, joined: &Receiver<()>, served: &Sender<()>, stop: &Receiver<()>) {
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    let place = format!("/proc/{}/task/{}/ns/net", std::process::id(), gettid());
    here.send(place.into()).unwrap();
    joined.recv_timeout(BOUND).unwrap();
    up("vb", SERVER);
    let _names = UdpSocket::bind((SERVER, 53)).unwrap();
    let listeners = [8080, 4444].map(|port| TcpListener::bind((SERVER, port)).unwrap());
    for listener in &listeners {
        listener.set_nonblocking(true).unwrap();
    }
    served.send(()).unwrap();
    while stop.recv_timeout(Duration::from_millis(5)).is_err() {
        for (listener, page) in listeners.iter().zip([PAGE, "sh-5.2# "]) {
            if let Ok((stream, _)) = listener.accept() {
                answer(stream, page);
            }
        }
    }
}

const PAGE: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 4\r\n\r\n\x7fELF";

fn answer(mut stream: TcpStream, page: &str) {
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut asked = [0; 1024];
    if stream.read(&mut asked).is_ok_and(|count| count > 0) {
        let _ = stream.write_all(page.as_bytes());
    }
}

/// Starts Suricata, talks until it has told of both, ends it, and returns its log.
fn watch(folder: &Path) -> Vec<u8> {
    let rules = folder.join("own.rules");
    fs::write(&rules, RULES).unwrap();
    fs::write(folder.join("none.list"), NONE).unwrap();
    let log = fs::File::create(folder.join("stdout")).unwrap();
    let mut suricata = Command::new("suricata")
        .args([
            "-c",
            CONFIG,
            "--af-packet=va",
            "--runmode=autofp",
            "-k",
            "none",
            "--set",
            "unix-command.enabled=no",
        ])
        .arg("-S")
        .arg(&rules)
        .arg("-l")
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    let said = || fs::read_to_string(folder.join("stdout")).unwrap_or_default();
    until(&mut suricata, &said, || said().contains("Engine started"));
    let eve = folder.join("eve.json");
    let log = || fs::read_to_string(&eve).unwrap_or_default();
    until(&mut suricata, &said, || {
        talk();
        let log = log();
        SIGNATURES.iter().all(|signature| log.contains(signature)) && log.contains("\"event_type\":\"http\"")
    });
    kill(Pid::from_raw(i32::try_from(suricata.id()).unwrap()), Signal::SIGINT).unwrap();
    suricata.wait().unwrap();
    fs::read(&eve).unwrap()
}

fn talk() {
    let say = |port: u16, words: &str| {
        let mut stream = TcpStream::connect((SERVER, port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream.write_all(words.as_bytes()).unwrap();
        let _ = stream.read(&mut [0; 1024]);
    };
    say(
        8080,
        "GET /updater HTTP/1.1\r\nHost: cdn-updates.example\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n",
    );
    let names = UdpSocket::bind((CLIENT, 0)).unwrap();
    names.send_to(QUESTION, (SERVER, 53)).unwrap();
    say(4444, "uid=0(root) gid=0(root) groups=0(root)\n");
}

fn until(suricata: &mut Child, said: &impl Fn() -> String, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        if begun.elapsed() > BOUND || suricata.try_wait().unwrap().is_some() {
            let _ = suricata.kill();
            let _ = suricata.wait();
            panic!("suricata said: {}", said());
        }
        thread::sleep(Duration::from_millis(50));
    }
}

fn up(link: &str, address: &str) {
    ip(&["link", "set", "dev", "lo", "up"]);
    ip(&["address", "add", &format!("{address}/24"), "dev", link]);
    ip(&["link", "set", "dev", link, "up"]);
}

fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().unwrap();
    assert!(output.status.success(), "ip {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}
