//! The block list on an endpoint, from the request over the API to what the endpoint can still do.

mod flood;

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use quell_lab::site::{Machine, Site, wait_for};
use serde_json::{Value, json};

use crate::{ended, id, said, site, until};

/// A service target has one command, carried out by the server; it waits until connected agents confirm.
fn list(site: &Site, action: &str, params: &Value) -> Value {
    let body = json!({ "action": action, "params": params, "reason": "a test" });
    let task = site.api.post("/tasks", &body).unwrap().good().unwrap();
    // A hundred thousand objects take a server of a development build a while on a busy machine.
    let task = wait_for("the task's end", Duration::from_mins(3), || {
        let task = site.task(&task)?;
        Ok((!task["ended_at"].is_null(), task))
    });
    let task = task.unwrap();
    assert_eq!(task["state"], "succeeded", "{task:#}");
    task
}

fn add(site: &Site, objects: &Value) -> Value {
    list(site, "blocklist.add", &json!({ "objects": objects }))
}

fn program(machine: &Machine, path: &str) -> String {
    said(
        machine,
        &format!("cp /bin/echo {path} && echo {path} >> {path} && sha256sum {path} | cut -d' ' -f1"),
    )
}

fn reaches(machine: &Machine, to: impl Into<SocketAddr>) -> bool {
    let to = to.into();
    machine
        .endpoint
        .within_network(|| TcpStream::connect_timeout(&to, Duration::from_millis(700)).is_ok())
        .unwrap()
}

fn hits_of(site: &Site, name: &str) -> Vec<Value> {
    let endpoint = site.record(name).unwrap();
    let path = format!("/audit?verb=endpoint.blocklist_hit&object={}", id(&endpoint));
    let page = site.api.get(&path).unwrap().good().unwrap();
    let items = page["items"].as_array().cloned().unwrap_or_default();
    items.into_iter().map(|item| item["detail"]["detail"].clone()).collect()
}

fn hit(site: &Site, name: &str, kind: &str) -> Value {
    let mut found = Value::Null;
    until(&format!("a hit of {kind}"), || {
        found = hits_of(site, name).into_iter().find(|hit| hit["kind"] == kind).unwrap_or_default();
        !found.is_null()
    });
    found
}

#[test]
fn what_is_listed_does_not_run_is_not_reached_and_is_told() {
    let Some(site) = site() else { return };
    let mut web = site.machine("web-1").unwrap();
    let other = site.lab.endpoint("web-2").unwrap();
    let (bad, good) = (program(&web, "/opt/bad"), program(&web, "/opt/good"));
    let service = other.within_network(|| TcpListener::bind(("0.0.0.0", 7000)).unwrap()).unwrap();
    let to = (other.ip4(), 7000);
    assert!(reaches(&web, to));
    let objects = json!([
        { "value": bad }, { "value": good, "action": "log" }, { "value": other.ip4() }, { "value": "*.evil.example" },
        { "value": "http://evil.example/a" }, { "value": "bad@evil.example" },
        // The server and the resolver of the lab: no agent may lock itself or its endpoint out.
        { "value": site.lab.server().sockets(1)[0].ip() },
        { "value": site.lab.outside().sockets(1)[0].ip() },
    ]);
    let task = add(&site, &objects);
    assert_eq!(task["commands"]["items"][0]["outcome"]["coverage"]["confirmed"], 1, "{task:#}");
    assert!(!web.sh("/opt/bad x").unwrap().ok(), "blocked by its hash");
    assert!(web.sh("/opt/good x").unwrap().ok(), "only reported");
    assert!(!reaches(&web, to));
    assert!(
        reaches(&web, site.lab.outside().sockets(quell_lab::ECHO_PORT)[0]),
        "its resolver is never blocked"
    );
    let hash = hit(&site, "web-1", "sha256");
    assert!(hash["value"] == bad.as_str() || hash["value"] == good.as_str(), "{hash:#}");
    let address = hit(&site, "web-1", "ip");
    assert_eq!(
        (&address["value"], &address["blocked"]),
        (&json!(other.ip4().to_string()), &json!(true)),
        "{address:#}"
    );

    // The rules are taken away, the agent is killed, the endpoint is started again: the list stands.
    said(&web, "nft delete table inet quell_block");
    web.kill_agent().unwrap();
    web.start_agent().unwrap();
    until("the rules after a crash", || web.rules().unwrap().contains("quell_block"));
    until("an address that is blocked again", || !reaches(&web, to));
    web.reboot().unwrap();
    web.start_agent().unwrap();
    until("the list after a reboot", || !web.sh("/opt/bad x").unwrap().ok());
    until("the address after a reboot", || !reaches(&web, to));
    site.connected("web-1", true).unwrap();

    // An exception lifts it for everybody, and removal takes back what was listed.
    let items = json!({ "items": [{ "value": other.ip4(), "reason": "ours" }] });
    site.api.put("/blocklist/exceptions", &items).unwrap().good().unwrap();
    until("the exception", || reaches(&web, to));
    let undo = site
        .api
        .post(&format!("/tasks/{}/undo", id(&task)), &json!({ "reason": "over" }))
        .unwrap()
        .good()
        .unwrap();
    let undo = if undo["id"].is_string() { undo } else { undo["task"].clone() };
    assert_eq!(site.ended(&undo).unwrap()["state"], "succeeded");
    until("a program that runs again", || web.sh("/opt/bad x").unwrap().ok());
    assert!(!web.rules().unwrap().contains("quell_block"), "nothing listed, no rules");
    drop(service);
}

/// A question for a name, and the answer that it is this address for a minute.
fn dns(name: &str, address: Ipv4Addr) -> (Vec<u8>, Vec<u8>) {
    let mut question = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        question.push(label.len() as u8);
        question.extend(label.as_bytes());
    }
    question.extend([0, 0, 1, 0, 1]);
    let mut answer = question.clone();
    answer[2..8].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 1]);
    answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
    answer.extend(address.octets());
    (question, answer)
}

#[test]
fn a_blocked_name_does_not_resolve_and_where_it_does_leads_nowhere() {
    let Some(site) = site() else { return };
    let mut web = site.machine("web-1").unwrap();
    let (resolver, shop) = (site.lab.endpoint("web-2").unwrap(), site.lab.endpoint("web-3").unwrap());
    let _service = shop.within_network(|| TcpListener::bind(("0.0.0.0", 7000)).unwrap()).unwrap();
    // Not one of the networks of those who ask: into these no name leads a block.
    let public = Ipv4Addr::new(198, 51, 100, 9);
    assert!(shop.run(&["ip", "address", "add", "198.51.100.9/32", "dev", "lo"]).unwrap().ok());
    said(&web, &format!("ip route add {public} via {}", shop.ip4()));
    let to = (public, 7000);
    add(&site, &json!([{ "value": "*.evil.example" }, { "value": "odd.example", "action": "log" }]));
    // Whether the answer came as it was sent; otherwise it says that there is no such name, and nothing more.
    let resolves = |web: &Machine, name: &str| {
        let (question, answer) = dns(name, public);
        let there = resolver.within_network(|| UdpSocket::bind(("0.0.0.0", 53)).unwrap()).unwrap();
        let here = web.endpoint.within_network(|| UdpSocket::bind(("0.0.0.0", 0)).unwrap()).unwrap();
        here.send_to(&question, (resolver.ip4(), 53)).unwrap();
        let mut buffer = [0; 512];
        let (_, from) = there.recv_from(&mut buffer).unwrap();
        there.send_to(&answer, from).unwrap();
        here.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let count = here.recv(&mut buffer).unwrap();
        let is_whole = buffer[..count] == answer;
        assert!(is_whole || (count, buffer[3] & 0xf, buffer[7]) == (question.len(), 3, 0));
        is_whole
    };
    assert!(resolves(&web, "good.example") && resolves(&web, "evil.example.good.example"));
    assert!(resolves(&web, "odd.example"), "only reported");
    assert!(!resolves(&web, "Shop.EVIL.example") && !resolves(&web, "evil.example"));
    assert!(reaches(&web, to), "nobody was told of the address");
    let mut hits = Vec::new();
    until("both hits", || {
        hits = [json!("*.evil.example"), json!("odd.example")]
            .iter()
            .filter_map(|value| hits_of(&site, "web-1").into_iter().find(|hit| hit["value"] == *value))
            .collect();
        hits.len() == 2
    });
    let of = |hit: &Value| (hit["blocked"].clone(), hit["way"].clone());
    assert_eq!(
        hits.iter().map(of).collect::<Vec<_>>(),
        [(json!(true), json!("dns")), (json!(false), json!("dns"))]
    );

    // An answer that nobody asked for changes nothing, and is no hit.
    let (_, forged) = dns("forged.evil.example", Ipv4Addr::new(198, 51, 100, 10));
    let there = resolver.within_network(|| UdpSocket::bind(("0.0.0.0", 53)).unwrap()).unwrap();
    for port in 1000..1200 {
        there.send_to(&forged, (web.endpoint.ip4(), port)).unwrap();
    }
    drop(there);
    assert!(!web.rules().unwrap().contains("198.51.100.10"));

    // Without the agent names resolve; with it again they do not.
    web.kill_agent().unwrap();
    assert!(resolves(&web, "shop.evil.example"), "it fails open");
    web.start_agent().unwrap();
    until("names that are refused again", || !resolves(&web, "shop.evil.example"));
    // Somebody takes the rules away: what such a name leads to is blocked.
    said(&web, "nft delete table inet quell_names");
    assert!(resolves(&web, "shop.evil.example") && resolves(&web, "good.example"));
    let took = until("the address behind the name to be blocked", || !reaches(&web, to));
    println!("blocked at the latest {took:?} after the answer");
}

/// What was removed and brought back stands by the task that brought it back: an undo of the first listing takes nothing from
/// it and says whose it is; an undo of the last one takes it off.
#[test]
fn what_was_brought_back_is_taken_off_by_whoever_brought_it_back() {
    let Some(site) = site() else { return };
    let web = site.machine("web-1").unwrap();
    let bad = program(&web, "/opt/bad");
    let runs = || web.sh("/opt/bad x").unwrap().ok();
    let undo = |task: &Value| {
        let undo =
            site.api.post(&format!("/tasks/{}/undo", id(task)), &json!({ "reason": "a test" })).unwrap();
        site.ended(&undo.good().unwrap()).unwrap()
    };
    let first = add(&site, &json!([{ "value": bad }]));
    until("the hash to be blocked", || !runs());
    let removal = list(&site, "blocklist.remove", &json!({ "objects": [{ "value": bad }] }));
    until("the hash to be free", runs);
    let back = undo(&removal);
    assert_eq!(back["state"], "succeeded", "{back:#}");
    until("the hash to be blocked again", || !runs());
    let nothing = undo(&first);
    assert_eq!(ended(&nothing), ("failed", "not_listed"), "{nothing:#}");
    assert!(nothing.to_string().contains("goes with an undo of that one"), "{nothing:#}");
    assert!(!runs());
    assert_eq!(undo(&back)["state"], "succeeded");
    until("the hash to be free again", runs);
}

/// What the agent and its guard hold at rest, with two hundred thousand objects. KB.
const IDLE_KB: u64 = 20 << 10;
/// Nothing is asked of the agent for so long before it is looked at.
const IDLE: Duration = Duration::from_mins(1);
/// For each process of the agent: what is its own, Pss, Rss (KB), and which it is.
const MEMORY: &str = "for p in /proc/[0-9]*; do case $(readlink $p/exe) in */quell-agent) \
    awk '/^Private_(Clean|Dirty)/ { own += $2 } /^Pss:/ { pss = $2 } /^Rss:/ { rss = $2 } END { print own, pss, rss }' \
    $p/smaps_rollup | tr '\\n' ' '; tr '\\0' ' ' < $p/cmdline; echo;; esac; done; :";

/// What all processes of the agent hold after a minute of rest: their own, Pss and Rss, KB.
fn at_rest(web: &Machine) -> [u64; 3] {
    // Time is what is measured: a list that was just taken leaves room behind that is given back soon.
    std::thread::sleep(IDLE);
    let memory = said(web, MEMORY);
    println!("after {IDLE:?} of rest (KB of its own, Pss, Rss, process):\n{memory}");
    let column = |at: usize| -> u64 {
        memory.lines().filter_map(|line| line.split(' ').nth(at)?.parse::<u64>().ok()).sum()
    };
    [column(0), column(1), column(2)]
}

#[test]
#[ignore = "two minutes: a measurement, in the nightly run"]
fn a_hundred_thousand_hashes_and_as_many_addresses_are_in_force_in_seconds() {
    let Some(site) = site() else { return };
    let web = site.machine("web-1").unwrap();
    let bad = program(&web, "/opt/bad");
    let scattered =
        |number: u32| Ipv4Addr::from(number.wrapping_mul(0x9e37_79b1) % 0x5000_0000 + 0x1000_0000);
    let hash = |number: u32| quell_wire::digest::hex(&quell_wire::digest::sha256(&[&number.to_be_bytes()]));
    let hashes = (1..100_000).map(hash).chain([bad]).collect::<Vec<_>>().join("\n");
    let addresses = (0..100_000).map(|number| scattered(number).to_string()).collect::<Vec<_>>().join("\n");
    let began = Instant::now();
    for (name, body) in [("hashes", hashes), ("addresses", addresses)] {
        let path = format!("/library/indicators/{name}/versions?note=first&description=feed");
        site.api.post_as(&path, "text/plain", body.into_bytes()).unwrap().good().unwrap();
        let task = list(&site, "blocklist.add", &json!({ "list": name }));
        assert_eq!(task["commands"]["items"][0]["outcome"]["added"], 100_000);
    }
    let whole = began.elapsed();
    println!("200,000 objects uploaded, listed, handed out and in force after {whole:?}");
    let log = site.log("web-1");
    println!(
        "{}",
        log.lines().filter(|line| line.contains("block list in force")).collect::<Vec<_>>().join("\n")
    );
    assert!(!web.sh("/opt/bad x").unwrap().ok());
    assert!(!reaches(&web, (scattered(1), 80)));
    // A name is refused too: every part of it is at work.
    add(&site, &json!([{ "value": "*.evil.example" }]));
    let [own, pss, rss] = at_rest(&web);
    println!(
        "agent and guard, everything on, 200,001 objects: {own} KB of their own, Pss {pss} KB, Rss {rss} KB"
    );
    // Code of a build without optimisation is several times that of a release, and it is the file's, not theirs.
    let is_release = std::env::var_os("QUELL_LAB_AGENT").is_some();
    let held = if is_release { pss } else { own };
    assert!(held < IDLE_KB, "{held} KB");
    assert!(whole < Duration::from_mins(1), "{whole:?}");
}
