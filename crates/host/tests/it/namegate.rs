//! Answers of a real name server (dnsmasq), asked for by a real client (dig), in network namespaces of the test's own.

use std::net::{Ipv4Addr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use quell_host::namegate::{self, Gate, Stands};

use crate::isolate::net::{ENDPOINT, Net, OUTSIDE, SERVER, net};
use crate::until;

const TOOLS: [&str; 2] = ["/usr/sbin/dnsmasq", "/usr/bin/dig"];

/// Ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = (self.0.kill(), self.0.wait());
    }
}

/// Whoever answers for the endpoint, in the shape of a process that may go away.
struct Keeper {
    stands: Stands,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<u32>>,
}

impl Keeper {
    fn start(net: &Net) -> Self {
        let (mut gate, stands) = net.at_endpoint(|| {
            let gate = Gate::open().unwrap();
            let stands = namegate::apply(gate.queue()).unwrap();
            (gate, stands)
        });
        let is_over = Arc::new(AtomicBool::new(false));
        let over = is_over.clone();
        let thread = std::thread::spawn(move || {
            let mut asked = 0;
            while !over.load(Ordering::Relaxed) {
                gate.serve(Duration::from_millis(50), |answer| {
                    asked += 1;
                    answer.names.iter().any(|name| name.ends_with("evil.example"))
                })
                .unwrap();
            }
            asked
        });
        Self { stands, is_over, thread: Some(thread) }
    }

    /// How many answers it was asked about.
    fn end(&mut self) -> u32 {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

fn server(net: &Net, inside: bool, arguments: &[&str]) -> Server {
    let start = || {
        let mut command = Command::new(TOOLS[0]);
        command.args(["--keep-in-foreground", "--conf-file=/dev/null", "--pid-file", "--user=root"]);
        command.args(["--no-hosts", "--no-resolv", "--bind-interfaces"]).args(arguments);
        Server(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    };
    if inside { net.at_endpoint(start) } else { net.outside(start) }
}

fn upstream(net: &Net) -> Server {
    let four = format!("--listen-address={}", OUTSIDE[0]);
    let six = format!("--listen-address={}", OUTSIDE[1]);
    server(
        net,
        false,
        &[
            &four,
            &six,
            "--host-record=shop.evil.example,192.0.2.7,2001:db8::7",
            "--host-record=good.example,192.0.2.8",
            "--cname=alias.example,shop.evil.example",
            "--txt-record=evil.example,hello",
        ],
    )
}

/// What dig says: status and answers.
fn dig(net: &Net, arguments: &str) -> (String, String) {
    let said = net.at_endpoint(|| {
        let mut command = Command::new(TOOLS[1]);
        command.args(["+tries=1", "+time=3"]).args(arguments.split(' ')).output().unwrap()
    });
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    let status = text.split("status: ").nth(1).and_then(|rest| rest.split(',').next());
    (status.unwrap_or("none").to_owned(), text)
}

fn tools() -> bool {
    let missing = TOOLS.iter().find(|tool| !std::path::Path::new(tool).exists());
    if let Some(tool) = missing {
        println!("skipped: there is no {tool}");
    }
    missing.is_none()
}

#[test]
fn a_refused_name_does_not_exist_and_others_do() {
    let Some(net) = net().filter(|_| tools()) else { return };
    let _upstream = upstream(&net);
    let here = format!("@{}", OUTSIDE[0]);
    until("the name server", || dig(&net, &format!("{here} good.example")).0 == "NOERROR");
    // It knows the name already, as the resolver of a desktop does.
    let _stub = server(&net, true, &["--listen-address=127.0.0.53", &format!("--server={}", OUTSIDE[0])]);
    until("the resolver", || dig(&net, "@127.0.0.53 shop.evil.example").1.contains("192.0.2.7"));
    let mut keeper = Keeper::start(&net);
    for question in [
        &format!("{here} Shop.EVIL.example"),
        &format!("{here} shop.evil.example AAAA"),
        &format!("{here} +tcp shop.evil.example"),
        &format!("{here} +tcp +noedns shop.evil.example"),
        &format!("{here} +noedns alias.example"),
        &format!("{here} evil.example TXT"),
        &format!("@{} shop.evil.example", OUTSIDE[1]),
        &format!("@{} +tcp shop.evil.example", OUTSIDE[1]),
        "@127.0.0.53 shop.evil.example",
        "@127.0.0.53 alias.example",
    ] {
        let (status, text) = dig(&net, question);
        assert_eq!(status, "NXDOMAIN", "{question}: {text}");
        assert!(!text.contains("192.0.2.7") && !text.contains("hello"), "{question}: {text}");
        assert!(!text.contains("WARNING") || text.contains("recursion"), "{question}: {text}");
        assert!(!text.contains("Got bad packet") && !text.contains("extra"), "{question}: {text}");
        let is_told = question.starts_with(&here) && !question.contains('+');
        assert!(!is_told || text.contains("EDE: 15 (Blocked)"), "{question}: {text}");
    }
    for question in
        [&format!("{here} good.example"), &format!("{here} +tcp good.example"), "@127.0.0.53 good.example"]
    {
        let (status, text) = dig(&net, question);
        assert!(status == "NOERROR" && text.contains("192.0.2.8"), "{question}: {text}");
    }
    let libc = |name: &str| {
        let resolv = "mount -t tmpfs none /mnt && echo nameserver 127.0.0.53 > /mnt/r && mount --bind /mnt/r /etc/resolv.conf";
        let text = format!("{resolv} && getent ahosts {name}");
        let run =
            || Command::new("/usr/bin/unshare").args(["--mount", "/bin/sh", "-c", &text]).output().unwrap();
        let said = net.at_endpoint(run);
        String::from_utf8_lossy(&said.stdout).into_owned()
    };
    assert!(libc("good.example").contains("192.0.2.8"));
    assert_eq!(libc("shop.evil.example"), "");

    // Nobody at the queue: every name resolves. Then somebody takes the rules away, and that is seen.
    assert!(keeper.end() > 10);
    for question in [&format!("{here} shop.evil.example"), &format!("{here} +tcp shop.evil.example")] {
        assert!(dig(&net, question).1.contains("192.0.2.7"), "{question}: it fails open");
    }
    assert!(net.at_endpoint(|| namegate::is_intact(&keeper.stands)));
    net.endpoint_runs("/usr/sbin/nft", "flush chain inet quell_names in");
    assert!(!net.at_endpoint(|| namegate::is_intact(&keeper.stands)));
    net.at_endpoint(|| namegate::remove().unwrap());
    assert!(!net.endpoint_runs("/usr/sbin/nft", "list ruleset").contains("quell_names"));
}

/// A question for `number.good.example`, or `number.evil.example`.
fn question(number: u16, name: [u8; 4]) -> Vec<u8> {
    let [n0, n1] = number.to_be_bytes();
    let mut bytes = vec![n0, n1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 5];
    bytes.extend(format!("{number:05}").as_bytes());
    bytes.push(4);
    bytes.extend(name);
    bytes.extend(b"\x07example\0\0\x01\0\x01");
    bytes
}

/// Answers every question with one address, until the test is over.
fn answering(net: &Net) {
    let socket = net.outside(|| UdpSocket::bind((OUTSIDE[0], 53)).unwrap());
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((count, from)) = socket.recv_from(&mut buffer) {
            let mut answer = buffer[..count].to_vec();
            answer[2..8].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 1]);
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
            answer.extend(Ipv4Addr::new(192, 0, 2, 9).octets());
            let _ = socket.send_to(&answer, from);
        }
    });
}

/// Seconds that `count` questions take, one after the other by four at once; and how many were not answered.
fn asked(net: &Net, count: u16) -> (f64, u32) {
    let began = Instant::now();
    let lost = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let socket = net.at_endpoint(|| UdpSocket::bind("0.0.0.0:0").unwrap());
                socket.connect((OUTSIDE[0], 53)).unwrap();
                socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
                scope.spawn(move || {
                    let mut buffer = [0; 512];
                    let one = |number: &u16| {
                        socket.send(&question(*number, *b"good")).unwrap();
                        socket.recv(&mut buffer).is_err()
                    };
                    (0..count / 4)
                        .collect::<Vec<_>>()
                        .iter()
                        .map({
                            let mut one = one;
                            move |number| u32::from(one(number))
                        })
                        .sum::<u32>()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    (began.elapsed().as_secs_f64(), lost)
}

#[test]
fn thousands_of_answers_a_second_pass() {
    let Some(net) = net() else { return };
    answering(&net);
    let count = 10_000;
    let best = |rounds: &[f64]| rounds.iter().copied().fold(f64::MAX, f64::min);
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let (seconds, lost) = asked(&net, count);
        without.push(seconds);
        let mut keeper = Keeper::start(&net);
        let (seconds, lost_with) = asked(&net, count);
        with.push(seconds);
        assert_eq!((lost, lost_with, keeper.end()), (0, 0, u32::from(count)));
        net.at_endpoint(|| namegate::remove().unwrap());
    }
    let (without, with) = (best(&without), best(&with));
    let rate = f64::from(count) / with;
    println!(
        "{count} questions: {without:.2} s without, {with:.2} s with the gate, {rate:.0} a second, ratio {:.2}",
        with / without
    );
    assert!(rate > 1_000.0);
}

#[test]
fn a_gate_that_stands_still_holds_a_few_answers_up_and_no_more() {
    let Some(net) = net() else { return };
    answering(&net);
    let gate = net.at_endpoint(|| {
        let gate = Gate::open().unwrap();
        namegate::apply(gate.queue()).unwrap();
        gate
    });
    let socket = net.at_endpoint(|| UdpSocket::bind("0.0.0.0:0").unwrap());
    socket.connect((OUTSIDE[0], 53)).unwrap();
    let ask = |number: u16, limit: u64| {
        socket.set_read_timeout(Some(Duration::from_millis(limit))).unwrap();
        socket.send(&question(number, *b"evil")).unwrap();
        socket.recv(&mut [0; 512]).is_ok()
    };
    let lost = (0..200).filter(|number| !ask(*number, 2)).count();
    println!("{lost} answers were held up by a gate that stands still");
    assert!((100..180).contains(&lost), "{lost}");
    assert!((200..300).all(|number| ask(number, 2_000)), "then all pass");
    drop(gate);
    assert!(ask(1, 2_000), "without anybody at the queue all pass");
}

#[test]
fn what_nobody_asked_for_is_not_looked_at_and_connections_are_not_tracked() {
    let Some(net) = net() else { return };
    answering(&net);
    let mut keeper = Keeper::start(&net);
    let other = net.outside(|| UdpSocket::bind((SERVER[0], 53)).unwrap());
    let socket = net.at_endpoint(|| UdpSocket::bind((ENDPOINT[0], 0)).unwrap());
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    // An answer that leads to an address, from whom this socket asked nothing.
    let mut forged = question(1, *b"evil");
    forged[2..8].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 1]);
    forged.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 9]);
    let mut buffer = [0; 512];
    let mut came = || {
        let (count, from) = socket.recv_from(&mut buffer).unwrap();
        (buffer[..count].to_vec(), from.ip().to_string())
    };
    other.send_to(&forged, socket.local_addr().unwrap()).unwrap();
    assert_eq!(came(), (forged.clone(), SERVER[0].to_owned()));
    socket.send_to(&question(2, *b"evil"), (OUTSIDE[0], 53)).unwrap();
    let (answer, from) = came();
    assert_eq!((answer[3] & 0xf, answer[7], from.as_str()), (3, 0, OUTSIDE[0]), "one that was asked for");
    let tracked = net.at_endpoint(|| std::fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_count"));
    assert!(tracked.is_err() || tracked.is_ok_and(|count| count.trim() == "0"));
    // Somebody asked more than can be remembered: everything is looked at.
    net.endpoint_runs("/usr/sbin/nft", "add element inet quell_names beyond { udp }");
    other.send_to(&forged, socket.local_addr().unwrap()).unwrap();
    assert_eq!(came().0[3] & 0xf, 3);
    assert_eq!(keeper.end(), 2);
}

#[test]
fn more_than_can_be_remembered_lets_no_listed_name_through() {
    let Some(net) = net() else { return };
    answering(&net);
    let mut keeper = Keeper::start(&net);
    // A user fills the sets with questions to nobody: from many ports, of which each asks many.
    let nobody = net.at_endpoint(|| UdpSocket::bind((ENDPOINT[0], 0)).unwrap());
    let began = Instant::now();
    for number in 0..70_000_u32 {
        let [_, high, middle, low] = number.to_be_bytes();
        // This machine's own loopback answers that nobody is there, which the next question is told.
        let _ = nobody.send_to(b"?", (Ipv4Addr::new(127, high, middle, low), 53));
    }
    let set = net.endpoint_runs("/usr/sbin/nft", "list set inet quell_names beyond");
    assert!(set.contains("elements"), "{set}");
    println!("filled after {:?}", began.elapsed());
    let socket = net.at_endpoint(|| UdpSocket::bind("0.0.0.0:0").unwrap());
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut buffer = [0; 512];
    for (name, code) in [(*b"evil", 3), (*b"good", 0)] {
        socket.send_to(&question(1, name), (OUTSIDE[0], 53)).unwrap();
        socket.recv(&mut buffer).unwrap();
        assert_eq!(buffer[3] & 0xf, code);
    }
    keeper.end();
}
