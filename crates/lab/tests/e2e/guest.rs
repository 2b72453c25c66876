//! A whole machine, isolated and rebooted for real: nothing of it leaves while it starts.

use std::time::Duration;

use quell_lab::guest::{self, Error, Guest, Options, Program};
use quell_lab::site::{GATEWAY, Programs};
use serde_json::json;

use crate::{site, succeeded, until};

const LONG: Duration = Duration::from_mins(2);
const AGENT: &str = "/usr/sbin/quell-agent";

/// As a service manager does it: the agent first, the network after the agent's rules. A chatterer starts with
/// it and tries to get out at every moment from then on; it says in which boot and when, so that a frame can be
/// told from one of another time.
const BOOT: &str = "#!/bin/bash\n\
    quell-agent run >>/var/log/agent.log 2>&1 &\n\
    read -r boot </proc/sys/kernel/random/boot_id\n\
    (while :; do for to in 10.86.0.2 fd86::2; do\n\
        read -r up rest </proc/uptime; echo \"out $boot $up\" 2>/dev/null >/dev/udp/$to/7\n\
    done; sleep 0.1; done) &\n\
    [ -e /var/lib/quell-agent/isolation.json ] || exit 0\n\
    for i in $(seq 600); do nft list tables 2>/dev/null | grep -q quell && exit 0; sleep 0.1; done\n";

fn start(site: &quell_lab::site::Site) -> Option<Guest> {
    let mut options = site.lab.guest("vm-1").unwrap();
    options.programs = vec![Program { from: Programs::of_this_build().unwrap().agent, at: AGENT.into() }];
    begun(options, guest::prepare())
}

/// A guest where one can be had; says why not where not.
pub(crate) fn begun(options: Options, prepared: Result<(), Error>) -> Option<Guest> {
    if let Err(error) = prepared {
        println!("skipped: {error}");
        return None;
    }
    match Guest::start(options) {
        Ok(guest) => Some(guest),
        Err(error @ Error::Unavailable { .. }) => {
            println!("skipped: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// What a script in the guest prints; it must succeed.
pub(crate) fn sh(guest: &mut Guest, text: &str) -> String {
    let output = guest.script(text, LONG).unwrap();
    assert!(output.success(), "{text}: {} {}", output.text(), String::from_utf8_lossy(&output.stderr));
    output.text()
}

pub(crate) fn mac(guest: &Guest) -> [u8; 6] {
    let bytes: Vec<u8> = guest.mac().split(':').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
    bytes.try_into().unwrap()
}

#[test]
fn a_reboot_lets_nothing_out() {
    let Some(site) = site() else { return };
    let Some(mut guest) = start(&site) else { return };
    let [gateway, _] = site.lab.server().sockets(GATEWAY);
    let token = site.token(1).unwrap();
    sh(&mut guest, &format!("QUELL_ENROL_TOKEN={token} {AGENT} enrol --server {gateway}"));
    guest.put("/etc/rc.local", BOOT.as_bytes(), 0o755).unwrap();
    let outside = site.lab.outside();
    let before = outside.mark();
    guest.reboot().unwrap();
    site.connected("vm-1", true).unwrap();
    until("the chatterer", || outside.received_from(&before, mac(&guest)).frames > 4);

    let canaries = outside.sockets(quell_lab::ECHO_PORT).map(|socket| socket.to_string());
    let task = site.act("vm-1", "endpoint.isolate", &json!({ "canaries": canaries })).unwrap();
    succeeded(&task);
    std::thread::sleep(Duration::from_secs(1));
    let boot = guest.boot_id().to_owned();
    let mark = outside.mark();
    guest.reboot().unwrap();
    assert_ne!(guest.boot_id(), boot);
    until("the agent of this boot", || {
        let record = site.record("vm-1").unwrap();
        record["connected"] == true && record["facts"]["boot_id"] == guest.boot_id()
    });
    assert!(sh(&mut guest, "nft list ruleset").contains("quell"));
    assert!(sh(&mut guest, "ps").contains("rc.local"), "the chatterer talks on");
    std::thread::sleep(Duration::from_secs(1));
    let crossed = outside.received_from(&mark, mac(&guest));
    let frames = outside.first_frames(&mark, mac(&guest));
    let mut log = || {
        sh(
            &mut guest,
            "read -r boot </proc/sys/kernel/random/boot_id; read -r up rest </proc/uptime; \
        echo \"boot $boot up $up\"; tail -n 40 /var/log/agent.log",
        )
    };
    assert_eq!(crossed.bytes, 0, "{crossed:?} {frames:#?} first boot {boot}\n{}", log());

    succeeded(&site.act("vm-1", "endpoint.restore", &json!({})).unwrap());
    until("the chatterer", || outside.received_from(&mark, mac(&guest)).frames > 4);
}
