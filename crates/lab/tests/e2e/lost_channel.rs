//! A cut that takes the server away with it is taken back.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use quell_lab::site::{GATEWAY, Machine, Witness, ways_out};
use serde_json::json;

use crate::{all_cut, all_open, ended, site, succeeded};

const LIMIT: Duration = Duration::from_secs(2);

/// A proxy on the endpoint itself, as security products install them: the agent reaches it over the loopback, which
/// stays open, but its own connections are nobody's exception.
fn serve_proxy(listener: TcpListener, network: quell_host::namespace::Network, to: SocketAddr) {
    std::thread::spawn(move || {
        while let Ok((client, _)) = listener.accept() {
            let upstream = network.within(|| TcpStream::connect_timeout(&to, LIMIT));
            if let Ok(Ok(upstream)) = upstream {
                std::thread::spawn(move || relay(client, upstream));
            }
        }
    });
}

fn relay(mut client: TcpStream, mut upstream: TcpStream) -> io::Result<()> {
    use std::io::{Read as _, Write as _};
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    let (mut from, mut to) = (client.try_clone()?, upstream.try_clone()?);
    std::thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
    let _ = io::copy(&mut upstream, &mut client);
    client.shutdown(Shutdown::Both)
}

#[test]
fn a_cut_that_loses_the_server_is_taken_back_and_said() {
    let Some(site) = site() else { return };
    let mut web = Machine::bare(&site.lab, "web-1", site.folder.path()).unwrap();
    let listener = web.endpoint.within_network(|| TcpListener::bind("127.0.0.1:3128")).unwrap().unwrap();
    let network = quell_host::namespace::Network::open(&web.endpoint.network_path().unwrap()).unwrap();
    let gateway = site.lab.server().sockets(GATEWAY)[0];
    serve_proxy(listener, network, gateway);
    let proxy = [("HTTPS_PROXY", "http://127.0.0.1:3128")];
    web.enrol_with(&site.token(1).unwrap(), &gateway.to_string(), &proxy).unwrap();
    web.start_agent().unwrap();
    site.connected("web-1", true).unwrap();
    let before = web.rules().unwrap();
    let witness = Witness::take(&site.lab, &web.endpoint).unwrap();

    let canaries = site.lab.outside().sockets(quell_lab::ECHO_PORT).map(|s| s.to_string());
    let params = json!({ "canaries": canaries });
    let task = site.act("web-1", "endpoint.isolate", &params).unwrap();
    assert_eq!(ended(&task), ("failed", "channel_lost"), "{task:#}");
    assert_eq!(task["commands"]["items"][0]["outcome"]["channel_alive"], false);
    assert_eq!(web.rules().unwrap(), before);
    all_open(&witness.new_ways(&site.lab, &web.endpoint).unwrap());
    assert!(site.record("web-1").unwrap()["isolation"].is_null());
}

#[test]
fn a_server_that_falls_silent_at_the_cut_ends_it_and_the_task_says_so_when_it_is_back() {
    let Some(site) = site() else { return };
    let web = site.machine("web-1").unwrap();
    let canaries = site.lab.outside().sockets(quell_lab::ECHO_PORT).map(|s| s.to_string());
    // The first word of the cut that leaves the endpoint shuts the server's door: the way is lost while it is tried.
    let nft = |rules: &str| {
        let done =
            site.lab.server().within(|| std::process::Command::new("nft").arg(rules).output()).unwrap();
        assert!(done.as_ref().is_ok_and(|done| done.status.success()), "{done:?}");
    };
    nft("add table inet door; add chain inet door in { type filter hook input priority 0; }");
    std::thread::scope(|scope| {
        let shut = scope.spawn(|| {
            crate::until("the cut", || web.rules().unwrap().contains("quell"));
            nft("add rule inet door in tcp dport 8421 drop");
        });
        let task = site.submit("web-1", "endpoint.isolate", &json!({ "canaries": canaries })).unwrap();
        shut.join().unwrap();
        let state = site.task(&task).unwrap();
        if state["ended_at"].is_null() {
            all_cut(&ways_out(&web.endpoint, site.lab.outside()).unwrap());
            crate::until("the way back", || !web.rules().unwrap().contains("quell"));
            all_open(&ways_out(&web.endpoint, site.lab.outside()).unwrap());
            nft("flush chain inet door in");
            let task = site.ended(&task).unwrap();
            assert_eq!(ended(&task), ("failed", "channel_lost"), "{task:#}");
        } else {
            // The door fell shut after the test of the channel: then the isolation is what was ordered.
            println!("the cut was proven before the door was shut");
            succeeded(&state);
        }
    });
}
