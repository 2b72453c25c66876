//! What the agent costs, and what it does when the disk is full.

use std::process::Command;

use quell_wire::Status;
use quell_wire::frame::FromServer;
use serde_json::json;

use crate::gateway::Gateway;
use crate::process::Endpoint;

#[test]
fn an_idle_agent_is_small() {
    let gateway = Gateway::start();
    let mut endpoint = Endpoint::new(None);
    endpoint.enrol(&gateway);
    endpoint.connect(&gateway);
    let status = std::fs::read_to_string(format!("/proc/{}/status", endpoint.pid())).unwrap();
    let of = |field: &str| -> u64 {
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    // Code pages of a build without optimisation are several times those of a release; the heap is the same.
    println!("VmRSS {} kB, of which RssAnon {} kB", of("VmRSS:"), of("RssAnon:"));
    assert!(of("RssAnon:") < 8 << 10, "{status}");
}

#[test]
fn a_full_disk_refuses_new_orders_and_leaves_the_agent_alive() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: a file system of its own needs root");
        return;
    }
    let gateway = Gateway::start();
    let mut endpoint = Endpoint::new(None);
    std::fs::create_dir(endpoint.state()).unwrap();
    // In a mount namespace of the agent's own, so that nothing is left on this machine.
    endpoint.wrap(&[
        "/usr/bin/unshare",
        "--mount",
        "--propagation",
        "private",
        "/bin/sh",
        "-c",
        "mount -t tmpfs -o size=8m,mode=700 none \"$0\" && cp -a \"$0.kept/.\" \"$0/\" && exec \"$@\"",
    ]);
    let keeper = Endpoint::new(None);
    keeper.enrol(&gateway);
    copy(&keeper.state(), &endpoint.state().with_extension("kept"));
    endpoint.connect(&gateway);
    let order = |n: u32| {
        let order = gateway.order("endpoint.restore", &json!({ "unknown": n }));
        gateway.send(FromServer::Order(gateway.sign(&order)));
        order
    };
    let first = order(0);
    assert_eq!(gateway.outcome(&first.order_id).reason_code, "params_invalid");
    let inside = format!("/proc/{}/root{}/filler", endpoint.pid(), endpoint.state().display());
    let reserve = format!("/proc/{}/root{}/journal.reserve", endpoint.pid(), endpoint.state().display());
    // The order above made the reserve; without it the next order must make it anew, and cannot.
    std::fs::remove_file(reserve).unwrap();
    let mut filler = std::fs::File::create(&inside).unwrap();
    while std::io::Write::write_all(&mut filler, &[1; 4096]).is_ok() {}
    let second = order(1);
    let outcome = gateway.outcome(&second.order_id);
    assert_eq!(
        (outcome.status, outcome.reason_code.as_str()),
        (i32::from(Status::Refused), "journal_unavailable"),
        "{outcome:?}"
    );
    // Room again: nothing was remembered, so the same order may come again.
    drop(filler);
    std::fs::remove_file(&inside).unwrap();
    gateway.send(FromServer::Order(gateway.sign(&second)));
    assert_eq!(gateway.outcome(&second.order_id).reason_code, "params_invalid");
    assert!(endpoint.is_running());
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    let status = Command::new("/bin/cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(status.success());
}
