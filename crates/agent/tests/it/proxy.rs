//! A forward proxy on the way: asked by CONNECT, with credentials, also while the endpoint is isolated.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;

use crate::gateway::Gateway;
use crate::process::Endpoint;
use crate::world::{CANARIES, SERVER, world};

/// `ann:p@ss`.
const CREDENTIALS: &str = "Proxy-Authorization: Basic YW5uOnBAc3M=";

/// Serves CONNECT for those who know the password; counts the tunnels.
fn serve(listener: TcpListener) -> Arc<AtomicU32> {
    let tunnels = Arc::new(AtomicU32::new(0));
    let count = tunnels.clone();
    // What it connects to is seen from the thread's own network namespace.
    std::thread::spawn(move || {
        while let Ok((client, _)) = listener.accept() {
            let mut lines = BufReader::new(client.try_clone().unwrap()).lines();
            let head: Vec<String> =
                lines.by_ref().map_while(Result::ok).take_while(|l| !l.is_empty()).collect();
            let mut client = client;
            let target = head.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
            if !head.iter().any(|line| line == CREDENTIALS) {
                let _ = client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
                continue;
            }
            let Ok(server) = TcpStream::connect(&target) else { continue };
            count.fetch_add(1, Ordering::SeqCst);
            client.write_all(b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n").unwrap();
            for (mut from, mut to) in
                [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client)]
            {
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(std::net::Shutdown::Write);
                });
            }
        }
    });
    tunnels
}

fn enrol(endpoint: &Endpoint, gateway: &Gateway, server: &str, proxy: &str) -> Result<(), String> {
    let mut command = endpoint.command(&["enrol", "--server", server]);
    command.args(["--token", &gateway.token().to_text(), "--proxy", proxy]);
    let output = command.output().unwrap();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8(output.stderr).unwrap()) }
}

#[test]
fn everything_goes_through_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let tunnels = serve(listener);
    let gateway = Gateway::start();
    let mut endpoint = Endpoint::new(None);
    let server = gateway.address.to_string();
    let error = enrol(&endpoint, &gateway, &server, &format!("http://ann:wrong@{address}")).unwrap_err();
    assert!(error.contains("407") && !error.contains("wrong"), "{error}");
    enrol(&endpoint, &gateway, &server, &format!("http://ann:p%40ss@{address}")).unwrap();
    assert_eq!(tunnels.load(Ordering::SeqCst), 1);
    endpoint.connect(&gateway);
    assert_eq!(tunnels.load(Ordering::SeqCst), 2);
    assert!(!endpoint.log().contains("p@ss") && !endpoint.log().contains("p%40ss"));
}

#[test]
fn an_isolated_endpoint_keeps_its_way_through_it() {
    let Some(world) = world() else { return };
    let tunnels = world.outside(|| serve(TcpListener::bind("10.98.0.4:3128").unwrap()));
    let mut endpoint = world.stranger();
    enrol(&endpoint, &world.gateway, SERVER, "http://ann:p%40ss@10.98.0.4:3128").unwrap();
    endpoint.connect(&world.gateway);
    let (_, result) = world.gateway.done("endpoint.isolate", &json!({ "canaries": CANARIES }));
    assert_eq!(result["servers"], json!(["10.98.0.4:3128"]));
    assert_eq!(world.reaches(), [false, false]);
    assert!(tunnels.load(Ordering::SeqCst) >= 3, "enrolment, session, self-test");
    world.gateway.kick();
    world.gateway.wait_for_session(2);
    world.gateway.done("endpoint.restore", &json!({}));
    assert_eq!(world.reaches(), [true, true]);
}
