//! The recorder on the real kernel: connections, ports and questions, in network namespaces of the tests' own.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};

use quell_host::namespace::Network;
use quell_host::process::Identity;
use quell_host::recorder::raw::{Question, Step};
use quell_host::recorder::{Kind, Raw, Settings, What};

use crate::recorder::{Heard, processes, record};
use crate::until;

const LOCAL: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// A recorder, and a network of its own with a loopback device that is up; `None` where that cannot be.
fn world(settings: Settings) -> Option<(Heard, Network, u32)> {
    let heard = record(Settings { network: true, ..settings })?;
    let network = Network::create().unwrap();
    let up = network.within(|| Command::new("ip").args(["link", "set", "lo", "up"]).status()).unwrap();
    if !up.is_ok_and(|status| status.success()) {
        println!("skipped: ip cannot be run");
        return None;
    }
    let number = std::fs::metadata(network.path()).unwrap().ino();
    Some((heard, network, u32::try_from(number).unwrap()))
}

fn own() -> Identity {
    Identity::own().unwrap()
}

impl Heard {
    /// Waits for a step of the conversations in one network.
    #[track_caller]
    fn step(&self, network: u32, is_it: impl Fn(&Raw, &quell_host::recorder::raw::Network) -> bool) -> Raw {
        self.find("a step", |all| {
            let found = all.iter().find(|raw| match &raw.what {
                What::Network(step) => step.namespace == network && is_it(raw, step),
                _ => false,
            });
            found.cloned()
        })
    }

    fn steps(&self, network: u32) -> Vec<(Identity, quell_host::recorder::raw::Network)> {
        let all = self.all.lock().unwrap();
        let of = |raw: &Raw| match &raw.what {
            What::Network(step) if step.namespace == network => Some((raw.process, (**step).clone())),
            _ => None,
        };
        all.iter().filter_map(of).collect()
    }

    #[track_caller]
    fn question(&self, name: &str) -> (Raw, Question) {
        self.find("a question", |all| {
            all.iter().find_map(|raw| match &raw.what {
                What::Asked(question) if question.name == name => Some((raw.clone(), (**question).clone())),
                _ => None,
            })
        })
    }
}

#[test]
fn a_connection_is_seen_from_both_ends() {
    let Some((heard, network, number)) = world(processes()) else { return };
    for address in LOCAL {
        let (listener, at) = network
            .within(|| {
                let listener = TcpListener::bind((address, 0)).unwrap();
                let at = listener.local_addr().unwrap();
                (listener, at)
            })
            .unwrap();
        let client = network.within(|| TcpStream::connect(at).unwrap()).unwrap();
        let near = client.local_addr().unwrap();
        let listening = heard.step(number, |_, step| step.step == Step::Listening && step.local == at);
        let connected = heard.step(number, |_, step| step.step == Step::Connected && step.remote == at);
        let accepted = heard.step(number, |_, step| step.step == Step::Accepted && step.local == at);
        for raw in [&listening, &connected, &accepted] {
            assert_eq!(raw.process, own(), "{raw:#?}");
        }
        let steps = heard.steps(number);
        let of = |wanted: Step| {
            let found =
                steps.iter().find(|(_, step)| step.step == wanted && [step.local, step.remote].contains(&at));
            found.unwrap().1.clone()
        };
        let [tried, stood, taken] = [of(Step::Connecting), of(Step::Connected), of(Step::Accepted)];
        assert_eq!((tried.remote, tried.id, tried.tcp), (at, stood.id, true));
        assert_eq!((stood.local, taken.remote, taken.local), (near, near, at));
        drop((listener, client));
    }
    assert_eq!(heard.standing().count(Kind::Network).lost, 0);
}

#[test]
fn a_refused_connection_says_so() {
    let Some((heard, network, number)) = world(processes()) else { return };
    for address in LOCAL {
        let at = SocketAddr::new(address, 9);
        let error = network.within(|| TcpStream::connect(at)).unwrap().unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ECONNREFUSED));
        let raw = heard.step(number, |_, step| matches!(step.step, Step::Failed(_)) && step.remote == at);
        let What::Network(failed) = &raw.what else { unreachable!() };
        assert_eq!((failed.step, raw.process), (Step::Failed(libc::ECONNREFUSED), own()));
        let tried = heard.step(number, |_, step| step.step == Step::Connecting && step.remote == at);
        let What::Network(tried) = &tried.what else { unreachable!() };
        assert_eq!(tried.id, failed.id);
    }
}

#[test]
fn who_reads_first_takes_the_connection() {
    let Some((heard, network, number)) = world(processes()) else { return };
    let (mut client, server) = network
        .within(|| {
            let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).unwrap();
            // Over a socket of both versions: told as what it is.
            let at = SocketAddr::new(LOCAL[0], listener.local_addr().unwrap().port());
            (TcpStream::connect(at).unwrap(), listener.accept().unwrap().0)
        })
        .unwrap();
    let far = client.peer_addr().unwrap();
    let server = Stdio::from(OwnedFd::from(server));
    let mut reader = Command::new("cat").stdin(server).stdout(Stdio::piped()).spawn().unwrap();
    client.write_all(b"hello").unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    let mut text = String::new();
    reader.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    let pid = reader.id();
    reader.wait().unwrap();
    assert_eq!(text, "hello");
    let taken = heard.step(number, |_, step| step.step == Step::Taken);
    assert_eq!(taken.process, heard.exit(pid).process);
    let What::Network(taken) = taken.what else { unreachable!() };
    assert_eq!((taken.local, taken.remote), (far, client.local_addr().unwrap()));
    let accepted = heard.step(number, |_, step| step.step == Step::Accepted);
    let What::Network(step) = &accepted.what else { unreachable!() };
    assert_eq!((step.id, accepted.process), (taken.id, own()));
}

/// A message that asks for one name.
fn message(name: &[&[u8]], kind: u16) -> Vec<u8> {
    let mut message = vec![7, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name {
        message.push(u8::try_from(label.len()).unwrap());
        message.extend(*label);
    }
    message.push(0);
    message.extend(kind.to_be_bytes());
    message.extend([0, 1]);
    message
}

#[test]
fn questions_to_name_servers_are_read() {
    let Some((heard, network, number)) = world(processes()) else { return };
    for address in LOCAL {
        let at = SocketAddr::new(address, 53);
        let label = format!("v{}-{number}", if address.is_ipv4() { 4 } else { 6 });
        let (server, client) = network
            .within(|| (UdpSocket::bind(at).unwrap(), UdpSocket::bind((address, 0)).unwrap()))
            .unwrap();
        // What is no question is passed over: too short, an answer, a pointer.
        client.send_to(b"short", at).unwrap();
        let mut answer = message(&[b"answer", label.as_bytes()], 1);
        answer[2] |= 0x80;
        client.send_to(&answer, at).unwrap();
        client.send_to(&message(&[label.as_bytes(), b"ex\xffample", b"test"], 28), at).unwrap();
        client.connect(at).unwrap();
        client.send(&message(&[label.as_bytes(), b"second"], 16)).unwrap();
        let (raw, question) = heard.question(&format!("{label}.ex\\255ample.test"));
        assert_eq!((raw.process, question.kind, question.server), (own(), 28, at));
        let (_, question) = heard.question(&format!("{label}.second"));
        assert_eq!((question.kind, question.server), (16, at));
        let all = heard.all.lock().unwrap();
        let is_answer =
            |raw: &&Raw| matches!(&raw.what, What::Asked(it) if it.name == format!("answer.{label}"));
        assert_eq!(all.iter().filter(is_answer).count(), 0);
        drop(all);
        drop(server);
    }
    let sent: Vec<_> =
        heard.steps(number).into_iter().filter(|(_, step)| step.step == Step::Sending).collect();
    assert_eq!(sent.len(), 2, "one for each socket and place: {sent:#?}");
    assert!(sent.iter().all(|(process, step)| *process == own() && !step.tcp && step.remote.port() == 53));
}

#[test]
fn a_socket_that_sends_everywhere_is_told_up_to_a_bound_and_counted_beyond() {
    let Some((heard, network, number)) = world(processes()) else { return };
    let socket = network.within(|| UdpSocket::bind((LOCAL[0], 0)).unwrap()).unwrap();
    for port in 2000..2100 {
        let _ = socket.send_to(b"x", (LOCAL[0], port));
        let _ = socket.send_to(b"y", (LOCAL[0], port));
    }
    until("all of them", || {
        let lost = heard.standing().count(Kind::Network).lost;
        let sent = heard.steps(number).len() as u64;
        // Refusals come back, and may take a send: then it was none.
        lost > 0 && sent == 64 && lost + sent >= 90
    });
}

#[test]
fn the_recorders_own_process_is_left_out_and_its_children_are_not() {
    let Some((heard, network, number)) = world(Settings { own: Some(std::process::id()), ..processes() })
    else {
        return;
    };
    let listener = network.within(|| TcpListener::bind((LOCAL[0], 0)).unwrap()).unwrap();
    let at = listener.local_addr().unwrap();
    let child = network.within(|| {
        drop(TcpStream::connect(at).unwrap());
        let connect = format!("exec 3<>/dev/tcp/127.0.0.1/{}", at.port());
        Command::new("bash").args(["-c", &connect]).spawn()
    });
    let mut child = child.unwrap().unwrap();
    let pid = child.id();
    child.wait().unwrap();
    let process = heard.exit(pid).process;
    heard.step(number, |raw, step| step.step == Step::Connected && raw.process == process);
    assert!(heard.steps(number).iter().all(|(who, _)| *who == process), "{:#?}", heard.steps(number));
}
