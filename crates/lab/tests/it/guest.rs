//! A guest in QEMU: boots, is restored, carries out what it is told, reboots for real, takes our kind of rules.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use quell_lab::guest::{self, Error, Guest, Network, Options, Program};

const LONG: Duration = Duration::from_mins(1);

/// Starts a guest, or says why not.
fn start(options: Options) -> Option<Guest> {
    if let Err(error) = guest::prepare() {
        println!("skipped: {error}");
        return None;
    }
    match Guest::start(options) {
        Ok(guest) => {
            println!("{:?}", guest.started());
            Some(guest)
        }
        Err(error @ Error::Unavailable { .. }) => {
            println!("skipped: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Runs a script that must succeed, and gives what it printed.
fn sh(guest: &mut Guest, text: &str) -> String {
    let output = guest.script(text, LONG).unwrap();
    assert!(output.success(), "{text}: {} {}", output.text(), String::from_utf8_lossy(&output.stderr));
    output.text()
}

#[test]
fn a_guest_obeys_and_its_disk_outlives_reboots() {
    let Some(mut guest) = start(Options { snapshot: false, ..Options::new("vm-1") }) else { return };
    assert!(!guest.started().restored);

    // Words stay words, bytes stay bytes, failures and endless programs are told.
    let output = guest.run(&["printf", "%s|", "a b", "it's", "$HOME", "\n"]).unwrap();
    assert_eq!((output.status, output.stdout.as_slice()), (0, &b"a b|it's|$HOME|\n|"[..]));
    assert_eq!(guest.run(&["sh", "-c", "echo no >&2; exit 7"]).unwrap().status, 7);
    assert_eq!(guest.run_within(&["sleep", "600"], Duration::from_secs(1)).unwrap().status, 137);
    assert!(
        sh(&mut guest, "hostname; uname -r; bash -c 'echo $BASH_VERSION'; cat /proc/1/comm")
            .starts_with("vm-1\n6.")
    );

    let every_byte: Vec<u8> = (0..=255_u8).cycle().take(300_000).collect();
    guest.put("/var/lib/a dir/it's", &every_byte, 0o640).unwrap();
    assert_eq!(guest.run(&["cat", "/var/lib/a dir/it's"]).unwrap().stdout, every_byte);
    assert_eq!(sh(&mut guest, "stat -c %a \"/var/lib/a dir/it's\""), "640");

    // A reboot ends processes and rules, and keeps the disk; the boot script runs again, before the network.
    guest.put("/etc/rc.local", b"echo boot >>/var/log/boots\n", 0o755).unwrap();
    let pid = guest.spawn(&["sleep", "600"], "/var/log/sleep").unwrap();
    assert!(sh(&mut guest, &format!("nft add table inet kept; cat /proc/{pid}/comm")).starts_with("sleep"));
    let (before, id) = (guest.boot_id().to_owned(), sh(&mut guest, "cat /etc/machine-id"));
    let began = Instant::now();
    guest.reboot().unwrap();
    println!("reboot {:?}", began.elapsed());
    assert_ne!(guest.boot_id(), before);
    assert_eq!(guest.run(&["cat", "/var/lib/a dir/it's"]).unwrap().stdout, every_byte);
    assert_eq!(
        sh(&mut guest, "nft list tables; pidof sleep; cat /var/log/boots /etc/machine-id"),
        format!("boot\n{id}")
    );

    // Loss of power keeps what was synced.
    sh(&mut guest, "echo synced >/var/lib/s; sync");
    guest.cut_power().unwrap();
    assert_eq!(sh(&mut guest, "cat /var/lib/s"), "synced");

    let place = PathBuf::from(format!("/proc/{}", guest.pid()));
    assert!(place.exists());
    drop(guest);
    assert!(!place.exists(), "QEMU outlived its guest");
}

#[test]
fn a_restored_guest_is_its_own_machine() {
    let options = |name: &str| Options {
        network: Network::Closed,
        addresses: vec!["10.0.2.15/24".into(), "fd86::15/64".into()],
        gateways: vec!["10.0.2.2".into()],
        programs: vec![Program { from: "/usr/bin/env".into(), at: "/usr/local/bin/carried".into() }],
        ..Options::new(name)
    };
    // Whichever comes first leaves the snapshot.
    let Some(first) = start(options("vm-a")) else { return };
    drop(first);
    let (mut a, mut b) = (start(options("vm-a")).unwrap(), start(options("vm-b")).unwrap());
    assert!(a.started().restored && b.started().restored);
    assert_ne!(a.boot_id(), b.boot_id());
    let own = "hostname; cat /etc/machine-id /sys/class/net/eth0/address; head -c 16 /dev/urandom | md5sum";
    let (of_a, of_b) = (sh(&mut a, own), sh(&mut b, own));
    let differing = of_a.lines().zip(of_b.lines()).filter(|(a, b)| a != b).count();
    assert_eq!(differing, 4, "{of_a}\n{of_b}");
    let addresses = sh(&mut a, "ip -brief address show eth0; ip route; carried A=1 sh -c 'echo $A'");
    for part in ["10.0.2.15/24", "fd86::15/64", "default via 10.0.2.2 dev eth0", "\n1"] {
        assert!(addresses.contains(part), "{part}: {addresses}");
    }
    let host = Command::new("date").arg("+%s").output().unwrap().stdout;
    let host: u64 = String::from_utf8(host).unwrap().trim().parse().unwrap();
    let skew = sh(&mut b, "date +%s").parse::<u64>().unwrap().abs_diff(host);
    assert!(skew <= 5, "the guest's clock is off by {skew} s");

    // What an isolation needs of the kernel: both families, reject, conntrack, and the egress hook of a device.
    a.put("/root/rules", RULES.as_bytes(), 0o600).unwrap();
    sh(&mut a, "nft -f /root/rules && nft list ruleset | grep -q 'hook egress device \"eth0\"'");
    assert!(sh(&mut a, "cat /sys/kernel/security/lsm").contains("bpf"));
    a.reboot().unwrap();
    assert_eq!(sh(&mut a, "nft list ruleset; hostname"), "vm-a");
}

const RULES: &str = r#"
table inet quell_isolation {
  chain output {
    type filter hook output priority -300; policy drop;
    oif "lo" accept
    meta mark 0x51 ip daddr 10.0.2.2 tcp dport 443 accept
    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 accept
    reject with icmpx type admin-prohibited
  }
  chain input {
    type filter hook input priority -300; policy drop;
    iif "lo" accept
    ct state established,related accept
  }
}
table netdev quell_isolation {
  chain egress_eth0 {
    type filter hook egress device "eth0" priority -300; policy drop;
    ether type arp accept
    meta mark 0x51 ip daddr 10.0.2.2 accept
  }
}
"#;

#[test]
fn a_guest_is_reached_over_a_bridge() {
    let root = Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout == b"0\n");
    if !root {
        println!("skipped: a bridge in a network namespace needs root");
        return;
    }
    let Some(holder) = Holder::new() else { return };
    let options = Options {
        network: Network::Bridge { namespace: holder.namespace(), bridge: "br0".into() },
        addresses: vec!["10.86.9.2/24".into(), "fd86:9::2/64".into()],
        ..Options::new("vm-net")
    };
    let Some(mut guest) = start(options) else { return };
    sh(&mut guest, "ping -c 1 -W 5 10.86.9.1 && ping -c 1 -W 5 fd86:9::1");
    holder.enter("busybox ping -c 1 -W 5 10.86.9.2");
    // The same name on the wire as in the guest: neighbours know it by its own hardware address.
    let neighbours = holder.enter("ip neighbour show 10.86.9.2");
    assert!(neighbours.contains(guest.mac()), "{neighbours}");
    guest.reboot().unwrap();
    sh(&mut guest, "ping -c 1 -W 5 10.86.9.1");
}

/// A network namespace with a bridge, alive as long as its process.
struct Holder(std::process::Child);

impl Holder {
    fn new() -> Option<Self> {
        let script = "ip link add br0 type bridge && ip addr add 10.86.9.1/24 dev br0 \
            && ip addr add fd86:9::1/64 dev br0 nodad && ip link set br0 up && echo up && exec sleep 600";
        let child = Command::new("unshare")
            .args(["--net", "--kill-child", "sh", "-c", script])
            .stdout(std::process::Stdio::piped())
            .spawn();
        let Ok(mut child) = child else {
            println!("skipped: unshare is not installed");
            return None;
        };
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line)
            .unwrap();
        assert_eq!(line, "up\n");
        Some(Self(child))
    }

    fn namespace(&self) -> PathBuf {
        Path::new("/proc").join(self.0.id().to_string()).join("ns/net")
    }

    fn enter(&self, command: &str) -> String {
        let net = format!("--net={}", self.namespace().display());
        let output = Command::new("nsenter").args([&net, "sh", "-c", command]).output().unwrap();
        assert!(output.status.success(), "{command}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
