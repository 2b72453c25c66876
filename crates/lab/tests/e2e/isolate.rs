//! An isolation from its request to its end, seen from the endpoint, from outside and from another endpoint.

use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use quell_lab::ECHO_PORT;
use quell_lab::site::{GATEWAY, Machine, Site, Witness, ways_out};
use serde_json::{Value, json};

use crate::{all_cut, all_open, ended, id, said, site, succeeded, until};

const LIMIT: Duration = Duration::from_millis(800);
/// Rules of somebody else, which an isolation must neither use nor lose.
const OWN_RULES: &str = "nft 'add table inet own; add chain inet own in { type filter hook input priority 5; }; \
                         add rule inet own in tcp dport 4444 drop'";

fn canaries(site: &Site) -> Value {
    json!({ "canaries": site.lab.outside().sockets(ECHO_PORT).map(|s| s.to_string()) })
}

fn reaches_server(site: &Site, machine: &Machine) -> [bool; 2] {
    site.lab
        .server()
        .sockets(GATEWAY)
        .map(|to| machine.endpoint.within_network(|| TcpStream::connect_timeout(&to, LIMIT)).unwrap().is_ok())
}

fn isolated(site: &Site, name: &str) -> bool {
    !site.record(name).unwrap()["isolation"].is_null()
}

/// Frames that go past the socket layer: twenty broadcasts of a local experimental EtherType, and hand-made UDP.
const RAW_SENDER: &str = "import socket, time\n\
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)\n\
    s.bind(('eth0', 0))\n\
    mac = s.getsockname()[4]\n\
    for _ in range(20):\n\
    \x20   for kind in (b'\\x88\\xb5', b'\\x08\\x00', b'\\x86\\xdd'):\n\
    \x20       try: s.send(b'\\xff' * 6 + mac + kind + b'\\x45' + b'x' * 60)\n\
    \x20       except OSError: pass\n";

#[test]
fn what_was_open_dies_what_is_new_fails_and_it_outlives_flush_kill_and_reboot() {
    let Some(mut site) = site() else { return };
    let mut web = site.machine("web-1").unwrap();
    let db = site.machine("db-1").unwrap();
    said(&web, OWN_RULES);
    let before = web.rules().unwrap();
    let mut witness = Witness::take(&site.lab, &web.endpoint).unwrap();
    all_open(&witness.old_ways());
    all_open(&witness.new_ways(&site.lab, &web.endpoint).unwrap());
    assert_eq!(reaches_server(&site, &web), [true; 2]);
    let has_python = web.sh("python3 -c ''").unwrap().ok();
    let mark = site.lab.outside().mark();
    if has_python {
        std::fs::write(web.endpoint.path("/root/raw.py"), RAW_SENDER).unwrap();
        said(&web, "python3 /root/raw.py");
        assert!(site.lab.outside().received_since(&mark, web.endpoint.addresses()).frames >= 20);
    } else {
        println!("not tried without python3: packet sockets");
    }

    let task = site.act("web-1", "endpoint.isolate", &canaries(&site)).unwrap();
    let command = succeeded(&task);
    let proofs = command["outcome"]["probes"].as_array().unwrap();
    let proven = |ip: &str| {
        proofs.iter().any(|p| p["proves"] == true && p["held"] == true && p.to_string().contains(ip))
    };
    assert!(proven("10.86.0.2") && proven("fd86::2"), "{proofs:#?}");
    std::thread::sleep(Duration::from_secs(1));
    let mark = site.lab.outside().mark();
    is_cut(&site, &web, &mut witness);
    let to = std::net::SocketAddr::new(web.endpoint.ip4().into(), 4000);
    assert!(db.endpoint.within_network(|| TcpStream::connect_timeout(&to, LIMIT)).unwrap().is_err());
    if has_python {
        said(&web, "python3 /root/raw.py");
    }
    let crossed = site.lab.outside().received_since(&mark, web.endpoint.addresses());
    assert_eq!(crossed.bytes, 0, "{crossed:?}");
    assert!(isolated(&site, "web-1") && !isolated(&site, "db-1"));
    all_open(&ways_out(&db.endpoint, site.lab.outside()).unwrap());
    let rules = web.rules().unwrap();

    // Local root takes the rules away: all, ours, or one of ours.
    for flush in [
        "nft flush ruleset",
        "nft -a list ruleset | grep -o 'table .*quell[^ ]*' | while read t; do nft delete $t; done",
    ] {
        said(&web, flush);
        let took = until("the rules", || web.rules().unwrap().contains("quell"));
        println!("repaired after {took:?}: {flush}");
        assert!(took < Duration::from_secs(3), "{took:?}");
        is_cut(&site, &web, &mut witness);
        said(&web, "nft list table inet own >/dev/null 2>&1 || true");
    }
    let endpoint = site.record("web-1").unwrap();
    let told = site.audited("endpoint.isolation_repaired", id(&endpoint)).unwrap();
    assert_eq!(told["detail"]["event"], "isolation_repaired", "{told}");
    said(&web, "nft delete table inet own 2>/dev/null; :");
    said(&web, OWN_RULES);
    assert_eq!(sorted(&web.rules().unwrap()), sorted(&rules), "repaired to what it was");

    // The agent dies: the rules stand, and the next one finds its server.
    web.kill_agent().unwrap();
    is_cut(&site, &web, &mut witness);
    web.start_agent().unwrap();
    site.connected("web-1", true).unwrap();
    is_cut(&site, &web, &mut witness);

    // A reboot, while the server is away: the rules are back without it.
    site.server.kill();
    web.reboot().unwrap();
    assert!(!web.rules().unwrap().contains("quell"), "a reboot empties the kernel");
    web.start_agent().unwrap();
    until("the rules after a reboot", || web.rules().unwrap().contains("quell"));
    all_cut(&ways_out(&web.endpoint, site.lab.outside()).unwrap());
    site.server.restart().unwrap();
    site.connected("web-1", true).unwrap();
    assert!(isolated(&site, "web-1"));
    assert_eq!(reaches_server(&site, &web), [false; 2]);

    // Undone: exactly what was added is gone.
    said(&web, OWN_RULES);
    let undo = site.api.post(&format!("/tasks/{}/undo", id(&task)), &json!({ "reason": "clean" })).unwrap();
    let undo = site.ended(&undo.good().unwrap()).unwrap();
    assert_eq!(succeeded(&undo)["action"], "endpoint.restore");
    assert_eq!(undo["undo_of"], task["id"]);
    assert_eq!(web.rules().unwrap(), before);
    all_open(&ways_out(&web.endpoint, site.lab.outside()).unwrap());
    assert!(!isolated(&site, "web-1"));
    assert_eq!(site.task(&task).unwrap()["undone_by"], undo["id"]);
}

/// Nothing passes, old or new, but the agent's own connection.
fn is_cut(site: &Site, machine: &Machine, witness: &mut Witness) {
    all_cut(&witness.old_ways());
    all_cut(&witness.new_ways(&site.lab, &machine.endpoint).unwrap());
    assert_eq!(reaches_server(site, machine), [false; 2], "others on the endpoint reach the server");
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn no_byte_of_a_flood_crosses_a_second_after_the_cut() {
    let Some(site) = site() else { return };
    let web = site.machine("web-1").unwrap();
    let outside = site.lab.outside();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for to in outside.sockets(ECHO_PORT) {
            let (over, web) = (&over, &web);
            scope.spawn(move || {
                let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
                let socket = web.endpoint.within_network(|| std::net::UdpSocket::bind(any)).unwrap().unwrap();
                while !over.load(Ordering::Relaxed) {
                    let _ = socket.send_to(b"flood", to);
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
        }
        let mark = outside.mark();
        until("the flood", || outside.received_since(&mark, web.endpoint.addresses()).frames > 20);
        let task = site.submit("web-1", "endpoint.isolate", &canaries(&site)).unwrap();
        let began = site.command_in(&task, "succeeded");
        let end = Instant::now();
        std::thread::sleep(Duration::from_secs(1).saturating_sub(end.elapsed()));
        let mark = outside.mark();
        std::thread::sleep(Duration::from_secs(1));
        let crossed = outside.received_since(&mark, web.endpoint.addresses());
        over.store(true, Ordering::Relaxed);
        succeeded(&began.unwrap());
        assert_eq!(crossed.bytes, 0, "{crossed:?}");
    });
}

#[test]
fn an_allow_list_opens_what_it_names_and_silence_is_no_proof() {
    let Some(site) = site() else { return };
    let web = site.machine("web-1").unwrap();
    let params = json!({
        "allow": [{ "network": "10.86.0.2/32", "protocol": "tcp", "port": ECHO_PORT }],
        "canaries": ["10.86.0.250:9"],
    });
    let task = site.act("web-1", "endpoint.isolate", &params).unwrap();
    let evidence = succeeded(&task)["evidence"].to_string();
    assert!(evidence.contains("no canary was reachable before the cut"), "{evidence}");
    let ways = ways_out(&web.endpoint, site.lab.outside()).unwrap();
    for way in &ways {
        assert_eq!(way.open, way.name == "new TCP connection to 10.86.0.2:7", "{way:?}");
    }
    let task = site.act("web-1", "endpoint.restore", &json!({})).unwrap();
    succeeded(&task);
    all_open(&ways_out(&web.endpoint, site.lab.outside()).unwrap());
}

#[test]
fn what_excludes_itself_is_refused_and_what_excludes_another_waits() {
    let Some(site) = site() else { return };
    let mut web = site.machine("web-1").unwrap();
    // Away, so that nothing ends before the next request.
    web.kill_agent().unwrap();
    site.connected("web-1", false).unwrap();
    let isolation = site.submit("web-1", "endpoint.isolate", &canaries(&site)).unwrap();
    let body = json!({
        "action": "endpoint.isolate", "reason": "a test", "targets": { "endpoints": ["web-1"] },
    });
    let second = site.api.post("/tasks", &body).unwrap();
    assert_eq!((second.status, &second.json()["code"]), (409, &json!("target_refused")));
    assert!(second.json()["detail"].as_str().unwrap().contains(id(&isolation)), "it says which one");
    let restoration = site.submit("web-1", "endpoint.restore", &json!({})).unwrap();
    web.start_agent().unwrap();
    let [one, two] = [isolation, restoration].map(|task| site.ended(&task).unwrap());
    let (one, two) = (succeeded(&one), succeeded(&two));
    assert!(one["ended_at"].as_str().unwrap() <= two["started_at"].as_str().unwrap(), "{one:#}{two:#}");
    assert_eq!(two["outcome"]["was_isolated"], true);
    all_open(&ways_out(&web.endpoint, site.lab.outside()).unwrap());
}

#[test]
fn the_service_manager_is_told_when_the_rules_stand_again() {
    let Some(mut site) = site() else { return };
    let mut web = site.machine("web-1").unwrap();
    succeeded(&site.act("web-1", "endpoint.isolate", &canaries(&site)).unwrap());
    site.server.kill();
    web.reboot().unwrap();
    // One file, seen from both sides.
    let manager = UnixDatagram::bind(web.endpoint.path("/root/notify")).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    web.start_agent_with(&[("NOTIFY_SOCKET", "/root/notify")]).unwrap();
    let mut word = [0; 16];
    let length = manager.recv(&mut word).unwrap();
    let rules = web.rules().unwrap();
    assert_eq!(&word[..length], b"READY=1");
    assert!(rules.contains("quell"), "{rules}");
}

#[test]
fn it_ends_by_itself_in_time_though_the_server_restarted() {
    let Some(mut site) = site() else { return };
    let web = site.machine("web-1").unwrap();
    let more = json!({ "revert_after_seconds": 4 });
    let task = site.submit_with("web-1", "endpoint.isolate", &canaries(&site), &more).unwrap();
    let task = site.ended(&task).unwrap();
    succeeded(&task);
    site.server.kill();
    all_cut(&ways_out(&web.endpoint, site.lab.outside()).unwrap());
    site.server.restart().unwrap();
    let mut undo = Value::Null;
    until("the undo", || {
        undo = site.task(&task).unwrap()["undone_by"].clone();
        !undo.is_null()
    });
    let undo = site.ended(&json!({ "id": undo })).unwrap();
    assert_eq!(ended(&undo).0, "succeeded", "{undo:#}");
    all_open(&ways_out(&web.endpoint, site.lab.outside()).unwrap());
}
